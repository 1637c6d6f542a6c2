import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type AddressRanges, parseAddress } from '../../access/client-address.js'
import { GatelodgeError } from '../../errors.js'
import type { Applications, ProxySite } from '../applications/application.js'
import type { RequestTraces } from '../applications/request-traces.js'
import { isDenied, type OnDenied } from '../gate/denied-request.js'
import { type Gate, type Judged, rawTarget, type Verdict } from '../gate/gate.js'
import { observedForeign, refusalTo } from '../gate/refusal.js'
import type { ErrorAnswers } from '../web/errors.js'
import { isFromOwnPage } from '../web/origin.js'
import { isPageLoad } from '../web/request-kind.js'
import { carried } from '../web/return-path.js'
import { type OriginalRequest, originalRequest } from './original-request.js'
import { refusesServiceWorker } from './service-worker.js'
import type { SitesParts } from './sites.js'

export interface ForwardAuthParts {
  readonly gate: Gate<ProxySite>
  readonly applications: Applications
  readonly errors: ErrorAnswers
  /** The proxies that may ask. */
  readonly peers: AddressRanges
  /** Whose `X-Forwarded-For` counts: those that may ask, and what stands in front of them. */
  readonly trusted: AddressRanges
  readonly onStopped?: OnDenied | undefined
  /** As with requests that come here themselves. */
  readonly onJudged?: SitesParts['onJudged']
  readonly traces?: RequestTraces | undefined
}

/**
 * For proxies that pass requests on themselves and only ask whether they may: nginx `auth_request`, Caddy `forward_auth`,
 * Traefik `forwardAuth`, Envoy `ext_authz` and whatever else speaks HTTP. The decision is that of every request that comes
 * straight here; 200 with the identity headers opens, and everything else does not.
 *
 * To be registered under the prefix.
 */
export async function forwardAuth(scope: FastifyInstance, parts: ForwardAuthParts): Promise<void> {
  // In the first hook, so that no body is waited for: proxies send the head only, and what else they send is not read.
  scope.addHook('onRequest', (request, reply, _done) => {
    reply.hijack()
    answer(parts, request, reply)
  })
  const never = () => {
    throw new GatelodgeError('internal')
  }
  scope.all('/forward-auth', never)
  scope.all('/forward-auth/*', never)
}

/** At once where nothing has to be waited for. */
function answer(parts: ForwardAuthParts, { raw, id }: FastifyRequest, { raw: response }: FastifyReply): void {
  let original: OriginalRequest | undefined
  const fail = (error: unknown) => parts.errors.answer(raw, response, error, id, reasonOf(error), original)
  try {
    const asked = readOriginal(parts, raw)
    original = asked
    const act = (verdict: Verdict<ProxySite>) => actOn(parts, verdict, asked, raw, response, id)
    const judging = parts.gate.judge(asked, id)
    const acting = judging instanceof Promise ? judging.then(act) : act(judging)
    acting?.catch(fail)
  } catch (error) {
    fail(error)
  }
}

function actOn(
  parts: ForwardAuthParts,
  verdict: Verdict<ProxySite>,
  original: OriginalRequest,
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
): Promise<void> | undefined {
  parts.traces?.decided(request, verdict, true)
  if (verdict.kind === 'judged') parts.onJudged?.(request, verdict)
  if (isDenied(verdict)) parts.onStopped?.(original, requestId, verdict)
  if (verdict.kind === 'refused') throw new GatelodgeError(verdict.error)
  if (verdict.kind === 'judged') return answerJudged(parts, verdict, original, request, response, requestId)
  // Ours are judged by nobody here: a proxy that asks about one sends it to an application next.
  throw new GatelodgeError('not-found', { cause: 'this is one of our own pages, which are not to be asked about' })
}

function readOriginal({ gate, peers, trusted, applications }: ForwardAuthParts, request: IncomingMessage) {
  const peer = parseAddress(request.socket.remoteAddress ?? '')
  if (peer === undefined || !peers.has(peer)) throw new GatelodgeError('forward-auth.peer')
  const behind = rawTarget(request).slice(gate.prefix.length + '/forward-auth'.length)
  return originalRequest(request, behind.startsWith('/') ? behind : '', { trusted, scheme: applications.scheme })
}

function answerJudged(
  { gate, applications, errors, onStopped }: ForwardAuthParts,
  judged: Judged<ProxySite>,
  original: OriginalRequest,
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
): Promise<void> | undefined {
  const application = applications.of(judged.site)
  if (refusesServiceWorker(original, judged, gate.prefix)) throw new GatelodgeError('service-worker.refused')
  const refusal = refusalTo(original, judged)
  if (refusal === undefined) {
    if (application.headers.hasAlias(original.rawHeaders)) throw new GatelodgeError('request.malformed')
    const { origins, enforce } = judged.site.settings
    const isForeign = isWebSocket(original) && !isFromOwnPage(original, original.scheme, origins ?? [])
    if (isForeign && enforce !== false) throw new GatelodgeError('upgrade.refused')
    const named = isForeign ? observedForeign(judged) : judged
    if (isForeign && judged.observed === undefined) onStopped?.(original, requestId, named)
    const open = (headers: readonly string[]) => {
      const { headers: more } = judged
      allow(response, more === undefined ? headers : [...headers, ...Object.entries(more).flat()], requestId)
    }
    const headers = applications.answerFor(application, original, named)
    if (headers instanceof Promise) return headers.then(open)
    open(headers)
    return undefined
  }
  const { page, error } = refusal
  const isLed = page !== undefined && isPageLoad(original)
  const way = `${gate.prefix}/${page}?return=${encodeURIComponent(carried(judged.target.forward))}`
  // In full, because Traefik takes a path for one on this very server.
  const location = `${original.scheme}://${original.host}${way}`
  if (isLed && original.asker !== 'nginx') {
    errors.redirect(request, response, location, requestId)
    return undefined
  }
  // nginx gives nothing of the answer to the client by itself; its configuration can pick up single headers.
  const led = isLed ? { location, 'x-gatelodge-location': location } : {}
  const more = { ...led, 'x-gatelodge-code': error.code }
  const helpful = page === undefined ? error : withWay(error, location)
  errors.answer(request, response, helpful, requestId, more, original)
  return undefined
}

function withWay({ code, headers }: GatelodgeError, way: string): GatelodgeError {
  return new GatelodgeError(code, { way, ...(headers && { headers }) })
}

function allow(response: ServerResponse, headers: readonly string[], requestId: string): void {
  response.writeHead(200, [
    'Content-Length',
    '0',
    'Cache-Control',
    'no-store',
    'X-Gatelodge-Request-Id',
    requestId,
    ...headers,
  ])
  response.end()
}

/** For the operator who sets a proxy up: which of its headers it is. */
function reasonOf(error: unknown): Record<string, string> {
  const { cause } = error instanceof GatelodgeError ? error : {}
  return typeof cause === 'string' ? { 'x-gatelodge-reason': cause } : {}
}

/** Proxies take `Upgrade` off before they ask, and leave the rest of the handshake on. */
function isWebSocket({ headers }: OriginalRequest): boolean {
  return headers['sec-websocket-key'] !== undefined || headers['sec-fetch-mode'] === 'websocket'
}
