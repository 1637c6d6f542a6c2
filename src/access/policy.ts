import { domainToASCII } from 'node:url'
import { type Address, parseAddress } from './client-address.js'
import { type Network, type NetworkSettings, Networks, stricter } from './networks.js'
import type { Rule, RuleSettings } from './rule.js'
import { SiteRules } from './site-rules.js'
import { foldCase } from './targets/path-pattern.js'
import { type PathToRead, readings } from './targets/path-readings.js'
import type { PathSettings } from './targets/spellings.js'

export type { Network, NetworkSettings } from './networks.js'

export interface SiteSettings {
  /** None: any host that no other site has. */
  readonly host?: string | undefined
  /** `/`, or a prefix without wildcards, as in `/wiki`. */
  readonly path: string
  readonly upstream: string
  /** The first that fits is the one. */
  readonly rules: readonly RuleSettings[]
  /** What the application makes of paths that can be read in more than one way. */
  readonly paths?: PathSettings | undefined
  /** Beside those of the installation: the stricter of the two has the say. */
  readonly networks?: readonly NetworkSettings[] | undefined
  /** `false`: what is decided is written down, and everything passes. */
  readonly enforce?: boolean
  readonly line: number
}

export interface SecondFactorPolicy {
  /** `everyone` is the global switch. */
  readonly required: 'when-enabled' | 'everyone'
  /** What those meet who need a second factor and have none. */
  readonly unenrolled: 'enrol' | 'recovery-code'
  /** For how long those go on without one who are led to set one up. None: not at all. */
  readonly grace?: GracePolicy | undefined
}

/** From the first time it is used. With both, what ends first ends it. */
export interface GracePolicy {
  readonly days?: number | undefined
  readonly signIns?: number | undefined
}

/** @template S the settings of a site, with whatever else the caller keeps there */
export interface PolicySettings<S extends SiteSettings = SiteSettings> {
  readonly sites: readonly S[]
  readonly networks: readonly NetworkSettings[]
  readonly secondFactor: SecondFactorPolicy
}

/** A site, compiled. */
export interface Site<S extends SiteSettings = SiteSettings> {
  readonly settings: S
  /** As compared: lower case, no port. */
  readonly host: string | undefined
  /** `/`, or a prefix without slash at the end. */
  readonly path: string
}

/** Stands where no rule fits. */
export const defaultRule: Rule = Object.freeze({ path: '/**', access: 'signed-in' })

class CompiledSite<S extends SiteSettings> implements Site<S> {
  readonly settings: S
  readonly host: string | undefined
  readonly path: string
  readonly foldedPath: string
  readonly networks: Networks
  readonly rules: SiteRules
  /** Whether its application may take `/ADMIN` for `/admin`. */
  readonly ignoresCase: boolean

  constructor(settings: S) {
    this.settings = settings
    this.host = settings.host === undefined ? undefined : hostName(settings.host)
    if (settings.host !== undefined && this.host === undefined) throw new TypeError(`no host name: ${settings.host}`)
    this.path = settings.path.length > 1 && settings.path.endsWith('/') ? settings.path.slice(0, -1) : settings.path
    this.foldedPath = foldCase(this.path)
    this.networks = settings.networks === undefined ? Networks.none : new Networks(settings.networks)
    this.rules = new SiteRules(settings.rules)
    this.ignoresCase = settings.paths?.case !== 'exact'
  }

  /** Every rule that has a say about one reading of a path. */
  rulesOf(path: string, method: string, address: Address | undefined, inAnyCase: boolean): readonly Rule[] {
    const exact = this.#rulesOf(path, method, address, false)
    return inAnyCase ? [...exact, ...this.#rulesOf(path, method, address, true)] : exact
  }

  #rulesOf(path: string, method: string, address: Address | undefined, inAnyCase: boolean): readonly Rule[] {
    if (address === undefined) {
      return this.rules.fromAnywhere(path, method, inAnyCase).map((rule) => rule ?? defaultRule)
    }
    const rule = inAnyCase ? this.rules.firstInAnyCase(path, method, address) : this.rules.first(path, method, address)
    return [rule ?? defaultRule]
  }
}

/** Everything the configuration says about access, compiled once and asked on every request. */
export class Policy<S extends SiteSettings = SiteSettings> {
  readonly sites: readonly Site<S>[]
  readonly #byHost = new Map<string | undefined, CompiledSite<S>[]>()
  /** Hosts some of whose paths go to the sites of any host; those themselves included. */
  readonly #partialHosts: readonly (string | undefined)[]
  /** A site's own path has letters in upper case. */
  readonly #sitesMindCase: boolean
  #installation: Installation

