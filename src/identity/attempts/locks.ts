import type { Store } from '../../contracts.js'
import { nameHash } from '../store/name-hash.js'
import { Records } from '../store/records.js'
import {
  isLocked,
  LOCKED_SECONDS,
  type NetworkTries,
  networkWaitMs,
  type PasswordFailures,
  passwordWaitMs,
  type SecondStepTries,
  secondStepWaitMs,
  seconds,
  today,
} from './attempt-limits.js'

/** What is not judged for a while: an account's codes, its passwords, or every password from a network. */
export type LockKind = 'second-factor' | 'password' | 'network'

export type Lock =
  | { readonly kind: 'second-factor' | 'password'; readonly accountId: string; readonly retryAfterSeconds: number }
  /** Until a mailed link is redeemed or support ends it. */
  | { readonly kind: 'password'; readonly accountId: string; readonly retryAfterSeconds?: undefined }
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
   * @param forSeconds left out: until a mailed link or support ends it
   */
  note(kind: LockKind, key: string, whose: string, forSeconds = LOCKED_SECONDS): Promise<void> {
    return this.#locked.set(`${kind}/${key}`, whose, whose === '' ? 1 : forSeconds)
  }

  /** Those that hold now, of a thousand at most. */
  async list(): Promise<readonly Lock[]> {
    const rows = await this.#locked.list('', { limit: LISTED })
    const looked = await Promise.all(rows.map(([key, whose]) => this.#look(key, whose)))
    return looked.filter((lock) => lock !== undefined)
  }

  /** What holds now for one user: their codes, and their passwords from browsers that nobody knows. Costs two reads. */
  async of(accountId: string, username: string): Promise<readonly Lock[]> {
    const past = await this.#passwords.get(nameHash(username))
    const locks = [
      waiting('second-factor', accountId, await this.#secondStepWaitMs(accountId)),
      isLocked(past)
        ? ({ kind: 'password', accountId } as const)
        : waiting('password', accountId, passwordWaitMs(past, this.#now())),
    ]
    return locks.filter((lock) => lock !== undefined)
  }

  /** Somebody who knows better says that it was no attack: every budget of the account begins anew. */
  async forgive(accountId: string, username: string): Promise<void> {
    const name = nameHash(username)
    const ofDevices = await this.#passwords.list(`${name}/`)
    const keys = [name, ...ofDevices.map(([key]) => key)]
    await Promise.all([
      this.#secondSteps.delete(accountId),
      ...keys.map((key) => this.#passwords.delete(key)),
      this.#locked.delete(`second-factor/${accountId}`),
      ...keys.map((key) => this.#locked.delete(`password/${key}`)),
    ])
  }

  /**
   * A mailed link was redeemed: passwords of this name are judged again from every browser, if they were not. Where they
   * were, everything stays counted: somebody who signs in by links every day would give strangers a hundred guesses each time.
   * @returns whether they were locked
   */
  async liftPasswordLock(username: string): Promise<boolean> {
    const name = nameHash(username)
    if (!isLocked(await this.#passwords.get(name))) return false
    await Promise.all([this.#passwords.delete(name), this.#locked.delete(`password/${name}`)])
    return true
  }

  /** @returns whether it was locked */
  async forgiveNetwork(network: string): Promise<boolean> {
    const wasLocked = networkWaitMs(network, (await this.#networks.get(network)) ?? [], this.#now()) > 0
    await Promise.all([this.#networks.delete(network), this.#locked.delete(`network/${network}`)])
    return wasLocked
  }

  async #look(row: string, whose: string): Promise<Lock | undefined> {
    const [kind = '', key = ''] = [row.slice(0, row.indexOf('/')), row.slice(row.indexOf('/') + 1)]
    if (whose === '') return undefined
    if (kind === 'network') {
      const waitMs = networkWaitMs(key, (await this.#networks.get(key)) ?? [], this.#now())
      return waitMs > 0 ? { kind, network: whose, retryAfterSeconds: seconds(waitMs) } : undefined
    }
    if (kind !== 'password' && kind !== 'second-factor') return undefined
    if (kind === 'second-factor') return waiting(kind, whose, await this.#secondStepWaitMs(key))
    const past = await this.#passwords.get(key)
    return isLocked(past) ? { kind, accountId: whose } : waiting(kind, whose, passwordWaitMs(past, this.#now()))
  }

  async #secondStepWaitMs(accountId: string): Promise<number> {
    const now = this.#now()
    return secondStepWaitMs(today(await this.#secondSteps.get(accountId), now), now)
  }
}

function waiting(kind: 'second-factor' | 'password', accountId: string, waitMs: number): Lock | undefined {
  return waitMs > 0 ? { kind, accountId, retryAfterSeconds: seconds(waitMs) } : undefined
}

const LISTED = 1000
