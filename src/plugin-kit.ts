import { createHmac } from 'node:crypto'
import { z } from 'zod'
import { type Logger, TransportError } from './contracts.js'

/**
 * What a provider's HTTP status other than success means for the message. A 5xx other than 503 is `unknown`: a provider
 * that fails half-way may have sent. Redirects are refused: they would carry text and credentials to another host.
 * @param retryAfter the answer's `Retry-After`; only its form in seconds is read
 */
export function httpStatusError(status: number, retryAfter?: string | string[]): TransportError {
  const message = `The provider answered with HTTP status ${status}`
  if (status !== 429 && status !== 503) return new TransportError(status >= 500 ? 'unknown' : 'refused', message)
  const retryAfterSeconds =
    typeof retryAfter === 'string' && /^\d{1,9}$/.test(retryAfter) ? Number(retryAfter) : undefined
  return new TransportError('unavailable', message, { retryAfterSeconds, isOverQuota: status === 429 })
}

/** System and undici codes of connections that were never made: nothing can have been sent over them. */
const neverConnected = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** What a failed HTTP exchange means for the message: `unknown` unless it is certain that nothing was sent. */
export function httpFailureError(error: unknown): TransportError {
  if (error instanceof TransportError) return error
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (typeof code !== 'string') return new TransportError('unknown', 'The provider gave no usable answer in time')
  if (neverConnected.has(code)) return new TransportError('unavailable', `The provider cannot be reached: ${code}`)
  if (/CERT|SELF_SIGNED|ERR_TLS|UNABLE_TO/.test(code)) {
    return new TransportError('refused', `The provider's certificate was not accepted: ${code}`)
  }
  return new TransportError('unknown', `The connection to the provider failed: ${code}`)
}

/** For an option with an address of a service that is asked by HTTP. Who is calling stands in options of its own. */
export function httpAddress() {
  return z.string().superRefine((url, context) => {
    const fault = urlFault(url) ?? (hasUserinfo(url) ? 'must have no user name or password in it' : undefined)
    if (fault !== undefined) context.addIssue(`${fault}. They stand beside it, as auth: { username: …, password: … }`)
    else if (!hasProtocol(url, /^https?:$/)) context.addIssue('must be an http or https address')
  })
}

/**
 * Where a URL has one reading only: name and password in what RFC 3986, 3.2.1, allows there, everything else
 * percent-encoded, and no `@` behind the host (where it is `%40`).
 */
const clearUrl =
  /^[a-z][a-z0-9+.-]*:\/\/(?:(?:[\w.~!$&'()*+,;=:-]|%[0-9a-f]{2})*@)?(?:\[[0-9a-f:.]+\]|[^\s/?#@:[\]\\%"<>^`{|}]+)(?::\d{1,5})?(?:[/?#][^\s@\\]*)?$/i

/**
 * Why a URL with an `@` must not be used, if so: nobody can tell where its password ends and its host begins. The fault was
 * `redis://gate:${RP}@host` with a password like `p@ss/w#rd`: a part of the password was looked up in DNS as a host, and
 * printed in the error.
 * @returns the beginning of a sentence that repeats nothing of the URL
 */
export function urlFault(url: string): string | undefined {
  if (!url.includes('@') || clearUrl.test(url)) return undefined
  return 'cannot be read for sure: it has characters that end a user name, a password or a host'
}

/** For an option with an address that may have name and password in it; both may stand beside it instead. */
export function credentialsAddress(protocol: RegExp, example: string) {
  return z.string().superRefine((url, context) => {
    const fault = urlFault(url)
    if (fault !== undefined) context.addIssue(`${fault}. Put the password into the key password: beside it, as it is`)
    else if (!hasProtocol(url, protocol)) context.addIssue(`must be an address like ${example}`)
  })
}

/**
 * Name and password in a URL, decoded.
 * @param url one without {@link urlFault}
 */
export function userinfoOf(url: string): { readonly username?: string; readonly password?: string } {
  const { username, password } = new URL(url)
  return {
    ...(username === '' ? {} : { username: decodeUserinfo(username) }),
    ...(password === '' ? {} : { password: decodeUserinfo(password) }),
  }
}

function hasUserinfo(url: string): boolean {
  return /^[a-z]+:\/\/[^/?#]*@/i.test(url)
}

function hasProtocol(url: string, protocol: RegExp): boolean {
  return URL.canParse(url) && protocol.test(new URL(url).protocol) && url.includes('://')
}

/** What is no UTF-8 when it is decoded stays as it was written. */
function decodeUserinfo(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** For an option that names a file or directory: a relative one starts at the directory of the YAML file; `create` gets it absolute. */
export function filePath() {
  return z
    .string()
    .regex(/^[^\0]+$/)
    .meta({ filePath: true, accepts: 'a path; a relative one starts at the directory of this file' })
}

const headerName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be a header name')

export const credential = z.string().regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces')

/** For options by which the gateway proves to a service who it is. */
export const callerOptions = {
  auth: z
    .union([
      z.strictObject({ username: z.string().regex(/^[^:\x00-\x1f\x7f]+$/), password: z.string().min(1) }),
      z.strictObject({ bearer: credential }),
    ])
    .optional(),
  /** The receiver recomputes HMAC-SHA-256 over `timestamp.body` and refuses old timestamps. */
  signature: z
    .strictObject({
      secret: z.string().min(16),
      header: headerName.default('X-Gatelodge-Signature'),
      timestampHeader: headerName.default('X-Gatelodge-Timestamp'),
    })
    .optional(),
}

/** What {@link callerOptions} come to: the headers to send with this body. @param now ms since 1970 */
export function callerHeaders(
  { auth, signature }: z.output<z.ZodObject<typeof callerOptions>>,
  body: string,
  now: number,
): Record<string, string> {
  const headers: Record<string, string> = {}
  if (auth !== undefined) {
    const basic = 'bearer' in auth ? '' : Buffer.from(`${auth.username}:${auth.password}`).toString('base64')
    headers['authorization'] = 'bearer' in auth ? `Bearer ${auth.bearer}` : `Basic ${basic}`
  }
  if (signature !== undefined) {
    const timestamp = String(Math.floor(now / 1000))
    headers[signature.timestampHeader] = timestamp
    headers[signature.header] = createHmac('sha256', signature.secret).update(`${timestamp}.${body}`).digest('hex')
  }
  return headers
}

/** Says so where what is sent to this address could be read on the way. */
export function warnOfPlainHttp(url: string, log: Logger, message: string): void {
  const { protocol, hostname } = new URL(url)
  if (protocol === 'https:' || /^(localhost|127\..*|\[::1\])$/.test(hostname)) return
  log.warn({ hostname }, message)
}
