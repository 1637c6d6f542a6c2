import { createHash } from 'node:crypto'
import { CRYPT_ALPHABET, cryptDigits, type ForeignHash, isSame } from './foreign-hash.js'

/** 2^19 rounds: half a second. WordPress asked for 2^13, Drupal 7 for 2^15. */
const HIGHEST_COST = 19

const form = /^\$([PHS])\$([./A-Za-z0-9])([./A-Za-z0-9]{8})([./A-Za-z0-9]{22}|[./A-Za-z0-9]{43})$/

/** Solar Designer's portable hashes: `$P$` (WordPress), `$H$` (phpBB) over MD5, and Drupal 7's `$S$` over SHA-512. */
export function readPhpass(hash: string): ForeignHash | undefined {
  const [, which, costDigit = '', salt = '', digest = ''] = form.exec(hash) ?? []
  const cost = CRYPT_ALPHABET.indexOf(costDigit || ' ')
  const isDrupal = which === 'S'
  if (digest.length !== (isDrupal ? 43 : 22) || cost < 7 || cost > HIGHEST_COST) return undefined
  const algorithm = isDrupal ? 'sha512' : 'md5'
  return {
    kind: 'phpass',
    cost: { family: `phpass-${algorithm}`, work: 2 ** cost },
    verify: (password) => {
      const computed = spelled(stretch(algorithm, password, Buffer.from(salt), 2 ** cost))
      // Drupal keeps 55 characters of all.
      return isSame(Buffer.from(digest), Buffer.from(computed.slice(0, digest.length)))
    },
  }
}

/** @param work rounds */
export function spendPhpass(algorithm: 'md5' | 'sha512', work: number, password: Buffer): void {
  stretch(algorithm, password, Buffer.from('lodgelod'), Math.min(work, 2 ** HIGHEST_COST))
}

function stretch(algorithm: 'md5' | 'sha512', password: Buffer, salt: Buffer, rounds: number): Buffer {
  let digest = createHash(algorithm).update(salt).update(password).digest()
  for (let round = 0; round < rounds; round += 1)
    digest = createHash(algorithm).update(digest).update(password).digest()
  return digest
}

/** Three bytes are four characters, the first byte lowest. */
function spelled(digest: Buffer): string {
  let text = ''
  for (let n = 0; n < digest.length; n += 3) {
    const [low = 0, middle, high] = digest.subarray(n, n + 3)
    const count = high !== undefined ? 4 : middle !== undefined ? 3 : 2
    text += cryptDigits(low | ((middle ?? 0) << 8) | ((high ?? 0) << 16), count)
  }
  return text
}
