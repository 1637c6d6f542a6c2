import type { Audit } from '../../audit/audit.js'
import type { SecondFactor, Store, User } from '../../contracts.js'
import { type Account, type Awaiting, awaitingOf, usableEnrolments } from '../accounts/account.js'
import type { Accounts } from '../accounts/accounts.js'
import type { Notices } from '../notices/notices.js'
import type { RememberedDevices } from '../sessions/remembered-devices.js'
import { Records } from '../store/records.js'
import type { BackupCodes } from './backup-codes.js'
import { type Confirmed, type Enrolment, type Enrolments, withName } from './enrolments.js'

interface Parts {
  readonly store: Store
  readonly accounts: Accounts
  readonly enrolments: Enrolments
  readonly backupCodes: Pick<BackupCodes, 'drop'>
  readonly devices: Pick<RememberedDevices, 'revokeAll'>
  readonly factors: ReadonlyMap<string, SecondFactor>
  readonly notices: Notices
  readonly audit: Audit
  /** Who has to agree to a second factor that a user sets up. */
  readonly approval?: 'off' | 'owner' | undefined
}

/** Second factors that wait for an owner: known by their accounts alone, and listed for whoever looks. */
export class Approvals {
  readonly isOn: boolean
  readonly #parts: Parts
  readonly #index: Records<true>

  constructor(parts: Parts) {
    this.isOn = parts.approval === 'owner'
    this.#parts = parts
    this.#index = new Records(parts.store, 'awaiting/')
  }

  /** An owner need not wait while no other owner could agree: the first one would wait for ever. */
  async isNeeded({ id, role }: Pick<Account, 'id' | 'role'>): Promise<boolean> {
    if (!this.isOn || role !== 'owner') return this.isOn
    const owners = await this.#parts.accounts.owners.list()
    return owners.some((owner) => owner.id !== id && usableEnrolments(owner).length > 0)
  }

  /** Keeps it until an owner says yes. @returns `undefined` where the account was revoked meanwhile, or another one waits */
  async hold(account: Account, confirmed: Confirmed): Promise<Enrolment | undefined> {
    const held = await this.#parts.enrolments.hold(account, confirmed)
    if (held !== undefined) await this.#index.set(account.id, true)
    return held
  }

  /** Whose wait now, some thousand at most. */
  async list(): Promise<readonly { readonly account: Account; readonly awaiting: Awaiting }[]> {
    const found: { account: Account; awaiting: Awaiting }[] = []
    for await (const [id] of this.#index.all()) {
      const account = await this.#parts.accounts.find(id)
      const awaiting = account && awaitingOf(account)
      // Ended, approved or refused by somebody who got no further.
      if (account === undefined || awaiting === undefined) await this.#index.delete(id)
      else found.push({ account, awaiting })
      if (found.length >= MOST_LISTED) break
    }
    return found
  }

  /** What users call the method. */
  label(method: string): string {
    return this.#parts.factors.get(method)?.label ?? method
  }

  /** From now on it counts. @returns false where it waits no more */
  async approve({ account, user }: { account: Account; user: User }, { id, method }: Awaiting, by: string) {
    const { enrolments, backupCodes, devices, audit, notices } = this.#parts
    // What stood for a factor that was taken off must not come back to life with this one.
    if (account.enrolled.length === 0) {
      await Promise.all([backupCodes.drop(account.id), devices.revokeAll(account.id, { reason: 'first-factor' })])
    }
    const released = await enrolments.release(account.id, id, true)
    if (released === undefined) return false
    const { handle } = released
    const name = handle === undefined ? this.label(method) : released.name
    await this.#index.delete(account.id)
    const { id: accountId, username } = account
    await audit.record({ event: 'factor.enrolled', outcome: 'success', accountId, username, method, by })
    notices.tell('factor-added', { user, values: { method: withName(this.label(method), name) }, enrolmentId: id })
    return true
  }

  /** It is forgotten, and the user may set one up anew. @returns false where it waits no more */
  async refuse({ account, user }: { account: Account; user: User }, { id, method }: Awaiting, by: string) {
    if ((await this.#parts.enrolments.release(account.id, id, false)) === undefined) return false
    await this.#index.delete(account.id)
    const { id: accountId, username } = account
    const entry = { accountId, username, method, by, reason: 'not-approved' }
    await this.#parts.audit.record({ event: 'factor.removed', outcome: 'success', ...entry })
    const what = 'the second step you set up was not approved; you can set one up again'
    this.#parts.notices.tell('account-changed', { user, values: { what } })
    return true
  }
}

const MOST_LISTED = 1000
