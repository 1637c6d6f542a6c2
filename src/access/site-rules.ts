import { foldUsername } from '../contracts.js'
import { type Address, AddressRanges } from './client-address.js'
import type { Rule, RuleSettings } from './rule.js'
import { type Indexed, RuleIndex } from './rule-index.js'
import { foldCase, PathPattern, pathSegments } from './targets/path-pattern.js'

interface CompiledRule {
  readonly rule: Rule
  readonly methods: ReadonlySet<string> | undefined
  readonly from: AddressRanges | undefined
}

/** The rules of one site, compiled for looking up: as they are written, and as applications read them that ignore case. */
export class SiteRules {
  readonly #exact = new RuleIndex<CompiledRule>()
  /** `deny` rules, which ignore case whatever the application does; `undefined` where there are none. */
  readonly #denied: RuleIndex<CompiledRule> | undefined
  readonly #anyCase = new RuleIndex<CompiledRule>()
  /** Whether a pattern has letters that a path in lower case does not fit. */
  readonly #hasUpperCase: boolean

  /** @throws for a pattern or range that the check of the configuration should have refused */
  constructor(rules: readonly RuleSettings[]) {
    this.#denied = rules.some((rule) => rule.access === 'deny') ? new RuleIndex() : undefined
    this.#hasUpperCase = rules.some(({ path }) => path !== foldCase(path))
    for (const [order, settings] of rules.entries()) {
      const value = compileRule(settings)
      const folded = new PathPattern(settings.path, { ignoreCase: true })
      if (settings.access === 'deny') this.#denied?.add({ order, pattern: folded, value })
      else this.#exact.add({ order, pattern: new PathPattern(settings.path), value })
      this.#anyCase.add({ order, pattern: folded, value })
    }
  }

  /** Whether {@link first} and {@link firstInAnyCase} may give two answers. Cheap, as nearly every request is asked. */
  mindsCase(path: string): boolean {
    return this.#hasUpperCase || mayFold.test(path)
  }

  /** The first rule that fits; `undefined` where none does. */
  first(path: string, method: string, address: Address): Rule | undefined {
    return this.#first(pathSegments(path), path, fitting(method, address))?.value.rule
  }

  /** The same for an application to which `/ADMIN` is `/admin`. */
  firstInAnyCase(path: string, method: string, address: Address): Rule | undefined {
    return this.#anyCase.first(pathSegments(path, true), fitting(method, address))?.value.rule
  }

  /** Nobody knows which networks the client is in, so every rule that might be the first has a say. */
  fromAnywhere(path: string, method: string, inAnyCase: boolean): readonly (Rule | undefined)[] {
    const segments = pathSegments(path, inAnyCase)
    const everybody = (value: CompiledRule) => value.from === undefined && fitsMethod(value, method)
    const possible = (value: CompiledRule) => value.from !== undefined && fitsMethod(value, method)
    const certain = inAnyCase ? this.#anyCase.first(segments, everybody) : this.#first(segments, path, everybody)
    const before = certain?.order ?? Number.POSITIVE_INFINITY
    const others = inAnyCase
      ? this.#anyCase.all(segments, possible, before)
      : [
          ...this.#exact.all(segments, possible, before),
          ...(this.#denied?.all(pathSegments(path, true), possible, before) ?? []),
        ]
    return [certain?.value.rule, ...others.map((entry) => entry.value.rule)]
  }

  #first(segments: readonly string[], path: string, fits: (value: CompiledRule) => boolean) {
    const exact: Indexed<CompiledRule> | undefined = this.#exact.first(segments, fits)
    return this.#denied === undefined ? exact : this.#denied.first(pathSegments(path, true), fits, exact)
  }
}

/** What {@link foldCase} changes, or may change. */
const mayFold = /[A-Z\x80-\uffff]/

function fitting(method: string, address: Address) {
  return (value: CompiledRule) => fitsMethod(value, method) && (value.from === undefined || value.from.has(address))
}

function fitsMethod({ methods }: CompiledRule, method: string): boolean {
  return methods === undefined || methods.has(method)
}

function compileRule(settings: RuleSettings): CompiledRule {
  const { path, access, clients, preflight, groups, reauthenticateSeconds, proof, line, methods, from } = settings
  const users = settings.users?.map(foldUsername)
  return {
    rule: Object.freeze({ path, access, clients, preflight, groups, users, reauthenticateSeconds, proof, line }),
    methods: methods === undefined ? undefined : new Set(methods.includes('GET') ? [...methods, 'HEAD'] : methods),
    from: from === undefined ? undefined : AddressRanges.parse(from),
  }
}
