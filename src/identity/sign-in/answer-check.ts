import type { Audit } from '../../audit/audit.js'
import type { Account } from '../accounts/account.js'
import type { Attempts } from '../attempts/attempts.js'
import type { Notices } from '../notices/notices.js'
import { cleanAnswer } from '../second-factors/answer.js'
import type { ClientFacts } from '../store/client-facts.js'

/** An answer to a second factor's question, of whatever kind. */
export interface Guess {
  readonly account: Account
  readonly method: string
  /** What the sign-in was begun with, as in `password`. */
  readonly begunWith?: string | undefined
  /** As typed. */
  readonly text: string
  /** A script made it: nobody typed anything, so there is nothing to tidy up. */
  readonly isMade?: boolean
  readonly client: ClientFacts
}

/**
 * Says no by `undefined`, by `another-time` where the code is one of a few minutes ago or from now, or by `copied` where what
 * made it may have a second copy; and yes by the one step that only one caller can take: it resolves to whether this one did.
 */
export type Judge = (answer: string) => Promise<(() => Promise<boolean>) | NotNow | Named | undefined>

type NotNow = 'another-time' | 'copied'

/** A verdict that says which one of several it is about. */
export interface Named {
  readonly verdict: (() => Promise<boolean>) | NotNow | undefined
  readonly name: string
}

export type GuessOutcome =
  | { readonly outcome: 'right' }
  | {
      readonly outcome: 'wrong'
      readonly triesLeft: number
      readonly isOfAnotherTime?: true
      readonly isCopied?: true
    }
  | { readonly outcome: 'throttled'; readonly retryAfterSeconds: number }
  | { readonly outcome: 'expired' }

/** The second step: one budget of guesses over every method, session and process, spent before anything is judged. */
export class AnswerStep {
  readonly #attempts: Attempts
  readonly #audit: Audit
  readonly #notices: Notices

  constructor({ attempts, audit, notices }: { attempts: Attempts; audit: Audit; notices: Notices }) {
    this.#attempts = attempts
    this.#audit = audit
    this.#notices = notices
  }

  async judge(guess: Guess, judge: Judge): Promise<GuessOutcome> {
    const { account, method, begunWith, text, client } = guess
    const answer = guess.isMade ? text : cleanAnswer(text)
    // An empty field is a slip and no guess.
    if (answer === '') return this.#wrong(account)
    const spend = await this.#attempts.spendSecondStep(account.id)
    if (!spend.allowed) return { outcome: 'throttled', retryAfterSeconds: spend.retryAfterSeconds }

    const said = answer.length > LONGEST_ANSWER ? undefined : await judge(answer)
    const isNamed = typeof said === 'object'
    const commit = isNamed ? said.verdict : said
    const which = isNamed ? { details: { name: said.name } } : {}
    const entry = { accountId: account.id, username: account.username, client, method, ...which }
    if (typeof commit !== 'function') {
      const reason = commit === 'copied' ? 'counter-went-back' : (commit ?? 'wrong-answer')
      await Promise.all([
        this.#audit.record({ event: 'sign-in.second-factor', outcome: 'refused', ...entry, reason }),
        spend.blocksSeconds &&
          this.#audit.record({
            event: 'throttle.on',
            outcome: 'success',
            ...entry,
            details: { ...which.details, budget: 'second-factor', seconds: spend.blocksSeconds },
          }),
      ])
      if (spend.blocksSeconds !== undefined) {
        const count = spend.failures ?? 0
        // Whoever gets this far knows the password, unless a link stood for it.
        if (begunWith === 'password') {
          const minutes = Math.ceil(spend.blocksSeconds / 60)
          this.#notices.tellOf('password-known', account.id, { values: { count, minutes }, client })
        } else this.#notices.tellOf('many-failures', account.id, { values: { count }, client })
      }
      const wrong = await this.#wrong(account)
      if (commit === 'copied') return { ...wrong, isCopied: true }
      return commit === undefined ? wrong : { ...wrong, isOfAnotherTime: true }
    }
    await this.#attempts.secondStepWasRight(account.id, spend.receipt)
    if (!(await commit())) return { outcome: 'expired' }
    await this.#audit.record({ event: 'sign-in.second-factor', outcome: 'success', ...entry })
    return { outcome: 'right' }
  }

  async #wrong({ id }: Account): Promise<Extract<GuessOutcome, { outcome: 'wrong' }>> {
    return { outcome: 'wrong', triesLeft: (await this.#attempts.secondStepLeft(id)).tries }
  }
}

/** No answer typed by a person or made by a browser is longer. */
const LONGEST_ANSWER = 8192
