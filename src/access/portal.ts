import { hostName } from './policy.js'
import { canonicalTarget } from './targets/canonical-target.js'

/** Where people sign in: once for every host, at the portal, or at each host for itself. */
export type SignInAt = 'portal' | 'each-host'

export interface PortalSettings {
  /** An origin, as in `https://login.example.com`: its host is the portal. */
  readonly publicUrl: string
  /** Of the sites as YAML has them; one without a host answers to any. */
  readonly sites: ReadonlyArray<{
    readonly host?: string | undefined
    /** `/` when left out. */
    readonly path?: string | undefined
    readonly name?: string | undefined
  }>
  readonly at: SignInAt
  /** Of our own pages, as in `/.gatelodge`. */
  readonly prefix: string
}

/** An address at one of the sites to come back to. */
export interface ReturnPlace {
  /** As sites are compared: lower case, no port. */
  readonly host: string
  /** As browsers write it, as in `https://crm.example.com`. */
  readonly origin: string
  /** Path and query. */
  readonly target: string
  /** What people know the site as. */
  readonly name: string
}

/**
 * Which hosts there are and what is served on which. With one sign-in for all of them, the pages that ask for a secret
 * live at the portal alone: an application shares its origin with whatever else is served on its host, so its scripts
 * could read and send any form there.
 */
export class Portal {
  /** As in `https://login.example.com`. */
  readonly origin: string
  readonly host: string
  /** Whether one sign-in counts for all hosts. */
  readonly isShared: boolean
  /** Whether `/` of the portal's host is the page of applications: it is shared, and no site is there. */
  readonly hasStart: boolean
  /** Of every host that has a name, the portal's first. */
  readonly origins: readonly string[]
  readonly #prefix: string
  readonly #hosts: ReadonlySet<string>
  /** A site without a host answers to any. */
  readonly #takesAny: boolean
  readonly #byOrigin = new Map<string, Pick<ReturnPlace, 'host' | 'origin' | 'name'>>()
  readonly #originOf = new Map<string, string>()

  constructor({ publicUrl, sites, at, prefix }: PortalSettings) {
    const url = new URL(publicUrl)
    this.origin = url.origin
    this.host = hostName(url.host) ?? url.hostname
    this.#prefix = prefix
    const named = sites.flatMap(({ host, name }) => {
      const known = host === undefined ? undefined : hostName(host)
      return known === undefined ? [] : [{ host: known, name: name ?? known }]
    })
    this.#takesAny = sites.some(({ host }) => host === undefined)
    this.#hosts = new Set([this.host, ...named.map(({ host }) => host)])
    this.isShared = at === 'portal' && this.#hosts.size > 1
    const isTaken = sites.some(({ host, path = '/' }) => {
      return path === '/' && (host === undefined || hostName(host) === this.host)
    })
    this.hasStart = this.isShared && !isTaken
    for (const { host, name } of named) {
      const origin = `${url.protocol}//${host}${url.port === '' ? '' : `:${url.port}`}`
      this.#originOf.set(host, origin)
      // At the portal's own host a path is enough, and there is nothing to hand over.
      if (host !== this.host && !this.#byOrigin.has(origin)) this.#byOrigin.set(origin, { host, origin, name })
    }
    this.origins = [...new Set([this.origin, ...this.#originOf.values()])]
  }

  /**
   * Whether pages of ours are served under this host. The attack: any other name that leads here, of an attacker's domain as
   * well, would serve a sign-in page whose session then opens the applications.
   * @param host as the request has it, port and all
   */
  serves(host: string | undefined): boolean {
    if (this.#takesAny) return true
    if (host === undefined) return false
    return this.#hosts.has(host) || this.#hosts.has(hostName(host) ?? '')
  }

  /** Whether this host has only the way to the portal, and its own branches of the sessions there. */
  isElsewhere(host: string | undefined): boolean {
    return this.isShared && host !== undefined && host !== this.host && hostName(host) !== this.host
  }

  /** Whether `/` of this host is ours: the portal's, where no site is. */
  startsAt(host: string | undefined): boolean {
    return this.hasStart && host !== undefined && !this.isElsewhere(host)
  }

  /**
   * The host whose branches open something at a site; `undefined` where sessions themselves do: at the portal, and
   * everywhere where every host is for itself.
   * @param host of the site, as compared
   */
  branchHost(host: string | undefined): string | undefined {
    return this.isShared && host !== this.host ? host : undefined
  }

  /** The address of a site's path, as browsers write it. */
  addressAt(host: string, target: string): string | undefined {
    const origin = this.#originOf.get(host)
    return origin && origin + target
  }

  /**
   * Where somebody may be sent after signing in. Every spelling but the one our own redirects have is refused (other schemes,
   * ports, user names, upper case, dots at the end, backslashes), for each of them is another host to some browser.
   * @param said anything: it comes from the client
   */
  place(said: string): ReturnPlace | undefined {
    if (!this.isShared) return undefined
    const slash = said.indexOf('/', said.indexOf('://') + 3)
    const site = this.#byOrigin.get(slash < 0 ? said : said.slice(0, slash))
    if (site === undefined) return undefined
    const target = canonicalTarget(slash < 0 ? '/' : said.slice(slash))
    if (target === undefined || this.#isOwn(target.path)) return undefined
    return { ...site, target: target.forward }
  }

  /** Own pages are no place to come back to on another host. */
  #isOwn(path: string): boolean {
    return path === this.#prefix || path.startsWith(`${this.#prefix}/`)
  }
}

/**
 * Whether the portal's host serves an application as well. Browsers give every script of one origin the same rights: such an
 * application's scripts can read the forms of account and administration and send them with the visitor's cookies.
 */
export function isPortalShared({ publicUrl, sites }: Pick<PortalSettings, 'publicUrl' | 'sites'>): boolean {
  const { hostname } = new URL(publicUrl)
  return sites.some(({ host }) => host === undefined || hostName(host) === hostName(hostname))
}

/** Whether the portal is reached from its own machine alone, as while somebody tries the gateway out. */
export function isPortalLocal({ publicUrl }: Pick<PortalSettings, 'publicUrl'>): boolean {
  return /^(?:localhost|.*\.localhost|127\.[\d.]+|\[::1\])$/.test(new URL(publicUrl).hostname)
}
