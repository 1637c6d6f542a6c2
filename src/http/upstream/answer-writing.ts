import { type ServerResponse, STATUS_CODES } from 'node:http'

const beyondAscii = /[\x80-\xff]/
const invalidReason = /[^\t\x20-\x7e\x80-\xff]/

/**
 * Begins the answer with the bytes the application sent. A reason that Node would refuse is left out: it has no meaning
 * (RFC 9112, 4).
 * @param headers name, value, name, value, in Latin-1
 */
export function beginAnswer(response: ServerResponse, status: number, reason: string, headers: string[]): void {
  const inOrder = withDispositionFirst(headers)
  if (reason === '' || (reason !== STATUS_CODES[status] && invalidReason.test(reason)))
    response.writeHead(status, inOrder)
  else response.writeHead(status, reason, inOrder)
}

/**
 * Node makes bytes of a `Content-Disposition` that stands behind `Content-Length`, reads these as UTF-8 when it looks for
 * invalid characters, and finds some in every name beyond ASCII.
 */
function withDispositionFirst(headers: string[]): string[] {
  for (let at = 2; at < headers.length; at += 2) {
    const name = headers[at]
    if (name?.length !== 19 || name.toLowerCase() !== 'content-disposition') continue
    if (beyondAscii.test(headers[at + 1] ?? '')) headers.unshift(...headers.splice(at, 2))
  }
  return headers
}
