import type { CheckedSecondFactor, SecondFactor, User } from '../contracts.js'
import type { Account } from './accounts.js'
import { isChecked } from './answer.js'
import type { Enrolments } from './enrolments.js'
import type { Method } from './outcomes.js'
import type { Challenge } from './pending.js'

/** The second factors of this installation, as one user can use them. */
export class Factors {
  readonly #factors: ReadonlyMap<string, SecondFactor>
  readonly #enrolments: Enrolments

  constructor({ factors, enrolments }: { factors: ReadonlyMap<string, SecondFactor>; enrolments: Enrolments }) {
    this.#factors = factors
    this.#enrolments = enrolments
  }

  /** The factor of this name, if it judges answers itself. */
  checked(use: string): CheckedSecondFactor | undefined {
    const factor = this.#factors.get(use)
    return factor !== undefined && isChecked(factor) ? factor : undefined
  }

  /** What the account can answer with. A factor that YAML no longer names cannot be used, and does not stop counting. */
  enrolled({ enrolled }: Account): readonly Method[] {
    return enrolled.flatMap(({ id, method }) => {
      const factor = this.checked(method)
      return factor === undefined ? [] : [{ id, use: method, label: factor.label }]
    })
  }

  /** What the user can take over. */
  available(user: User): readonly Method[] {
    return [...this.#factors.keys()].flatMap((use) => {
      const factor = this.checked(use)
      return factor?.available(user) ? [{ id: use, use, label: factor.label }] : []
    })
  }

  /** Puts the question of one enrolment; `undefined` when it cannot be asked. */
  async ask(user: User, account: Account, enrolmentId: string): Promise<Challenge | undefined> {
    const enrolment = await this.#enrolments.find(account, enrolmentId)
    const factor = enrolment && this.checked(enrolment.method)
    if (enrolment === undefined || factor === undefined) return undefined
    const question = await factor.begin(user, enrolment.enrolment)
    return { enrolmentId, method: enrolment.method, question }
  }

  /** The question of the preferred enrolment, or of the first that can be asked. */
  async askFirst(user: User, account: Account): Promise<{ readonly challenge?: Challenge }> {
    const ids = account.enrolled.map(({ id }) => id)
    const inOrder = ids.sort((a, b) => Number(b === account.preferred) - Number(a === account.preferred))
    for (const id of inOrder) {
      const challenge = await this.ask(user, account, id)
      if (challenge !== undefined) return { challenge }
    }
    return {}
  }
}
