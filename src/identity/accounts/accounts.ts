import { foldUsername, type Store, type User } from '../../contracts.js'
import type { Epoch } from '../store/epoch.js'
import { Records } from '../store/records.js'
import { type Account, type Exemption, isOwner, type Role, raised, withoutTokens } from './account.js'
import { Owners } from './owners.js'

/** The gateway's own records of users. Every change is atomic and seen by the next request in every process. */
export class Accounts {
  /** Who of them is an active owner. */
  readonly owners: Owners
  readonly #records: Records<Account>
  /** By folded username: leads to the id, and counts only where the account agrees. */
  readonly #byName: Records<string>
  readonly #epoch: Epoch
  readonly #now: () => number

  constructor({ store, epoch, now }: { store: Store; epoch: Epoch; now: () => number }) {
    this.owners = new Owners({ store, find: (id) => this.find(id), all: () => this.all() })
    this.#records = new Records(store, 'account/')
    this.#byName = new Records(store, 'account-named/')
    this.#epoch = epoch
    this.#now = now
  }

  find(id: string): Promise<Account | undefined> {
    return this.#records.get(id)
  }

  /** The account of this username, also of one who is gone from the directory. */
  async named(username: string): Promise<Account | undefined> {
    const id = await this.#byName.get(foldUsername(username))
    const account = id === undefined ? undefined : await this.find(id)
    return account !== undefined && foldUsername(account.username) === foldUsername(username) ? account : undefined
  }

  /** In order of folded username, from after the one named. */
  async list({ after, limit = 100 }: { readonly after?: string; readonly limit?: number } = {}): Promise<Account[]> {
    const page = { limit, ...(after === undefined ? {} : { after: foldUsername(after) }) }
    const rows = await this.#byName.list('', page)
    const found = await Promise.all(rows.map(([, id]) => this.find(id)))
    return found.filter((account, at) => account && foldUsername(account.username) === rows[at]?.[0]) as Account[]
  }

  /** The account of this user, made if there is none yet. The role and status count only when it is made. */
  async open(user: User, role: Role = 'user', status: Account['status'] = 'active'): Promise<Account> {
    const known = await this.find(user.id)
    if (known?.username === user.username) return known
    // Before the account: cut off in between, it leads to nowhere.
    await this.#byName.set(foldUsername(user.username), user.id)
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
    if (opened !== undefined && isOwner(opened)) await this.owners.join(opened.id)
    return opened as Account
  }

  /**
   * Changes an account atomically; `change` may run more than once and returns its argument to leave it.
   * @returns the account as it is now; `undefined` when there is none
   */
  async change(id: string, change: (account: Account) => Account): Promise<Account | undefined> {
    let wasOwner = false
    const changed = await this.#records.change(id, (account) => {
      wasOwner = account !== undefined && isOwner(account)
      return account && change(account)
    })
    if (changed !== undefined && isOwner(changed) && !wasOwner) await this.owners.join(id)
    await this.#epoch.raise()
    return changed
  }

  /** Somebody who was invited has come in: no link is handed over for them any more. */
  async cameIn(id: string): Promise<void> {
    if ((await this.find(id))?.isInvited !== true) return
    await this.change(id, ({ isInvited: _, ...account }) => account)
  }

  /** Ends every session, pending sign-in and link of the account. */
  endAll(id: string): Promise<Account | undefined> {
    return this.change(id, raised)
  }

  /** From the next request on, nothing of this account opens anything. */
  deactivate(id: string): Promise<Account | undefined> {
    return this.change(id, (account) => ({ ...withoutTokens(raised(account)), status: 'deactivated' }))
  }

  /** The user can sign in again; what was open before stays closed. */
  activate(id: string): Promise<Account | undefined> {
    return this.change(id, (account) => ({ ...raised(account), status: 'active' }))
  }

  /** Whether a second factor is required of this account, whatever the installation asks. A new requirement, new grace. */
  require(id: string, required: boolean): Promise<Account | undefined> {
    return this.change(id, ({ grace: _, ...account }) => ({ ...account, required }))
  }

  /** @param exemption `undefined` takes it back */
  exempt(id: string, exemption: Exemption | undefined): Promise<Account | undefined> {
    return this.change(id, ({ exemption: _, ...account }) => ({
      ...account,
      ...(exemption === undefined ? {} : { exemption }),
    }))
  }

  /** @param addresses the only networks it may come from, in CIDR notation; `undefined` for any */
  limitAddresses(id: string, addresses: readonly string[] | undefined): Promise<Account | undefined> {
    return this.change(id, ({ addresses: _, ...account }) => ({
      ...account,
      ...(addresses === undefined ? {} : { addresses }),
    }))
  }

  /** Switches second factors off and on for this user, from the next sign-in on. What is enrolled stays enrolled. */
  switchMethods(
    id: string,
    { off = [], on = [] }: { readonly off?: readonly string[]; readonly on?: readonly string[] },
  ): Promise<Account | undefined> {
    return this.change(id, ({ methodsOff = [], ...account }) => {
      const left = [...new Set([...methodsOff, ...off])].filter((use) => !on.includes(use)).toSorted()
      return { ...account, ...(left.length === 0 ? {} : { methodsOff: left }) }
    })
  }

  /** Every account, in order of id. */
  async *all(): AsyncGenerator<Account> {
    for await (const [, account] of this.#records.all()) yield account
  }
}
