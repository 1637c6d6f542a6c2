import { createHash, createHmac } from 'node:crypto'
import type { ForeignHash } from './foreign-hash.js'

/** About two seconds of one processor in JavaScript; every step above doubles it. */
const HIGHEST_COST = 14

const form = /^(\$wp|bcrypt(?:_sha256)?\$)?(\$2[abxy]\$(\d\d)\$[./A-Za-z0-9]{53})$/

/**
 * bcrypt as it is, and in the wrappings of Django (`bcrypt$`, `bcrypt_sha256$`) and WordPress since 6.8 (`$wp`), which
 * hash first so that more than 72 bytes count.
 */
export function readBcrypt(hash: string): ForeignHash | undefined {
  const [, wrapping, inner = '', cost] = form.exec(hash) ?? []
  // $2x$ marks hashes of a broken crypt_blowfish: nothing here computes those.
  if (inner === '' || inner.startsWith('$2x') || Number(cost) < 4 || Number(cost) > HIGHEST_COST) return undefined
  return {
    kind: 'bcrypt',
    async verify(password) {
      const { compareSync } = await import('bcryptjs')
      return compareSync(wrapped(wrapping, password), inner)
    },
  }
}

function wrapped(wrapping: string | undefined, password: Buffer): string {
  if (wrapping === 'bcrypt_sha256$') return createHash('sha256').update(password).digest('hex')
  const text = password.toString('utf8')
  // WordPress trims what PHP's trim takes for space.
  if (wrapping === '$wp') {
    const trimmed = text.replace(/^[ \t\n\r\v]+|[ \t\n\r\v]+$/g, '')
    return createHmac('sha384', 'wp-sha384').update(trimmed).digest('base64')
  }
  return text
}
