import type { Audit } from '../../audit/audit.js'
import type { Json, SecondFactor, Store } from '../../contracts.js'
import { type Account, awaitingOf, isOff, usableEnrolments } from '../accounts/account.js'
import type { Accounts } from '../accounts/accounts.js'
import type { Notices } from '../notices/notices.js'
import { type Enrolment, type Enrolments, named, withName } from '../second-factors/enrolments.js'
import { missingProof } from '../sessions/fresh-proof.js'
import type { OpenSession } from '../sessions/sessions.js'
import type { ClientFacts } from '../store/client-facts.js'
import { Records } from '../store/records.js'

/** Why a user's change to the own account was not made. */
export type OwnFactorRefusal =
  /** Prove again who you are, then send it once more. */
  | 'unproven'
  /** What it was about is gone, was never theirs, or the session was revoked meanwhile. */
  | 'gone'

export interface OwnFactor extends Pick<Enrolment, 'id' | 'method' | 'name' | 'createdAt' | 'lastUsedAt' | 'about'> {
  readonly label: string
  /** Asked first. */
  readonly isPreferred: boolean
  /** The owner switched this method off for this user: it is not asked. */
  readonly isOff: boolean
}

/** What users do with the second factors they have. Every change is atomic, and asks for a fresh proof. */
export class OwnFactors {
  readonly #parts: {
    readonly store: Store
    readonly accounts: Accounts
    readonly enrolments: Enrolments
    readonly factors: ReadonlyMap<string, SecondFactor>
    readonly audit: Audit
    readonly notices: Notices
    readonly now: () => number
  }

  constructor(parts: {
    store: Store
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
    return (await enrolments.list(account)).map(({ id, method, name, createdAt, lastUsedAt, about }) => ({
      id,
      method,
      name,
      createdAt,
      label: factors.get(method)?.label ?? method,
      isPreferred: id === preferred,
      isOff: isOff(account, method),
      ...(lastUsedAt === undefined ? {} : { lastUsedAt }),
      ...(about === undefined ? {} : { about }),
    }))
  }

  /**
   * The method that this user may be offered in place of the password, where there is one they could set up and have not: once a
   * month, whatever they say.
   */
  async offer({ account, session }: OpenSession): Promise<string | undefined> {
    const { factors, store } = this.#parts
    if (awaitingOf(account) !== undefined) return undefined
    for (const [use, factor] of factors) {
      if (!('asks' in factor) || factor.signIn === undefined || isOff(account, use)) continue
      if (!factor.available(session.user) || account.enrolled.some(({ method }) => method === use)) return undefined
      return (await new Records<true>(store, 'passkey-offer/').add(account.id, true, OFFER_SECONDS)) ? use : undefined
    }
    return undefined
  }

  /** What the page tells the browser about what is left of those that it keeps, so that it offers nothing that was removed. */
  async signals({ account, session }: OpenSession): Promise<readonly Json[]> {
    const { enrolments, factors } = this.#parts
    const [all, removed] = await Promise.all([enrolments.list(account), enrolments.gone(account.id)])
    const said: Json[] = []
    for (const [use, factor] of factors) {
      if (!('asks' in factor) || factor.signals === undefined) continue
      const left: Json[] = []
      for (const each of all) {
        const opened = each.method === use ? await enrolments.open(each, account) : undefined
        if (opened !== undefined) left.push(opened.value)
      }
      const gone = removed.filter(({ method }) => method === use)
      // Set up again meanwhile: what is told about an unknown one is done for good.
      const owners = await Promise.all(gone.map(({ handle }) => enrolments.whose(use, handle)))
      const unknown = gone.filter((_, index) => owners[index] === undefined)
      if (left.length > 0 || unknown.length > 0) said.push(factor.signals(session.user, left, unknown))
    }
    return said
  }

  /** @param name as typed; to be checked with {@link factorName} before */
  async rename(
    open: OpenSession,
    id: string,
    name: string,
    client: ClientFacts,
  ): Promise<OwnFactorRefusal | undefined> {
    const { enrolments, now } = this.#parts
    if (missingProof(open, now())) return 'unproven'
    const renamed = await enrolments.rename(open.account, id, name)
    if (renamed === undefined) return 'gone'
    await this.#changed(open, withWhich('name of a sign-in method', renamed), renamed.method, client)
    return undefined
  }

  /** Makes it the one that is asked first. */
  async prefer(open: OpenSession, id: string, client: ClientFacts): Promise<OwnFactorRefusal | undefined> {
    const { now } = this.#parts
    if (missingProof(open, now())) return 'unproven'
    const method = open.account.enrolled.find((enrolled) => enrolled.id === id)?.method
    const isDone = await this.#change(open, id, (account) => ({ ...account, preferred: id }))
    if (!isDone || method === undefined) return 'gone'
    const found = await this.#parts.enrolments.find(open.account, id)
    await this.#changed(open, withWhich('preferred sign-in method', found), method, client)
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
  ): Promise<OwnFactorRefusal | 'required' | undefined> {
    const { enrolments, factors, audit, notices, now } = this.#parts
    if (missingProof(open, now())) return 'unproven'
    const method = open.account.enrolled.find((enrolled) => enrolled.id === id)?.method
    const gone = await enrolments.find(open.account, id)
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
    const which = gone === undefined ? {} : named(gone)
    await audit.record({ event: 'factor.removed', outcome: 'success', accountId, username, method, ...which, client })
    const label = factors.get(method)?.label ?? method
    const values = { method: gone?.handle === undefined ? label : withName(label, gone.name) }
    notices.tell('factor-removed', { user: open.session.user, values, client })
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

const OFFER_SECONDS = 30 * 24 * 60 * 60

/** Which one of several, for those that there may be several of. */
function withWhich(what: string, enrolment: Pick<Enrolment, 'handle' | 'name'> | undefined): string {
  return enrolment?.handle === undefined ? what : withName(what, enrolment.name)
}

/** What a user calls a factor: one line of at most 40 characters. `undefined`: not to be used. */
export function factorName(typed: string): string | undefined {
  if (typed.length > 512) return undefined
  const name = typed.normalize('NFC').replace(/\s+/gu, ' ').trim()
  return name !== '' && [...name].length <= 40 && !/\p{C}/u.test(name) ? name : undefined
}
