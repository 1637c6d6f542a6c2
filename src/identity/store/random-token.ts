import * as crypto from 'node:crypto'

/** 32 random bytes as 43 characters of base64url: session ids, pending sign-ins, links. */
export function drawToken(): string {
  return crypto.randomBytes(32).toString('base64url')
}

/** Whether the text has the shape of {@link drawToken}: anything else is answered without asking the store. */
export function isToken(text: string): boolean {
  return text.length === 43 && TOKEN.test(text)
}

/** SHA-256 in base64url. The store sees only this, so a copy of it opens nothing. */
export function hashOf(text: string): string {
  return oneShot === undefined
    ? crypto.createHash('sha256').update(text).digest('base64url')
    : oneShot('sha256', text, 'base64url')
}

/** Whether two hashes are equal, in a time that does not tell how much of them is. */
export function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && crypto.timingSafeEqual(a, b)
}

const TOKEN = /^[\w-]{43}$/

/** Node 20.12 and later: half the cost of `createHash`, paid on every request whose session is not known yet. */
const oneShot: typeof crypto.hash | undefined = crypto.hash
