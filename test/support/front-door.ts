import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { AddressRanges } from '../../src/access/client-address.js'
import { type NetworkSettings, Policy } from '../../src/access/policy.js'
import type { Logger } from '../../src/contracts.js'
import { Applications, type ProxySite, type Scheme } from '../../src/http/applications/application.js'
import { type ApiClientFinder, Gate, type GateSession } from '../../src/http/gate/gate.js'
import { httpServerOptions, requestIds } from '../../src/http/listener/server-options.js'
import { forwardAuth } from '../../src/http/sites/forward-auth.js'
import { sites, type UpstreamHealth } from '../../src/http/sites/sites.js'
import { Cookies } from '../../src/http/web/cookies.js'
import { ErrorAnswers } from '../../src/http/web/errors.js'
import type { WebSocketLimits } from '../../src/http/web-sockets/web-sockets.js'
import type { Scope } from './scope.js'

/** Everything in front of the applications as `app.ts` puts it together, without pages: real sockets, real Fastify. */
export interface FrontDoor {
  readonly port: number
  readonly fastify: FastifyInstance
  readonly applications: Applications
  readonly gate: Gate<ProxySite>
  /** What was logged, as text. */
  readonly log: string[]
  /** Tokens that open something; taking one out ends the session. */
  readonly sessions: Map<string, GateSession>
  /** Makes every look for a session wait for, or fail with, what this gives. */
  beforeFind: (() => Promise<void>) | undefined
}

export const token = 'T'.repeat(43)
export const prefix = '/.gatelodge'

/** Somebody who gave a password and a second factor just now. */
export function signedIn(username: string): GateSession {
  const now = Date.now()
  return {
    session: {
      id: `id-of-${username}`,
      passwordAt: now,
      secondFactorAt: now,
      user: { id: username, username, email: `${username}@example.com`, groups: ['staff'] },
    },
    account: { status: 'active', role: 'user', required: false, enrolled: [{ method: 'totp' }] },
  }
}

export type SiteInput = Omit<ProxySite, 'path' | 'line' | 'rules'> & Partial<Pick<ProxySite, 'path' | 'rules'>>

export interface FrontDoorInput {
  readonly sites: readonly SiteInput[]
  readonly networks?: readonly NetworkSettings[]
  readonly trusted?: readonly string[]
  /** Who may ask by forward-auth, where those are not the trusted ones. */
  readonly peers?: readonly string[]
  readonly programs?: ApiClientFinder
  readonly scheme?: Scheme
  readonly maxConnections?: number
  readonly tunnelLimits?: WebSocketLimits
  readonly upstreams?: UpstreamHealth
}

export async function frontDoor(t: Scope, input: FrontDoorInput): Promise<FrontDoor> {
  const log: string[] = []
  const write = (fields: object, message: string) =>
    void log.push(
      `${message} ${JSON.stringify(fields, (_, value) => (value instanceof Error ? String(value) : value))}`,
    )
  const logger: Logger = { debug: write, info: write, warn: write, error: write }
  const requestId = requestIds()
  const errors = new ErrorAnswers({ log: logger, requestId })
  const policy = new Policy<ProxySite>({
    sites: input.sites.map((site) => ({ path: '/', line: 1, rules: [], ...site })),
    networks: input.networks ?? [],
    secondFactor: { required: 'when-enabled', unenrolled: 'enrol' },
  })
  const sessions = new Map([[token, signedIn('bob')]])
  const cookies = new Cookies({ secure: false })
  const door = { log, sessions, beforeFind: undefined } as Pick<FrontDoor, 'log' | 'sessions' | 'beforeFind'>
  const find = async (value: string | undefined) => {
    await door.beforeFind?.()
    return value === undefined ? undefined : sessions.get(value)
  }
  const trusted = AddressRanges.parse(input.trusted ?? [])
  const gate = new Gate({
    policy,
    sessions: { find },
    programs: input.programs,
    trusted,
    prefix,
    cookies,
    tokenHeader: 'x-gatelodge-token',
    now: Date.now,
  })
  const applications = new Applications(policy.sites, input.scheme ?? 'http')
  const { maxConnections } = input
  const fastify = Fastify({
    ...httpServerOptions({ errors, requestId, ...(maxConnections === undefined ? {} : { maxConnections }) }),
  })
  await fastify.register(sites, {
    policy,
    gate,
    applications,
    errors,
    requestId,
    tunnelLimits: input.tunnelLimits,
    upstreams: input.upstreams,
    log: logger,
  })
  const peers = AddressRanges.parse(input.peers ?? input.trusted ?? [])
  const asking = AddressRanges.parse([...(input.trusted ?? []), ...(input.peers ?? [])])
  await fastify.register(forwardAuth, { prefix, gate, applications, errors, peers, trusted: asking })
  await fastify.register(async (own) => {
    own.post(`${prefix}/echo`, async (request) => ({ body: request.body }))
    own.get(`${prefix}/throw`, async () => {
      throw new Error('SECRET')
    })
  })
  await fastify.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(async () => {
    fastify.server.closeAllConnections()
    await fastify.close()
  })
  const { port } = fastify.server.address() as AddressInfo
  return Object.assign(door, { port, fastify, applications, gate })
}

export interface Application {
  readonly url: string
  readonly port: number
  readonly server: Server
  /** Every request that arrived, in order. */
  readonly requests: IncomingMessage[]
}

/** A real application on a port of its own. */
export async function application(t: Scope, listener?: RequestListener): Promise<Application> {
  const requests: IncomingMessage[] = []
  const server = createServer({ maxHeaderSize: 64 * 1024, requestTimeout: 0 }, (request, response) => {
    requests.push(request)
    if (listener !== undefined) listener(request, response)
    else request.resume().on('end', () => response.end(`${request.method} ${request.url}`))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, port, server, requests }
}
