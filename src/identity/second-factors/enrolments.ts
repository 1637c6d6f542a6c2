import { isDeepStrictEqual } from 'node:util'
import type { Audit } from '../../audit/audit.js'
import type { EnrolmentFacts, Json, Logger, Store } from '../../contracts.js'
import type { Sealer } from '../../secrets/sealer.js'
import { type Account, awaitingOf, raised } from '../accounts/account.js'
import type { Accounts } from '../accounts/accounts.js'
import { drawToken, hashOf } from '../store/random-token.js'
import { Records } from '../store/records.js'
import { type Handle, Handles } from './handles.js'

/** One user's registered instance of a second factor. It counts only while the account names it. */
export interface Enrolment {
  readonly id: string
  readonly accountId: string
  /** What YAML calls the second factor, as in `totp`. */
  readonly method: string
  /** What the user calls it. */
  readonly name: string
  /** The plugin's own, a secret or a counter, as {@link Enrolments.open} opens it. */
  readonly sealed?: string
  /** The same in the clear, as versions kept it that sealed nothing. */
  readonly enrolment?: Json
  readonly createdAt: number
  readonly lastUsedAt?: number
  /** Of one that a script asks: what its answers name it by. */
  readonly handle?: string
  /** Of one that a script asks: what it is good for and nothing else, as the RP ID of a passkey. */
  readonly scope?: string
  readonly about?: EnrolmentFacts
}

/** What an enrolment is made of when its first right answer came. */
export interface Confirmed extends Pick<Enrolment, 'method' | 'name' | 'handle' | 'scope' | 'about'> {
  /** The plugin's own: a secret, a counter. */
  readonly enrolment: Json
}

export interface EnrolmentsParts {
  readonly store: Store
  readonly accounts: Accounts
  readonly sealer: Sealer
  readonly audit: Pick<Audit, 'record'>
  readonly log: Logger
  readonly now: () => number
}

/** The second factors users registered, and which answers were used up. */
export class Enrolments {
  readonly #records: Records<Enrolment>
  readonly #spent: Records<true>
  readonly #handles: Handles
  readonly #gone: Records<readonly GoneHandle[]>
  readonly #accounts: Accounts
  readonly #parts: Pick<EnrolmentsParts, 'sealer' | 'audit' | 'log'>
  readonly #now: () => number

  constructor({ store, accounts, now, ...parts }: EnrolmentsParts) {
    this.#records = new Records(store, PREFIX)
    this.#spent = new Records(store, 'spent/')
    this.#handles = new Handles(store)
    this.#gone = new Records(store, 'factor-gone/')
    this.#accounts = accounts
    this.#parts = parts
    this.#now = now
  }

  /**
   * What the plugin keeps in an enrolment. One that was damaged, or moved here from another user, is written down and gives
   * `undefined`: its factor goes on to be asked for, and no answer to it is right. It never counts as one that is not there.
   */
  async open(enrolment: Enrolment, { username }: Pick<Account, 'username'>): Promise<{ value: Json } | undefined> {
    const opened = this.#read(enrolment)
    if (opened !== undefined) return opened
    const { id, accountId, method } = enrolment
    const { audit, log } = this.#parts
    log.error(
      { accountId, enrolment: id, method },
      'a second factor could not be opened: it was sealed with another key, or changed in the store. It is refused: ' +
        'put the key back (gatelodge keys show), or let the user set up another one (gatelodge user reset-second-factor)',
    )
    await audit.record({ event: 'factor.unreadable', outcome: 'refused', accountId, username, method })
    return undefined
  }

