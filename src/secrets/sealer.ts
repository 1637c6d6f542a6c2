import type { Json } from '../contracts.js'
import { openBytes, sealBytes } from './aead.js'
import { KeyError } from './key-error.js'
import type { KeyRing } from './key-ring.js'
import { purposeOf } from './purposes.js'

/** `v1.<kid>.<nonce>.<ciphertext and tag>`, the last two in base64url. */
const FORM = /^v1\.([\w-]{8})\.([\w-]{16})\.([\w-]{22,})$/

/**
 * Seals values before they are kept, with a key that is not kept there. Each is bound to the key of the store it lies
 * under: a copy of the store shows nothing, and a secret that somebody moves to another user's record does not open.
 */
export class Sealer {
  readonly ring: KeyRing
  /**
   * Whether what lies in the clear is still taken as it is. That ends when everything was sealed once: from then on somebody
   * else wrote it.
   */
  takesClear = true

  constructor(ring: KeyRing) {
    this.ring = ring
  }

  /** The id of the key that sealed it, where that key is not here. */
  foreign(text: unknown): string | undefined {
    const kid = kidOf(text)
    return kid === undefined || this.ring.find(kid) !== undefined ? undefined : kid
  }

  /** @param key of the store, where the value will lie */
  seal(key: string, value: Json): string {
    const master = this.ring.current
    const purpose = purposeOf(key)
    const plain = Buffer.from(JSON.stringify(value))
    const { nonce, sealed } = sealBytes(master.keyFor(purpose), plain, boundTo(purpose, master.kid, key))
    return `v1.${master.kid}.${nonce.toString('base64url')}.${sealed.toString('base64url')}`
  }

  /**
   * @returns `undefined` when it was sealed with a key that is not here, for another place, or was changed. Whoever asks
   * takes that for a refusal, never for something that was not there.
   */
  open(key: string, text: unknown): { readonly value: Json } | undefined {
    const [, kid, nonce, sealed] = (typeof text === 'string' && FORM.exec(text)) || []
    const master = kid === undefined ? undefined : this.ring.find(kid)
    if (master === undefined || nonce === undefined || sealed === undefined) return undefined
    const purpose = purposeOf(key)
    const bound = boundTo(purpose, master.kid, key)
    const bytes = [nonce, sealed].map((part) => Buffer.from(part, 'base64url')) as [Buffer, Buffer]
    // One spelling alone: what was changed in any way is not what was sealed.
    if (bytes.map((part) => part.toString('base64url')).join('.') !== `${nonce}.${sealed}`) return undefined
    const plain = openBytes(master.keyFor(purpose), ...bytes, bound)
    return plain && { value: JSON.parse(plain.toString('utf8')) as Json }
  }
}

/** Said where something that everybody needs was sealed with a key that is not here. */
export function missingKey(kid: string): KeyError {
  const message = `The store has something that was sealed with the key ${kid}, which is not here.`
  return new KeyError(
    'secrets.key-missing',
    `${message} Name it under secrets.oldKeys, or put it back into the key file.`,
  )
}

/** The id of the key that a text was sealed with; `undefined` for any other text. */
export function kidOf(text: unknown): string | undefined {
  return typeof text === 'string' ? FORM.exec(text)?.[1] : undefined
}

function boundTo(purpose: string, kid: string, key: string): string {
  return `gatelodge v1\n${purpose}\n${kid}\n${key}`
}
