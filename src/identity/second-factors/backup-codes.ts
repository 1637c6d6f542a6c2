import type { Audit } from '../../audit/audit.js'
import type { Passwords, Store, User } from '../../contracts.js'
import type { Account } from '../accounts/account.js'
import type { Notices } from '../notices/notices.js'
import { drawCharacters, inGroups, readCharacters } from '../store/base32.js'
import type { ClientFacts } from '../store/client-facts.js'
import { Records } from '../store/records.js'

/** The codes of one account that were not used yet. The selector finds the one to compare with; the rest is hashed. */
interface BackupCodeSet {
  readonly codes: ReadonlyArray<{ readonly selector: string; readonly hash: string }>
  readonly madeAt: number
}

/**
 * Ten codes of the user's own, each good for one sign-in in place of any second factor. They come with the first factor
 * and go with the last one: to an account without a factor they open nothing.
 */
export class BackupCodes {
  readonly #records: Records<BackupCodeSet>
  readonly #passwords: Passwords
  readonly #audit: Audit
  readonly #notices: Pick<Notices, 'tell'>
  readonly #now: () => number

  constructor(parts: {
    store: Store
    passwords: Passwords
    audit: Audit
    notices: Pick<Notices, 'tell'>
    now: () => number
  }) {
    this.#records = new Records(parts.store, 'backup-codes/')
    this.#passwords = parts.passwords
    this.#audit = parts.audit
    this.#notices = parts.notices
    this.#now = parts.now
  }

  /**
   * Ten new ones; those before are dead. What is returned is nowhere else: the store has only hashes.
   * @returns in two groups of six, as in `9F3K71-ZQ0A2B`
   * @throws `password.busy`
   */
  async make(account: Account, user: User, client: ClientFacts, why: 'first' | 'renewed'): Promise<readonly string[]> {
    const secrets = new Map<string, string>()
    while (secrets.size < COUNT) secrets.set(drawCharacters(SELECTOR), drawCharacters(SECRET))
    const codes: Array<{ selector: string; hash: string }> = []
    // One after the other, so that ten hashes at once do not stand in the way of everybody who signs in.
    for (const [selector, secret] of secrets) codes.push({ selector, hash: await this.#passwords.hash(secret) })
    await this.#records.set(account.id, { codes, madeAt: this.#now() })
    await this.#audit.record({ event: 'backup-code.renewed', outcome: 'success', ...who(account), client, reason: why })
    // With the first factor there is a mail about that.
    if (why === 'renewed') this.#notices.tell('backup-codes-renewed', { user, values: {}, client })
    return [...secrets].map(([selector, secret]) => inGroups(selector + secret, GROUP))
  }

  /** How many are left; `undefined` when there never were any. */
  async left({ id, enrolled }: Account): Promise<number | undefined> {
    if (enrolled.length === 0) return undefined
    return (await this.#records.get(id))?.codes.length
  }

  /**
   * Uses a code up, once over all processes. Every no costs one hash, whether or not there is such a selector.
   * @returns how many are left; `undefined` when it is none of this account's
   */
  async spend(account: Account, answer: string): Promise<number | undefined> {
    const characters = readCharacters(answer, SELECTOR + SECRET) ?? readCharacters(answer, OLD_LENGTH)
    const set = account.enrolled.length === 0 ? undefined : await this.#records.get(account.id)
    const found = set?.codes.find(({ selector }) => characters?.startsWith(selector))
    const secret = characters?.slice(found?.selector.length ?? SELECTOR) ?? ''
    if (!(await this.#passwords.verify(found?.hash, secret))) return undefined
    let left: number | undefined
    await this.#records.change(account.id, (now) => {
      // By the hash: of ten new ones, one may have the same selector.
      const rest = now?.codes.filter(({ hash }) => hash !== found?.hash)
      left = rest === undefined || rest.length === now?.codes.length ? undefined : rest.length
      return now && rest && left !== undefined ? { ...now, codes: rest } : now
    })
    return left
  }

  /** Once the sign-in has succeeded: writes it down and tells the user. */
  async used(account: Account, user: User, left: number, client: ClientFacts): Promise<void> {
    await this.#audit.record({
      event: 'backup-code.used',
      outcome: 'success',
      ...who(account),
      client,
      details: { left },
    })
    this.#notices.tell('backup-code-used', { user, values: { left }, client })
  }

  /** None opens anything any more: before a first factor becomes active, so that those of an earlier one stay dead. */
  async drop(accountId: string): Promise<void> {
    await this.#records.delete(accountId)
  }
}

const COUNT = 10
/** Ten bits: enough to find one of ten by, and all of a code that the store could tell. */
const SELECTOR = 2
/** Fifty bits, of which twenty guesses a day are judged at most; whoever has the store has argon2id before them. */
const SECRET = 10
const GROUP = 6
/** Those made before codes became shorter: a selector of four and a secret of sixteen. */
const OLD_LENGTH = 20

function who({ id, username }: Account) {
  return { accountId: id, username }
}
