import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import type { Site, SiteSettings } from '../../access/policy.js'
import { carriesAppToken } from '../../identity/api-clients/credentials.js'
import type { GateSession, Judged } from '../gate/gate.js'
import type { InFlightExchange } from '../upstream/in-flight-exchange.js'
import { Upstream } from '../upstream/upstream.js'
import { type AnswerHeaders, answersToPeople, type CacheChoice } from './caching.js'
import { type AssertionSettings, type IdentityChoice, IdentityHeaders } from './identity-headers.js'
import type { Load } from './load-watch.js'
import { HeaderPolicy } from './upstream-headers.js'

/** For `upstream`: another proxy is in front of the application, and only asks here. */
const noUpstream = 'none'

/** What a site says about how its application is reached; the rest of it is policy. */
export interface ProxySite extends SiteSettings {
  readonly upstreamTls?: {
    /** Path of a PEM file. */
    readonly ca?: string
    readonly serverName?: string
  }
  readonly identity?: IdentityChoice
  readonly preserveHost?: boolean
  /** Whether `Destination` and `If` of WebDAV name what the application knows itself by; by itself where it needs that. */
  readonly rewriteDestination?: boolean | undefined
  /** Its answers may be written as old devices write them. */
  readonly lenient?: boolean
  /** Patterns of its own paths that sign out of the gateway as well. */
  readonly signOut?: readonly string[] | undefined
  /** Patterns of its own paths that forms of other sites are sent to. */
  readonly crossSitePosts?: readonly string[] | undefined
  /** What of its answers to people who are signed in may be kept; `as-is` when left out. */
  readonly cache?: CacheChoice
  /** Whether its service workers may control the paths of our own pages; `refuse` when left out. */
  readonly serviceWorkers?: 'refuse' | 'allow'
  readonly timeouts?: {
    readonly connectSeconds?: number
    readonly responseSeconds?: number
    readonly idleSeconds?: number | undefined
  }
  readonly limits?: {
    readonly connections?: number
    readonly eventStreams?: number
    readonly webSockets?: number
    /** Bytes a second, of bodies on their way to the application; `off`: any. */
    readonly uploadRate?: number | 'off'
    /** Over how long that is looked at; half a minute. */
    readonly uploadWindowMs?: number
  }
  /** Origins besides the site's own whose pages may open WebSockets, as in `https://app.example.com`. */
  readonly origins?: readonly string[]
}

/** Everything there is to one site's traffic: where it goes and what is said on the way. */
export interface Application {
  /** What operators know it by: host and path of its site. */
  readonly name: string
  readonly site: Site<ProxySite>
  /** None where another proxy passes the requests on. */
  readonly upstream: Upstream | undefined
  readonly headers: HeaderPolicy
  /** Of its answers to somebody who is known. */
  readonly toPeople: AnswerHeaders
  /** Of the statement its application gets; `undefined` where it gets none. */
  readonly assertion: AssertionSettings | undefined
  readonly audience: string
  readonly certificateAuthority: string | undefined
}

/** As operators know it: `crm.example.com`, `*` for any host, with its path where it has one. */
export function siteName({ host = '*', path }: Pick<Site, 'host' | 'path'>): string {
  return path === '/' ? host : host + path
}

/** What requests are said to have come by. */
export type Scheme = 'http' | 'https'

/** Signs who is signed in. */
export interface AssertionSigner {
  of(session: GateSession['session'], audience: string, lifetimeSeconds: number): string | Promise<string>
}

/** The applications behind the gate, by site. */
export class Applications {
  readonly #bySite = new Map<Site<ProxySite>, Application>()
  readonly #signer: AssertionSigner | undefined
  readonly scheme: Scheme

  /**
   * `scheme` is that of the public address: what clients say about it themselves is not believed.
   * @param ownPages the path the gateway's own pages are under
   * @param signer for sites whose applications get assertions
   * @param tokenHeader what app tokens come in beside `Authorization`: no application gets it
   */
  constructor(
    sites: readonly Site<ProxySite>[],
    scheme: Scheme,
    ownPages?: string,
    signer?: AssertionSigner,
    tokenHeader?: string,
  ) {
    this.scheme = scheme
    this.#signer = signer
    // A site's own names for identity are nobody's to say on any other site either: two sites may lead to one application.
    const told = sites.map((site) => ({ site, identity: new IdentityHeaders(site.settings.identity) }))
    const names = told.flatMap(({ identity }) => identity.names).filter((name) => name !== 'Authorization')
    const withBasic = told.flatMap(({ site, identity }) => (identity.setsAuthorization ? [site.settings.upstream] : []))
    for (const { site, identity } of told) {
      const secret = tokenHeader === undefined ? names : [...names, tokenHeader]
      const owned = withBasic.includes(site.settings.upstream) ? [...secret, 'Authorization'] : secret
      this.#bySite.set(site, build(site, { identity, owned, ownPages, scheme }))
    }
  }

  /** @throws for a site of another policy */
  of(site: Site<ProxySite>): Application {
    const application = this.#bySite.get(site)
    if (application === undefined) throw new TypeError('a site without an application')
    return application
  }

