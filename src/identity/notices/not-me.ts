import { foldUsername, type Store, type User, type UserDirectory } from '../../contracts.js'
import type { Notice } from '../../messages/mails.js'
import type { Account } from '../accounts/account.js'
import type { Accounts } from '../accounts/accounts.js'
import type { Sessions } from '../sessions/sessions.js'
import type { ClientFacts } from '../store/client-facts.js'
import { drawToken, hashOf, isToken } from '../store/random-token.js'
import { Records } from '../store/records.js'

/** What a "this was not me" link stands for. The store keeps it under the hash of the link's token. */
interface NotMeLink {
  readonly enrolmentId?: string
  readonly accountId: string
  /** The mail the link was in. */
  readonly notice: Notice
  /** Milliseconds since 1970. */
  readonly at: number
  /** Hash of the address the mail went to. */
  readonly to: string
}

/** What the page may show before the button is pressed. */
export interface NotMeView {
  readonly username: string
  readonly notice: Notice
  readonly at: number
}

export interface NotMeDone {
  readonly account: Account
  /** Whether a login link is on its way. If not, somebody has to help. */
  readonly isRecovering: boolean
}

/** Sends somebody who was locked out a way back in; not to be waited for. */
export type Recover = (user: User, account: Account, client: ClientFacts) => void

/**
 * The way out for somebody who reads about a change that was not theirs: ends whatever is open for the account, and a passkey
 * that was added. It opens nothing and lowers no demand, so a stranger who reads the mail gains nothing by it.
 */
export class NotMe {
  readonly #records: Records<NotMeLink>
  readonly #directory: UserDirectory
  readonly #accounts: Accounts
  readonly #sessions: Sessions
  readonly #recover: Recover | undefined
  readonly #disable: Disable | undefined
  readonly #now: () => number

  constructor(parts: {
    store: Store
    directory: UserDirectory
    accounts: Accounts
    sessions: Sessions
    recover?: Recover
    disable?: Disable
    now: () => number
  }) {
    this.#records = new Records(parts.store, 'not-me/')
    this.#directory = parts.directory
    this.#accounts = parts.accounts
    this.#sessions = parts.sessions
    this.#recover = parts.recover
    this.#disable = parts.disable
    this.#now = parts.now
  }

  /** @returns the path of a link under the prefix: good for one use within seven days */
  async issue(about: {
    accountId: string
    notice: Notice
    to: string
    /** The second factor that was added. */
    enrolmentId?: string
  }): Promise<string> {
    const token = drawToken()
    const link = { ...about, at: this.#now(), to: addressHash(about.to) }
    await this.#records.set(hashOf(token), link, LIFETIME_SECONDS)
    return `/not-me?token=${token}`
  }

  /** What the link is about; changes nothing. `undefined`: used, too old, or never ours. */
  async look(token: string): Promise<NotMeView | undefined> {
    const link = await this.#find(token)
    const account = link && (await this.#accounts.find(link.accountId))
    return link && account && { username: account.username, notice: link.notice, at: link.at }
  }

  /** Ends every session, pending sign-in, remembered device and link of the account. One caller succeeds, once. */
  async redeem(token: string, client: ClientFacts): Promise<NotMeDone | undefined> {
    const link = await this.#find(token)
    if (link === undefined) return undefined
    // A passkey that somebody else added opens the account alone. First, so that what it opens until then is ended with the rest.
    if (link.enrolmentId !== undefined) await this.#disable?.(link.accountId, link.enrolmentId, client)
    // Everything is ended before the link is used up: a gateway that dies in between leaves it good for another try.
    const account = await this.#sessions.endAll(link.accountId, { client, reason: `not-me: ${link.notice}` })
    if (!(await this.#records.delete(hashOf(token))) || account === undefined) return undefined
    const [user] = await this.#directory.find({ id: link.accountId })
    // Not where the address was changed since the mail: whoever did that would get the way back in.
    const isTheirs = user?.email !== undefined && addressHash(user.email) === link.to
    if (!isTheirs || this.#recover === undefined) return { account, isRecovering: false }
    this.#recover(user, account, client)
    return { account, isRecovering: true }
  }

  async #find(token: string): Promise<NotMeLink | undefined> {
    if (!isToken(token)) return undefined
    const link = await this.#records.get(hashOf(token))
    return link !== undefined && this.#now() < link.at + LIFETIME_SECONDS * 1000 ? link : undefined
  }
}

/** Makes a passkey useless that was added; does nothing with other factors. */
export type Disable = (accountId: string, enrolmentId: string, client: ClientFacts) => Promise<void>

const LIFETIME_SECONDS = 7 * 24 * 60 * 60

function addressHash(email: string): string {
  return hashOf(foldUsername(email))
}
