import { type Address, AddressRanges } from './client-address.js'
import { hostName } from './policy.js'
import type { CanonicalTarget } from './targets/canonical-target.js'
import { PathPattern, pathSegments } from './targets/path-pattern.js'
import { type PathToRead, readings } from './targets/path-readings.js'

/** Where a credential of a program counts, as it is kept. What is left out is not limited. */
export interface ScopeSettings {
  readonly sites?: readonly string[] | undefined
  readonly methods?: readonly string[] | undefined
  readonly paths?: readonly string[] | undefined
  readonly networks?: readonly string[] | undefined
}

/** What a request has that a scope can be about. */
export interface ScopedRequest {
  /** As the request has it, port and all. */
  readonly host: string | undefined
  readonly method: string
  /** Decoded. */
  readonly path: string
  /** As those of the target. */
  readonly ways?: CanonicalTarget['ways'] | undefined
  readonly address: Address | undefined
}

/** The part of a request that a scope does not reach. */
export type Outside = 'site' | 'method' | 'path' | 'network'

const parts: readonly Outside[] = ['site', 'network', 'method', 'path']

/** A scope, compiled. */
export class Scope {
  readonly #sites: ReadonlySet<string | undefined> | undefined
  readonly #methods: ReadonlySet<string> | undefined
  readonly #paths: readonly PathPattern[] | undefined
  readonly #networks: AddressRanges | undefined

  /** @throws for a pattern or range that nobody should have kept */
  constructor({ sites, methods, paths, networks }: ScopeSettings) {
    this.#sites = sites && new Set(sites.map(hostName))
    this.#methods = methods && new Set(methods.includes('GET') ? [...methods, 'HEAD'] : methods)
    this.#paths = paths?.map((path) => new PathPattern(path))
    this.#networks = networks && AddressRanges.parse(networks)
  }

  /**
   * `undefined` when it reaches the request. A path must lie within it however an application may read it, as with rules:
   * `/reports/..;/admin` is not one of `/reports/**`. An address that cannot be read lies in no network.
   */
  outside(request: ScopedRequest): Outside | undefined {
    return parts.find((part) => !this.#reaches(part, request))
  }

  /** Everything of the request that it does not reach. */
  allOutside(request: ScopedRequest): readonly Outside[] {
    return parts.filter((part) => !this.#reaches(part, request))
  }

  #reaches(part: Outside, { host, method, path, ways, address }: ScopedRequest): boolean {
    switch (part) {
      case 'site': {
        const name = host === undefined ? undefined : hostName(host)
        return this.#sites === undefined || (name !== undefined && this.#sites.has(name))
      }
      case 'network':
        return this.#networks === undefined || (address !== undefined && this.#networks.has(address))
      case 'method':
        return this.#methods === undefined || this.#methods.has(method)
      case 'path':
        return this.#paths === undefined || isWithin(this.#paths, ways === undefined ? path : { path, ways })
    }
  }
}

function isWithin(patterns: readonly PathPattern[], path: PathToRead): boolean {
  return readings(path).every((reading) => {
    const segments = pathSegments(reading)
    return patterns.some((pattern) => pattern.matchesSegments(segments))
  })
}
