import { METHODS } from 'node:http'

/** What Node says with the bytes it could not read. */
export interface ParserFault {
  readonly code?: string | undefined
  readonly rawPacket?: Buffer
  /** Where in them it stopped. */
  readonly bytesParsed?: number
}

const longestLine = 8192
const requestLine = /^([A-Z][A-Z0-9_-]{0,39}) \S+ HTTP\/1\.[01]\r?$/

/**
 * Whether it was a request all the same, whose method Node's parser does not know (`UPDATE`, `LABEL`, `VERSION-CONTROL`, `BCOPY`
 * of WebDAV's extensions): that is not the sender's fault, and not to be told as one (RFC 9110, 15.6.2).
 */
export function isUnknownMethod({ code, rawPacket, bytesParsed = 0 }: ParserFault): boolean {
  if ((code !== 'HPE_INVALID_METHOD' && code !== 'HPE_INVALID_CONSTANT') || rawPacket === undefined) return false
  const from = Math.max(0, bytesParsed - longestLine)
  const text = rawPacket.toString('latin1', from, bytesParsed + longestLine)
  const start = text.lastIndexOf('\n', bytesParsed - from - 1) + 1
  const end = text.indexOf('\n', start)
  const method = requestLine.exec(text.slice(start, end < 0 ? start : end))?.[1]
  return method !== undefined && method !== 'PRI' && !METHODS.includes(method)
}
