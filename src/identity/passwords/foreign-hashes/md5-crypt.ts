import { createHash } from 'node:crypto'
import { cryptDigits, type ForeignHash, isSame } from './foreign-hash.js'

const form = /^(\$apr1\$|\$1\$)([^$:]{1,8})\$([./A-Za-z0-9]{22})$/

/** The thousand rounds of MD5 by Poul-Henning Kamp (`$1$`), and Apache's under another name (`$apr1$`). */
export function readMd5Crypt(hash: string): ForeignHash | undefined {
  const [, magic = '', salt = '', digest = ''] = form.exec(hash) ?? []
  if (digest === '') return undefined
  return {
    cost: { family: 'md5-crypt', work: 1 },
    kind: magic === '$apr1$' ? 'apr1' : 'md5-crypt',
    verify: (password) => isSame(Buffer.from(digest), Buffer.from(md5Crypt(password, Buffer.from(salt), magic))),
  }
}

/** The work of one hash: all of them ask for the same thousand rounds. */
export function spendMd5Crypt(password: Buffer): void {
  md5Crypt(password, NOBODYS_SALT, '$1$')
}

const NOBODYS_SALT = Buffer.from('lodgelod')

function md5(...parts: readonly Uint8Array[]): Buffer {
  const digest = createHash('md5')
  for (const part of parts) digest.update(part)
  return digest.digest()
}

function md5Crypt(password: Buffer, salt: Buffer, magic: string): string {
  const mixed = md5(password, salt, password)
  const parts: Uint8Array[] = [password, Buffer.from(magic), salt]
  for (let left = password.length; left > 0; left -= 16) parts.push(mixed.subarray(0, Math.min(16, left)))
  for (let bits = password.length; bits > 0; bits >>>= 1) parts.push(bits & 1 ? Buffer.of(0) : password.subarray(0, 1))
  let final = md5(...parts)
  for (let round = 0; round < 1000; round += 1) {
    const odd = round % 2 === 1
    const middle = [...(round % 3 ? [salt] : []), ...(round % 7 ? [password] : [])]
    final = md5(odd ? password : final, ...middle, odd ? final : password)
  }
  const at = (index: number) => final[index] ?? 0
  const triples = [0, 1, 2, 3].map((n) => (at(n) << 16) | (at(n + 6) << 8) | at(n + 12))
  const last = (at(4) << 16) | (at(10) << 8) | at(5)
  return [...triples, last].map((value) => cryptDigits(value, 4)).join('') + cryptDigits(at(11), 2)
}
