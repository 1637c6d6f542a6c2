import { type IncomingMessage, METHODS } from 'node:http'
import httpProxy from '@fastify/http-proxy'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Policy, Site } from '../access/policy.js'
import { GatelodgeError } from '../errors.js'
import { type Applications, noUpstream, type ProxySite } from './application.js'
import { type ErrorAnswers, reasonOf } from './errors.js'
import type { Gate, Judgeable, Judged, Verdict } from './gate.js'
import { OpenPassages } from './open-passages.js'
import { hasBody, isPageLoad } from './page-load.js'
import { refusalTo } from './refusal.js'
import type { RequestTraces } from './request-traces.js'
import { type TunnelLimits, Tunnels } from './tunnel.js'

export interface ProxyParts {
  readonly policy: Policy<ProxySite>
  readonly gate: Gate<ProxySite>
  readonly applications: Applications
  readonly errors: ErrorAnswers
  readonly requestId: () => string
  /** Calls the listener whenever a session may have ended, and gives what stops that. */
  readonly onEnded?: ((listener: () => void) => () => void) | undefined
  readonly tunnelLimits?: TunnelLimits | undefined
  /** Told of every request that may not pass, or would not if its site were enforced. Must not throw. */
  readonly onStopped?: OnStopped | undefined
  /** Told of every request that was judged, to count it. Must not throw. */
  readonly onJudged?: ((request: IncomingMessage, judged: Judged<ProxySite>) => void) | undefined
  /** Where traces are asked for. */
  readonly traces?: RequestTraces | undefined
  /** Told how the applications do. Must not throw. */
  readonly upstreams?: UpstreamHealth | undefined
}

export interface UpstreamHealth {
  failed(name: string, reason: string): void
  worked(name: string): void
  isFailing(name: string): boolean
}

/** @param stopped what was judged, or refused before there was anything to judge */
export type OnStopped = (
  request: Judgeable,
  requestId: string,
  stopped: Exclude<Verdict<ProxySite>, { kind: 'own' }>,
) => void

/** Whether it may not pass, or would not if its site were enforced. */
export function isStopped(verdict: Verdict<ProxySite>): verdict is Exclude<Verdict<ProxySite>, { kind: 'own' }> {
  if (verdict.kind !== 'judged') return verdict.kind === 'refused'
  return verdict.decision.outcome !== 'allow' || verdict.observed !== undefined
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Of the gate, from the first hook on. */
    verdict: Verdict<ProxySite> | undefined
  }
  interface FastifyInstance {
    /** What is under way beyond one request and its answer. */
    passages: {
      readonly open: OpenPassages
      /** WebSockets, open or being judged. */
      count(): number
      /** Ends what never ends by itself, in words its clients understand: they come back. */
      end(): Promise<void>
    }
  }
}

/** Own pages have this long to get the whole of a form. */
const ownBodyMs = 15_000

/** CONNECT is no request for an application, and TRACE is refused before routing. */
const methods = METHODS.filter((method) => method !== 'CONNECT' && method !== 'TRACE')

/**
 * Puts the gate before everything this Fastify serves, and the sites behind it.
 *
 * Each site is registered by @fastify/http-proxy, with its host and prefix, in a scope of its own. A request that may pass
 * leaves that scope in its first hook, before Fastify looks at the body: what http-proxy does after it to addresses and
 * bodies costs a third of the whole way (performance.md) and would send on something else than what was judged. Its own
 * handler is never reached, and refuses if it is.
 */
export const proxySites = fp(
  async (fastify: FastifyInstance, parts: ProxyParts) => {
    for (const method of methods) {
      if (!fastify.supportedMethods.includes(method)) fastify.addHttpMethod(method)
    }
    fastify.decorateRequest('verdict', undefined)
    const { traces } = parts
    fastify.addHook('onRequest', traces === undefined ? judgeFirst(parts) : traced(judgeFirst(parts), traces))
    // A body is read on its connection's account: from here on it is the request's again.
    if (traces !== undefined) {
      fastify.addHook('preHandler', ({ raw }, _reply, done) => traces.within(raw, done))
    }
    fastify.setErrorHandler(parts.errors.handler)
    fastify.setNotFoundHandler(parts.errors.notFound)
    for (const site of parts.policy.sites) await fastify.register(oneSite, { ...parts, site })
    const tunnels = new Tunnels({ ...parts, limits: parts.tunnelLimits })
    const open = new OpenPassages(parts.gate, [parts.applications, tunnels], parts.onEnded)
    tunnels.attach(fastify.server)
    const end = async () => {
      parts.applications.endEventStreams()
      await tunnels.close()
    }
    fastify.decorate('passages', { open, count: () => tunnels.size, end })
    fastify.addHook('preClose', end)
    fastify.addHook('onClose', async () => open.close())
    fastify.addHook('onClose', () => parts.applications.close())
  },
  { fastify: '5.x', name: 'gatelodge-sites' },
)

async function oneSite(scope: FastifyInstance, parts: ProxyParts & { site: Site<ProxySite> }) {
  const { site } = parts
  scope.addHook('onRequest', passThrough(parts))
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
  await scope.register(httpProxy, {
    // Never reached; where there is none, the package still wants an address.
    upstream: site.settings.upstream === noUpstream ? 'http://localhost' : site.settings.upstream,
    // A colon would start a parameter of the router's.
    prefix: site.path === '/' ? '' : site.path.replaceAll(':', '::'),
    httpMethods: methods,
    constraints: site.host === undefined ? {} : { host: site.host },
    // Nor does it need a client of its own.
    http: {},
    // Keeps it from adding parsers of its own.
    proxyPayloads: false,
    handler: () => {
      throw new GatelodgeError('internal')
    },
  })
}

