import { setsOurCookie, withoutOurCookies } from '../web/cookies.js'
import { fold, isOwned, methodOverrides, responseTreatment, type Treatment, treat } from '../web/header-names.js'
import { withoutCookieClearing } from './clear-site-data.js'
import type { IdentityHeaders, UpstreamUser } from './identity-headers.js'
import { Origins } from './origins.js'

export interface HeaderPolicySettings {
  readonly identity: IdentityHeaders
  /** The upstream's address, `scheme://host[:port]`: taken off `Location` so that it never reaches a client. */
  readonly upstream: string
  /** The client's `Host` goes on to the application, so that it builds right links. On by default. */
  readonly preserveHost?: boolean
  /** What people come by; http when left out. */
  readonly scheme?: 'http' | 'https'
  /** The site's. */
  readonly host?: string | undefined
  /** Whether `Destination` and `If` say the address that the application knows itself by; left out: where it needs that. */
  readonly rewriteDestination?: boolean | undefined
  /** Where the gateway's own pages live: an address of one of them may have a token in it, and is no application's to read. */
  readonly ownPages?: string | undefined
  /** `allow`: its service workers may control the paths of our own pages as well. */
  readonly serviceWorkers?: 'refuse' | 'allow' | undefined
  /** Names that other sites tell identity by: no client may say them to any site. */
  readonly owned?: readonly string[]
}

/** What the gateway says to the application about one request. */
export interface RequestFacts {
  /** Canonical client address; `unknown` where it could not be read. */
  readonly client: string
  readonly scheme: 'http' | 'https'
  /** The client's `Host`, already checked. */
  readonly host: string
  readonly requestId: string
  readonly user?: UpstreamUser | undefined
  /** Signed, for the site that wants one. */
  readonly assertion?: string | undefined
  /** The gateway used up `Authorization` itself, so it is not the application's to see. */
  readonly dropAuthorization?: boolean
}

/** Bounded: names are a client's to make up. */
const rememberedNames = 2000
const rememberedLength = 64

/**
 * What an application is told and what it may say back, over raw header arrays `[name, value, name, value, ...]`.
 *
 * Names are compared as {@link fold} makes them.
 */
export class HeaderPolicy {
  readonly #identity: IdentityHeaders
  readonly #origins: Origins
  readonly #upstreamHost: string
  readonly #preserveHost: boolean
  readonly #owned: ReadonlySet<string>
  readonly #ownPages: string | undefined
  readonly #widensServiceWorkers: boolean
  readonly #requestNames = new Map<string, Treatment>()
  readonly #responseNames = new Map<string, Treatment>()
  readonly #aliases = new Map<string, Treatment>()

  constructor(settings: HeaderPolicySettings) {
    this.#identity = settings.identity
    // Where another proxy passes requests on, there is no address of the application to hide.
    const { host } = URL.canParse(settings.upstream) ? new URL(settings.upstream) : { host: '' }
    this.#upstreamHost = host
    this.#preserveHost = settings.preserveHost ?? true
    this.#origins = new Origins({ ...settings, scheme: settings.scheme ?? 'http', preserveHost: this.#preserveHost })
    this.#ownPages = settings.ownPages
    this.#widensServiceWorkers = settings.serviceWorkers === 'allow'
    this.#owned = new Set([...this.#identity.names, ...(settings.owned ?? [])].map(fold))
  }

