import { type IncomingMessage, METHODS } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Policy, Site } from '../../access/policy.js'
import type { Logger } from '../../contracts.js'
import { GatelodgeError } from '../../errors.js'
import type { Application, Applications, ProxySite } from '../applications/application.js'
import { type AnswerHeaders, clearingCache } from '../applications/caching.js'
import { InFlight } from '../applications/in-flight.js'
import { type Load, LoadWatch } from '../applications/load-watch.js'
import type { RequestTraces } from '../applications/request-traces.js'
import { isDenied, type OnDenied } from '../gate/denied-request.js'
import type { Gate, Judged, Verdict } from '../gate/gate.js'
import { refusalTo } from '../gate/refusal.js'
import type { Leaving } from '../portal/leaving.js'
import { type ErrorAnswers, type RenderedPage, reasonOf } from '../web/errors.js'
import { hasBody, isFramed, isPageLoad } from '../web/request-kind.js'
import { carried } from '../web/return-path.js'
import { type WebSocketLimits, WebSockets } from '../web-sockets/web-sockets.js'
import type { BoundSignOuts } from './bound-sign-outs.js'
import { CrossSitePosts, type SentFields } from './cross-site-posts.js'
import { answerServiceWorker, refusesServiceWorker } from './service-worker.js'

export interface SitesParts {
  readonly policy: Policy<ProxySite>
  readonly gate: Gate<ProxySite>
  readonly applications: Applications
  readonly errors: ErrorAnswers
  /** In the place of an application's answer. */
  readonly small?: StandIns | undefined
  readonly requestId: () => string
  /** Sign-outs of applications that end the session. */
  readonly signOuts?: BoundSignOuts | undefined
  /** To the portal, where sign-in is not at every host. */
  readonly leaving?: Leaving | undefined
  /** Calls the listener whenever a session may have ended, and gives what stops that. */
  readonly onEnded?: ((listener: () => void) => () => void) | undefined
  readonly tunnelLimits?: WebSocketLimits | undefined
  /** Told of every request that may not pass, or would not if its site were enforced. Must not throw. */
  readonly onStopped?: OnDenied | undefined
  /** Told of every request that was judged, to count it. Must not throw. */
  readonly onJudged?: ((request: IncomingMessage, judged: Judged<ProxySite>) => void) | undefined
  /** Where traces are asked for. */
  readonly traces?: RequestTraces | undefined
  /** Told when a site is nearly full. */
  readonly log?: Pick<Logger, 'warn'> | undefined
  /** Told how the applications do. Must not throw. */
  readonly upstreams?: UpstreamHealth | undefined
}

/** Pages of ours that stand in the place of an application's answer; lent by the hosted pages. */
export interface StandIns {
  /** @param facts `isForeign`: the page around is another site's */
  framed(facts: { readonly way: string; readonly isForeign: boolean }): RenderedPage
  sendAgain(fields: SentFields): RenderedPage
}

