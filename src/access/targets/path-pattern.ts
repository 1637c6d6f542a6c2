import type { Spelling } from './spellings.js'

/** One segment of a pattern: `**`, text that must be equal, or text with `*` in it, split at the stars. */
export type PatternSegment =
  | { readonly kind: 'any-depth' }
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'glob'; readonly parts: readonly string[] }

/** What is wrong with a pattern. The message says what to write instead. */
export class PathPatternError extends Error {
  override readonly name = 'PathPatternError'
}

/**
 * A path pattern of a rule: segments of plain text, `*` for anything within one segment (alone: at least one
 * character), `**` for any number of segments, none included. Patterns are matched against the decoded path, so they
 * are written decoded. One that ends with `/` fits with and without it; one that does not fits only without.
 * Matching takes at most path length times pattern length: there is no input that makes it slow.
 */
export class PathPattern {
  readonly text: string
  readonly segments: readonly PatternSegment[]
  /** Fits paths with a trailing slash, too. */
  readonly trailingSlash: boolean
  readonly ignoreCase: boolean
  /** The segments before the first that is not literal: what a request must start with. */
  readonly literalPrefix: readonly string[]

  /** @throws {@link PathPatternError} */
  constructor(text: string, options: { readonly ignoreCase?: boolean } = {}) {
    const problem = findPatternProblem(text)
    if (problem !== undefined) throw new PathPatternError(problem)
    this.text = text
    this.ignoreCase = options.ignoreCase ?? false
    this.trailingSlash = text.length > 1 && text.endsWith('/')
    const path = text.normalize('NFC')
    const names = (this.trailingSlash ? path.slice(1, -1) : path.slice(1)).split('/')
    this.segments = names.map((name) => compileSegment(this.ignoreCase ? foldCase(name) : name))
    const wild = this.segments.findIndex((segment) => segment.kind !== 'literal')
    this.literalPrefix = (wild === -1 ? this.segments : this.segments.slice(0, wild)).map((segment) =>
      segment.kind === 'literal' ? segment.text : '',
    )
  }

  /** @param path decoded, starting with `/` */
  matches(path: string): boolean {
    return this.matchesSegments(pathSegments(path, this.ignoreCase))
  }

  /** @param segments as {@link pathSegments} makes them, folded where the pattern ignores case */
  matchesSegments(segments: readonly string[]): boolean {
    const last = segments.length - 1
    // The ends first: without this a path of thousands of segments is walked once for every rule like `/**/x`.
    const end = this.segments[this.segments.length - 1]
    const canEnd = end === undefined || fitsSegment(end, segments[last] ?? '')
    if (canEnd && this.#matchesFirst(segments, segments.length)) return true
    return this.trailingSlash && last > 0 && segments[last] === '' && this.#matchesFirst(segments, last)
  }

  #matchesFirst(segments: readonly string[], count: number): boolean {
    return walk(this.segments, segments, count, fitsSegment)
  }
}

/**
 * Whether a pattern takes in the first `count` items, each fitting its segment. Glob matching with one way back, to the
 * latest `**`: an earlier one can never help where the latest cannot.
 */
export function walk<Item>(
  pattern: readonly PatternSegment[],
  items: readonly Item[],
  count: number,
  fits: (segment: Exclude<PatternSegment, { kind: 'any-depth' }>, item: Item) => boolean,
): boolean {
  let at = 0
  let index = 0
  let resumeAt = -1
  let resumeIndex = 0
  while (index < count) {
    const wanted = pattern[at]
    const item = items[index]
    if (wanted?.kind === 'any-depth') {
      resumeAt = ++at
      resumeIndex = index
    } else if (wanted !== undefined && item !== undefined && fits(wanted, item)) {
      at++
      index++
    } else if (resumeAt !== -1) {
      at = resumeAt
      index = ++resumeIndex
    } else {
      return false
    }
  }
  while (pattern[at]?.kind === 'any-depth') at++
  return at === pattern.length
}

/** `undefined` when the pattern can be used; otherwise a sentence for the operator. */
export function findPatternProblem(text: string): string | undefined {
  if (!text.startsWith('/')) return 'a path starts with "/"'
  if (/%2f/i.test(text)) return `a rule does not see "%2F": "*" fits such a segment. ${toLetPass('encodedSlash')}`
  if (/%25[0-9a-f]{2}/i.test(text)) return `a path is written decoded, also twice. ${toLetPass('doubleEscape')}`
  if (/%[0-9a-f]{2}/i.test(text)) return 'a path is written decoded: "/a b", not "/a%20b"'
  if (text.includes('?')) return '"?" has no meaning here: rules do not see the query, and "*" stands for any text'
  if (text.includes(';')) return '";" has no meaning here: parameters of a segment are left out before rules are asked'
  if (text.includes('\\')) return `a rule does not see "\\": "*" fits such a segment. ${toLetPass('backslash')}`
  const special = /[[\]{}#]/.exec(text)?.[0]
  if (special !== undefined) return `"${special}" has no meaning here: only "*" and "**" are special`
  if (/[\x00-\x1f\x7f]/.test(text)) return 'a path has no control characters'
  const names = text.slice(1).split('/')
  if (names.some((name, index) => name === '' && index !== names.length - 1))
    return `a path has no empty segments ("//"). ${toLetPass('emptySegment')}`
  if (names.some((name) => name === '.' || name === '..')) return 'a path has no "." or ".." segments'
  if (names.some((name) => name !== '**' && name.includes('**'))) return '"**" stands alone between two slashes'
  return undefined
}

function toLetPass(spelling: Spelling): string {
  return `To let requests with it pass: paths: { ${spelling}: pass } at the site`
}

/** The decoded path cut at its slashes: `/` is one empty segment, `/a/` ends with one. */
export function pathSegments(path: string, ignoreCase = false): string[] {
  return (ignoreCase ? foldCase(path) : path).slice(1).split('/')
}

/** Wider than `toLowerCase`: `ſ` and `K` (Kelvin) are an s and a k to systems that compare in upper case. */
export function foldCase(text: string): string {
  return /[^\x00-\x7f]/.test(text) ? text.toLowerCase().toUpperCase().toLowerCase() : text.toLowerCase()
}

function compileSegment(name: string): PatternSegment {
  if (name === '**') return { kind: 'any-depth' }
  return name.includes('*') ? { kind: 'glob', parts: name.split('*') } : { kind: 'literal', text: name }
}

export function fitsSegment(segment: PatternSegment, name: string): boolean {
  if (segment.kind === 'literal') return segment.text === name
  return segment.kind === 'any-depth' || fitsParts(segment.parts, name)
}

/** Each part at the first place after the one before; the last at the end. Leftmost is always as good as any. */
function fitsParts(parts: readonly string[], name: string): boolean {
  const first = parts[0] ?? ''
  const last = parts[parts.length - 1] ?? ''
  if (name === '' || name.length < first.length + last.length) return false
  if (!name.startsWith(first) || !name.endsWith(last)) return false
  let from = first.length
  const end = name.length - last.length
  for (let index = 1; index < parts.length - 1; index++) {
    const part = parts[index] ?? ''
    const found = name.indexOf(part, from)
    if (found === -1 || found + part.length > end) return false
    from = found + part.length
  }
  return true
}