  #read({ id, accountId, sealed, enrolment }: Enrolment): { readonly value: Json } | undefined {
    const { sealer } = this.#parts
    if (sealed !== undefined) return sealer.open(PREFIX + key(accountId, id), sealed)
    return enrolment !== undefined && sealer.takesClear ? { value: enrolment } : undefined
  }

  #seal(accountId: string, id: string, value: Json): string {
    return this.#parts.sealer.seal(PREFIX + key(accountId, id), value)
  }

  /** An active enrolment of the account. */
  async find(account: Account, id: string): Promise<Enrolment | undefined> {
    if (!account.enrolled.some((enrolled) => enrolled.id === id)) return undefined
    return this.#records.get(key(account.id, id))
  }

  /** Whose an answer is that names itself; without a look at whether it still counts. */
  async whose(method: string, handle: string): Promise<Handle | undefined> {
    return this.#handles.find(handleKey(method, handle))
  }

  /** What was removed from the account a short while ago, of those that a script asks. */
  async gone(accountId: string): Promise<readonly GoneHandle[]> {
    return (await this.#gone.get(accountId)) ?? []
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
    { enrolment, ...confirmed }: Confirmed,
    change: (now: Account, id: string) => Account,
    isKept: (account: Account, id: string) => boolean,
  ): Promise<Enrolment | undefined> {
    const id = drawToken().slice(0, 16)
    const sealed = this.#seal(account.id, id, enrolment)
    const made: Enrolment = { id, accountId: account.id, ...confirmed, sealed, createdAt: this.#now() }
    const { method, handle, scope } = made
    // One that is somebody's already is nobody else's, whoever sends it (WebAuthn, 7.1, step 26).
    const index = { accountId: account.id, id, method, ...(scope === undefined ? {} : { scope }) }
    if (handle !== undefined && !(await this.#handles.add(handleKey(method, handle), index))) return undefined
    await this.#records.set(key(account.id, made.id), made)
    const changed = await this.#accounts.change(account.id, (now) =>
      now.generation === account.generation && now.enrolled.length === account.enrolled.length
        ? change(now, made.id)
        : now,
    )
    if (changed !== undefined && isKept(changed, made.id)) return made
    await this.#drop(made)
    return undefined
  }

  /**
   * Uses an answer up, over all sessions and processes.
   * @param grown what the enrolment becomes by it, where the factor counts
   * @param about what is seen of it from now on
   * @returns false when the answer was used before, or another one was faster
   */
  async spend(used: Enrolment, answer: string, grown?: Json, about?: EnrolmentFacts): Promise<boolean> {
    if (!(await this.#spent.add(`${used.id}/${hashOf(answer)}`, true, SPENT_SECONDS))) return false
    const where = key(used.accountId, used.id)
    let before = used
    for (;;) {
      const { enrolment: _, ...rest } = before
      const kept = grown === undefined ? before : { ...rest, sealed: this.#seal(used.accountId, used.id, grown) }
      const seen = about === undefined ? {} : { about }
      if (await this.#records.replace(where, before, { ...kept, ...seen, lastUsedAt: this.#now() })) return true
      // Without growth the marker alone decides; `lastUsedAt` may lose against another right answer.
      if (grown === undefined) return true
      const now = await this.#records.get(where)
      // Sealed with another key meanwhile, it is the same; anything else was another answer.
      if (now === undefined || !this.#isSame(now, before)) return false
      before = now
    }
  }

  #isSame(one: Enrolment, other: Enrolment): boolean {
    if (one.lastUsedAt !== other.lastUsedAt) return false
    const [a, b] = [this.#read(one), this.#read(other)]
    return a !== undefined && b !== undefined && isDeepStrictEqual(a.value, b.value)
  }

  /** Uses an answer up that was wrong, and would be right in some minutes. */
  async spoil(wrong: Enrolment, answer: string): Promise<void> {
    await this.#spent.add(`${wrong.id}/${hashOf(answer)}`, true, SPENT_SECONDS)
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

  /**
   * Makes one useless that a script asks, on the word of whoever reads the account's mail. Where it is the last one the account
   * goes on to ask for a second factor that nobody can give: a stranger who reads the mail must not take it off by that.
   * @returns it; `undefined` where there is none
   */
  async disable(accountId: string, id: string): Promise<Enrolment | undefined> {
    const enrolment = await this.#records.get(key(accountId, id))
    if (enrolment?.handle === undefined) return undefined
    await this.#drop(enrolment)
    await this.#accounts.change(accountId, (account) => {
      const enrolled = account.enrolled.filter((each) => each.id !== id)
      if (enrolled.length === 0 || enrolled.length === account.enrolled.length) return account
      const { preferred, ...rest } = account
      return { ...rest, enrolled, ...(preferred === undefined || preferred === id ? {} : { preferred }) }
    })
    return enrolment
  }

  /** Drops the record of an enrolment the account names no more. */
  async forget(accountId: string, id: string): Promise<void> {
    const enrolment = await this.#records.get(key(accountId, id))
    if (enrolment !== undefined) await this.#drop(enrolment)
  }

  async #drop({ accountId, id, method, handle, scope }: Enrolment): Promise<void> {
    await this.#records.delete(key(accountId, id))
    if (handle === undefined) return
    const name = handleKey(method, handle)
    // Where it was somebody else's first, it stays theirs.
    if ((await this.#handles.find(name))?.id === id) await this.#handles.remove(name)
    const said = { method, handle, scope: scope ?? '' }
    const change = (gone: readonly GoneHandle[] = []) => [said, ...gone].slice(0, MOST_GONE)
    await this.#gone.change(accountId, change, GONE_SECONDS)
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
    for (const { id } of gone) await this.forget(accountId, id)
    return changed && removed.length
  }
}

/** For the audit: which one of several. */
export function named({ handle, name }: Pick<Enrolment, 'handle' | 'name'>) {
  return handle === undefined ? {} : { details: { name } }
}

/** For people: which one of several, as in `Passkey or security key (Work laptop)`. */
export function withName(label: string, name: string): string {
  return name === label ? label : `${label} (${name})`
}

/** One that was removed, for browsers that still offer it. */
export interface GoneHandle {
  readonly method: string
  readonly handle: string
  readonly scope: string
}

/** Browsers are told at the next look at the page. */
const GONE_SECONDS = 24 * 60 * 60
const MOST_GONE = 20

function handleKey(method: string, handle: string): string {
  return hashOf(`${method}/${handle}`)
}

const PREFIX = 'enrolment/'

/** Longer than any checked answer is good for, and until one of a phone whose clock is fast would be. */
const SPENT_SECONDS = 15 * 60

function key(accountId: string, id: string): string {
  return `${accountId}/${id}`
}
