/** What the gateway's own cookies are called on this installation. */
export interface CookieNames {
  readonly session: string
  readonly pending: string
  readonly device: string
  /** Of a browser that somebody was signed in with before: opens nothing. */
  readonly browser: string
}

/** How long and how widely a cookie is kept. */
export interface CookieLifetime {
  /** Without it the browser forgets the cookie when it is closed. */
  readonly maxAgeSeconds?: number
}

const bare: CookieNames = {
  session: 'gatelodge',
  pending: 'gatelodge-pending',
  device: 'gatelodge-device',
  browser: 'gatelodge-browser',
}
const prefixed: CookieNames = {
  session: `__Host-${bare.session}`,
  pending: `__Host-${bare.pending}`,
  device: `__Host-${bare.device}`,
  browser: `__Host-${bare.browser}`,
}

/** Both spellings, whichever is in use: what leaks under the other name is a secret all the same. */
const ours = new Set([...Object.values(bare), ...Object.values(prefixed)].map((name) => name.toLowerCase()))

/** Found in every name of ours in any case, so that almost all cookies are passed with one search. */
const hint = /gatelodge/i

/** Of the longest name of ours. */
const longestName = Math.max(...[...ours].map((name) => name.length))

/**
 * The gateway's own cookies: their names, how they are read, written and kept out of the traffic with the applications.
 *
 * `__Host-` (RFC 6265bis) keeps sibling hosts and plain HTTP from setting them. Browsers refuse that prefix on plain
 * HTTP, so `http://localhost` has the bare names.
 */
export class Cookies {
  readonly names: CookieNames
  readonly #secure: boolean

  constructor({ secure }: { secure: boolean }) {
    this.#secure = secure
    this.names = secure ? prefixed : bare
  }

  /**
   * The value of one of our cookies. A name that comes twice is void: the second was planted by somebody, and which of
   * the two is first is theirs to choose (session fixation by cookie tossing).
   */
  read(header: string | undefined, name: string): string | undefined {
    if (header === undefined) return undefined
    let found: string | undefined
    for (let at = header.indexOf(name); at >= 0; at = header.indexOf(name, at + name.length)) {
      if (header.charCodeAt(at + name.length) !== 0x3d || !startsPair(header, at)) continue
      if (found !== undefined) return undefined
      const end = header.indexOf(';', at)
      found = header.slice(at + name.length + 1, end < 0 ? undefined : end)
    }
    return found === '' ? undefined : found
  }

  /** A `Set-Cookie` value. The value must be of base64url characters and dots, as all of ours are. */
  write(name: string, value: string, lifetime: CookieLifetime = {}): string {
    const age = lifetime.maxAgeSeconds === undefined ? '' : `; Max-Age=${Math.floor(lifetime.maxAgeSeconds)}`
    return `${name}=${value}; Path=/; HttpOnly; SameSite=Lax${this.#secure ? '; Secure' : ''}${age}`
  }

  /** A `Set-Cookie` value that makes the browser forget the cookie. */
  forget(name: string): string {
    return this.write(name, '', { maxAgeSeconds: 0 })
  }
}

/** A `Cookie` header without ours; every other byte of it stays. `undefined` when nothing is left. */
export function withoutOurCookies(header: string): string | undefined {
  if (!hint.test(header)) return header
  let kept: string | undefined
  let hasOurs = false
  for (let start = 0; start <= header.length; ) {
    const semicolon = header.indexOf(';', start)
    const end = semicolon < 0 ? header.length : semicolon
    const piece = header.slice(start, end)
    if (isOurs(piece)) hasOurs = true
    else kept = kept === undefined ? piece : `${kept};${piece}`
    start = end + 1
  }
  if (!hasOurs) return header
  const rest = kept?.replace(/^[ \t]+/, '')
  return rest === '' ? undefined : rest
}

/** Whether an application tries to set one of our cookies: it would sign people in as somebody else, or out. */
export function setsOurCookie(setCookie: string): boolean {
  if (!hint.test(setCookie)) return false
  const end = setCookie.indexOf(';')
  return isOurs(end < 0 ? setCookie : setCookie.slice(0, end))
}

/**
 * A pair without a name (`=__Host-gatelodge=x`, or just `gatelodge`) is sent back by browsers as its bare value, which
 * then reads as a cookie of that name: so the value is looked at as well.
 */
function isOurs(pair: string): boolean {
  if (!hint.test(pair)) return false
  let start = 0
  while (start < pair.length && (pair.charCodeAt(start) === equalsSign || isTrimmed(pair.charCodeAt(start)))) start += 1
  const equals = pair.indexOf('=', start)
  let end = equals < 0 ? pair.length : equals
  while (end > start && isTrimmed(pair.charCodeAt(end - 1))) end -= 1
  return end - start <= longestName && ours.has(pair.slice(start, end).toLowerCase())
}

const equalsSign = 0x3d

/**
 * What servers and browsers have been seen to trim off a cookie's name, and control characters besides. Character by
 * character: an expression for the blanks at the end of a text tries every run of blanks anew, and a thousand `=` before
 * 14,000 spaces in one header kept the gateway busy for 87 seconds.
 */
function isTrimmed(code: number): boolean {
  return code <= 0x20 || (code >= 0x7f && code <= 0xa0) || (code > 0xff && String.fromCharCode(code).trim() === '')
}

/** Behind a `;` and at most one space: names with anything else before them are not ours. */
function startsPair(header: string, at: number): boolean {
  const start = header.charCodeAt(at - 1) === 0x20 ? at - 1 : at
  return start <= 0 || header.charCodeAt(start - 1) === 0x3b
}
