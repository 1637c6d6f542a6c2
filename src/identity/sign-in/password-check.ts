import type { Audit } from '../../audit/audit.js'
import type { User, UserDirectory } from '../../contracts.js'
import { GatelodgeError } from '../../errors.js'
import type { Account } from '../accounts/account.js'
import type { Accounts } from '../accounts/accounts.js'
import { TypedNames } from '../accounts/typed-names.js'
import { type Attempts, type PasswordTry, passwordKey, type Receipt, type Spend } from '../attempts/attempts.js'
import type { Locks } from '../attempts/locks.js'
import type { OwnBudget } from '../notices/known-browsers.js'
import type { Notices } from '../notices/notices.js'
import type { Ask, PasswordInput } from '../second-factors/outcomes.js'
import type { ClientFacts } from '../store/client-facts.js'
import { nameHash } from '../store/name-hash.js'

/** What became of a password. */
export type PasswordVerdict =
  | {
      readonly right: true
      readonly user: User
      readonly account: Account
      readonly ask: Exclude<Ask, 'deny'>
    }
  | {
      readonly right: false
      /** Set when it was not judged. */
      readonly retryAfterSeconds?: number
      /** It was not judged, and waiting does not help. */
      readonly isLocked?: true
    }

/** All that is asked of a sign-in here. */
export interface PasswordGuess extends Pick<PasswordInput, 'username' | 'password' | 'client' | 'policy'> {
  /** Sent with a request of a program: API accounts pass, too, and only what is refused is written down here. */
  readonly isProgram?: boolean
}

/**
 * The first step. Every kind of no takes the same way: the same reads, one hash, the same number of writes. What went
 * wrong is for the audit alone.
 */
export class PasswordCheck {
  readonly #directory: UserDirectory
  readonly #accounts: Accounts
  readonly #attempts: Attempts
  readonly #locks: Locks
  readonly #audit: Audit
  readonly #notices: Notices
  readonly #names: TypedNames

  constructor(parts: {
    directory: UserDirectory
    byEmail?: boolean | undefined
    accounts: Accounts
    attempts: Attempts
    locks: Locks
    audit: Audit
    notices: Notices
  }) {
    this.#directory = parts.directory
    this.#accounts = parts.accounts
    this.#attempts = parts.attempts
    this.#locks = parts.locks
    this.#audit = parts.audit
    this.#notices = parts.notices
    this.#names = new TypedNames(parts)
  }

  /** @param device of this browser: its own user has a budget there that no stranger can use up */
  async judge(given: PasswordGuess, device?: OwnBudget): Promise<PasswordVerdict> {
    const { client } = given
    const input = given.isProgram ? given : { ...given, username: await this.#meant(given.username) }
    const named = { nameHash: nameHash(input.username), network: client.network }
    const attempt = device?.nameHash === named.nameHash ? { ...named, deviceId: device.id } : named
    const spend = await this.#attempts.spendPassword(attempt)
    if (!spend.allowed) {
      return spend.isLocked
        ? { right: false, isLocked: true }
        : { right: false, retryAfterSeconds: spend.retryAfterSeconds }
    }

    const { user, account, reason, whose = '' } = await this.#check(input, attempt, spend.receipt)
    const ask = user && account && reason === undefined ? input.policy(account, user) : 'deny'
    if (user === undefined || account === undefined || ask === 'deny') {
      await Promise.all([
        this.#record('refused', client, attempt, account, reason ?? 'policy'),
        this.#recordThrottle('throttle.on', client, attempt, account, spend.locks ? 'for-good' : spend.blocksSeconds),
        (spend.locks || spend.blocksSeconds) && this.#note(whose, attempt, spend),
      ])
      const { key = '' } = spend.receipt
      if (spend.locks && whose !== '' && key === attempt.nameHash) {
        this.#notices.tellOf('password-locked', whose, { values: { help: this.#notices.link('/help') }, client })
      } else if (account !== undefined && isWorthTelling(spend.failures ?? 0)) {
        this.#notices.tellOf('many-failures', account.id, { values: { count: spend.failures ?? 0 }, client })
      }
      return { right: false }
    }
    const { wasSlowed } = await this.#attempts.passwordWasRight(attempt, spend.receipt)
    await Promise.all([
      input.isProgram ? undefined : this.#record('success', client, attempt, account),
      this.#recordThrottle('throttle.off', client, attempt, account, wasSlowed ? 0 : undefined),
    ])
    return { right: true, user, account, ask }
  }

  #note(whose: string, attempt: PasswordTry, { receipt, locks, blocksSeconds }: Spent): Promise<void> {
    const { key = passwordKey(attempt) } = receipt
    return this.#locks.note('password', key, whose, locks ? undefined : blocksSeconds)
  }

