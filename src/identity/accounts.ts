import type { Store, User } from '../contracts.js'
import type { Epoch } from './epoch.js'
import { Records } from './records.js'

/** `api` is a user that is a program: it never gets a session and never sees a hosted page. */
export type Role = 'owner' | 'support' | 'user' | 'api'

export const roles: readonly Role[] = ['owner', 'support', 'user', 'api']

/** One active enrolment of an account. */
export interface Enrolled {
  readonly id: string
  /** What YAML calls the second factor, as in `totp`. */
  readonly method: string
}

/** What the gateway itself keeps about a user of the directory. */
export interface Account {
  /** The same as the user's. */
  readonly id: string
  readonly username: string
  /** `new`: still being added, so nobody can sign in with it yet. */
  readonly status: 'active' | 'deactivated' | 'new'
  readonly role: Role
  /** Raised to end every session, pending sign-in and link opened before. */
  readonly generation: number
  /** A second factor is required of this account, whatever the installation asks. */
  readonly required: boolean
  /** The one place that says which enrolments count. */
  readonly enrolled: readonly Enrolled[]
  /** The enrolment that is asked first. */
  readonly preferred?: string
  readonly createdAt: number
}

/** The gateway's own records of users. Every change is atomic and seen by the next request in every process. */
export class Accounts {
  readonly #records: Records<Account>
  readonly #epoch: Epoch
  readonly #now: () => number

  constructor({ store, epoch, now }: { store: Store; epoch: Epoch; now: () => number }) {
    this.#records = new Records(store, 'account/')
    this.#epoch = epoch
    this.#now = now
  }

  find(id: string): Promise<Account | undefined> {
    return this.#records.get(id)
  }

  /** The account of this user, made if there is none yet. The role and status count only when it is made. */
  async open(user: User, role: Role = 'user', status: Account['status'] = 'active'): Promise<Account> {
    const opened = await this.#records.change(user.id, (account) => {
      if (account?.username === user.username) return account
      if (account !== undefined) return { ...account, username: user.username }
      return {
        id: user.id,
        username: user.username,
        status,
        role,
        generation: 1,
        required: false,
        enrolled: [],
        createdAt: this.#now(),
      }
    })
    return opened as Account
  }

  /**
   * Changes an account atomically; `change` may run more than once and returns its argument to leave it.
   * @returns the account as it is now; `undefined` when there is none
   */
  async change(id: string, change: (account: Account) => Account): Promise<Account | undefined> {
    const changed = await this.#records.change(id, (account) => account && change(account))
    await this.#epoch.raise()
    return changed
  }

  /** Ends every session, pending sign-in and link of the account. */
  endAll(id: string): Promise<Account | undefined> {
    return this.change(id, raised)
  }

  /** From the next request on, nothing of this account opens anything. */
  deactivate(id: string): Promise<Account | undefined> {
    return this.change(id, (account) => ({ ...raised(account), status: 'deactivated' }))
  }

  /** The user can sign in again; what was open before stays closed. */
  activate(id: string): Promise<Account | undefined> {
    return this.change(id, (account) => ({ ...raised(account), status: 'active' }))
  }

  /** Every account, in order of id. */
  async *all(): AsyncGenerator<Account> {
    for await (const [, account] of this.#records.all()) yield account
  }
}

/** The account with everything opened before it ended. */
export function raised(account: Account): Account {
  return { ...account, generation: account.generation + 1 }
}
