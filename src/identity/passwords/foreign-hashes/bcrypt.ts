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
    cost: { family: 'bcrypt', work: 2 ** Number(cost) },
    async verify(password) {
      const { compareSync } = await import('bcryptjs')
      return compareSync(wrapped(wrapping, password), inner)
    },
  }
}

/** As much work as a hash of this much has, by hashes of the costs whose sum it is: 2^12 - 2^10 is one of 2^10 and one of 2^11. */
export async function spendBcrypt(work: number, password: Buffer): Promise<void> {
  const { compareSync } = await import('bcryptjs')
  for (let cost = 4; cost <= HIGHEST_COST; cost += 1) {
    if ((work & (2 ** cost)) !== 0) compareSync(password.toString('utf8'), nobodys(cost))
  }
}

/** A hash whose password is of no use to anybody: it is computed for the time that takes. */
function nobodys(cost: number): string {
  return `$2b$${String(cost).padStart(2, '0')}$wpabJQqpomri3beglqHDE.GgQXbIFcpgUxciFhguA0U5gJKYEd/XW`
}

function wrapped(wrapping: string | undefined, password: Buffer): string {
  if (wrapping === 'bcrypt_sha256$') return createHash('sha256').update(password).digest('hex')
  const text = password.toString('utf8')
  // WordPress trims what PHP's trim takes for space.
  if (wrapping === '$wp') {
    let [start, end] = [0, text.length]
    while (start < end && isPhpSpace(text.charCodeAt(start))) start += 1
    while (end > start && isPhpSpace(text.charCodeAt(end - 1))) end -= 1
    return createHmac('sha384', 'wp-sha384').update(text.slice(start, end)).digest('base64')
  }
  return text
}

function isPhpSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0b) || code === 0x0d
}
