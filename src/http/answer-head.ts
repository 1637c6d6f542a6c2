/** An upstream said something that is no answer, or not only an answer. */
export class AnswerError extends Error {
  override readonly name = 'AnswerError'
}

/** The head of an answer, read strictly. */
export interface Head {
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
}

/** How the body ends, and what becomes of the connection then. */
export interface Framing {
  readonly length: number | 'chunked' | 'until-close'
  readonly keepAlive: boolean
}

const statusLine = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([^\r\n]*))?$/
/** Controls, and a CR or LF that is not part of a line end: each reader cuts or joins there as it likes. */
const forbidden = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n/
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

type Kind = 'plain' | 'content-length' | 'transfer-encoding' | 'connection'
const special: Readonly<Record<string, Kind>> = {
  'content-length': 'content-length',
  'transfer-encoding': 'transfer-encoding',
  connection: 'connection',
}

/** Names seen before, so that each is examined once; bounded, since applications may make names up. */
const known = new Map<string, Kind>()
const rememberedNames = 2000

/**
 * @param text the head in Latin-1, without the empty line at its end
 * @throws {@link AnswerError}
 */
export function parseHead(text: string): Head {
  if (forbidden.test(text)) throw new AnswerError('a control character in the head')
  let at = text.indexOf('\r\n')
  const first = statusLine.exec(at < 0 ? text : text.slice(0, at))
  if (first === null) throw new AnswerError('not the head of an answer')
  const headers: string[] = []
  let contentLength: string | undefined
  let transferEncoding: string | undefined
  let connection = ''
  while (at >= 0) {
    const start = at + 2
    at = text.indexOf('\r\n', start)
    const end = at < 0 ? text.length : at
    const colon = text.indexOf(':', start)
    if (colon < 0 || colon >= end) throw new AnswerError('a line of the head without a colon')
    const name = text.slice(start, colon)
    const value = trimmed(text, colon + 1, end)
    const kind = known.get(name) ?? examine(name)
    if (kind === 'connection')
      connection = connection === '' ? value.toLowerCase() : `${connection},${value.toLowerCase()}`
    else if (kind === 'content-length') {
      // Even twice the same: whoever sends two has two opinions about where the answer ends.
      if (contentLength !== undefined) throw new AnswerError('two lengths')
      contentLength = value
    } else if (kind === 'transfer-encoding') {
      if (transferEncoding !== undefined) throw new AnswerError('two transfer codings')
      transferEncoding = value
    }
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
  }
}

/**
 * Where the body of an answer ends (RFC 9112 6.3).
 * @throws {@link AnswerError} for both lengths, unreadable ones, and codings other than `chunked`
 */
export function framingOf(head: Head, method: string): Framing {
  const { status, contentLength, transferEncoding, isOldVersion, connection } = head
  if (contentLength !== undefined && !/^\d{1,15}$/.test(contentLength))
    throw new AnswerError('a length that is no number')
  if (transferEncoding !== undefined) {
    if (contentLength !== undefined || isOldVersion) throw new AnswerError('two ways to end')
    if (transferEncoding.toLowerCase() !== 'chunked') throw new AnswerError('an unknown transfer coding')
  }
  const keepAlive = connection === '' ? !isOldVersion : staysOpen(connection, isOldVersion)
  if (method === 'HEAD' || status === 204 || status === 304) return { length: 0, keepAlive }
  if (transferEncoding !== undefined) return { length: 'chunked', keepAlive }
  if (contentLength !== undefined) return { length: Number(contentLength), keepAlive }
  return { length: 'until-close', keepAlive: false }
}

function staysOpen(connection: string, isOldVersion: boolean): boolean {
  if (connection === 'keep-alive') return true
  const options = connection.split(',').map((option) => option.trim())
  return !options.includes('close') && (!isOldVersion || options.includes('keep-alive'))
}

/** Also refuses a folded line and a space before the colon: the name then has a space in it. */
function examine(name: string): Kind {
  if (!token.test(name)) throw new AnswerError('a header without a proper name')
  const kind = special[name.toLowerCase()] ?? 'plain'
  if (known.size < rememberedNames && name.length <= 64) known.set(name, kind)
  return kind
}

function trimmed(text: string, from: number, to: number): string {
  let start = from
  let end = to
  while (start < end && isBlank(text.charCodeAt(start))) start += 1
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1
  return text.slice(start, end)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}