  /** The headers of a judged request as its application gets them; later only where an assertion has to be signed. */
  headersFor(
    application: Application,
    request: IncomingMessage,
    judged: Judged<ProxySite>,
    requestId: string,
  ): string[] | Promise<string[]> {
    const headers = (assertion: string | undefined) =>
      application.headers.request(request.rawHeaders, {
        client: judged.client?.text ?? 'unknown',
        scheme: this.scheme,
        host: request.headers.host ?? '',
        requestId,
        user: judged.session?.session.user,
        assertion,
        dropAuthorization: isOurs(request, judged),
      })
    const assertion = this.#assertionOf(application, judged)
    return assertion instanceof Promise ? assertion.then(headers) : headers(assertion)
  }

  /** What another proxy adds to the request it holds, and puts in the place of the same headers of the client's. */
  answerFor(
    application: Application,
    request: Pick<IncomingMessage, 'headers'>,
    judged: Judged<ProxySite>,
  ): string[] | Promise<string[]> {
    const headers = (assertion: string | undefined) =>
      application.headers.answer(request.headers, {
        user: judged.session?.session.user,
        assertion,
        dropAuthorization: isOurs(request, judged),
      })
    const assertion = this.#assertionOf(application, judged)
    return assertion instanceof Promise ? assertion.then(headers) : headers(assertion)
  }

  #assertionOf({ assertion, audience }: Application, { session }: Judged<ProxySite>) {
    if (assertion === undefined || session === undefined) return undefined
    return this.#signer?.of(session.session, audience, assertion.lifetimeSeconds)
  }

  /** Whether any application gets assertions. */
  get wantAssertions(): boolean {
    return [...this.#bySite.values()].some(({ assertion }) => assertion !== undefined)
  }

  /** What is under way and was let in by a session, or all of it. */
  *underWay(everything = false): Iterable<InFlightExchange> {
    for (const { upstream } of this.#bySite.values()) if (upstream !== undefined) yield* upstream.underWay(everything)
  }

  /** How full each application is. */
  *loads(): Iterable<Load> {
    for (const { name, upstream } of this.#bySite.values()) {
      for (const load of upstream?.loads ?? []) yield { site: name, ...load }
    }
  }

  /** What never ends by itself ends now: the gateway stops. */
  endEventStreams(): void {
    for (const { upstream } of this.#bySite.values()) upstream?.endEventStreams()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#bySite.values()].map(({ upstream }) => upstream?.close()))
  }
}

/** Whether `Authorization` is not the application's to see: it let the request in, or has an app token in it. */
function isOurs({ headers }: Pick<IncomingMessage, 'headers'>, { program, ownHeader }: Judged<ProxySite>): boolean {
  return (program === true && ownHeader !== true) || carriesAppToken(headers.authorization)
}

function build(
  site: Site<ProxySite>,
  {
    identity,
    owned,
    ownPages,
    scheme,
  }: { identity: IdentityHeaders; owned: readonly string[]; ownPages: string | undefined; scheme: Scheme },
): Application {
  const { upstream: url, upstreamTls, preserveHost, serviceWorkers, timeouts, limits } = site.settings
  const headers = new HeaderPolicy({
    identity,
    upstream: url,
    owned,
    ownPages,
    serviceWorkers,
    scheme,
    host: site.host,
    rewriteDestination: site.settings.rewriteDestination,
    ...(preserveHost === undefined ? {} : { preserveHost }),
  })
  const ca = upstreamTls?.ca === undefined ? undefined : readFileSync(upstreamTls.ca, 'utf8')
  return {
    name: siteName(site),
    site,
    certificateAuthority: ca,
    assertion: identity.assertion,
    audience: identity.assertion?.audience ?? site.host ?? 'gatelodge',
    headers,
    toPeople: answersToPeople(headers, site.settings.cache ?? 'as-is'),
    upstream:
      url === noUpstream
        ? undefined
        : new Upstream({
            url,
            ...(ca === undefined ? {} : { certificateAuthority: ca }),
            ...(upstreamTls?.serverName === undefined ? {} : { serverName: upstreamTls.serverName }),
            ...(timeouts?.connectSeconds === undefined ? {} : { connectTimeoutMs: timeouts.connectSeconds * 1000 }),
            ...(timeouts?.responseSeconds === undefined ? {} : { headersTimeoutMs: timeouts.responseSeconds * 1000 }),
            ...(timeouts === undefined ? {} : { bodyIdleTimeoutMs: (timeouts.idleSeconds ?? 0) * 1000 }),
            ...(limits?.connections === undefined ? {} : { concurrency: limits.connections }),
            ...(limits?.eventStreams === undefined ? {} : { eventStreams: limits.eventStreams }),
            isLenient: site.settings.lenient === true,
            uploadBytesPerSecond: limits?.uploadRate === 'off' ? undefined : limits?.uploadRate,
            uploadWindowMs: limits?.uploadWindowMs,
          }),
  }
}
