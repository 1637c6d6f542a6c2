import type { Store } from '../contracts.js'
import {
  delayMs,
  type NetworkTries,
  networkWaitMs,
  type PasswordFailures,
  type SecondStepTries,
  secondStepWaitMs,
  seconds,
  today,
} from './attempt-limits.js'
import { nameHash } from './names.js'
import { Records } from './records.js'

/** What is not judged for a while: an account's codes, its passwords, or every password from a network. */
export type LockKind = 'second-factor' | 'password' | 'network'

export type Lock =
  | { readonly kind: 'second-factor' | 'password'; readonly accountId: string; readonly retryAfterSeconds: number }
  | { readonly kind: 'network'; readonly network: string; readonly retryAfterSeconds: number }

/**
 * Who has to wait, and letting them try again. A budget that is used up leaves an entry here for as long as it lasts: it
 * leads to the budget, which has the last word, so that a list need not look at everybody who ever gave a code.
 */
export class Locks {
  readonly #locked: Records<string>
  readonly #passwords: Records<PasswordFailures>
  readonly #networks: Records<NetworkTries>
  readonly #secondSteps: Records<SecondStepTries>
  readonly #now: () => number

  constructor({ store, now }: { store: Store; now: () => number }) {
    this.#locked = new Records(store, 'attempts/locked/')
    this.#passwords = new Records(store, 'attempts/password/')
    this.#networks = new Records(store, 'attempts/network/')
    this.#secondSteps = new Records(store, 'attempts/second-factor/')
    this.#now = now
  }

  /**
   * To be called when one begins.
   * @param key what the budget is kept by
   * @param whose the account, or the network; empty for a name nobody has: written all the same, as it takes its time
   */
  note(kind: LockKind, key: string, whose: string, forSeconds: number): Promise<void> {
    return this.#locked.set(`${kind}/${key}`, whose, whose === '' ? 1 : forSeconds)
  }

  /** Those that hold now, of a thousand at most. */
  async list(): Promise<readonly Lock[]> {
    const rows = await this.#locked.list('', { limit: LISTED })
    const looked = await Promise.all(rows.map(([key, whose]) => this.#look(key, whose)))
    return looked.filter((lock) => lock !== undefined)
  }

  /** Somebody who knows better says that it was no attack: every budget of the account begins anew. */
  async forgive(accountId: string, username: string): Promise<void> {
    const name = nameHash(username)
    const ofDevices = await this.#passwords.list(`${name}/`)
    await Promise.all([
      this.#secondSteps.delete(accountId),
      ...[name, ...ofDevices.map(([key]) => key)].map((key) => this.#passwords.delete(key)),
      this.#locked.delete(`second-factor/${accountId}`),
      this.#locked.delete(`password/${name}`),
    ])
  }

  /** @returns whether it was locked */
  async forgiveNetwork(network: string): Promise<boolean> {
    const wasLocked = networkWaitMs((await this.#networks.get(network)) ?? [], this.#now()) > 0
    await Promise.all([this.#networks.delete(network), this.#locked.delete(`network/${network}`)])
    return wasLocked
  }

  async #look(row: string, whose: string): Promise<Lock | undefined> {
    const [kind = '', key = ''] = [row.slice(0, row.indexOf('/')), row.slice(row.indexOf('/') + 1)]
    if (whose === '') return undefined
    if (kind === 'network') {
      const waitMs = networkWaitMs((await this.#networks.get(key)) ?? [], this.#now())
      return waitMs > 0 ? { kind, network: whose, retryAfterSeconds: seconds(waitMs) } : undefined
    }
    if (kind !== 'password' && kind !== 'second-factor') return undefined
    const waitMs = await (kind === 'password' ? this.#passwordWaitMs(key) : this.#secondStepWaitMs(key))
    return waitMs > 0 ? { kind, accountId: whose, retryAfterSeconds: seconds(waitMs) } : undefined
  }

  async #passwordWaitMs(key: string): Promise<number> {
    const past = await this.#passwords.get(key)
    return past === undefined ? 0 : past.at + delayMs(past.failures) - this.#now()
  }

  async #secondStepWaitMs(accountId: string): Promise<number> {
    const now = this.#now()
    return secondStepWaitMs(today(await this.#secondSteps.get(accountId), now), now)
  }
}

const LISTED = 1000
