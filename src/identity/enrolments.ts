import type { Json, Store } from '../contracts.js'
import { type Account, type Accounts, awaitingOf, raised } from './accounts.js'
import { Records } from './records.js'
import { drawToken, hashOf } from './secret.js'

/** One user's registered instance of a second factor. It counts only while the account names it. */
export interface Enrolment {
  readonly id: string
  readonly accountId: string
  /** What YAML calls the second factor, as in `totp`. */
  readonly method: string
  /** What the user calls it. */
  readonly name: string
  /** The plugin's own: a secret, a counter. */
  readonly enrolment: Json
  readonly createdAt: number
  readonly lastUsedAt?: number
}

/** What an enrolment is made of when its first right answer came. */
type Confirmed = Pick<Enrolment, 'method' | 'name' | 'enrolment'>

/** The second factors users registered, and which answers were used up. */
export class Enrolments {
  readonly #records: Records<Enrolment>
  readonly #spent: Records<true>
  readonly #accounts: Accounts
  readonly #now: () => number

  constructor({ store, accounts, now }: { store: Store; accounts: Accounts; now: () => number }) {
    this.#records = new Records(store, 'enrolment/')
    this.#spent = new Records(store, 'spent/')
    this.#accounts = accounts
    this.#now = now
  }

  /** An active enrolment of the account. */
  async find(account: Account, id: string): Promise<Enrolment | undefined> {
    if (!account.enrolled.some((enrolled) => enrolled.id === id)) return undefined
    return this.#records.get(key(account.id, id))
  }

  async list(account: Account): Promise<readonly Enrolment[]> {
    const found = await Promise.all(account.enrolled.map(({ id }) => this.#records.get(key(account.id, id))))
    return found.filter((enrolment) => enrolment !== undefined)
  }

  /**
   * Makes a confirmed enrolment active. The record comes first and the account, whose one write makes it count, second.
   * @param account as it was when the answer was judged
   * @returns `undefined` when the account was revoked, or got another factor, meanwhile
   */
  async activate(account: Account, confirmed: Confirmed): Promise<Enrolment | undefined> {
    const { method } = confirmed
    return this.#keep(
      account,
      confirmed,
      (now, id) => ({ ...now, enrolled: [...now.enrolled, { id, method }] }),
      ({ enrolled }, made) => enrolled.some(({ id }) => id === made),
    )
  }

  /**
   * Keeps a confirmed enrolment until an owner says yes: the account does not name it among those that count.
   * @returns `undefined` as {@link activate}, and where another one waits
   */
  async hold(account: Account, confirmed: Confirmed): Promise<Enrolment | undefined> {
    const { method } = confirmed
    return this.#keep(
      account,
      confirmed,
      (now, id) =>
        awaitingOf(now) === undefined
          ? { ...now, awaiting: { id, method, at: this.#now(), generation: now.generation } }
          : now,
      ({ awaiting }, made) => awaiting?.id === made,
    )
  }

  /** Makes the one that waits count, or drops it. @returns it; `undefined` where it waits no more: for one caller only */
  async release(accountId: string, id: string, isApproved: boolean): Promise<Enrolment | undefined> {
    let isMine = false
    await this.#accounts.change(accountId, (now) => {
      const { awaiting: _, ...rest } = now
      isMine = awaitingOf(now)?.id === id
      if (!isMine) return now
      const method = now.awaiting?.method ?? ''
      return isApproved ? { ...rest, enrolled: [...now.enrolled, { id, method }] } : rest
    })
    if (!isMine) return undefined
    const enrolment = await this.#records.get(key(accountId, id))
    if (!isApproved) await this.forget(accountId, id)
    return enrolment
  }

  /** The record comes first, and the one write of the account that makes it count or wait second. */
  async #keep(
    account: Account,
    { method, name, enrolment }: Confirmed,
    change: (now: Account, id: string) => Account,
    isKept: (account: Account, id: string) => boolean,
  ): Promise<Enrolment | undefined> {
    const made: Enrolment = {
      id: drawToken().slice(0, 16),
      accountId: account.id,
      method,
      name,
      enrolment,
      createdAt: this.#now(),
    }
    await this.#records.set(key(account.id, made.id), made)
    const changed = await this.#accounts.change(account.id, (now) =>
      now.generation === account.generation && now.enrolled.length === account.enrolled.length
        ? change(now, made.id)
        : now,
    )
    if (changed !== undefined && isKept(changed, made.id)) return made
    await this.#records.delete(key(account.id, made.id))
    return undefined
  }

  /**
   * Uses an answer up, over all sessions and processes.
   * @param grown what the enrolment becomes by it, where the factor counts
   * @returns false when the answer was used before, or another one was faster
   */
  async spend(used: Enrolment, answer: string, grown?: Json): Promise<boolean> {
    if (!(await this.#spent.add(`${used.id}/${hashOf(answer)}`, true, SPENT_SECONDS))) return false
    const next = { ...used, lastUsedAt: this.#now(), ...(grown === undefined ? {} : { enrolment: grown }) }
    const kept = await this.#records.replace(key(used.accountId, used.id), used, next)
    // Without growth the marker alone decides; `lastUsedAt` may lose against another right answer.
    return kept || grown === undefined
  }

  /** Notes that it was used just now, where the answer itself is used up elsewhere. */
  async touch(used: Enrolment): Promise<void> {
    // Another right answer may have noted it already.
    await this.#records.replace(key(used.accountId, used.id), used, { ...used, lastUsedAt: this.#now() })
  }

  /** @returns it as it is now; `undefined` when the account has no such enrolment */
  async rename(account: Account, id: string, name: string): Promise<Enrolment | undefined> {
    if (!account.enrolled.some((enrolled) => enrolled.id === id)) return undefined
    return this.#records.change(key(account.id, id), (enrolment) => enrolment && { ...enrolment, name })
  }

  /** Drops the record of an enrolment the account names no more. */
  async forget(accountId: string, id: string): Promise<void> {
    await this.#records.delete(key(accountId, id))
  }

  /**
   * Takes every second factor off the account and ends what they had opened, in one write; the records follow.
   * @returns how many there were; `undefined` when there is no such account
   */
  async reset(accountId: string): Promise<number | undefined> {
    let removed: Account['enrolled'] = []
    let held: Account['awaiting']
    const changed = await this.#accounts.change(accountId, (account) => {
      removed = account.enrolled
      held = account.awaiting
      const { preferred: _, awaiting: __, ...rest } = account
      return { ...raised(rest), enrolled: [] }
    })
    const gone = held === undefined ? removed : [...removed, held]
    await Promise.all(gone.map(({ id }) => this.#records.delete(key(accountId, id))))
    return changed && removed.length
  }
}

/** Longer than any checked answer is good for. */
const SPENT_SECONDS = 10 * 60

function key(accountId: string, id: string): string {
  return `${accountId}/${id}`
}