  async #meant(typed: string): Promise<string> {
    try {
      return await this.#names.resolve(typed)
    } catch (error) {
      throw error instanceof GatelodgeError ? error : new GatelodgeError('directory.unavailable', { cause: error })
    }
  }

  /** @param isNew the directory has just learned of this user */
  async #check(guess: PasswordGuess, attempt: PasswordTry, receipt: Receipt, isNew = false): Promise<Checked> {
    const { username, password, isProgram } = guess
    let named: User | undefined
    let account: Account | undefined
    let user: User | undefined
    try {
      // Before the password is judged: a revocation while it is being judged then ends what is opened by it.
      named = (await this.#directory.find({ username }))[0]
      account = await this.#accounts.find(named?.id ?? NOBODY)
      user = await this.#directory.verifyPassword(username, password)
    } catch (error) {
      await this.#attempts.passwordWasNotJudged(attempt, receipt)
      throw error instanceof GatelodgeError ? error : new GatelodgeError('directory.unavailable', { cause: error })
    }
    // Judged once more now that there is an account to look at first: it may have been deactivated long ago.
    if (named === undefined && user !== undefined && this.#directory.learns && !isNew) {
      return this.#check(guess, attempt, receipt, true)
    }
    if (named === undefined) return { reason: 'unknown-user' }
    // Gone, renamed or given to somebody else while the password was judged counts as wrong.
    const whose = named.id
    if (user?.id !== named.id) return { account, reason: 'wrong-password', whose }
    // The account as it was before stays the one to go by: a generation raised meanwhile must not be taken for its own.
    const opened = account?.username === user.username ? account : await this.#open(user, account)
    if (opened.status !== 'active') return { account: opened, reason: opened.status, whose }
    if (opened.role === 'api' && isProgram !== true) return { account: opened, reason: 'api-account', whose }
    return { user, account: opened, whose }
  }

  /** A user's first sign-in, or the first one after the directory changed how the name is written. */
  async #open(user: User, account: Account | undefined): Promise<Account> {
    const opened = await this.#accounts.open(user)
    return account ?? opened
  }

  #record(
    outcome: 'success' | 'refused',
    client: ClientFacts,
    attempt: PasswordTry,
    account: Account | undefined,
    reason?: string,
  ): Promise<void> {
    const more = reason === undefined ? {} : { reason }
    return this.#audit.record({ event: 'sign-in.password', outcome, client, ...who(attempt, account), ...more })
  }

  /** A block is written down when it begins, not at every try it turns away: those cost a stranger nothing. */
  async #recordThrottle(
    event: 'throttle.on' | 'throttle.off',
    client: ClientFacts,
    attempt: PasswordTry,
    account: Account | undefined,
    seconds: number | 'for-good' | undefined,
  ): Promise<void> {
    if (seconds === undefined) return
    const until = seconds === 'for-good' ? { until: 'link-or-support' } : seconds === 0 ? {} : { seconds }
    const details = { budget: 'password', ...until }
    await this.#audit.record({ event, outcome: 'success', client, ...who(attempt, account), details })
  }
}

interface Checked {
  /** Present only where everything is right. */
  readonly user?: User
  readonly account?: Account | undefined
  readonly reason?: string
  /** The id of the user of this name, also of one who was never here. */
  readonly whose?: string
}

type Spent = Extract<Spend, { allowed: true }>

/** The fifth failure, and then every time they have doubled: no stranger fills anybody's mailbox. */
function isWorthTelling(failures: number): boolean {
  return failures >= 5 && Number.isInteger(Math.log2(failures / 5))
}

/** An account id nobody has: unknown names cost the same reads. */
const NOBODY = 'nobody'

function who({ nameHash }: PasswordTry, account: Account | undefined) {
  return account === undefined ? { nameHash } : { accountId: account.id, username: account.username }
}
