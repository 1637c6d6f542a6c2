import type { IncomingMessage } from 'node:http'

/** What of a request says who waits for the answer. */
export type Asked = Pick<IncomingMessage, 'method' | 'headers'>

/**
 * Whether a person waits for a page: only then is a redirect to the sign-in page of use. Browsers say so themselves in
 * `Sec-Fetch-Mode` (Fetch Metadata); for the others `Accept` has to name HTML.
 */
export function isPageLoad(request: Asked): boolean {
  return (request.method === 'GET' || request.method === 'HEAD') && wantsPage(request)
}

/** Whether an error should be a page: as {@link isPageLoad}, and also for a form that a browser has posted. */
export function wantsPage(request: Asked): boolean {
  const { headers } = request
  if (headers.upgrade !== undefined) return false
  const mode = headers['sec-fetch-mode']
  if (mode !== undefined) return mode === 'navigate'
  if (headers['x-requested-with'] !== undefined) return false
  return headers.accept?.includes('text/html') === true
}

/** Whether the request says that a body follows. True before any of it was read. */
export function hasBody(request: Pick<Asked, 'headers'>): boolean {
  const { headers } = request
  if (headers['transfer-encoding'] !== undefined) return true
  const length = headers['content-length']
  return length !== undefined && !/^0+$/.test(length)
}

/** Whether what is asked for is to be shown within another page, where pages of ours are not shown. */
export function isFramed({ headers }: Pick<Asked, 'headers'>): boolean {
  const destination = headers['sec-fetch-dest']
  return typeof destination === 'string' && frames.has(destination)
}

const frames = new Set(['iframe', 'frame', 'embed', 'object', 'fencedframe'])
