import { domainToASCII } from 'node:url'
import { foldUsername } from '../contracts.js'
import { type Address, AddressRanges, parseAddress } from './client-address.js'
import { type Network, type NetworkSettings, Networks, stricter } from './networks.js'
import { PathPattern, pathSegments } from './path-pattern.js'
import { readings } from './readings.js'
import { type Indexed, RuleIndex } from './rule-index.js'

export type { Network, NetworkSettings } from './networks.js'

/** What a rule asks for; `signed-in` leaves the second factor to networks, accounts and the installation. */
export type Access = 'public' | 'password' | 'signed-in' | 'second-factor' | 'deny'

/** One rule as YAML has it. Paths are whole paths as the browser asks for them, the site's own path included. */
export interface RuleSettings {
  readonly path: string
  /** Case-sensitive; `GET` stands for `HEAD`, too. None: any. */
  readonly methods?: readonly string[] | undefined
  /** Networks of clients. None: any. */
  readonly from?: readonly string[] | undefined
  readonly access: Access
  /** Programs (API accounts, app tokens) may pass with their password or token alone. */
  readonly clients?: 'api' | undefined
  /** CORS preflights for the requests of this rule pass, though they carry no credentials. */
  readonly preflight?: 'pass' | undefined
  /** Being in one of them is enough. */
  readonly groups?: readonly string[] | undefined
  /** Being one of them is enough, too. With neither: anybody. */
  readonly users?: readonly string[] | undefined
  /** How old the proof may be that is needed here. */
  readonly reauthenticateSeconds?: number | undefined
  /** In the YAML file, from 1. */
  readonly line: number
}

export interface SiteSettings {
  /** None: any host that no other site has. */
  readonly host?: string | undefined
  /** `/`, or a prefix without wildcards, as in `/wiki`. */
  readonly path: string
  readonly upstream: string
  /** The first that fits is the one. */
  readonly rules: readonly RuleSettings[]
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

/** A rule that fits a request. */
export interface Rule {
  readonly path: string
  readonly access: Access
  readonly clients?: 'api' | undefined
  readonly preflight?: 'pass' | undefined
  readonly groups?: readonly string[] | undefined
  /** Folded, as names are compared by. */
  readonly users?: readonly string[] | undefined
  readonly reauthenticateSeconds?: number | undefined
  /** `undefined` for the rule that stands where none fits. */
  readonly line?: number | undefined
  /**
   * Rules that fit the same request read in another way (see `readings`), or from an address that could not be read.
   * `decide` lets a request pass only where all of them do.
   */
  readonly also?: readonly Rule[]
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

interface CompiledRule {
  readonly rule: Rule
  readonly methods: ReadonlySet<string> | undefined
  readonly from: AddressRanges | undefined
}

class CompiledSite<S extends SiteSettings> implements Site<S> {
  readonly settings: S
  readonly host: string | undefined
  readonly path: string
  readonly networks: Networks
  readonly #exact = new RuleIndex<CompiledRule>()
  /** `deny` rules, which ignore case; `undefined` where there are none. */
  readonly #folded: RuleIndex<CompiledRule> | undefined

  constructor(settings: S) {
    this.settings = settings
    this.host = settings.host === undefined ? undefined : hostName(settings.host)
    if (settings.host !== undefined && this.host === undefined) throw new TypeError(`no host name: ${settings.host}`)
    this.path = settings.path.length > 1 && settings.path.endsWith('/') ? settings.path.slice(0, -1) : settings.path
    this.networks = settings.networks === undefined ? Networks.none : new Networks(settings.networks)
    this.#folded = settings.rules.some((rule) => rule.access === 'deny') ? new RuleIndex() : undefined
    for (const [order, rule] of settings.rules.entries()) {
      const ignoreCase = rule.access === 'deny'
      const index = ignoreCase ? this.#folded : this.#exact
      index?.add({ order, pattern: new PathPattern(rule.path, { ignoreCase }), value: compileRule(rule) })
    }
  }

