import { randomBytes } from 'node:crypto'
import type { Json, Store } from '../../contracts.js'
import { hashOf, isSame, isToken } from '../store/random-token.js'
import { Records } from '../store/records.js'
import { openSealed, type SealedText, sealText } from '../store/sealed.js'

/** A form as it was sent, with the page it changes something by. */
export interface WaitingForm {
  /** Which form, as the pages call it. */
  readonly action: string
  /** What the form is about, where its address says so: a method, an operation. */
  readonly subject: string
  readonly accountId: string
  readonly fields: Readonly<Record<string, string | readonly string[]>>
  /** For the person who is asked: what will be done. */
  readonly says: WaitingSays
}

export interface WaitingSays {
  /** A sentence without its full stop. */
  readonly what: string
  readonly details: ReadonlyArray<readonly [name: string, value: string]>
  /** Only because the last proof is too long ago, and not because of whom the origin is shared with. */
  readonly isStale?: boolean
}

/**
 * Forms that wait for a proof of their own: because the last one is too long ago, or because scripts of an application share the
 * origin with our pages. Such a script sends any form with the visitor's cookies, and cannot say the code. The proof names the form, which is kept here and not
 * sent again, so that nothing else is done by it; it is taken once, within five minutes, and each session has one at a time.
 *
 * Sealed by the session's token, as a form may hold a password.
 */
export class WaitingForms {
  readonly #records: Records<Kept>

  constructor({ store }: { readonly store: Store }) {
    this.#records = new Records(store, 'waiting-form/')
  }

  /** @returns the id the proof has to name */
  async keep(sessionToken: string, form: WaitingForm): Promise<string> {
    const id = randomBytes(16).toString('base64url')
    const sealed = sealText(sessionToken, PURPOSE, JSON.stringify(form))
    await this.#records.set(hashOf(sessionToken), { id, sealed }, LIFETIME_SECONDS)
    return id
  }

  /** The form, while it waits. */
  async look(sessionToken: string | undefined, id: string): Promise<WaitingForm | undefined> {
    return (await this.#find(sessionToken, id))?.form
  }

  /** The form, for the one caller that may do what it says. */
  async take(sessionToken: string | undefined, id: string): Promise<WaitingForm | undefined> {
    const found = await this.#find(sessionToken, id)
    return found !== undefined && (await this.#records.delete(found.key)) ? found.form : undefined
  }

  async #find(sessionToken: string | undefined, id: string) {
    if (sessionToken === undefined || !isToken(sessionToken)) return undefined
    const key = hashOf(sessionToken)
    const kept = await this.#records.get(key)
    if (kept === undefined || !isSame(kept.id, id)) return undefined
    const text = openSealed(sessionToken, PURPOSE, kept.sealed)
    return text === undefined ? undefined : { key, form: JSON.parse(text) as Json as unknown as WaitingForm }
  }
}

interface Kept {
  readonly id: string
  readonly sealed: SealedText
}

const PURPOSE = 'gatelodge waiting form'
const LIFETIME_SECONDS = 5 * 60
