import { cpuOf } from '../measurement.js'
import * as gateway from '../sides/gateway.js'
import { bareProxy, caddy, hello, nginx } from '../sides/others.js'
import type { Budget } from './budget.js'

/** What a request costs: CPU time against CPU time. */

const gate = cpuOf(gateway.gateWithSession)

export const cost: readonly Budget[] = [
  {
    name: 'gate with session / bare @fastify/http-proxy',
    of: gate,
    to: cpuOf(bareProxy),
    limit: { most: 0.7 },
    stretch: 0.45,
  },
  {
    name: 'gate with session / Caddy plain reverse_proxy',
    of: gate,
    to: cpuOf(caddy),
    limit: { most: 0.8 },
    stretch: 0.5,
  },
  {
    name: 'gate with session / nginx plain proxy_pass with keep-alive',
    of: gate,
    to: cpuOf(nginx),
    limit: { most: 4.2 },
    stretch: 2.5,
  },
  {
    name: 'gate with session / gate with a public rule',
    of: gate,
    to: cpuOf(gateway.gatePublic),
    limit: { most: 1.1 },
    stretch: 1.05,
  },
  {
    name: '1,000 rules / 10 rules',
    of: cpuOf(gateway.gateWithManyRules),
    to: gate,
    limit: { most: 1.05 },
    stretch: 1.01,
  },
  {
    name: '1,000,000 sessions / 1,000 sessions',
    of: cpuOf(gateway.gateWithManySessions),
    to: gate,
    limit: { most: 1.1 },
    stretch: 1.02,
  },
  {
    name: 'Redis store, warm / embedded store',
    of: cpuOf(gateway.gateOnRedis),
    to: gate,
    limit: { most: 1.1 },
    stretch: 1.03,
  },
  {
    name: 'forward-auth / Fastify hello world',
    of: cpuOf(gateway.forwardAuth),
    to: cpuOf(hello),
    limit: { most: 1.3 },
    stretch: 1.1,
  },
]
