import {
  type CanonicalTarget,
  decodeEscapes,
  escapeWithin,
  hasDotSegment,
  hasEmptySegment,
  isDeeperThan,
  malformedEscape,
  maximumDepth,
  visible,
} from './canonical-target.js'
import { lenient, servletSession } from './path-readings.js'
import type { Spelling } from './spellings.js'

/** A target that programs read in different ways, none of which leads out of where another one is. */
export interface OddTarget extends CanonicalTarget {
  /** What its site has to let pass. */
  readonly needs: readonly Spelling[]
  /**
   * Ways to read it that do not follow from `path`: with everything decoded once, slashes too, after which nobody knows `%252F`
   * from `%2F`; and with those backslashes alone turned round that were not escaped (the URL standard).
   */
  readonly otherwise: readonly string[]
}

/** Bytes. Every way to read it is looked at, and nobody who needs these spellings has longer paths. */
const maximumLength = 2048
/** Ways to read one path; a path with more of them is made up. */
const maximumWays = 64
/** How often somebody behind us may decode. */
const maximumDecodings = 3

const control = /[\x00-\x1f\x7f]|%(?:[01][0-9a-f]|7f)/i
/** A slash that was escaped stays so at first: `/a%2Fb` is one segment to those who route before they decode. */
const allButSlash = /(?:%(?!2f)[0-9a-f]{2})+/gi

/**
 * Reads a target that `canonicalTarget` does not take.
 * @returns `undefined` for one that nothing lets pass: dot segments in any reading, controls, broken or overlong escapes
 */
export function oddTarget(raw: string): OddTarget | undefined {
  if (!raw.startsWith('/') || !visible.test(raw)) return undefined
  const question = raw.indexOf('?')
  const rawPath = question === -1 ? raw : raw.slice(0, question)
  if (rawPath.length > maximumLength || raw.length > 4 * maximumLength) return undefined
  if (malformedEscape.test(rawPath) || !staysInPlace(rawPath)) return undefined
  const path = decodeEscapes(rawPath, allButSlash)
  if (path === undefined || isDeeperThan(maximumDepth, path)) return undefined
  const needs: Spelling[] = []
  if (/%2f/i.test(rawPath)) needs.push('encodedSlash')
  if (path.includes('\\')) needs.push('backslash')
  if (hasEmptySegment(path)) needs.push('emptySegment')
  const decoded = decodeEscapes(rawPath) ?? ''
  if (escapeWithin.test(decoded)) needs.push('doubleEscape')
  if (needs.length === 0) return undefined
  const slashed = rawPath.replaceAll('\\', '/')
  const turned = slashed === rawPath ? [] : [decodeEscapes(slashed, allButSlash) ?? '', decodeEscapes(slashed) ?? '']
  return {
    forward: raw,
    path,
    query: question === -1 ? '' : raw.slice(question),
    needs,
    otherwise: [decoded, ...turned],
  }
}

/** Decodes as often as anybody may, and looks for what means "up", or ends a path, at each step. */
function staysInPlace(raw: string): boolean {
  let path = raw
  for (let times = 0; times <= maximumDecodings; times++) {
    if (control.test(path) || hasDotSegment(path.replaceAll('\\', '/'))) return false
    const next = decodeEscapes(decodeUnicode(path))
    if (next === undefined) return false
    if (next === path) return true
    path = next
  }
  return false
}

/**
 * The same target with every way to read it, the plainest first.
 * @returns `undefined` where one of them leads somewhere else by itself, or where there are too many
 */
export function withWays(target: OddTarget): CanonicalTarget | undefined {
  const { forward, query } = target
  const path = target.path.replace(servletSession, '')
  const ways = new Set([path, ...target.otherwise])
  for (const way of ways) {
    if (control.test(way) || hasDotSegment(way) || isDeeperThan(maximumDepth, way)) return undefined
    for (const reading of all) {
      const found = reading(way)
      if (found === undefined) return undefined
      ways.add(found === '' ? '/' : found)
      if (ways.size > maximumWays) return undefined
    }
  }
  const [, ...others] = ways
  return { forward, path, query, ways: [path, ...others] }
}

/** What programs make of such a path. Each is the identity on a path it has nothing to say about. */
const all: ReadonlyArray<(path: string) => string | undefined> = [
  ...lenient,
  // Everything that decodes the path before it takes it apart (nginx, Node's URL with decodeURIComponent, WSGI).
  (path) => path.replace(/%2f/gi, '/'),
  // Whoever decodes a second time (a proxy behind us, CVE-2021-42013).
  (path) => decodeEscapes(path),
  (path) => decodeUnicode(path),
  // Windows, IIS, and every browser and runtime that follows the URL standard.
  (path) => path.replaceAll('\\', '/'),
  // Python's http.server, at the start alone.
  (path) => path.replace(/^\/{2,}/, '/'),
  // POSIX leaves two at the start alone, and with it Python's normpath.
  (path) => path.replace(/(?<=[^/])\/{2,}/g, '/'),
  // nginx (merge_slashes), Apache, Go's ServeMux.
  (path) => path.replace(/\/{2,}/g, '/'),
  // `//host/path` is an address on another host to what takes the target for a relative reference: `new URL(target, base)`,
  // Python's urlsplit (CVE-2021-28861).
  (path) => path.replace(/^\/{2,}[^/]*/, ''),
]

/** `%u002F`, as IIS took it. */
function decodeUnicode(path: string): string {
  return path.replace(/%u([0-9a-f]{4})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}
