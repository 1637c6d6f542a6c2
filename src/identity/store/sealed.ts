import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import type { Store } from '../../contracts.js'
import { openBytes, sealBytes } from '../../secrets/aead.js'
import { hashOf, isToken } from './random-token.js'
import { Records } from './records.js'

/** AES-256-GCM; both in base64url. */
export interface SealedText {
  readonly nonce: string
  /** With its tag behind it. */
  readonly text: string
}

/**
 * What is shown to one browser and to nobody else, for the few minutes in which it may be shown again: a page that is
 * loaded anew, printed or downloaded. The key is made of the session's token, which the store never sees, so a copy of
 * the store shows nothing.
 */
export class Sealed {
  readonly #records: Records<SealedText>

  constructor({ store }: { store: Store }) {
    this.#records = new Records(store, 'sealed/')
  }

  async keep(sessionToken: string, lines: readonly string[]): Promise<void> {
    const sealed = sealText(sessionToken, PURPOSE, lines.join('\n'))
    await this.#records.set(hashOf(sessionToken), sealed, SHOWN_SECONDS)
  }

  async open(sessionToken: string | undefined): Promise<readonly string[] | undefined> {
    if (sessionToken === undefined || !isToken(sessionToken)) return undefined
    const sealed = await this.#records.get(hashOf(sessionToken))
    if (sealed === undefined) return undefined
    return openSealed(sessionToken, PURPOSE, sealed)?.split('\n')
  }

  /** It was seen, and is gone. */
  async forget(sessionToken: string | undefined): Promise<void> {
    if (sessionToken !== undefined && isToken(sessionToken)) await this.#records.delete(hashOf(sessionToken))
  }
}

const SHOWN_SECONDS = 10 * 60

const PURPOSE = 'gatelodge sealed'

/** @param purpose what is sealed: a text of one kind opens as no other */
export function sealText(sessionToken: string, purpose: string, plain: string): SealedText {
  const { nonce, sealed } = sealBytes(keyOf(sessionToken, purpose), Buffer.from(plain), purpose)
  return { nonce: nonce.toString('base64url'), text: sealed.toString('base64url') }
}

/** @returns `undefined` where it was sealed by another token, for another purpose, or was changed since */
export function openSealed(sessionToken: string, purpose: string, sealed: SealedText): string | undefined {
  const [nonce, text] = [sealed.nonce, sealed.text].map((part) => Buffer.from(part, 'base64url')) as [Buffer, Buffer]
  return openBytes(keyOf(sessionToken, purpose), nonce, text, purpose)?.toString('utf8')
}

/** Not the hash the store knows the session by: that one is no secret. */
function keyOf(sessionToken: string, purpose: string): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', sessionToken, '', purpose, 32)))
}