  /** The headers of the request as the application gets them: each one of ours exactly once, no alias of any. */
  request(raw: readonly string[], facts: RequestFacts): string[] {
    const headers = [
      'host',
      this.#preserveHost ? facts.host : this.#upstreamHost,
      'X-Forwarded-For',
      facts.client,
      'X-Forwarded-Proto',
      facts.scheme,
      'X-Forwarded-Host',
      facts.host,
      'X-Request-Id',
      facts.requestId,
    ]
    this.#pushIdentity(headers, facts)
    const ours = headers.length
    let named: Set<string> | undefined
    for (let at = 0; at < raw.length; at += 2) {
      const name = raw[at] as string
      const value = raw[at + 1] as string
      switch (this.#treatment(this.#requestNames, name, this.#requestTreatment)) {
        case treat.keep:
          headers.push(name, value)
          break
        case treat.cookie: {
          const rest = withoutOurCookies(value)
          if (rest !== undefined) headers.push(name, rest)
          break
        }
        case treat.connection:
          named = namedByConnection(value, named)
          break
        case treat.authorization:
          if (facts.dropAuthorization !== true) headers.push(name, value)
          break
        case treat.destination:
          headers.push(name, this.#origins.destination(value, facts))
          break
        case treat.condition:
          headers.push(name, this.#origins.condition(value, facts))
          break
        case treat.referer:
          if (this.#ownPages === undefined || !value.includes(this.#ownPages)) headers.push(name, value)
          break
      }
    }
    return named === undefined ? headers : withoutNamed(headers, named, ours)
  }

  /**
   * For another proxy, that passes the request on itself: every header of ours, and those of the client's that have
   * something of ours in them (`Cookie`, `Authorization`), for the proxy to put in their place. Nothing to say is said as an
   * empty value: some proxies leave what the client sent, or worse (Caddy 2.6 sends the name of its placeholder), where a
   * header is missing.
   */
  answer(
    headers: { readonly cookie?: string | undefined; readonly authorization?: string | undefined },
    facts: Pick<RequestFacts, 'user' | 'assertion' | 'dropAuthorization'>,
  ): string[] {
    const answer: string[] = []
    this.#pushIdentity(answer, facts)
    for (const name of this.#identity.names) if (!isSaid(name, answer)) answer.push(name, '')
    answer.push('Cookie', withoutOurCookies(headers.cookie ?? '') ?? '')
    if (!isSaid('Authorization', answer)) {
      const isTheirs = facts.dropAuthorization !== true && !this.#owned.has('authorization')
      answer.push('Authorization', isTheirs ? (headers.authorization ?? '') : '')
    }
    return answer
  }

  /**
   * Whether a client says one of the names of identity, or another method, in another spelling. The proxy that asks overwrites the name itself
   * and knows nothing of the others.
   */
  hasAlias(raw: readonly string[]): boolean {
    for (let at = 0; at < raw.length; at += 2) {
      const name = raw[at] as string
      if (this.#treatment(this.#aliases, name, this.#aliasTreatment) === treat.drop) return true
    }
    return false
  }

  /** The headers of the answer as the client gets them. Values with bytes no header may have are left out. */
  response(raw: readonly string[]): string[] {
    const headers: string[] = []
    let named: Set<string> | undefined
    for (let at = 0; at + 1 < raw.length; at += 2) {
      const name = raw[at] as string
      const value = raw[at + 1] as string
      const treatment = this.#treatment(this.#responseNames, name, responseTreatment)
      if (treatment === treat.drop || invalidValue.test(value)) continue
      if (treatment === treat.connection) named = namedByConnection(value, named)
      else if (treatment === treat.location) headers.push(name, this.#origins.location(value))
      else if (treatment === treat.link) headers.push(name, this.#origins.link(value))
      else if (treatment === treat.refresh) headers.push(name, this.#origins.refresh(value))
      else if (treatment === treat.clearSiteData) {
        const rest = withoutCookieClearing(value)
        if (rest !== undefined) headers.push(name, rest)
      } else if (treatment === treat.serviceWorkerAllowed) {
        // It lets a worker control more than the directory of its script, our pages included.
        if (this.#widensServiceWorkers) headers.push(name, value)
      } else if (treatment !== treat.setCookie || !setsOurCookie(value)) headers.push(name, value)
    }
    return named === undefined ? headers : withoutNamed(headers, named, 0)
  }

  #treatment(known: Map<string, Treatment>, name: string, find: (name: string) => Treatment): Treatment {
    const treatment = known.get(name)
    if (treatment !== undefined) return treatment
    const found = find(name)
    if (known.size < rememberedNames && name.length <= rememberedLength) known.set(name, found)
    return found
  }

  readonly #requestTreatment = (name: string): Treatment => {
    const folded = fold(name)
    if (folded === 'connection' && name.length === 10) return treat.connection
    if (isOwned(folded) || this.#owned.has(folded)) return treat.drop
    if (folded === 'cookie') return treat.cookie
    if (folded === 'authorization') return treat.authorization
    if (folded === 'referer') return treat.referer
    if (folded === 'destination') return folded === name.toLowerCase() ? treat.destination : treat.drop
    if (folded === 'if') return treat.condition
    // Another spelling was not judged.
    if (methodOverrides.has(folded) && folded !== name.toLowerCase()) return treat.drop
    // `Content_Length` beside `Content-Length`: an alias that a CGI application would take for the body's length.
    if (framing.has(folded) && folded !== name.toLowerCase()) return treat.drop
    return treat.keep
  }

  readonly #aliasTreatment = (name: string): Treatment => {
    const folded = fold(name)
    if (folded === name.toLowerCase()) return treat.keep
    return this.#owned.has(folded) || methodOverrides.has(folded) ? treat.drop : treat.keep
  }

  #pushIdentity(headers: string[], { user, assertion }: Pick<RequestFacts, 'user' | 'assertion'>): void {
    if (user !== undefined) for (const part of this.#identity.of(user)) headers.push(part)
    if (assertion !== undefined && this.#identity.assertion !== undefined) {
      headers.push(this.#identity.assertion.header, assertion)
    }
  }
}

function isSaid(name: string, headers: readonly string[]): boolean {
  for (let at = 0; at < headers.length; at += 2) if (headers[at] === name) return true
  return false
}

const invalidValue = /[^\t\x20-\x7e\x80-\xff]/
const framing = new Set(['content-length', 'content-type'])
const unremarkable = new Set(['keep-alive', 'close', 'upgrade', ''])

function namedByConnection(value: string, named: Set<string> | undefined): Set<string> | undefined {
  if (value === 'keep-alive' || value === 'close') return named
  let found = named
  for (const part of value.split(',')) {
    const option = part.trim().toLowerCase()
    if (unremarkable.has(option)) continue
    found ??= new Set()
    found.add(fold(option))
  }
  return found
}

/** The first `from` entries are ours: `Connection: X-Forwarded-For` must not take away what the gateway says. */
function withoutNamed(headers: string[], named: ReadonlySet<string>, from: number): string[] {
  const kept = headers.slice(0, from)
  for (let at = from; at < headers.length; at += 2) {
    const name = headers[at] as string
    const folded = fold(name)
    // The body's length is settled by the message itself: leaving it out would change where the message ends.
    if (named.has(folded) && folded !== 'content-length') continue
    kept.push(name, headers[at + 1] as string)
  }
  return kept
}
