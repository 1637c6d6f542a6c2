import type { Store } from '../../contracts.js'
import { Records } from '../store/records.js'
import { type Account, isOwner } from './account.js'

interface Parts {
  readonly store: Store
  /** By id. */
  readonly find: (id: string) => Promise<Account | undefined>
  readonly all: () => AsyncGenerator<Account>
}

/**
 * The active owners, in one record: of two owners who take each other's role away at the same moment, one is too late.
 * The record may miss an owner for a moment but never names one too many without being checked, so it errs towards "no".
 */
export class Owners {
  readonly #records: Records<readonly string[]>
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#records = new Records(parts.store, '')
    this.#parts = parts
  }

  /** Accounts that are active owners now. */
  async list(): Promise<readonly Account[]> {
    const ids = await this.#ids()
    const found = await Promise.all(ids.map((id) => this.#parts.find(id)))
    return found.filter((account) => account !== undefined && isOwner(account)) as Account[]
  }

  /** To be called after the account became an active owner. */
  async join(id: string): Promise<void> {
    await this.#ids()
    await this.#records.change(KEY, (ids = []) => (ids.includes(id) ? ids : [...ids, id]))
  }

  /**
   * To be called before the account stops to be one. Atomic over all processes.
   * @returns false for the last one: then it must stay
   */
  async leave(id: string): Promise<boolean> {
    const others = new Set((await this.list()).map((owner) => owner.id).filter((owner) => owner !== id))
    let mayLeave = false
    await this.#records.change(KEY, (ids = []) => {
      // Also of the others one may have left since they were looked at.
      mayLeave = ids.some((owner) => others.has(owner))
      return mayLeave ? ids.filter((owner) => owner !== id) : ids
    })
    return mayLeave
  }

  /** Of a store from before there was this record it is made once, by looking at every account. */
  async #ids(): Promise<readonly string[]> {
    const kept = await this.#records.get(KEY)
    if (kept !== undefined) return kept
    const ids: string[] = []
    for await (const account of this.#parts.all()) if (isOwner(account)) ids.push(account.id)
    await this.#records.add(KEY, ids)
    return (await this.#records.get(KEY)) ?? ids
  }
}

const KEY = 'owners'