  rule(path: string, method: string, address: Address): Rule {
    const segments = pathSegments(path)
    const folded = this.#folded === undefined ? segments : pathSegments(path, true)
    const fits = (value: CompiledRule) =>
      fitsMethod(value, method) && (value.from === undefined || value.from.has(address))
    return this.#first(segments, folded, fits)?.value.rule ?? defaultRule
  }

  /** Nobody knows which networks the client is in, so every rule that might be the first has a say. */
  rulesFromAnywhere(path: string, method: string): readonly Rule[] {
    const segments = pathSegments(path)
    const folded = this.#folded === undefined ? segments : pathSegments(path, true)
    const certain = this.#first(segments, folded, (value) => value.from === undefined && fitsMethod(value, method))
    const possible = (value: CompiledRule) => value.from !== undefined && fitsMethod(value, method)
    const before = certain?.order ?? Number.POSITIVE_INFINITY
    const others = [
      ...this.#exact.all(segments, possible, before),
      ...(this.#folded?.all(folded, possible, before) ?? []),
    ]
    return [certain?.value.rule ?? defaultRule, ...others.map((entry) => entry.value.rule)]
  }

  #first(segments: readonly string[], folded: readonly string[], fits: (value: CompiledRule) => boolean) {
    const exact: Indexed<CompiledRule> | undefined = this.#exact.first(segments, fits)
    return this.#folded === undefined ? exact : this.#folded.first(folded, fits, exact)
  }
}

/** Everything the configuration says about access, compiled once and asked on every request. */
export class Policy<S extends SiteSettings = SiteSettings> {
  readonly sites: readonly Site<S>[]
  readonly #byHost = new Map<string | undefined, CompiledSite<S>[]>()
  /** Hosts some of whose paths go to the sites of any host; those themselves included. */
  readonly #partialHosts: readonly (string | undefined)[]
  #installation: Installation

  /** @throws for a pattern, range or host that the check of the configuration should have refused */
  constructor(settings: PolicySettings<S>) {
    this.#installation = installation(settings)
    const sites = settings.sites.map((site) => new CompiledSite(site))
    this.sites = sites
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
   * @param path decoded
   */
  rule(site: Site<S>, path: string, method: string, address: Address | undefined): Rule {
    if (!(site instanceof CompiledSite)) throw new TypeError('a site of another policy')
    const ways = readings(path)
    if (ways.length === 1 && address !== undefined) return site.rule(ways[0], method, address)
    const found = new Set<Rule>()
    for (const [index, way] of ways.entries()) {
      const sites = index === 0 ? [site] : this.#sitesOfReading(site, way)
      for (const one of sites) {
        if (address !== undefined) found.add(one.rule(way, method, address))
        else for (const rule of one.rulesFromAnywhere(way, method)) found.add(rule)
      }
    }
    const [rule = defaultRule, ...also] = found
    return also.length === 0 ? rule : { ...rule, also }
  }

  /**
   * The sites a path would belong to if it were read in another way. Two sites are often two parts of one application:
   * `/admin;x` of the site at `/` must not open what the site at `/admin` keeps.
   */
  #sitesOfReading(site: CompiledSite<S>, reading: string): readonly CompiledSite<S>[] {
    if (this.sites.length === 1) return [site]
    // A site of any host serves what is left over by hosts without a site at `/`: those have a say about its odd paths.
    const hosts = site.host === undefined ? this.#partialHosts : [site.host]
    const found = hosts.flatMap((host) => this.#byHost.get(host)?.find((other) => liesUnder(reading, other.path)) ?? [])
    return found.includes(site) ? found : [...found, site]
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

function compileRule(settings: RuleSettings): CompiledRule {
  const { path, access, clients, preflight, groups, reauthenticateSeconds, line, methods, from } = settings
  const users = settings.users?.map(foldUsername)
  return {
    rule: Object.freeze({ path, access, clients, preflight, groups, users, reauthenticateSeconds, line }),
    methods: methods === undefined ? undefined : new Set(methods.includes('GET') ? [...methods, 'HEAD'] : methods),
    from: from === undefined ? undefined : AddressRanges.parse(from),
  }
}

function fitsMethod({ methods }: CompiledRule, method: string): boolean {
  return methods === undefined || methods.has(method)
}
