import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto'

/** Bytes of a nonce and of a tag (NIST SP 800-38D, 5.2.1). */
const NONCE = 12
export const TAG = 16

/**
 * AES-256-GCM with a random nonce of 96 bits. One key takes 2^32 messages so (NIST SP 800-38D, 8.3); a busy installation
 * seals some thousand a day.
 * @param bound what the bytes belong to: they open with the same alone
 * @returns the nonce, and what was sealed with its tag behind it
 */
export function sealBytes(key: KeyObject, plain: Buffer, bound: string): { nonce: Buffer; sealed: Buffer } {
  const nonce = randomBytes(NONCE)
  return { nonce, sealed: sealWith(key, nonce, plain, Buffer.from(bound)) }
}

/** The same with a nonce of the caller's, who never uses it twice with one key. */
export function sealWith(key: KeyObject, nonce: Buffer, plain: Buffer, bound: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG }).setAAD(bound)
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** @returns `undefined` when anything about it is not as it was sealed */
export function openBytes(key: KeyObject, nonce: Buffer, sealed: Buffer, bound: string | Buffer): Buffer | undefined {
  if (nonce.length !== NONCE || sealed.length < TAG) return undefined
  const aad = typeof bound === 'string' ? Buffer.from(bound) : bound
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG }).setAAD(aad)
  decipher.setAuthTag(sealed.subarray(-TAG))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, -TAG)), decipher.final()])
  } catch {
    return undefined
  }
}
