import { AddressRangeError, AddressRanges } from './client-address.js'
import type { RuleSettings } from './rule.js'
import { fitsSegment, PathPattern, PathPatternError, type PatternSegment, walk } from './targets/path-pattern.js'

interface Prepared {
  readonly rule: RuleSettings
  readonly pattern: PathPattern
  /** The pattern as a rule reads it that ignores case. */
  readonly folded: PathPattern
  readonly from: AddressRanges | undefined
}

/** A rule that can never be the first to fit. */
export interface Unreachable {
  readonly rule: RuleSettings
  /** The earlier rule that takes everything. */
  readonly coveredBy: RuleSettings
}

/** Rules that an earlier one wholly covers. Rules that are wrong in themselves are left out. */
export function unreachableRules(rules: readonly RuleSettings[]): readonly Unreachable[] {
  const prepared = rules.flatMap((rule) => prepare(rule) ?? [])
  return prepared.flatMap((later, index) => {
    const earlier = prepared.find((one, at) => at >= index || coversPrepared(one, later))
    return earlier === undefined || earlier === later ? [] : [{ rule: later.rule, coveredBy: earlier.rule }]
  })
}

/** Whether every request that fits the later rule fits the earlier one. `false` may also mean "hard to say". */
export function covers(earlier: RuleSettings, later: RuleSettings): boolean {
  const one = prepare(earlier)
  const other = prepare(later)
  return one !== undefined && other !== undefined && coversPrepared(one, other)
}

function prepare(rule: RuleSettings): Prepared | undefined {
  try {
    const folded = new PathPattern(rule.path, { ignoreCase: true })
    return {
      rule,
      pattern: rule.access === 'deny' ? folded : new PathPattern(rule.path),
      folded,
      from: rule.from === undefined ? undefined : AddressRanges.parse(rule.from),
    }
  } catch (error) {
    if (error instanceof PathPatternError || error instanceof AddressRangeError) return undefined
    throw error
  }
}

function coversPrepared(earlier: Prepared, later: Prepared): boolean {
  return coversPath(earlier, later) && coversMethods(earlier.rule, later.rule) && coversFrom(earlier, later)
}

function coversMethods({ methods: earlier }: RuleSettings, { methods: later }: RuleSettings): boolean {
  if (earlier === undefined) return true
  if (later === undefined) return false
  return later.every((method) => earlier.includes(method) || (method === 'HEAD' && earlier.includes('GET')))
}

function coversFrom({ from: earlier }: Prepared, { from: later }: Prepared): boolean {
  return earlier === undefined || (later !== undefined && earlier.covers(later))
}

function coversPath(earlier: Prepared, later: Prepared): boolean {
  const { pattern, rule } = earlier
  const wanted = rule.access === 'deny' ? later.folded : later.pattern
  // A rule that minds the case does not cover one that does not, unless it has no letters to mind.
  if (wanted.ignoreCase && !pattern.ignoreCase && /\p{L}/u.test(pattern.text)) return false
  const endsOpen = pattern.trailingSlash || pattern.segments.at(-1)?.kind === 'any-depth'
  if (wanted.trailingSlash && !endsOpen) return false
  return walk(pattern.segments, wanted.segments, wanted.segments.length, coversSegment)
}

function coversSegment(one: PatternSegment, other: PatternSegment): boolean {
  if (other.kind === 'any-depth') return false
  if (other.kind === 'literal') return fitsSegment(one, other.text)
  if (one.kind !== 'glob') return false
  return one.parts.every((part) => part === '') || one.parts.join('*') === other.parts.join('*')
}
