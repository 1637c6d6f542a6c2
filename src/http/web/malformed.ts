import type { ErrorCode } from '../../errors.js'

/** Whether an error says that a request could not be understood, and not that it may not or that we could not. */
export function isMalformed(code: ErrorCode): boolean {
  return malformed.has(code)
}

const malformed: ReadonlySet<ErrorCode> = new Set([
  'request.malformed',
  'request.target',
  'request.encoded-slash',
  'request.empty-segment',
  'request.backslash',
  'request.double-escape',
  'request.method-override',
  'request.host',
  'request.headers-too-large',
])
