import type { CheckedSecondFactor, SecondFactor, User } from '../contracts.js'
import type { Messages } from '../messages/messages.js'
import type { Account } from './accounts.js'
import { isChecked, sendsCode } from './answer.js'
import type { Enrolments } from './enrolments.js'
import type { Method } from './outcomes.js'
import type { Challenge } from './pending.js'

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
  enrolled(account: Account, user: User): readonly Method[] {
    return preferredFirst(account).flatMap(({ id, method }) => {
      return this.#canAsk(method) ? [this.#method(id, method, user)] : []
    })
  }

  /** What the user can take over. */
  available(user: User): readonly Method[] {
    return [...this.#factors.keys()]
      .filter((use) => this.isAvailable(use, user))
      .map((use) => this.#method(use, use, user))
  }

  /** Whether the user can take this one over: to one whose code is sent belongs an address that it serves. */
  isAvailable(use: string, user: User): boolean {
    if (this.sendsCode(use)) return this.#messages.destination(use, user) !== undefined
    return this.checked(use)?.available(user) === true
  }

  /** Puts the question of one enrolment; `undefined` when it cannot be asked. Sends nothing. */
  async ask(user: User, account: Account, enrolmentId: string): Promise<Challenge | undefined> {
    const enrolment = await this.#enrolments.find(account, enrolmentId)
    if (enrolment === undefined) return undefined
    const { method } = enrolment
    if (this.sendsCode(method)) return { enrolmentId, method, question: null }
    const factor = this.checked(method)
    return factor && { enrolmentId, method, question: await factor.begin(user, enrolment.enrolment) }
  }

  /** The question of the preferred enrolment, or of the first that can be asked. */
  async askFirst(user: User, account: Account): Promise<Challenge | undefined> {
    for (const { id } of preferredFirst(account)) {
      const challenge = await this.ask(user, account, id)
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
    return { id, use, label: this.label(use), sends: 'code', ...(to === undefined ? {} : { to }) }
  }
}

function preferredFirst({ enrolled, preferred }: Account): Account['enrolled'] {
  return enrolled.toSorted((a, b) => Number(b.id === preferred) - Number(a.id === preferred))
}