type Done = (error?: Error) => void
type Hook = (request: FastifyRequest, reply: FastifyReply, done: Done) => void

function traced(hook: Hook, traces: RequestTraces): Hook {
  return (request, reply, done) => {
    const span = traces.begin(request.raw, request.id)
    traces.endsWith(request.raw, reply.raw)
    span.within(() => hook(request, reply, done))
  }
}

/** Every request of whatever route meets the gate here, those to no route too. */
function judgeFirst({ gate, errors, onStopped, traces }: ProxyParts): Hook {
  const act = (verdict: Verdict<ProxySite>, request: FastifyRequest, reply: FastifyReply, done: Done) => {
    request.verdict = verdict
    if (verdict.kind === 'own') traces?.ownPage(request.raw, request.routeOptions.url ?? '')
    else traces?.decided(request.raw, verdict)
    if (verdict.kind === 'refused') {
      onStopped?.(request.raw, request.id, verdict)
      done(new GatelodgeError(verdict.error))
      return
    }
    if (verdict.kind === 'own') receiveOwnBody(request, reply, errors)
    done()
  }
  return (request, reply, done) => {
    const verdict = gate.judge(request.raw, request.id)
    if (verdict instanceof Promise) verdict.then((known) => act(known, request, reply, done), done)
    else act(verdict, request, reply, done)
  }
}

/** The body of a form of ours: asked for where the browser waits to be asked, and not waited for without end. */
function receiveOwnBody(request: FastifyRequest, reply: FastifyReply, errors: ErrorAnswers): void {
  const { raw } = request
  if (!hasBody(raw)) return
  if (raw.headers.expect !== undefined) reply.raw.writeContinue()
  const late = () => errors.answer(raw, reply.raw, new GatelodgeError('request.timeout'), request.id)
  const timer = setTimeout(late, ownBodyMs)
  const stop = () => clearTimeout(timer)
  raw.once('end', stop)
  raw.once('close', stop)
}

function passThrough(parts: ProxyParts): Hook {
  const { applications, errors, onStopped, onJudged, traces, upstreams } = parts
  return (request, reply, done) => {
    const { verdict, raw } = request
    if (verdict?.kind !== 'judged') {
      done(new GatelodgeError('not-found'))
      return
    }
    reply.hijack()
    onJudged?.(raw, verdict)
    if (isStopped(verdict)) onStopped?.(raw, request.id, verdict)
    const refusal = refusalTo(raw, verdict)
    if (refusal !== undefined) {
      refuse(refusal, verdict, request, reply, parts)
      return
    }
    const application = applications.of(verdict.site)
    const response = reply.raw
    if (application.upstream === undefined) {
      errors.answer(raw, response, new GatelodgeError('upstream.none'), request.id)
      return
    }
    const { upstream } = application
    const leg = traces?.leg(raw, response, application)
    const name = `upstream ${application.name}`
    let hasFailed = false
    const fail = (error: unknown) => {
      hasFailed = true
      leg?.failed(error)
      if (error instanceof GatelodgeError && isNoAnswer(error)) upstreams?.failed(name, reasonOf(error))
      errors.answer(raw, response, error, request.id)
    }
    if (upstreams?.isFailing(name) === true) {
      response.once('close', () => (!hasFailed && response.headersSent ? upstreams.worked(name) : undefined))
    }
    const forward = (headers: string[]) => {
      if (response.destroyed) return
      upstream.forward({
        request: raw,
        response,
        target: verdict.target.forward,
        headers: leg === undefined ? headers : leg.headers(headers),
        policy: verdict.headers === undefined ? application.headers : alsoSaying(verdict.headers, application.headers),
        fail,
        boundTo: verdict.session === undefined ? undefined : verdict.program === true ? 'program' : 'session',
      })
    }
    const headers = applications.headersFor(application, raw, verdict, request.id)
    if (headers instanceof Promise) headers.then(forward).catch(fail)
    else forward(headers)
  }
}

/** An application that is full answers; one that is away does not. */
function isNoAnswer({ code }: GatelodgeError): boolean {
  return code === 'upstream.unreachable' || code === 'upstream.timeout' || code === 'upstream.invalid'
}

function refuse(
  { page, error }: NonNullable<ReturnType<typeof refusalTo>>,
  { target }: Judged<ProxySite>,
  { raw, id }: FastifyRequest,
  reply: FastifyReply,
  { gate, errors }: ProxyParts,
): void {
  if (page !== undefined && isPageLoad(raw)) {
    errors.redirect(raw, reply.raw, `${gate.prefix}/${page}?return=${encodeURIComponent(target.forward)}`, id)
    return
  }
  errors.answer(raw, reply.raw, error, id)
}

/** What we have to say ourselves, in place of what the application says under the same names. */
function alsoSaying(
  ours: Readonly<Record<string, string>>,
  application: { response(raw: readonly string[]): string[] },
): { response(raw: readonly string[]): string[] } {
  return {
    response: (raw) => {
      const headers: string[] = []
      const theirs = application.response(raw)
      for (let at = 0; at + 1 < theirs.length; at += 2) {
        const [name = '', value = ''] = theirs.slice(at, at + 2)
        if (!Object.hasOwn(ours, name.toLowerCase())) headers.push(name, value)
      }
      return [...headers, ...Object.entries(ours).flat()]
    },
  }
}
