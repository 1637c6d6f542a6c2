import { isBlank, withoutBlanks } from '../../access/without-blanks.js'
import { isBoundScheme, isSaidBound } from './bound-credentials.js'

/** An upstream said something that is no answer, or not only an answer. */
export class AnswerError extends Error {
  override readonly name = 'AnswerError'
}

/** What every client takes and we do only where the site says so. The words are for operators: they name the key. */
function leniently(fault: string): AnswerError {
  return new AnswerError(`${fault}; lenient: true at this site lets it pass`)
}

/** The head of an answer, read strictly. */
export interface AnswerHead {
  readonly status: number
  /** May be empty. */
  readonly reason: string
  /** Name, value, name, value: in order and spelling as they came. */
  readonly headers: string[]
  readonly isOldVersion: boolean
  readonly contentLength: string | undefined
  readonly transferEncoding: string | undefined
  /** In lower case. */
  readonly connection: string
  /** The application signs in connections: whose this one is must not change any more. */
  readonly bindsConnection: boolean
  /** It said its length twice, the same. */
  readonly isRepeated: boolean
  /** How long the application keeps an idle connection, in seconds, where it says so. */
  readonly keepAliveSeconds: number | undefined
}

/** How the body ends, and what becomes of the connection then. */
export interface Framing {
  readonly length: number | 'chunked' | 'until-close'
  readonly keepAlive: boolean
}

const statusLine = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([^\r\n]*))?$/
/** NUL, and a CR or LF that is not part of a line end (RFC 9110, 5.5): each reader cuts or joins there as it likes. */
const forbidden = /\0|\r(?!\n)|(?<!\r)\n/
const bareLineFeed = /(?<!\r)\n/
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

type Kind = 'plain' | 'content-length' | 'transfer-encoding' | 'connection' | 'challenge' | 'bound' | 'keep-alive'
const special: Readonly<Record<string, Kind>> = {
  'content-length': 'content-length',
  'transfer-encoding': 'transfer-encoding',
  connection: 'connection',
  'www-authenticate': 'challenge',
  'proxy-authenticate': 'challenge',
  'persistent-auth': 'bound',
  'proxy-support': 'bound',
  'keep-alive': 'keep-alive',
}

/** Names seen before, so that each is examined once; bounded, since applications may make names up. */
const known = new Map<string, Kind>()
const rememberedNames = 2000

/**
 * @param text the head in Latin-1, without the empty line at its end
 * @param isLenient takes the same length twice
 * @throws {@link AnswerError}
 */
export function parseHead(text: string, isLenient = false): AnswerHead {
  if (forbidden.test(text)) {
    refuseBareLineFeed(text)
    throw new AnswerError('a NUL or a CR by itself in the head')
  }
  let at = text.indexOf('\r\n')
  const first = statusLine.exec(at < 0 ? text : text.slice(0, at))
  if (first === null) throw new AnswerError('not the head of an answer')
  const headers: string[] = []
  let contentLength: string | undefined
  let transferEncoding: string | undefined
  let connection = ''
  let bindsConnection = false
  let isRepeated = false
  let keepAliveSeconds: number | undefined
  while (at >= 0) {
    const start = at + 2
    at = text.indexOf('\r\n', start)
    const end = at < 0 ? text.length : at
    const colon = text.indexOf(':', start)
    if (colon < 0 || colon >= end) {
      refuseFold(text, start)
      throw new AnswerError('a line of the head without a colon')
    }
    const name = text.slice(start, colon)
    let value = withoutBlanks(text, colon + 1, end)
    const kind = known.get(name) ?? examine(name)
    if (kind === 'connection')
      connection = connection === '' ? value.toLowerCase() : `${connection},${value.toLowerCase()}`
    else if (kind === 'content-length') {
      if (isLenient) {
        const one = onlyOne(value)
        isRepeated ||= one !== value
        value = one
      }
      // Even twice the same: whoever sends two has two opinions about where the answer ends.
      if (contentLength !== undefined) {
        if (contentLength !== value) throw new AnswerError('two lengths')
        if (!isLenient) throw leniently('the same length twice')
        isRepeated = true
        continue
      }
      contentLength = value
    } else if (kind === 'transfer-encoding') {
      if (transferEncoding !== undefined) throw new AnswerError('two transfer codings')
      transferEncoding = value
    } else if (kind === 'challenge') bindsConnection ||= isBoundScheme(value)
    else if (kind === 'bound') bindsConnection ||= isSaidBound(value)
    else if (kind === 'keep-alive') keepAliveSeconds = timeoutOf(value)
    headers.push(name, value)
  }
  const [, minor, status, reason = ''] = first
  return {
    status: Number(status),
    reason,
    headers,
    isOldVersion: minor === '0',
    contentLength,
    transferEncoding,
    connection,
    bindsConnection,
    isRepeated,
    keepAliveSeconds,
  }
}

