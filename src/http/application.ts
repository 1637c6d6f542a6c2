import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import type { Site, SiteSettings } from '../access/policy.js'
import { carriesAppToken } from '../identity/credentials.js'
import { Upstream } from './forward.js'
import type { Judged, OpenSession } from './gate.js'
import { type AssertionSettings, type IdentityChoice, IdentityHeaders } from './identity-headers.js'
import type { OpenPassage } from './open-passages.js'
import { HeaderPolicy } from './upstream-headers.js'

/** For `upstream`: another proxy is in front of the application, and only asks here. */
export const noUpstream = 'none'

/** What a site says about how its application is reached; the rest of it is policy. */
export interface ProxySite extends SiteSettings {
  readonly upstreamTls?: {
    /** Path of a PEM file. */
    readonly ca?: string
    readonly serverName?: string
  }
  readonly identity?: IdentityChoice
  readonly preserveHost?: boolean
  readonly timeouts?: {
    readonly connectSeconds?: number
    readonly responseSeconds?: number
    readonly idleSeconds?: number | undefined
  }
  readonly limits?: {
    readonly connections?: number
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
  of(session: OpenSession['session'], audience: string, lifetimeSeconds: number): string | Promise<string>
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
   */
  constructor(sites: readonly Site<ProxySite>[], scheme: Scheme, ownPages?: string, signer?: AssertionSigner) {
    this.scheme = scheme
    this.#signer = signer
    // A site's own names for identity are nobody's to say on any other site either: two sites may lead to one application.
    const told = sites.map((site) => ({ site, identity: new IdentityHeaders(site.settings.identity) }))
    const names = told.flatMap(({ identity }) => identity.names).filter((name) => name !== 'Authorization')
    const withBasic = told.flatMap(({ site, identity }) => (identity.setsAuthorization ? [site.settings.upstream] : []))
    for (const { site, identity } of told) {
      const owned = withBasic.includes(site.settings.upstream) ? [...names, 'Authorization'] : names
      this.#bySite.set(site, build(site, identity, owned, ownPages))
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
        dropAuthorization: judged.program === true || carriesAppToken(request.headers.authorization),
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
        dropAuthorization: judged.program === true || carriesAppToken(request.headers.authorization),
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
  *underWay(everything = false): Iterable<OpenPassage> {
    for (const { upstream } of this.#bySite.values()) if (upstream !== undefined) yield* upstream.underWay(everything)
  }

  /** What never ends by itself ends now: the gateway stops. */
  endEventStreams(): void {
    for (const { upstream } of this.#bySite.values()) upstream?.endEventStreams()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#bySite.values()].map(({ upstream }) => upstream?.close()))
  }
}

function build(
  site: Site<ProxySite>,
  identity: IdentityHeaders,
  owned: readonly string[],
  ownPages: string | undefined,
): Application {
  const { upstream: url, upstreamTls, preserveHost, timeouts, limits } = site.settings
  const ca = upstreamTls?.ca === undefined ? undefined : readFileSync(upstreamTls.ca, 'utf8')
  return {
    name: siteName(site),
    site,
    certificateAuthority: ca,
    assertion: identity.assertion,
    audience: identity.assertion?.audience ?? site.host ?? 'gatelodge',
    headers: new HeaderPolicy({
      identity,
      upstream: url,
      owned,
      ownPages,
      ...(preserveHost === undefined ? {} : { preserveHost }),
    }),
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
            uploadBytesPerSecond: limits?.uploadRate === 'off' ? undefined : limits?.uploadRate,
            uploadWindowMs: limits?.uploadWindowMs,
          }),
  }
}