  /** @throws for a pattern, range or host that the check of the configuration should have refused */
  constructor(settings: PolicySettings<S>) {
    this.#installation = installation(settings)
    const sites = settings.sites.map((site) => new CompiledSite(site))
    this.sites = sites
    this.#sitesMindCase = sites.some(({ path, foldedPath }) => path !== foldedPath)
    for (const site of sites.toSorted((a, b) => b.path.length - a.path.length)) {
      const list = this.#byHost.get(site.host) ?? []
      if (list.some((other) => other.path === site.path)) throw new TypeError(`two sites at ${site.host} ${site.path}`)
      list.push(site)
      this.#byHost.set(site.host, list)
    }
    this.#partialHosts = [...this.#byHost].flatMap(([host, list]) =>
      host === undefined || list.every((site) => site.path !== '/') ? [host] : [],
    )
  }

  /** The second factor as the installation asks for it now. */
  get secondFactor(): SecondFactorPolicy {
    return this.#installation.secondFactor
  }

  /**
   * From now on what these say, for what may change while the gateway runs; sites and grace stay as they are.
   * @throws for a range that the check of settings should have refused; nothing has changed then
   */
  follow({ networks, secondFactor }: InstallationSettings): void {
    const { grace } = this.secondFactor
    this.#installation = installation({ networks, secondFactor: { ...secondFactor, grace } })
  }

  /**
   * A site of this host comes before a site of any host; of those, the longest path that the request lies under.
   * @param host as the request has it, port and all
   * @param path decoded
   */
  site(host: string | undefined, path: string): Site<S> | undefined {
    const name = host === undefined || this.#byHost.has(host) ? host : hostName(host)
    const own = name === undefined ? undefined : this.#byHost.get(name)?.find((site) => liesUnder(path, site.path))
    return own ?? this.#byHost.get(undefined)?.find((site) => liesUnder(path, site.path))
  }

  /**
   * The first rule that fits, {@link defaultRule} where none does.
   * @param site one of {@link Policy.site}
   * @param path decoded, or the target it is of
   */
  rule(site: Site<S>, path: PathToRead, method: string, address: Address | undefined): Rule {
    if (!(site instanceof CompiledSite)) throw new TypeError('a site of another policy')
    const ways = readings(path)
    const [plainest] = ways
    const inAnyCase = site.ignoresCase && (this.#sitesMindCase || ways.some((way) => site.rules.mindsCase(way)))
    if (ways.length === 1 && address !== undefined && !inAnyCase) {
      return site.rules.first(plainest, method, address) ?? defaultRule
    }
    const found = new Set<Rule>()
    for (const [index, way] of ways.entries()) {
      for (const one of this.#sitesOfReading(site, way, index > 0, inAnyCase)) {
        for (const rule of one.rulesOf(way, method, address, inAnyCase)) found.add(rule)
      }
    }
    const [rule = defaultRule, ...also] = found
    return also.length === 0 ? rule : { ...rule, also }
  }

  /**
   * The sites a path would belong to if it were read in another way. Two sites are often two parts of one application:
   * `/admin;x` of the site at `/` must not open what the site at `/admin` keeps, and neither must `/ADMIN`.
   */
  #sitesOfReading(site: CompiledSite<S>, reading: string, isOther: boolean, inAnyCase: boolean) {
    const found = new Set([site])
    if (this.sites.length === 1 || (!isOther && !inAnyCase)) return found
    // A site of any host serves what is left over by hosts without a site at `/`: those have a say about its odd paths.
    for (const host of site.host === undefined ? this.#partialHosts : [site.host]) {
      const list = this.#byHost.get(host) ?? []
      const asWritten = list.find(({ path }) => liesUnder(reading, path))
      if (isOther && asWritten !== undefined) found.add(asWritten)
      if (!inAnyCase) continue
      const folded = foldCase(reading)
      const inOtherCase = list.find(({ foldedPath }) => liesUnder(folded, foldedPath))
      if (inOtherCase !== undefined && inOtherCase !== asWritten) found.add(inOtherCase)
    }
    return found
  }

  /**
   * What the client's network changes: for the installation, and at a site, where the stricter of both has the say.
   * @param address `undefined` for one that cannot be read
   */
  network(address: Address | undefined, site?: Site<S>): Network | undefined {
    const everywhere = this.#installation.networks.find(address)
    if (!(site instanceof CompiledSite) || site.networks === Networks.none) return everywhere
    return stricter(everywhere, site.networks.find(address))
  }

  /** The same for the gateway's own pages on a host, which are barred where each of its applications is. */
  networkOfOwnPages(address: Address | undefined, host: string | undefined): Network | undefined {
    const everywhere = this.network(address)
    const name = host === undefined || this.#byHost.has(host) ? host : hostName(host)
    const own = name === undefined ? [] : (this.#byHost.get(name) ?? [])
    const others = own.some(({ path }) => path === '/') ? [] : (this.#byHost.get(undefined) ?? [])
    const [first, ...more] = [...own, ...others].map((site) => this.network(address, site))
    return first?.access === 'deny' && more.every((network) => network?.access === 'deny') ? first : everywhere
  }
}

/** The settings of the whole installation, which may change while it runs. */
export type InstallationSettings = Pick<PolicySettings, 'networks' | 'secondFactor'>

interface Installation {
  readonly networks: Networks
  readonly secondFactor: SecondFactorPolicy
}

function installation({ networks, secondFactor }: InstallationSettings): Installation {
  return { networks: new Networks(networks), secondFactor }
}

/**
 * A host as sites are compared by: lower case, without port and trailing dot, IPv6 addresses in their one short form,
 * names in ASCII. `undefined` for what is no host.
 * @param host as in a `Host` field: a name, an IPv4 address or an IPv6 address in brackets, and perhaps a port
 */
export function hostName(host: string): string | undefined {
  const name = /^(\[[\da-f:.]+\]|[^\s/\\?#@:[\]]+?)\.?(?::\d{0,5})?$/i.exec(host)?.[1]
  if (name === undefined) return undefined
  if (name.startsWith('[')) {
    const address = parseAddress(name.slice(1, -1))
    return address === undefined ? undefined : `[${address.text}]`
  }
  return /[^\x00-\x7f]/.test(name) ? domainToASCII(name) || undefined : name.toLowerCase()
}

function liesUnder(path: string, prefix: string): boolean {
  if (prefix === '/') return true
  return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/')
}
