import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify'
import { hostName } from '../../access/policy.js'
import { type ErrorCode, GatelodgeError } from '../../errors.js'
import { toOriginForm } from '../web/absolute-form.js'
import type { ErrorAnswers } from '../web/errors.js'

export interface HttpServerSettings {
  readonly errors: ErrorAnswers
  /** From {@link requestIds}; the same one that `errors` has. */
  readonly requestId: () => string
  /** Of our own pages: health under it is answered to whoever asks, as programs ask that know no `Host`. */
  readonly prefix?: string
  /** Open client connections; those beyond are closed at once. */
  readonly maxConnections?: number
  /** Above the idle time of the load balancers in front, or they send requests into a closing connection. */
  readonly keepAliveTimeoutMs?: number
}

/** Limits of ARCHITECTURE.md, "Numbers". */
const maxHeaderBytes = 16 * 1024
const maxHeaderFields = 100
const ownBodyBytes = 16 * 1024
const headersTimeoutMs = 10_000

/** Requests sent ahead on one connection; a client that sends more without waiting is none we know. */
const maxPipelined = 32

const hostPattern = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i

/** Whether a text is a host as requests may name it, perhaps with a port. */
export function isHost(text: string): boolean {
  return hostPattern.test(text)
}

/** Numbers for requests: different for every request of every process, and no more than that. */
export function requestIds(): () => string {
  const start = randomBytes(6).toString('base64url')
  let count = 0
  return () => {
    count += 1
    return `${start}-${count.toString(36)}`
  }
}

/** Everything Fastify and Node's server have to be told so that they refuse what a front door must refuse. */
export function httpServerOptions({ errors, requestId, prefix, ...limits }: HttpServerSettings) {
  return {
    bodyLimit: ownBodyBytes,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    requestIdHeader: false,
    genReqId: requestId,
    routerOptions: { constraints: { host: siteHost } },
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) =>
      errors.handler(error, request, reply),
    rewriteUrl,
    schemaController: { compilersFactory: { buildValidator: validators, buildSerializer: serializers } },
    serverFactory: (handler: (request: IncomingMessage, response: ServerResponse) => void) => {
      const server = createServer(nodeOptions(limits), guarded(handler, errors, prefix))
      harden(server, errors, limits)
      return server
    },
    clientErrorHandler: () => {},
  } satisfies FastifyServerOptions
}

/**
 * What Fastify compiles the schemas of routes with, a tenth of its start: loaded for the first route that has one. Ours
 * read what they are sent themselves.
 */
function validators(...given: unknown[]) {
  return ofFastify('@fastify/ajv-compiler')()(...given)
}

function serializers(...given: unknown[]) {
  return ofFastify('@fastify/fast-json-stringify-compiler')()(...given)
}

function ofFastify(name: string) {
  return createRequire(createRequire(import.meta.url).resolve('fastify'))(name)
}

/** Of every server that clients connect to. */
export function nodeOptions(limits: Pick<HttpServerSettings, 'keepAliveTimeoutMs'>): ServerOptions {
  return {
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: headersTimeoutMs,
    // An upload takes as long as it takes; a client that stops sending is noticed by the upload itself.
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAliveTimeoutMs ?? 75_000,
    connectionsCheckingInterval: 1000,
    insecureHTTPParser: false,
    joinDuplicateHeaders: false,
    requireHostHeader: false,
    keepAlive: true,
    noDelay: true,
  }
}

/** What can only be set on a server that is there. Exported for servers that Fastify did not ask us for. */
export function harden(server: Server, errors: ErrorAnswers, limits: Pick<HttpServerSettings, 'maxConnections'> = {}) {
  // Node drops fields beyond its count without a word, and with them the length of the body: none are dropped, we count.
  server.maxHeadersCount = 0
  server.maxConnections = limits.maxConnections ?? 10_000
  server.on('clientError', errors.clientError)
  // `Expect: 100-continue` is answered after the decision; without these listeners Node answers it before.
  server.on('checkContinue', (request, response) => server.emit('request', request, response))
  server.on('checkExpectation', (request, response) =>
    errors.answer(request, response, new GatelodgeError('request.expectation')),
  )
  // What the door has no room for.
  server.on('overload', (request: IncomingMessage, response: ServerResponse) =>
    errors.answer(request, response, new GatelodgeError('overloaded', { retryAfterSeconds: 2 })),
  )
  // Without a listener Node closes the connection without a word; with one it listens no more, not even for a reset.
  server.on('connect', (_request, socket) => {
    socket.on('error', () => socket.destroy())
    errors.clientError(new Error('CONNECT'), socket as Socket)
  })
}

