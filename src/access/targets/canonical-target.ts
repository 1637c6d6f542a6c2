/** One reading of a request-target, used by routing, rules, log and forwarding alike. */
export interface CanonicalTarget {
  /** The request-target as it came, byte for byte: what the upstream is sent. */
  readonly forward: string
  /** The path percent-decoded once: what rules judge. Starts with `/`, has no empty, `.` or `..` segment. */
  readonly path: string
  /** As it came, with its `?`; empty when there is none. */
  readonly query: string
  /**
   * Every way to read a path that its site lets pass although programs read it in different ways, `path` among them. There `path`
   * may have empty segments, backslashes and escapes in it. Left out for all other targets: `readings` knows their ways.
   */
  readonly ways?: readonly [string, ...string[]]
}

/** Bytes of a whole request-target; see "Numbers" in the security notes. */
const maximumLength = 8192
/** Of one of our own pages: it may have another in it, to come back to, and what we make we have to take. */
export const maximumOwnLength = 12_288
/** Segments: deeper than applications go, and shallow enough that thousands of rules with `**` are asked in no time. */
export const maximumDepth = 256

/** Nothing to decode and nothing to doubt: no escape, no parameter, no segment that starts with a dot. */
const plainPath = /^(?:\/[\w~-][\w~.!$&'()*+,=:@-]*)*\/?$/
/** Visible ASCII without `#`. A space, a control or a byte over 0x7E is cut, folded or re-encoded differently everywhere. */
export const visible = /^[\x21\x22\x24-\x7e]+$/
export const malformedEscape = /%(?![0-9a-f]{2})/i
/** `/` and `\` in disguise, controls and DEL: each upstream splits or cuts at another of them. */
const forbiddenEscape = /%(?:2f|5c|[01][0-9a-f]|7f)/i
/** What is still an escape after one decoding is decoded again by somebody behind us (`%252e`, `%25%32e`, `%25u002e`). */
export const escapeWithin = /%(?:[0-9a-f]{2}|u[0-9a-f]{4})/i
/** UTF-8 longer than needed: `%C0%AF` is a slash and `%C0%AE` a dot to decoders that do not check (RFC 3629, section 10). */
const overlong =
  /[\xc0\xc1][\x80-\xbf]|\xe0[\x80-\x9f][\x80-\xbf]|\xf0[\x80-\x8f][\x80-\xbf]{2}|\xf8[\x80-\x87]|\xfc[\x80-\x83]/
const utf8Sequence =
  /[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}/g

/**
 * Reads the request-target of a request line (RFC 9112, section 3.2; origin form only).
 * @param longest in bytes
 * @returns `undefined` for a target that two parsers could read as two paths: the answer is 400 `request.target`
 */
export function canonicalTarget(raw: string, longest = maximumLength): CanonicalTarget | undefined {
  if (raw.length > longest || !raw.startsWith('/') || !visible.test(raw)) return undefined
  const question = raw.indexOf('?')
  const rawPath = question === -1 ? raw : raw.slice(0, question)
  const query = question === -1 ? '' : raw.slice(question)
  const path = plainPath.test(rawPath) ? rawPath : decodedPath(rawPath)
  return path === undefined || isDeeperThan(maximumDepth, path) ? undefined : { forward: raw, path, query }
}

function decodedPath(raw: string): string | undefined {
  if (raw.includes('\\') || malformedEscape.test(raw) || forbiddenEscape.test(raw)) return undefined
  const path = decodeEscapes(raw)
  return path === undefined || escapeWithin.test(path) || !hasPlainSegments(path) ? undefined : path
}

/**
 * Percent-decodes once. Bytes that are no UTF-8 (`%E9`) are what applications older than UTF-8 send: they are read as Latin-1,
 * each by itself, so that one stray byte cannot change how the rest of the path is read.
 * @returns `undefined` for UTF-8 that is longer than needed
 */
export function decodeEscapes(text: string, escapes = /(?:%[0-9a-f]{2})+/gi): string | undefined {
  let isOverlong = false
  const decoded = text.replace(escapes, (run) => {
    const bytes = Buffer.from(run.replaceAll('%', ''), 'hex').toString('latin1')
    isOverlong ||= overlong.test(bytes)
    return bytes.replace(utf8Sequence, (sequence) => Buffer.from(sequence, 'latin1').toString('utf8'))
  })
  return isOverlong ? undefined : decoded
}

export function isDeeperThan(depth: number, path: string): boolean {
  if (path.length <= depth) return false
  let count = 0
  for (let at = path.indexOf('/'); at !== -1 && count <= depth; at = path.indexOf('/', at + 1)) count++
  return count > depth
}

function hasPlainSegments(path: string): boolean {
  return !hasEmptySegment(path) && !hasDotSegment(path)
}

/** `/;x/admin` is `//admin` once the parameter is taken off; `/app/;jsessionid=1` is only `/app/`. */
export function hasEmptySegment(path: string): boolean {
  const last = path.lastIndexOf('/')
  return /\/(?:[;?#][^/]*)?(?=\/)/.test(path.slice(0, last + 1))
}

/** Whether a segment means "here" or "up" to anybody, however it is dressed. */
export function hasDotSegment(path: string): boolean {
  for (const segment of path.split('/')) {
    const name = segment.replace(/[;?#].*$/s, '')
    if (isDotSegment(name)) return true
    // `／` and `．` (full width) become `/` and `.` in systems that fold to ASCII.
    if (/[^\x00-\x7f]/.test(name) && name.normalize('NFKC').split(/[/\\]/).some(isDotSegment)) return true
  }
  return false
}

/** Spaces included: Windows opens `.. ` as `..`. */
function isDotSegment(name: string): boolean {
  const trimmed = name.trim()
  return trimmed === '.' || trimmed === '..'
}