export interface UpstreamHealth {
  failed(name: string, reason: string): void
  worked(name: string): void
  isFailing(name: string): boolean
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Of the gate, from the first hook on. */
    verdict: Verdict<ProxySite> | undefined
  }
  interface FastifyInstance {
    /** What is under way beyond one request and its answer. */
    passages: {
      readonly open: InFlight
      /** WebSockets, open or being judged. */
      count(): number
      /** How full the sites are. */
      loads(): Load[]
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
 * Each site has routes of its own, with its host and prefix. A request that may pass leaves its route in the first hook,
 * before Fastify looks at the body: a body parser would hold the request up and send on something else than what was
 * judged. The handler of the route is never reached, and refuses if it is.
 */
export const sites = fp(
  async (fastify: FastifyInstance, parts: SitesParts) => {
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
    const posts = new CrossSitePosts(parts.policy.sites, parts.gate, parts.applications.scheme)
    for (const site of parts.policy.sites) await fastify.register(oneSite, { ...parts, posts, site })
    const webSockets = new WebSockets({ ...parts, limits: parts.tunnelLimits })
    const open = new InFlight(parts.gate, [parts.applications, webSockets], parts.onEnded)
    webSockets.attach(fastify.server)
    const end = async () => {
      parts.applications.endEventStreams()
      await webSockets.close()
    }
    const loads = () => [...parts.applications.loads(), ...webSockets.loads()]
    const watch = parts.log && new LoadWatch(loads, parts.log)
    fastify.addHook('onClose', async () => watch?.close())
    fastify.decorate('passages', { open, count: () => webSockets.size, loads, end })
    fastify.addHook('preClose', end)
    fastify.addHook('onClose', async () => open.close())
    fastify.addHook('onClose', () => parts.applications.close())
  },
  { fastify: '5.x', name: 'gatelodge-sites' },
)

async function oneSite(scope: FastifyInstance, parts: RouteParts & { site: Site<ProxySite> }) {
  const { site } = parts
  // A colon would start a parameter of the router's.
  const prefix = site.path === '/' ? '' : site.path.replaceAll(':', '::')
  const handler = () => {
    throw new GatelodgeError('internal')
  }
  const constraints = site.host === undefined ? {} : { host: site.host }
  for (const url of prefix === '' ? ['/', '/*'] : [prefix, `${prefix}/*`]) {
    scope.route({ method: methods, url, constraints, onRequest: passThrough(parts), handler })
  }
}

type RouteParts = SitesParts & { readonly posts: CrossSitePosts }
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
function judgeFirst({ gate, errors, onStopped, traces }: SitesParts): Hook {
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

function passThrough(parts: RouteParts): Hook {
  const { applications, errors, signOuts, onStopped, onJudged, traces, upstreams, gate } = parts
  return (request, reply, done) => {
    const { verdict, raw } = request
    if (verdict?.kind !== 'judged') {
      done(new GatelodgeError('not-found'))
      return
    }
    reply.hijack()
    onJudged?.(raw, verdict)
    if (isDenied(verdict)) onStopped?.(raw, request.id, verdict)
    // Before everything else: also a stranger's browser has to get rid of a worker that hides the sign-in page from it.
    if (refusesServiceWorker(raw, verdict, parts.gate.prefix)) {
      answerServiceWorker(reply.raw, request.id)
      return
    }
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
    const upstreamSpan = traces?.upstreamSpan(raw, response, application)
    const name = `upstream ${application.name}`
    let hasFailed = false
    const fail = (error: unknown) => {
      hasFailed = true
      upstreamSpan?.failed(error)
      if (error instanceof GatelodgeError && isNoAnswer(error)) {
        if (!response.headersSent) upstreams?.failed(name, reasonOf(error))
      } else if (error instanceof GatelodgeError && error.code === 'upstream.invalid') upstreams?.worked(name)
      errors.answer(raw, response, error, request.id)
    }
    if (upstreams?.isFailing(name) === true) {
      response.once('close', () => (!hasFailed && response.headersSent ? upstreams.worked(name) : undefined))
    }
    const ending = signOuts?.of(raw, verdict, request.id)
    const forward = (headers: string[]) => {
      if (response.destroyed) return
      upstream.forward({
        request: raw,
        response,
        target: verdict.target.forward,
        headers: upstreamSpan === undefined ? headers : upstreamSpan.headers(headers),
        policy: answersOf(application, verdict, ending !== undefined),
        fail,
        boundTo: ending === undefined ? boundTo(verdict) : undefined,
        sessionId: verdict.session?.session.id,
        people: gate.people,
      })
    }
    const headers = applications.headersFor(application, raw, verdict, request.id)
    if (ending !== undefined) {
      Promise.all([headers, ending])
        .then(([given]) => forward(given))
        .catch(fail)
    } else if (headers instanceof Promise) headers.then(forward).catch(fail)
    else forward(headers)
  }
}

/** What the answer ends with: a sign-out must outlive the session that it has ended. */
function boundTo({ session, program }: Judged<ProxySite>): 'session' | 'program' | undefined {
  if (session === undefined) return undefined
  return program === true ? 'program' : 'session'
}

/** An application that is full answers, and so does one that says what nobody understands; one that is away does not. */
function isNoAnswer({ code }: GatelodgeError): boolean {
  return code === 'upstream.unreachable' || code === 'upstream.timeout' || code === 'upstream.closed'
}

function refuse(
  { page, error }: NonNullable<ReturnType<typeof refusalTo>>,
  judged: Judged<ProxySite>,
  { raw, id }: FastifyRequest,
  reply: FastifyReply,
  { gate, errors, leaving, small, posts }: RouteParts,
): void {
  const { target, site } = judged
  const response = reply.raw
  const wayTo = (place: string) => `${gate.prefix}/${page}?return=${encodeURIComponent(carried(place))}`
  if (page === undefined) errors.answer(raw, response, error, id)
  else if (isPageLoad(raw) && isFramed(raw) && small !== undefined) {
    const isForeign = raw.headers['sec-fetch-site'] === 'cross-site'
    const place = isForeign ? target.forward : (pageBefore(raw) ?? target.forward)
    errors.page(raw, response, 401, small.framed({ way: wayTo(place), isForeign }), id)
  } else if (isPageLoad(raw)) {
    const asked = { host: site.host, cookie: raw.headers.cookie, page, target: target.forward }
    const way = leaving?.from(asked)
    errors.redirect(raw, response, way?.location ?? wayTo(target.forward), id, way?.headers)
  } else {
    const { code, headers } = error
    const way = wayTo(pageBefore(raw) ?? target.forward)
    const plain = () => errors.answer(raw, response, new GatelodgeError(code, { way, ...(headers && { headers }) }), id)
    const form = small && posts.read(raw, judged)
    if (small === undefined || form === undefined) plain()
    else {
      form.then((fields) => {
        if (fields === undefined) plain()
        else errors.page(raw, response, 200, small.sendAgain(fields), id)
      }, plain)
    }
  }
}

/** The page of the same host that led here, by the browser's word: a place to come back to as any other. */
function pageBefore({ headers }: IncomingMessage): string | undefined {
  const { referer, host } = headers
  if (referer === undefined || !URL.canParse(referer)) return undefined
  const url = new URL(referer)
  return url.host === host ? url.pathname + url.search : undefined
}

/** What becomes of the headers of the answer. */
function answersOf(
  application: Application,
  { session, headers }: Judged<ProxySite>,
  endsSession: boolean,
): AnswerHeaders {
  const answers = session === undefined ? application.headers : application.toPeople
  const said = headers === undefined ? answers : alsoSaying(headers, answers)
  return endsSession ? clearingCache(said) : said
}

/** What we have to say ourselves, in place of what the application says under the same names. */
function alsoSaying(ours: Readonly<Record<string, string>>, application: AnswerHeaders): AnswerHeaders {
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
