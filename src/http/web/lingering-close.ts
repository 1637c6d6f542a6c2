import type { IncomingMessage, ServerResponse } from 'node:http'
import { hasBody } from './request-kind.js'

const lingerMs = 1000
const lingerBytes = 256 * 1024

/**
 * Sends the last of an answer that closes the connection. A client in the middle of sending a body would have the
 * connection reset under its hands and lose the answer with it (RFC 9112 9.6), so a little more of the body is read and
 * thrown away first; never much, and never as a request.
 */
export function endAfterBody(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
  const waitsForLeave = request.headers.expect !== undefined
  if (request.complete || waitsForLeave || !hasBody(request) || request.destroyed) {
    response.end(body)
    return
  }
  response.write(body)
  let left = lingerBytes
  const end = () => {
    clearTimeout(timer)
    response.end()
  }
  const timer = setTimeout(end, lingerMs)
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length
    if (left < 0) end()
  })
  request.once('end', end)
  request.once('close', end)
}
