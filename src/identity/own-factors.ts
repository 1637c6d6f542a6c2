import type { Audit } from '../audit/audit.js'
import type { SecondFactor } from '../contracts.js'
import { type Account, type Accounts, isOff, usableEnrolments } from './accounts.js'
import type { ClientFacts } from './client-facts.js'
import type { Enrolment, Enrolments } from './enrolments.js'
import { missingProof } from './fresh-proof.js'
import type { Notices } from './notices.js'
import type { OpenSession } from './sessions.js'

/** Why a user's change to the own account was not made. */
export type Refusal =
  /** Prove again who you are, then send it once more. */
  | 'unproven'
  /** What it was about is gone, was never theirs, or the session was revoked meanwhile. */
  | 'gone'

export interface OwnFactor extends Pick<Enrolment, 'id' | 'method' | 'name' | 'createdAt' | 'lastUsedAt'> {
  readonly label: string
  /** Asked first. */
  readonly isPreferred: boolean
  /** The owner switched this method off for this user: it is not asked. */
  readonly isOff: boolean
}

/** What users do with the second factors they have. Every change is atomic, and asks for a fresh proof. */
export class OwnFactors {
  readonly #parts: {
    readonly accounts: Accounts
    readonly enrolments: Enrolments
    readonly factors: ReadonlyMap<string, SecondFactor>
    readonly audit: Audit
    readonly notices: Notices
    readonly now: () => number
  }

  constructor(parts: {
    accounts: Accounts
    enrolments: Enrolments
    factors: ReadonlyMap<string, SecondFactor>
    audit: Audit
    notices: Notices
    now: () => number
  }) {
    this.#parts = parts
  }

  /** In the order they were set up. */
  async list({ account }: OpenSession): Promise<readonly OwnFactor[]> {
    const { enrolments, factors } = this.#parts
    // Without a preferred one the first is asked first.
    const usable = usableEnrolments(account)
    const preferred = usable.some(({ id }) => id === account.preferred) ? account.preferred : usable[0]?.id
    return (await enrolments.list(account)).map(({ id, method, name, createdAt, lastUsedAt }) => ({
      id,
      method,
      name,
      createdAt,
      label: factors.get(method)?.label ?? method,
      isPreferred: id === preferred,
      isOff: isOff(account, method),
      ...(lastUsedAt === undefined ? {} : { lastUsedAt }),
    }))
  }

  /** @param name as typed; to be checked with {@link factorName} before */
  async rename(open: OpenSession, id: string, name: string, client: ClientFacts): Promise<Refusal | undefined> {
    const { enrolments, now } = this.#parts
    if (missingProof(open, now())) return 'unproven'
    const renamed = await enrolments.rename(open.account, id, name)
    if (renamed === undefined) return 'gone'
    await this.#changed(open, 'name of a sign-in method', renamed.method, client)
    return undefined
  }

  /** Makes it the one that is asked first. */
  async prefer(open: OpenSession, id: string, client: ClientFacts): Promise<Refusal | undefined> {
    const { now } = this.#parts
    if (missingProof(open, now())) return 'unproven'
    const method = open.account.enrolled.find((enrolled) => enrolled.id === id)?.method
    const isDone = await this.#change(open, id, (account) => ({ ...account, preferred: id }))
    if (!isDone || method === undefined) return 'gone'
    await this.#changed(open, 'preferred sign-in method', method, client)
    return undefined
  }

  /**
   * Takes it off the account. The last one stays while policy requires one: two removals at once cannot take both.
   * @param isRequired whether the account would have to enrol again at once
   */
  async remove(
    open: OpenSession,
    id: string,
    { isRequired, client }: { readonly isRequired: boolean; readonly client: ClientFacts },
  ): Promise<Refusal | 'required' | undefined> {
    const { enrolments, factors, audit, notices, now } = this.#parts
    if (missingProof(open, now())) return 'unproven'
    const method = open.account.enrolled.find((enrolled) => enrolled.id === id)?.method
    let isLast = false
    const isDone = await this.#change(open, id, (account) => {
      const enrolled = account.enrolled.filter((each) => each.id !== id)
      isLast = isRequired && enrolled.length === 0
      if (isLast) return account
      const { preferred, ...rest } = account
      return { ...rest, enrolled, ...(preferred === undefined || preferred === id ? {} : { preferred }) }
    })
    if (isLast) return 'required'
    if (!isDone || method === undefined) return 'gone'
    await enrolments.forget(open.account.id, id)
    const { id: accountId, username } = open.account
    await audit.record({ event: 'factor.removed', outcome: 'success', accountId, username, method, client })
    const label = factors.get(method)?.label ?? method
    notices.tell('factor-removed', { user: open.session.user, values: { method: label }, client })
    return undefined
  }

  /** @returns whether this call changed the account; false where the session or the enrolment is gone by now */
  async #change({ session }: OpenSession, id: string, change: (account: Account) => Account): Promise<boolean> {
    let isDone = false
    await this.#parts.accounts.change(session.accountId, (account) => {
      const isThere = account.enrolled.some((enrolled) => enrolled.id === id)
      const isLive = account.generation === session.generation && account.status === 'active'
      const changed = isThere && isLive ? change(account) : account
      isDone = changed !== account
      return changed
    })
    return isDone
  }

  async #changed({ session, account }: OpenSession, what: string, method: string, client: ClientFacts): Promise<void> {
    const { audit, notices } = this.#parts
    const { id: accountId, username } = account
    const details = { what }
    await audit.record({ event: 'account.changed', outcome: 'success', accountId, username, method, client, details })
    notices.tell('account-changed', { user: session.user, values: { what }, client })
  }
}

/** What a user calls a factor: one line of at most 40 characters. `undefined`: not to be used. */
export function factorName(typed: string): string | undefined {
  const name = typed.normalize('NFC').replace(/\s+/gu, ' ').trim()
  return name !== '' && [...name].length <= 40 && !/\p{C}/u.test(name) ? name : undefined
}
