import { createHmac, randomInt } from 'node:crypto'
import type { Audit } from '../../audit/audit.js'
import type { SecondFactor, Store, User, UserDirectory } from '../../contracts.js'
import type { Messages } from '../../messages/messages.js'
import { codeLifetimeSeconds, type Sending } from '../../messages/sending.js'
import { isWritable } from '../accounts/directories.js'
import type { Notices } from '../notices/notices.js'
import { cleanAnswer } from '../second-factors/answer.js'
import { missingProof } from '../sessions/fresh-proof.js'
import type { OpenSession, Session, Sessions } from '../sessions/sessions.js'
import type { ClientFacts } from '../store/client-facts.js'
import { mailAddress, mobileNumber } from '../store/contact-forms.js'
import { drawToken, isSame } from '../store/random-token.js'
import { Records } from '../store/records.js'

export type Contact = 'email' | 'mobile'

/** A new address or number that waits for its code. It belongs to one session. */
interface WaitingContact {
  readonly id: string
  readonly what: Contact
  readonly value: string
  readonly hash: string
  readonly triesLeft: number
  readonly expiresAt: number
}

/** What a page may show of it. */
export interface WaitingView {
  readonly what: Contact
  readonly value: string
}

/** The session goes on; with a token where the old one was ended with all others. */
export interface ContactDone {
  readonly outcome: 'done'
  readonly renewed?: { readonly token: string; readonly session: Session }
}

export type ChangeContactOutcome =
  | ContactDone
  /** A code is on its way: nothing is changed before it comes back. */
  | { readonly outcome: 'code' }
  | { readonly outcome: 'not-sent'; readonly sending: Exclude<Sending, { outcome: 'sent' }> }
  | {
      readonly outcome: 'refused'
      /** `needed`: sign-in codes go to the number on file, and could not go to this one. */
      readonly fault: 'malformed' | 'unchanged' | 'needed' | 'elsewhere' | 'no-mail'
    }
  | { readonly outcome: 'unproven' }
  | { readonly outcome: 'gone' }

export type ConfirmContactOutcome =
  | ContactDone
  | { readonly outcome: 'wrong'; readonly triesLeft: number }
  | { readonly outcome: 'expired' }
  | { readonly outcome: 'unproven' }
  | { readonly outcome: 'gone' }

export interface OwnContactParts {
  readonly store: Store
  readonly directory: UserDirectory
  readonly sessions: Sessions
  readonly factors: ReadonlyMap<string, SecondFactor>
  readonly messages: Pick<Messages, 'send' | 'confirmAddress' | 'sendsMail'>
  readonly audit: Audit
  readonly notices: Notices
  readonly now: () => number
}

/**
 * A user's own mail address and mobile number. What codes and links will be sent to must be theirs: it counts only when a
 * code that was sent there has come back.
 */
export class OwnContact {
  readonly #parts: OwnContactParts
  readonly #waiting: Records<WaitingContact>

  constructor(parts: OwnContactParts) {
    this.#parts = parts
    this.#waiting = new Records(parts.store, 'contact/')
  }