type RequestListener = (request: IncomingMessage, response: ServerResponse) => void

/** Only requests that every server behind would read the same, one of a connection after the other. */
function guarded(handler: RequestListener, errors: ErrorAnswers, prefix: string | undefined): RequestListener {
  return inTurn((request, response) => {
    const fault = isOldHealthCheck(request, prefix) ? undefined : faultOf(request)
    if (fault === undefined) handler(request, response)
    else errors.answer(request, response, new GatelodgeError(fault))
  })
}

/**
 * One request of a connection after the other.
 *
 * Node hands out pipelined requests while earlier ones are still being answered. One that stands behind a refused request
 * must never be acted on (its bytes may be the refused one's body), so each waits until it owns the connection.
 */
export function inTurn(receive: RequestListener): RequestListener {
  const pipelined = new WeakMap<object, number>()
  return (request, response) => {
    if (response.socket !== null) {
      receive(request, response)
      return
    }
    const waiting = (pipelined.get(request.socket) ?? 0) + 1
    pipelined.set(request.socket, waiting)
    if (waiting > maxPipelined) {
      request.socket.destroy()
      return
    }
    response.once('socket', () => {
      pipelined.set(request.socket, (pipelined.get(request.socket) ?? 1) - 1)
      receive(request, response)
    })
  }
}

/**
 * A check as HAProxy's `httpchk` sends it: HTTP/1.0, which knows no `Host`. Only for health, which no site is looked for: with
 * HTTP/1.1 a request without `Host` is a fault whatever it asks for (RFC 9112, 3.2).
 */
function isOldHealthCheck(
  { httpVersion, method, url, headers, rawHeaders }: IncomingMessage,
  prefix?: string,
): boolean {
  if (httpVersion !== '1.0' || prefix === undefined || headers.host !== undefined) return false
  if (rawHeaders.length > 2 * maxHeaderFields || headers['transfer-encoding'] !== undefined) return false
  return (method === 'GET' || method === 'HEAD') && (url === `${prefix}/healthz` || url === `${prefix}/readyz`)
}

/** What Node's parser lets through although a second reader might take it differently (RFC 9112 3.2, 6.3). */
export function faultOf(request: IncomingMessage): ErrorCode | undefined {
  const { rawHeaders, headers } = request
  if (rawHeaders.length > 2 * maxHeaderFields) return 'request.headers-too-large'
  if (request.httpVersionMajor !== 1 || request.httpVersionMinor > 1) return 'request.malformed'
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  if (hosts !== 1 || !isHost(headers.host ?? '') || !toOriginForm(request)) return 'request.host'
  const coding = headers['transfer-encoding']
  // Another coding would be undone or forgotten by one side only.
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return 'request.malformed'
  // TRACE would read an application's answer with our identity headers in it back to the browser.
  if (request.method === 'TRACE') return 'method-not-allowed'
  return undefined
}

/** Sites are found by the host as the policy compares it. */
const siteHost = {
  name: 'host',
  storage: () => {
    // What is kept is the router's own and nothing we would look into.
    const sites = new Map<string, never>()
    return {
      get: (host: string) => sites.get(host) ?? null,
      set: (host: string, site: never) => void sites.set(host, site),
    }
  },
  deriveConstraint: (request: IncomingMessage) => hostName(request.headers.host ?? '') ?? '',
  mustMatchWhenDerived: false,
}

/**
 * Fastify's router refuses escapes that are not UTF-8, which old applications have in their addresses (`/caf%E9`). Only the
 * router sees the rewritten address; what is judged and forwarded is the one that came, kept in `originalUrl`.
 */
function rewriteUrl(this: FastifyInstance, request: IncomingMessage & { originalUrl?: string }): string {
  const url = request.url ?? '/'
  if (!url.includes('%')) return url
  const query = url.indexOf('?')
  const path = query < 0 ? url : url.slice(0, query)
  try {
    decodeURI(path)
    return url
  } catch {
    request.originalUrl = url
    return path.replace(/%[89a-f][0-9a-f]/gi, '_').replace(/%(?![0-9a-f]{2})/gi, '_')
  }
}
