import type { Audit } from '../audit/audit.js'
import type { Account } from './accounts.js'
import { cleanAnswer } from './answer.js'
import type { Attempts } from './attempts.js'
import type { ClientFacts } from './client-facts.js'
import type { Notices } from './notices.js'

/** An answer to a second factor's question, of whatever kind. */
export interface Guess {
  readonly account: Account
  readonly method: string
  /** As typed. */
  readonly text: string
  readonly client: ClientFacts
}

/**
 * Says no by `undefined`, and yes by the one step that only one caller can take: it resolves to whether this one did.
 */
export type Judge = (answer: string) => Promise<(() => Promise<boolean>) | undefined>

export type GuessOutcome =
  | { readonly outcome: 'right' }
  | { readonly outcome: 'wrong'; readonly triesLeft: number }
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

  async judge({ account, method, text, client }: Guess, judge: Judge): Promise<GuessOutcome> {
    const answer = cleanAnswer(text)
    // An empty field is a slip and no guess.
    if (answer === '') return this.#wrong(account)
    const spend = await this.#attempts.spendSecondStep(account.id)
    if (!spend.allowed) return { outcome: 'throttled', retryAfterSeconds: spend.retryAfterSeconds }

    const commit = answer.length > LONGEST_ANSWER ? undefined : await judge(answer)
    const entry = { accountId: account.id, username: account.username, client, method }
    if (commit === undefined) {
      await Promise.all([
        this.#audit.record({ event: 'sign-in.second-factor', outcome: 'refused', ...entry, reason: 'wrong-answer' }),
        spend.blocksSeconds &&
          this.#audit.record({
            event: 'throttle.on',
            outcome: 'success',
            ...entry,
            details: { budget: 'second-factor', seconds: spend.blocksSeconds },
          }),
      ])
      // Whoever gets this far knows the password.
      if (spend.blocksSeconds !== undefined) {
        this.#notices.tellOf('many-failures', account.id, { values: { count: spend.failures ?? 0 }, client })
      }
      return this.#wrong(account)
    }
    await this.#attempts.secondStepWasRight(account.id, spend.receipt)
    if (!(await commit())) return { outcome: 'expired' }
    await this.#audit.record({ event: 'sign-in.second-factor', outcome: 'success', ...entry })
    return { outcome: 'right' }
  }

  async #wrong({ id }: Account): Promise<GuessOutcome> {
    return { outcome: 'wrong', triesLeft: (await this.#attempts.secondStepLeft(id)).tries }
  }
}

/** No answer typed by a person or made by a browser is longer. */
const LONGEST_ANSWER = 8192