  /** Whether the directory is ours to change, for this user. */
  isPossible({ account }: OpenSession): boolean {
    return isWritable(this.#parts.directory, account.id)
  }

  /** As the directory has it now. */
  async read({ session }: OpenSession): Promise<User> {
    const [user] = await this.#parts.directory.find({ id: session.accountId })
    return user ?? session.user
  }

  async waiting({ session }: OpenSession): Promise<WaitingView | undefined> {
    const waiting = await this.#find(session)
    return waiting && { what: waiting.what, value: waiting.value }
  }

  /**
   * @param token of the session: what the store keeps of the code is worth nothing without it
   * @param typed the address, or the number with its country code
   */
  async change(
    open: OpenSession,
    token: string,
    { what, typed, client }: { readonly what: Contact; readonly typed: string; readonly client: ClientFacts },
  ): Promise<ChangeContactOutcome> {
    const { messages, now } = this.#parts
    if (missingProof(open, now())) return { outcome: 'unproven' }
    if (!this.isPossible(open)) return { outcome: 'refused', fault: 'elsewhere' }
    const value = what === 'email' ? mailAddress(typed) : await mobileNumber(typed)
    if (value === undefined) return { outcome: 'refused', fault: 'malformed' }
    const user = await this.read(open)
    if (user[what] === value) return { outcome: 'refused', fault: 'unchanged' }
    const changed = { ...user, [what]: value }

    const code = String(randomInt(1_000_000)).padStart(6, '0')
    const keep = () => this.#keep(open.session, { what, value, token, code })
    if (what === 'email') {
      if (!messages.sendsMail) return { outcome: 'refused', fault: 'no-mail' }
      return outcomeOf(await messages.confirmAddress({ user, to: value, code, client, keep }))
    }
    const method = this.#methodTo(changed, value)
    if (method !== undefined) {
      return outcomeOf(await messages.send({ user: changed, method, code, client, purpose: 'enrolment', keep }))
    }
    if (this.#wouldLose(open, user, changed)) return { outcome: 'refused', fault: 'needed' }
    return this.#write(open, { what, value, client })
  }

  /** Judges the code that was sent to the new address, and makes it count. */
  async confirm(open: OpenSession, token: string, text: string, client: ClientFacts): Promise<ConfirmContactOutcome> {
    if (missingProof(open, this.#parts.now())) return { outcome: 'unproven' }
    const { session } = open
    const waiting = await this.#find(session)
    if (waiting === undefined) return { outcome: 'expired' }
    const answer = cleanAnswer(text)
    // An empty field is a slip and no guess.
    if (answer === '') return { outcome: 'wrong', triesLeft: waiting.triesLeft }
    let triesLeft = -1
    await this.#waiting.change(session.id, (now) => {
      const isThis = now?.id === waiting.id && now.triesLeft > 0
      triesLeft = isThis ? now.triesLeft - 1 : -1
      return isThis ? { ...now, triesLeft } : now
    })
    if (triesLeft < 0) return { outcome: 'expired' }
    if (!isSame(waiting.hash, hashOfCode(token, waiting, answer.slice(0, 64)))) return { outcome: 'wrong', triesLeft }
    if (!(await this.#waiting.delete(session.id))) return { outcome: 'expired' }
    return this.#write(open, { ...waiting, client })
  }

  /** A code is not wanted any more. */
  async forget({ session }: OpenSession): Promise<void> {
    await this.#waiting.delete(session.id)
  }

  async #write(
    open: OpenSession,
    { what, value, client }: { readonly what: Contact; readonly value: string; readonly client: ClientFacts },
  ): Promise<ContactDone | { readonly outcome: 'gone' }> {
    const { directory, sessions, audit, notices } = this.#parts
    const { id: accountId, username } = open.account
    const before = await this.read(open)
    const user = await directory.writable?.update(accountId, { [what]: value })
    if (user === undefined) return { outcome: 'gone' }
    const said = what === 'email' ? 'e-mail address' : 'mobile number'
    const details = { what: said }
    await audit.record({ event: 'account.changed', outcome: 'success', accountId, username, client, details })
    // The old address first of all: if somebody else did this, that is where their user is.
    const addresses = new Set([before.email, user.email].filter((to) => to !== undefined))
    for (const to of addresses) notices.tell('contact-changed', { user, values: { what: said }, client, to })
    // What was on file before may be in other hands: links and codes that went there are worth nothing from now on.
    if (before[what] === undefined) return { outcome: 'done' }
    const renewed = await sessions.renew(open, { client, reason: 'contact-changed', user })
    return { outcome: 'done', ...(renewed === undefined ? {} : { renewed }) }
  }

  async #find(session: Session): Promise<WaitingContact | undefined> {
    const waiting = await this.#waiting.get(session.id)
    return waiting !== undefined && this.#parts.now() < waiting.expiresAt && waiting.triesLeft > 0 ? waiting : undefined
  }

  #keep(
    session: Session,
    { what, value, token, code }: { what: Contact; value: string; token: string; code: string },
  ): Promise<void> {
    const id = drawToken().slice(0, 16)
    const seconds = codeLifetimeSeconds[what === 'email' ? 'email' : 'sms']
    const expiresAt = this.#parts.now() + seconds * 1000
    const hash = hashOfCode(token, { id, value }, code)
    return this.#waiting.set(session.id, { id, what, value, hash, triesLeft: TRIES, expiresAt }, seconds)
  }

  /** A method by which a code can go to this number. */
  #methodTo(user: User, number: string): string | undefined {
    return [...this.#parts.factors].find(
      ([, factor]) => 'sends' in factor && factor.sends === 'code' && factor.address(user) === number,
    )?.[0]
  }

  /** Whether a method the account relies on could not reach the user any more. */
  #wouldLose({ account }: OpenSession, before: User, after: User): boolean {
    return account.enrolled.some(({ method }) => {
      const factor = this.#parts.factors.get(method)
      if (factor === undefined || !('sends' in factor)) return false
      return factor.address(before) !== undefined && factor.address(after) !== factor.address(before)
    })
  }
}

const TRIES = 5

function outcomeOf(sending: Sending): ChangeContactOutcome {
  return sending.outcome === 'sent' ? { outcome: 'code' } : { outcome: 'not-sent', sending }
}

/** Bound to the browser by its token, and to the address: of a million codes the store's hash alone would tell which. */
function hashOfCode(token: string, { id, value }: Pick<WaitingContact, 'id' | 'value'>, code: string): string {
  return createHmac('sha256', token).update(`contact\n${id}\n${value}\n${code}`).digest('base64url')
}
