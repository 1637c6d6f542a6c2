import type { BrowserSecondFactor, CheckedSecondFactor, Json, SecondFactor, User } from '../../contracts.js'
import type { Messages } from '../../messages/messages.js'
import { type Account, isOff, usableEnrolments } from '../accounts/account.js'
import type { Challenge } from '../sessions/pending-sign-ins.js'
import { drawToken } from '../store/random-token.js'
import { isAskedInBrowser, isChecked, sendsCode } from './answer.js'
import type { Enrolment, Enrolments } from './enrolments.js'
import type { Method } from './outcomes.js'

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

  /** The factor of this name, if a script of the page asks for it. */
  inBrowser(use: string): BrowserSecondFactor | undefined {
    const factor = this.#factors.get(use)
    return factor !== undefined && isAskedInBrowser(factor) ? factor : undefined
  }

  /** The one that may be given in place of username and password, if there is one. */
  forSignIn(): { readonly use: string; readonly factor: BrowserSecondFactor } | undefined {
    for (const [use, factor] of this.#factors) {
      if (isAskedInBrowser(factor) && factor.signIn !== undefined) return { use, factor }
    }
    return undefined
  }

  /** Whether no other site can get an answer to it. */
  resistsPhishing(use: string): boolean {
    return this.inBrowser(use)?.resistsPhishing === true
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
    const asked = new Set<string>()
    return preferredFirst(account).flatMap(({ id, method }) => {
      const canAsk = this.#canAsk(method) && !this.isSameProof(method, user, via)
      // One question is put to all that the user has of it.
      if (!canAsk || (asked.has(method) && this.inBrowser(method) !== undefined)) return []
      asked.add(method)
      return [this.#method(id, method, user)]
    })
  }

  /**
   * Whether an answer by this method would prove no more than the sign-in began with: whoever opened a link from a mailbox
   * can read the code in the next mail as well, and whoever held a passkey that did not ask who they are has it still.
   * @param via what the sign-in was begun with
   */
  isSameProof(use: string, user: User, via: readonly string[]): boolean {
    if (via[0] === heldOnly(use)) return true
    if (!this.beganByMail(via)) return false
    const factor = this.#factors.get(use)
    return factor !== undefined && sendsCode(factor) && factor.address(user)?.includes('@') === true
  }

  /** Whether a passkey stood for the password that did not ask who holds it. */
  beganByHolding([first]: readonly string[]): boolean {
    return [...this.#factors.keys()].some((use) => first === heldOnly(use))
  }

  /** Whether a link by mail stood for the password, and the operator did not say that it counts as both. */
  beganByMail([first]: readonly string[]): boolean {
    if (first === LOGIN_LINK) return true
    const factor = first === undefined ? undefined : this.#factors.get(first)
    return factor !== undefined && 'sends' in factor && factor.link?.countsAs === 'password'
  }

  /** Whether the owner switched a method off for this account that would send this user's codes by mail. */
  isMailOff({ methodsOff = [] }: Pick<Account, 'methodsOff'>, user: User): boolean {
    return methodsOff.some((use) => {
      const factor = this.#factors.get(use)
      return factor !== undefined && sendsCode(factor) && factor.address(user)?.includes('@') === true
    })
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
    return (this.checked(use) ?? this.inBrowser(use))?.available(user) === true
  }

  /**
   * Puts the question of one enrolment; `undefined` when it cannot be asked. Sends nothing.
   * @param now ms since 1970
   */
  async ask(
    user: User,
    account: Account,
    enrolmentId: string,
    via: readonly string[],
    now: number,
  ): Promise<Challenge | undefined> {
    const enrolment = await this.#enrolments.find(account, enrolmentId)
    if (enrolment === undefined) return undefined
    const { method } = enrolment
    if (isOff(account, method)) return undefined
    if (this.isSameProof(method, user, via)) return undefined
    if (this.sendsCode(method)) return { enrolmentId, method, question: null }
    const inBrowser = this.inBrowser(method)
    if (inBrowser !== undefined) return this.#askInBrowser(inBrowser, enrolment, { user, account, via, now })
    const factor = this.checked(method)
    const opened = factor && (await this.#enrolments.open(enrolment, account))
    return opened && factor && { enrolmentId, method, question: await factor.begin(user, opened.value) }
  }

  /** To all of this method that open, the one that was meant first. */
  async #askInBrowser(
    factor: BrowserSecondFactor,
    { id, method }: Enrolment,
    to: { readonly user: User; readonly account: Account; readonly via: readonly string[]; readonly now: number },
  ): Promise<Challenge | undefined> {
    const { user, account, via, now } = to
    const kept = await this.openAll(account, method, id)
    if (kept.length === 0) return undefined
    const nonce = drawToken()
    const question = await factor.ask(user, nonce, kept, this.mustProveUser(method, via))
    return { enrolmentId: id, method, question, asked: { nonce, at: now } }
  }

  /** What the plugin keeps of all that the account has of one method. @param first the id of the one to begin with */
  async openAll(account: Account, method: string, first?: string): Promise<readonly Json[]> {
    const all = (await this.#enrolments.list(account)).filter((each) => each.method === method)
    const inOrder = all.toSorted((a, b) => Number(b.id === first) - Number(a.id === first))
    const opened = await Promise.all(inOrder.map((each) => this.#enrolments.open(each, account)))
    return opened.flatMap((one) => (one === undefined ? [] : [one.value]))
  }

  /** Whether the same thing was given in place of the password: then it proves more only by proving the person. */
  mustProveUser(use: string, [first]: readonly string[]): boolean {
    return first === use
  }

  /** The question of the preferred enrolment, or of the first that can be asked. */
  async askFirst(user: User, account: Account, via: readonly string[], now: number): Promise<Challenge | undefined> {
    for (const { id } of preferredFirst(account)) {
      const challenge = await this.ask(user, account, id, via, now)
      if (challenge !== undefined) return challenge
    }
    return undefined
  }

  #canAsk(use: string): boolean {
    return this.#factors.has(use)
  }

  #method(id: string, use: string, user: User): Method {
    if (this.inBrowser(use) !== undefined) return { id, use, label: this.label(use), asks: 'browser' }
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

/** What a sign-in says it began with where a passkey did not ask who holds it: no more than that somebody does. */
export function heldOnly(use: string): string {
  return `${use}-held`
}

function preferredFirst(account: Account): Account['enrolled'] {
  const { preferred } = account
  return usableEnrolments(account).toSorted((a, b) => Number(b.id === preferred) - Number(a.id === preferred))
}
