import { appTokenPrefix } from './token-text.js'

/** What `Authorization` says. */
export interface Credentials {
  /** With Basic only. */
  readonly username?: string
  readonly secret: string
}

/** Basic (RFC 7617, in UTF-8) and Bearer (RFC 6750); `undefined` for any other scheme and for what is neither. */
export function readAuthorization(header: string): Credentials | undefined {
  const [, scheme = '', value = ''] = /^([A-Za-z]+) +([\w.~+/=-]+) *$/.exec(header) ?? []
  if (/^bearer$/i.test(scheme)) return { secret: value }
  if (!/^basic$/i.test(scheme) || !/^[A-Za-z0-9+/]+={0,2}$/.test(value)) return undefined
  const text = decoded(value)
  const colon = text?.indexOf(':') ?? -1
  // Control characters are in no name or password that this scheme can carry.
  if (text === undefined || colon < 0 || /\p{Cc}/u.test(text)) return undefined
  return { username: text.slice(0, colon), secret: text.slice(colon + 1) }
}

/** Whether an app token is in it, right or wrong: that is ours to see, whatever the rule, and no application's. */
export function carriesAppToken(header: string | undefined): boolean {
  if (header === undefined) return false
  const given = readAuthorization(header)
  return given?.secret.startsWith(appTokenPrefix) === true || given?.username?.startsWith(appTokenPrefix) === true
}

function decoded(base64: string): string | undefined {
  try {
    return utf8.decode(Buffer.from(base64, 'base64'))
  } catch {
    return undefined
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
