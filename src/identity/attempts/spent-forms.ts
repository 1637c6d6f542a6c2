import type { Store } from '../../contracts.js'
import { hashOf } from '../store/random-token.js'
import { Records } from '../store/records.js'

/**
 * Forms that were sent. What anybody may ask for costs a mail or an entry of the audit, so the token of its form is good for
 * one: 43,584 requests with one token in ten seconds once made 36.7 MB of audit.
 */
export class SpentForms {
  readonly #records: Records<true>

  constructor({ store }: { store: Store }) {
    this.#records = new Records(store, 'form/spent/')
  }

  /** @returns whether it was good until now: true for one caller only, over all processes */
  spend(token: string, lifetimeSeconds: number): Promise<boolean> {
    return this.#records.add(hashOf(token), true, lifetimeSeconds)
  }
}
