import { createHash } from 'node:crypto'
import { type ForeignHash, isSame } from './foreign-hash.js'

const form = /^\{(S)?SHA(256|512)?\}([A-Za-z0-9+/]{1,180}={0,2})$/i

/** A digest and nothing more, as LDAP servers (RFC 2307) and `htpasswd -s` write it: `{SHA}`, `{SSHA}`, `{SSHA512}`. */
export function readDigest(hash: string): ForeignHash | undefined {
  const [, salted, bits = '1', text = ''] = form.exec(hash) ?? []
  if (text.length % 4 !== 0) return undefined
  const bytes = Buffer.from(text, 'base64')
  const length = bits === '1' ? 20 : Number(bits) / 8
  // Salted without a salt is not salted; longer than the digest without a mark is something else.
  if (salted === undefined ? bytes.length !== length : bytes.length <= length || bytes.length > length + 64) {
    return undefined
  }
  const salt = bytes.subarray(length)
  return {
    kind: salted === undefined ? 'sha' : 'ssha',
    verify: (password) =>
      isSame(bytes.subarray(0, length), createHash(`sha${bits}`).update(password).update(salt).digest()),
  }
}