/**
 * Where the body of an answer ends (RFC 9112 6.3).
 * @throws {@link AnswerError} for both lengths, unreadable ones, and codings other than `chunked`
 */
export function framingOf(head: AnswerHead, method: string, isLenient = false): Framing {
  const { status, contentLength, transferEncoding, isOldVersion, connection } = head
  if (contentLength !== undefined && !/^\d{1,15}$/.test(contentLength)) {
    if (onlyOne(contentLength) !== contentLength) throw leniently('the same length twice')
    throw new AnswerError('a length that is no number')
  }
  if (transferEncoding !== undefined) {
    if (contentLength !== undefined) throw new AnswerError('two ways to end')
    if (transferEncoding.toLowerCase() !== 'chunked') throw new AnswerError('an unknown transfer coding')
    if (isOldVersion && !isLenient) throw leniently('chunks in an answer of HTTP/1.0')
  }
  const mayStay = !isOldVersion || transferEncoding === undefined
  const keepAlive = mayStay && (connection === '' ? !isOldVersion : staysOpen(connection, isOldVersion))
  if (method === 'HEAD' || status === 204 || status === 304) return { length: 0, keepAlive }
  if (transferEncoding !== undefined) return { length: 'chunked', keepAlive }
  if (contentLength !== undefined) return { length: Number(contentLength), keepAlive }
  return { length: 'until-close', keepAlive: false }
}

/** `timeout=5, max=100` (RFC 2068, 19.7.1.1). The last request that is allowed leaves no time for another. */
function timeoutOf(value: string): number | undefined {
  if (/\bmax=0\b/i.test(value)) return 0
  const seconds = /\btimeout=(\d{1,9})\b/i.exec(value)?.[1]
  return seconds === undefined ? undefined : Number(seconds)
}

function staysOpen(connection: string, isOldVersion: boolean): boolean {
  if (connection === 'keep-alive') return true
  const options = connection.split(',').map((option) => option.trim())
  return !options.includes('close') && (!isOldVersion || options.includes('keep-alive'))
}

/** @throws {@link AnswerError} where a line of what came so far ends in LF alone */
export function refuseBareLineFeed(text: string): void {
  if (bareLineFeed.test(text)) throw leniently('a line of the head that ends in LF alone')
}

function refuseFold(text: string, start: number): void {
  if (isBlank(text.charCodeAt(start))) throw leniently('a folded line in the head')
}

/** `5, 5` is what becomes of two fields that were joined. */
function onlyOne(value: string): string {
  return /^(\d{1,15})(?:[\t ]*,[\t ]*\1)+$/.exec(value)?.[1] ?? value
}

/** Also refuses a folded line and a space before the colon: the name then has a space in it. */
function examine(name: string): Kind {
  if (!token.test(name)) {
    refuseFold(name, 0)
    throw new AnswerError('a header without a proper name')
  }
  const kind = special[name.toLowerCase()] ?? 'plain'
  if (known.size < rememberedNames && name.length <= 64) known.set(name, kind)
  return kind
}
