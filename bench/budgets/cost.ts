import { costsOf } from '../measurement.js'
import * as gateway from '../sides/gateway.js'
import { bareProxy, caddy, hello, nginx } from '../sides/others.js'
import type { Budget } from './budget.js'

/** What a request costs: CPU time against CPU time. */

const gate = gateway.gateWithSession

export const cost: readonly Budget[] = [
  {
    name: 'gate with session / bare @fastify/http-proxy',
    ...costsOf(gate, bareProxy),
    limit: { most: 0.7 },
    stretch: 0.45,
  },
  {
    name: 'gate with session / Caddy plain reverse_proxy',
    ...costsOf(gate, caddy),
    limit: { most: 0.8 },
    stretch: 0.5,
  },
  {
    name: 'gate with session / nginx plain proxy_pass with keep-alive',
    ...costsOf(gate, nginx),
    limit: { most: 4.2 },
    stretch: 2.5,
  },
  {
    name: 'gate with session / gate with a public rule',
    ...costsOf(gate, gateway.gatePublic),
    limit: { most: 1.1 },
    stretch: 1.05,
  },
  {
    name: 'gate with a branch / gate with session at a host',
    ...costsOf(gateway.gateWithBranch, gateway.gateAtHost),
    limit: { most: 1.02 },
    stretch: 1.01,
  },
  {
    name: '1,000 rules / 10 rules',
    ...costsOf(gateway.gateWithManyRules, gate),
    limit: { most: 1.05 },
    stretch: 1.01,
  },
  {
    name: '1,000,000 sessions / 1,000 sessions',
    ...costsOf(gateway.gateWithManySessions, gate),
    limit: { most: 1.1 },
    stretch: 1.02,
  },
  {
    name: 'Redis store, warm / embedded store',
    ...costsOf(gateway.gateOnRedis, gate),
    limit: { most: 1.1 },
    stretch: 1.03,
  },
  {
    name: 'forward-auth / Fastify hello world',
    ...costsOf(gateway.forwardAuth, hello),
    limit: { most: 1.3 },
    stretch: 1.1,
  },
]
