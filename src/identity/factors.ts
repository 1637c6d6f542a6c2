import type { CheckedSecondFactor, SecondFactor, User } from '../contracts.js'
import type { Messages } from '../messages/messages.js'
import { type Account, isOff, usableEnrolments } from './accounts.js'
import { isChecked, sendsCode } from './answer.js'
import type { Enrolments } from './enrolments.js'
import type { Method } from './outcomes.js'
import type { Challenge } from './pending.js'

/** How sessions and the audit call a link that stood for a lost password. */
export const LOGIN_LINK = 'login-link'

export interface FactorsParts {
  readonly factors: ReadonlyMap<string, SecondFactor>
  readonly enrolments: Enrolments
  readonly messages: Pick<Messages, 'destination'>
}

/** The second factors of this installation, as one user can use them. */
export class Factors {
  readonly #factors: ReadonlyMap<string, SecondFactor>
  readonly #enrolments: Enrolments
  readonly #messages: Pick<Messages, 'destination'>

  constructor({ factors, enrolments, messages }: FactorsParts) {
    this.#factors = factors
    this.#enrolments = enrolments
    this.#messages = messages
  }

  /** The factor of this name, if it judges answers itself. */
  checked(use: string): CheckedSecondFactor | undefined {
    const factor = this.#factors.get(use)
    return factor !== undefined && isChecked(factor) ? factor : undefined
  }

  /** Whether this is a method whose code the gateway sends. */
  sendsCode(use: string): boolean {
    const factor = this.#factors.get(use)
    return factor !== undefined && sendsCode(factor)
  }

  /** What users call it. */
  label(use: string): string {
    return this.#factors.get(use)?.label ?? use
  }

  /**
   * What the account can answer with, the preferred one first. A factor that YAML no longer names cannot be used, and does
   * not stop counting.
   */
  enrolled(account: Account, user: User, via: readonly string[] = []): readonly Method[] {
    return preferredFirst(account).flatMap(({ id, method }) => {
      const canAsk = this.#canAsk(method) && !this.isSameProof(method, user, via)
      return canAsk ? [this.#method(id, method, user)] : []
    })
  }

  /**
   * Whether an answer by this method would prove no more than the sign-in began with: whoever opened a link from a mailbox
   * can read the code in the next mail as well.
   * @param via what the sign-in was begun with
   */
  isSameProof(use: string, user: User, via: readonly string[]): boolean {
    if (!this.beganByMail(via)) return false
    const factor = this.#factors.get(use)
    return factor !== undefined && sendsCode(factor) && factor.address(user)?.includes('@') === true
  }

  /** Whether a link by mail stood for the password, and the operator did not say that it counts as both. */
  beganByMail([first]: readonly string[]): boolean {
    if (first === LOGIN_LINK) return true
    const factor = first === undefined ? undefined : this.#factors.get(first)
    return factor !== undefined && 'sends' in factor && factor.link?.countsAs === 'password'
  }

  /** Whether the mail of this method carries a link beside the code. */
  sendsLink(use: string): boolean {
    const factor = this.#factors.get(use)
    return factor !== undefined && 'sends' in factor && factor.sends === 'link'
  }

  /** What the user can take over: nothing the owner switched off for this account. */
  available(account: Pick<Account, 'methodsOff'>, user: User): readonly Method[] {
    return [...this.#factors.keys()]
      .filter((use) => this.isAvailable(use, account, user))
      .map((use) => this.#method(use, use, user))
  }

  /** Whether the user can take this one over: to one whose code is sent belongs an address that it serves. */
  isAvailable(use: string, account: Pick<Account, 'methodsOff'>, user: User): boolean {
    if (isOff(account, use)) return false
    if (this.sendsCode(use)) return this.#messages.destination(use, user) !== undefined
    return this.checked(use)?.available(user) === true
  }

  /** Puts the question of one enrolment; `undefined` when it cannot be asked. Sends nothing. */
  async ask(
    user: User,
    account: Account,
    enrolmentId: string,
    via: readonly string[] = [],
  ): Promise<Challenge | undefined> {
    const enrolment = await this.#enrolments.find(account, enrolmentId)
    if (enrolment === undefined) return undefined
    const { method } = enrolment
    if (isOff(account, method)) return undefined
    if (this.isSameProof(method, user, via)) return undefined
    if (this.sendsCode(method)) return { enrolmentId, method, question: null }
    const factor = this.checked(method)
    return factor && { enrolmentId, method, question: await factor.begin(user, enrolment.enrolment) }
  }

  /** The question of the preferred enrolment, or of the first that can be asked. */
  async askFirst(user: User, account: Account, via: readonly string[] = []): Promise<Challenge | undefined> {
    for (const { id } of preferredFirst(account)) {
      const challenge = await this.ask(user, account, id, via)
      if (challenge !== undefined) return challenge
    }
    return undefined
  }

  #canAsk(use: string): boolean {
    return this.sendsCode(use) || this.checked(use) !== undefined
  }

  #method(id: string, use: string, user: User): Method {
    if (!this.sendsCode(use)) return { id, use, label: this.label(use) }
    const to = this.#messages.destination(use, user)
    return {
      id,
      use,
      label: this.label(use),
      sends: this.sendsLink(use) ? 'link' : 'code',
      ...(to === undefined ? {} : { to }),
    }
  }
}

function preferredFirst(account: Account): Account['enrolled'] {
  const { preferred } = account
  return usableEnrolments(account).toSorted((a, b) => Number(b.id === preferred) - Number(a.id === preferred))
}
