import type { Audit } from '../../audit/audit.js'
import type { Store, User, UserDirectory } from '../../contracts.js'
import type { Messages } from '../../messages/messages.js'
import type { Account } from '../accounts/account.js'
import type { Accounts } from '../accounts/accounts.js'
import type { Notices } from '../notices/notices.js'
import type { RememberedDevices } from '../sessions/remembered-devices.js'
import { drawCharacters, inGroups, readCharacters } from '../store/base32.js'
import type { ClientFacts } from '../store/client-facts.js'
import { drawToken, hashOf, isSame } from '../store/random-token.js'
import { Records } from '../store/records.js'

interface RecoveryCode {
  readonly id: string
  /** SHA-256 over account and code in base64url. */
  readonly hash: string
  /** Of the account: what ends sessions ends this as well. */
  readonly generation: number
  readonly expiresAt: number
  readonly triesLeft: number
  readonly spent?: true
}

export interface IssuedRecoveryCode {
  /** In groups of four, as in `9F3K-71ZQ-0A2B`. Nowhere else. */
  readonly code: string
  readonly expiresAt: number
}

interface Parts {
  readonly store: Store
  readonly directory: UserDirectory
  readonly accounts: Accounts
  readonly devices: Pick<RememberedDevices, 'revokeAll'>
  readonly audit: Audit
  readonly messages: Pick<Messages, 'notify'>
  readonly notices: Pick<Notices, 'tell'>
  readonly now: () => number
}

/**
 * The owner's way in for a user who has no other: one code for one user, in place of the second factor. The password is
 * still asked, so whoever reads the code over a shoulder has half of what it takes.
 */
export class RecoveryCodes {
  readonly #records: Records<RecoveryCode>
  readonly #parts: Parts
  #telling: Promise<unknown> = Promise.resolve()

  constructor(parts: Parts) {
    this.#records = new Records(parts.store, 'recovery-code/')
    this.#parts = parts
  }

  /** A new one for the user; one issued before is dead. User and owners hear of it by mail. */
  async issue(account: Account, user: User, reason: string): Promise<IssuedRecoveryCode> {
    const { audit, now } = this.#parts
    const code = drawCharacters(LENGTH)
    const expiresAt = now() + LIFETIME_SECONDS * 1000
    const record = {
      id: drawToken().slice(0, 16),
      hash: hashFor(account, code),
      generation: account.generation,
      expiresAt,
      triesLeft: TRIES,
    }
    await this.#records.set(account.id, record, KEPT_SECONDS)
    await audit.record({ event: 'recovery-code.issued', outcome: 'success', ...who(account), reason })
    this.#tellBothSides('recovery-code-issued', account, user)
    return { code: inGroups(code), expiresAt }
  }

  /**
   * Judges a try: one of the code's five is spent first. What is returned is the step only one caller can take; taking
   * it, the code is used up.
   */
  async judge(account: Account, answer: string, client: ClientFacts): Promise<(() => Promise<boolean>) | undefined> {
    const given = readCharacters(answer, LENGTH)
    let tried: RecoveryCode | undefined
    await this.#records.change(account.id, (code) => {
      tried = code !== undefined && this.#isLive(code, account) ? code : undefined
      return tried === undefined ? code : { ...tried, triesLeft: tried.triesLeft - 1 }
    })
    if (tried === undefined) {
      await this.#noteExpired(account, client)
      return undefined
    }
    const { id, hash } = tried
    if (!isSame(hash, hashFor(account, given ?? ''))) {
      if (tried.triesLeft === 1) await this.#noteExpired(account, client)
      return undefined
    }
    return () => this.#spend(account, id)
  }

  /** Once the sign-in has succeeded: remembered devices die, and both sides hear of it. */
  async used(account: Account, user: User, client: ClientFacts): Promise<void> {
    const { audit, devices } = this.#parts
    await devices.revokeAll(account.id, { client, reason: 'recovery-code' })
    await audit.record({ event: 'recovery-code.used', outcome: 'success', ...who(account), client })
    this.#tellBothSides('recovery-code-used', account, user, client)
  }

  /** Resolves when nobody is being told any more. */
  async settled(): Promise<void> {
    await this.#telling
  }

  async #spend(account: Account, id: string): Promise<boolean> {
    let won = false
    await this.#records.change(account.id, (code) => {
      won = code?.id === id && code.spent === undefined
      return code && won ? { ...code, spent: true } : code
    })
    return won
  }

  #isLive({ spent, triesLeft, expiresAt, generation }: RecoveryCode, account: Account): boolean {
    if (spent || triesLeft <= 0 || generation !== account.generation) return false
    return this.#parts.now() < expiresAt
  }

  /** A code that was not used and can no longer be: written down once, by whoever finds it. */
  async #noteExpired(account: Account, client: ClientFacts): Promise<void> {
    const code = await this.#records.get(account.id)
    if (code === undefined || code.spent || this.#isLive(code, account)) return
    if (!(await this.#records.replace(account.id, code, { ...code, spent: true }))) return
    const reason = code.triesLeft <= 0 ? 'too-many-tries' : this.#parts.now() < code.expiresAt ? 'revoked' : 'too-old'
    const entry = { ...who(account), client, reason }
    await this.#parts.audit.record({ event: 'recovery-code.expired', outcome: 'success', ...entry })
  }

  /** Begins to, and returns at once: neither a page nor a command waits for mail servers. */
  #tellBothSides(name: Told, { id }: Account, user: User, client?: ClientFacts): void {
    const about = { values: { account: user.username }, ...(client === undefined ? {} : { client }) }
    this.#parts.notices.tell(name, { user, ...about })
    this.#telling = Promise.all([this.#telling, this.#tellOwners(name, id, user, about)])
  }

  async #tellOwners(name: Told, id: string, user: User, about: { values: { account: string }; client?: ClientFacts }) {
    const { messages } = this.#parts
    const owners = await this.#owners().catch(() => [])
    // Without the link for "this was not me": the account it would end is not theirs.
    const others = owners.filter((owner) => owner.id !== id && owner.email !== user.email)
    await Promise.all(others.map((owner) => messages.notify(name, { user: owner, ...about })))
  }

  async #owners(): Promise<User[]> {
    const { accounts, directory } = this.#parts
    const owners = await accounts.owners.list()
    return (await Promise.all(owners.map(({ id }) => directory.find({ id })))).flat()
  }
}

type Told = 'recovery-code-issued' | 'recovery-code-used'

const LENGTH = 12
const TRIES = 5
const LIFETIME_SECONDS = 60 * 60

/** Longer than it is good for: a try that comes too late is to be told from a wrong one, for the audit. */
const KEPT_SECONDS = 24 * 60 * 60

function hashFor({ id }: Account, code: string): string {
  return hashOf(`${id}\n${code}`)
}

function who({ id, username }: Account) {
  return { accountId: id, username }
}
