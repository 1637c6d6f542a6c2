import { readBcrypt } from './bcrypt.js'
import { readDigest } from './digest.js'
import type { ForeignHash, ReadForeignHash } from './foreign-hash.js'
import { readMd5Crypt } from './md5-crypt.js'
import { readPbkdf2 } from './pbkdf2.js'
import { readPhpass } from './phpass.js'
import { readScrypt } from './scrypt.js'
import { readShaCrypt } from './sha-crypt.js'

const formats: readonly ReadForeignHash[] = [
  readBcrypt,
  readMd5Crypt,
  readShaCrypt,
  readPhpass,
  readPbkdf2,
  readScrypt,
  readDigest,
]

const LONGEST = 1024

/** `undefined` for what no format fits, or what asks for more work than is borne. Argon2 is not foreign. */
export function readForeignHash(hash: string): ForeignHash | undefined {
  if (hash.length > LONGEST) return undefined
  // How LDAP servers mark what is for crypt(3).
  const bare = hash.replace(/^\{CRYPT\}(?=\$)/i, '')
  for (const read of formats) {
    const found = read(bare)
    if (found !== undefined) return found
  }
  return undefined
}
