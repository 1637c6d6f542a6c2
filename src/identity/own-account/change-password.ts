import type { Audit } from '../../audit/audit.js'
import type { Store, User, UserDirectory } from '../../contracts.js'
import type { Account } from '../accounts/account.js'
import type { Accounts } from '../accounts/accounts.js'
import { isWritable } from '../accounts/directories.js'
import type { Notices } from '../notices/notices.js'
import { type PasswordFault, passwordFault } from '../passwords/password-rules.js'
import type { Sessions } from '../sessions/sessions.js'
import type { ClientFacts } from '../store/client-facts.js'
import { Records } from '../store/records.js'
import type { RuntimeSettings } from '../store/settings.js'

type PasswordLengths = Pick<RuntimeSettings, 'shortestPassword'>

export interface NewPassword {
  readonly user: User
  /** As it was when the right to change was proven: what was revoked since then changes nothing. */
  readonly account: Account
  readonly password: string
  readonly client: ClientFacts
  /** What the right to change was proven with, for the audit: `account-page`, `login-link`. */
  readonly method: string
}

export type ChangePasswordOutcome =
  /** Everything opened before has ended. The account as it is now: a session opened next carries its generation. */
  | { readonly outcome: 'changed'; readonly account: Account }
  | { readonly outcome: 'refused'; readonly fault: PasswordFault }
  /** Revoked meanwhile, or another change was faster: nothing was changed by this one. */
  | { readonly outcome: 'expired' }
  /** The directory is not ours to change. */
  | { readonly outcome: 'elsewhere' }

/**
 * The one way a user's password changes. It ends every session, pending sign-in, remembered device and link of the
 * account, because who changes a password often does it to be rid of somebody.
 */
export class ChangePassword {
  readonly #parts: {
    readonly directory: UserDirectory
    readonly accounts: Accounts
    readonly sessions: Sessions
    readonly audit: Audit
    readonly notices: Notices
    readonly settings: PasswordLengths
  }
  readonly #underway: Records<true>

  constructor(parts: {
    store: Store
    directory: UserDirectory
    accounts: Accounts
    sessions: Sessions
    audit: Audit
    notices: Notices
    settings: PasswordLengths
  }) {
    this.#parts = parts
    this.#underway = new Records(parts.store, 'changing-password/')
  }

  /** Whether this user's password is kept where it can be changed from here. */
  isPossible(id: string): boolean {
    return isWritable(this.#parts.directory, id)
  }

  /** Characters that a new password of this account has at least. */
  shortest(account: Account): number {
    return this.#parts.settings.shortestPassword(account)
  }

  /** @throws `password.busy`; nothing was changed then */
  async change(wanted: NewPassword): Promise<ChangePasswordOutcome> {
    const { user, account, password } = wanted
    if (!this.isPossible(user.id)) return { outcome: 'elsewhere' }
    const fault = passwordFault(password, user.username, this.shortest(account))
    if (fault !== undefined) return { outcome: 'refused', fault }
    // One at a time: of a form sent twice, the password of one and the sessions of the other must not be what remains.
    if (!(await this.#underway.add(user.id, true, LONGEST_SECONDS))) return { outcome: 'expired' }
    try {
      return await this.#write(wanted)
    } finally {
      await this.#underway.delete(user.id)
    }
  }

  async #write({ user, account, password, client, method }: NewPassword): Promise<ChangePasswordOutcome> {
    const { directory, accounts, sessions, audit, notices } = this.#parts
    const now = await accounts.find(account.id)
    if (now?.generation !== account.generation || now.status !== 'active') return { outcome: 'expired' }
    if (!(await directory.writable?.setPassword(user.id, password))) return { outcome: 'expired' }
    // After the password: a sign-in that was judged by the old one read the old generation before, and ends here.
    await sessions.endAll(account.id, { client, reason: 'password-changed' })
    const { id: accountId, username } = account
    await audit.record({ event: 'password.changed', outcome: 'success', accountId, username, client, method })
    notices.tell('password-changed', { user, values: {}, client })
    // One more than was seen, not what is there: where somebody else revoked at the same time, nothing is opened with it.
    return { outcome: 'changed', account: { ...now, generation: now.generation + 1 } }
  }
}

/** A gateway that dies in the middle holds the next change up no longer than this. */
const LONGEST_SECONDS = 30
