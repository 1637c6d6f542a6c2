import { createHash, randomBytes } from 'node:crypto'

/**
 * The text of an app token: `glt_`, 12 characters of id, 43 of secret (256 bits) and 6 of checksum, letters and digits
 * alone, so that a double click takes all of it and a secret scanner finds it by its shape.
 *
 * The checksum is the first four bytes of the SHA-256 of everything before it, in base 62: scanners tell a token from
 * text that only looks like one, and a slip of the hand is refused without asking the store.
 */
export interface AppTokenText {
  readonly id: string
  readonly text: string
}

/** What every one begins with. */
export const appTokenPrefix = 'glt_'

export function drawAppToken(): AppTokenText {
  const id = drawn(ID)
  const body = `${appTokenPrefix}${id}${drawn(SECRET)}`
  return { id, text: body + checksum(body) }
}

/** The id in a token, without a look whether there is such a one; `undefined` for what is no token. */
export function appTokenId(text: string): string | undefined {
  if (text.length !== LENGTH || !SHAPE.test(text)) return undefined
  const body = text.slice(0, -CHECKSUM)
  return checksum(body) === text.slice(-CHECKSUM)
    ? text.slice(appTokenPrefix.length, appTokenPrefix.length + ID)
    : undefined
}

const ID = 12
const SECRET = 43
const CHECKSUM = 6
const LENGTH = appTokenPrefix.length + ID + SECRET + CHECKSUM
const SHAPE = /^glt_[0-9A-Za-z]{61}$/
const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Each character as likely as every other: bytes beyond the last whole 62 are thrown away. */
function drawn(length: number): string {
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < 4 * digits.length && text.length < length) text += digits[byte % digits.length]
    }
  }
  return text
}

function checksum(body: string): string {
  let number = createHash('sha256').update(body).digest().readUInt32BE(0)
  let text = ''
  for (let at = 0; at < CHECKSUM; at += 1) {
    text = digits[number % digits.length] + text
    number = Math.floor(number / digits.length)
  }
  return text
}
