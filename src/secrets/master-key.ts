import { createHash, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto'

const BYTES = 32

/**
 * 32 random bytes that are kept outside the store. Nothing is sealed with them: each purpose has a key of its own, made by
 * HKDF (RFC 5869), so that what is sealed for one opens for no other.
 */
export class MasterKey {
  /** Tells keys from each other in what they sealed: 48 bits of a hash, which say nothing of the key. */
  readonly kid: string
  /** As a key file has it: base64url. */
  readonly text: string
  readonly #bytes: Buffer
  readonly #purposes = new Map<string, KeyObject>()

  private constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.text = bytes.toString('base64url')
    this.kid = createHash('sha256').update('gatelodge kid\n').update(bytes).digest('base64url').slice(0, 8)
  }

  static draw(): MasterKey {
    return new MasterKey(randomBytes(BYTES))
  }

  /**
   * Reads the keys of a text: one on a line, as base64, base64url or hexadecimal digits; what follows a # is a remark.
   * @returns the keys, or what is wrong, in words that repeat nothing of the text
   */
  static read(text: string): { readonly keys: readonly MasterKey[] } | { readonly fault: string } {
    const words = text
      .split('\n')
      .flatMap((line) => line.replace(/#.*/, '').split(/\s+/))
      .filter((word) => word !== '')
    if (words.length === 0) return { fault: 'has no key in it' }
    const keys: MasterKey[] = []
    for (const word of words) {
      const bytes = bytesOf(word)
      if (bytes === undefined) return { fault: 'is neither base64 nor hexadecimal' }
      if (bytes.length !== BYTES) return { fault: `has ${bytes.length} bytes, and a key has ${BYTES}` }
      keys.push(new MasterKey(bytes))
    }
    return { keys }
  }

  /** The key of one purpose. @param salt makes another key of it, for one thing alone */
  keyFor(purpose: string, salt: Buffer = Buffer.alloc(0)): KeyObject {
    const known = salt.length === 0 ? this.#purposes.get(purpose) : undefined
    if (known !== undefined) return known
    const key = createSecretKey(Buffer.from(hkdfSync('sha256', this.#bytes, salt, `gatelodge/v1/${purpose}`, BYTES)))
    if (salt.length === 0) this.#purposes.set(purpose, key)
    return key
  }
}

function bytesOf(word: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(word)) return Buffer.from(word, 'hex')
  return /^[A-Za-z0-9+/_-]+={0,2}$/.test(word) ? Buffer.from(word, 'base64') : undefined
}
