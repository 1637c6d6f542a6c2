import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import type { Store } from '../contracts.js'
import { Records } from './records.js'
import { hashOf, isToken } from './secret.js'

/** AES-256-GCM; all three in base64url. */
interface SealedText {
  readonly nonce: string
  readonly text: string
  readonly tag: string
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
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', keyOf(sessionToken), nonce)
    const text = Buffer.concat([cipher.update(lines.join('\n'), 'utf8'), cipher.final()])
    const sealed = {
      nonce: nonce.toString('base64url'),
      text: text.toString('base64url'),
      tag: cipher.getAuthTag().toString('base64url'),
    }
    await this.#records.set(hashOf(sessionToken), sealed, SHOWN_SECONDS)
  }

  async open(sessionToken: string | undefined): Promise<readonly string[] | undefined> {
    if (sessionToken === undefined || !isToken(sessionToken)) return undefined
    const sealed = await this.#records.get(hashOf(sessionToken))
    if (sealed === undefined) return undefined
    const [nonce, text, tag] = [sealed.nonce, sealed.text, sealed.tag].map((part) => Buffer.from(part, 'base64url'))
    if (nonce === undefined || text === undefined || tag === undefined) return undefined
    const decipher = createDecipheriv('aes-256-gcm', keyOf(sessionToken), nonce, { authTagLength: 16 })
    decipher.setAuthTag(tag)
    return Buffer.concat([decipher.update(text), decipher.final()])
      .toString('utf8')
      .split('\n')
  }

  /** It was seen, and is gone. */
  async forget(sessionToken: string | undefined): Promise<void> {
    if (sessionToken !== undefined && isToken(sessionToken)) await this.#records.delete(hashOf(sessionToken))
  }
}

const SHOWN_SECONDS = 10 * 60

/** Not the hash the store knows the session by: that one is no secret. */
function keyOf(sessionToken: string): Buffer {
  return Buffer.from(hkdfSync('sha256', sessionToken, '', 'gatelodge sealed', 32))
}
