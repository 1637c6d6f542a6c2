import { pbkdf2Sync } from 'node:crypto'
import { type ForeignHash, isSame } from './foreign-hash.js'

/** Django asks for 1,200,000 of SHA-256; about two seconds. */
const MOST_ITERATIONS = 5_000_000

const LENGTHS: Readonly<Record<string, number>> = { sha1: 20, sha256: 32, sha512: 64 }

const django = /^pbkdf2_(sha1|sha256)\$(\d{1,9})\$([^$]{1,128})\$([A-Za-z0-9+/]{1,128}={0,2})$/
const werkzeug = /^pbkdf2:(sha1|sha256|sha512):(\d{1,9})\$([^$]{1,128})\$([0-9a-f]{40,128})$/
const passlib = /^\$pbkdf2(-sha256|-sha512)?\$(\d{1,9})\$([./A-Za-z0-9]{0,128})\$([./A-Za-z0-9]{20,128})$/

/** PBKDF2 (RFC 8018) as Django, Werkzeug (Flask) and passlib write it down. */
export function readPbkdf2(hash: string): ForeignHash | undefined {
  const [, digest = '', iterations, salt = '', key = '', from] = partsOf(hash) ?? []
  const rounds = Number(iterations)
  const kept = from === 'werkzeug' ? Buffer.from(key, 'hex') : fromBase64(key)
  // All three keep as much as the digest has: less was cut off.
  if (kept.length !== LENGTHS[digest] || rounds < 1 || rounds > MOST_ITERATIONS) return undefined
  const saltBytes = from === 'passlib' ? fromBase64(salt) : Buffer.from(salt)
  return {
    kind: 'pbkdf2',
    cost: { family: `pbkdf2-${digest}`, work: rounds },
    verify: (password) => isSame(kept, pbkdf2Sync(password, saltBytes, rounds, kept.length, digest)),
  }
}

/** @param work iterations */
export function spendPbkdf2(digest: string, work: number, password: Buffer): void {
  pbkdf2Sync(password, NOBODYS_SALT, Math.min(work, MOST_ITERATIONS), LENGTHS[digest] ?? 32, digest)
}

const NOBODYS_SALT = Buffer.from('lodgelodgelodge')

function partsOf(hash: string): readonly string[] | undefined {
  for (const [name, form] of [['django', django] as const, ['werkzeug', werkzeug] as const]) {
    const found = form.exec(hash)
    if (found) return [...found.slice(0, 5), name]
  }
  const [all, digest = '-sha1', ...rest] = passlib.exec(hash) ?? []
  return all === undefined ? undefined : [all, digest.slice(1), ...rest, 'passlib']
}

/** Plain base 64, and passlib's, which writes `.` for `+`. */
function fromBase64(text: string): Buffer {
  return Buffer.from(text.replaceAll('.', '+'), 'base64')
}
