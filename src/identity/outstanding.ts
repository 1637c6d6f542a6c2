import { type Account, type Accounts, usableEnrolments } from './accounts.js'
import type { AnswerStep, Judge } from './answer-step.js'
import type { Attempts } from './attempts.js'
import type { Browsers } from './browsers.js'
import type { ClientFacts } from './client-facts.js'
import type { AfterCode, CodeStep } from './code-step.js'
import type { Installation } from './installation.js'
import type { AnswerOutcome } from './outcomes.js'
import type { PendingSignIn, PendingSignIns } from './pending.js'
import type { Sessions } from './sessions.js'

interface Parts {
  readonly accounts: Accounts
  readonly sessions: Sessions
  readonly pending: PendingSignIns
  readonly attempts: Attempts
  readonly browsers: Browsers
  readonly installation: Installation
  readonly answers: AnswerStep
  readonly codes: CodeStep
  readonly now: () => number
}

/** A pending sign-in that still stands, with its account. */
export interface Live {
  readonly pending: PendingSignIn
  readonly account: Account
}

/** What is outstanding between the first proof and the session: found while it stands, finished by a right answer. */
export class Outstanding {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** The pending sign-in with its account, unless anything it rests on was taken away meanwhile. */
  async find(token: string | undefined, mode?: PendingSignIn['mode']): Promise<Live | undefined> {
    const pending = await this.#parts.pending.find(token)
    if (pending === undefined || (mode ?? pending.mode) !== pending.mode) return undefined
    const [account, installation] = await Promise.all([
      this.#parts.accounts.find(pending.accountId),
      this.#parts.installation.generation(),
    ])
    if (account === undefined || account.status !== 'active' || account.role === 'api') return undefined
    if (account.generation !== pending.generation || installation !== pending.installation) return undefined
    // Somebody with the password alone could have begun this before the user enrolled: it must not add a factor now.
    if (pending.mode === 'enrol' && usableEnrolments(account).length > 0 && !pending.adds) return undefined
    // Signed out meanwhile: what that session had begun ends with it.
    if (pending.within !== undefined && !(await this.#parts.sessions.isOpen(pending.within))) return undefined
    return { pending, account }
  }

  /**
   * Judges an answer within the one budget of guesses; the right one opens the session.
   * @param instead what is answered to the right one in place of a session
   */
  async finish<Other = never>(
    { pending, account }: Live,
    guess: { readonly method: string; readonly text: string; readonly client: ClientFacts },
    judge: Judge,
    instead?: Other,
  ): Promise<AnswerOutcome | Other> {
    const result = await this.#parts.answers.judge({ account, ...guess }, judge)
    if (result.outcome !== 'right') return result
    if (instead !== undefined) return instead
    return this.open(pending, guess.method, guess.client)
  }

  /** The answer to a code that was sent. */
  async finishByCode<Other = never>(
    live: Live,
    { token, text, client }: { readonly token: string; readonly text: string; readonly client: ClientFacts },
    after: AfterCode,
    instead?: Other,
  ): Promise<AnswerOutcome | Other> {
    const question = await this.#parts.codes.question(live.pending, token, after)
    if (question !== undefined) {
      return this.finish(live, { method: question.method, text, client }, question.judge, instead)
    }
    // Nothing to compare with: that is no guess, and tells nobody anything.
    const { retryAfterSeconds } = await this.#parts.attempts.secondStepLeft(live.account.id)
    return retryAfterSeconds === undefined ? { outcome: 'no-code' } : { outcome: 'throttled', retryAfterSeconds }
  }

  /** The session a pending sign-in ends in. */
  async open(
    pending: PendingSignIn,
    method: string,
    client: ClientFacts,
  ): Promise<Extract<AnswerOutcome, { outcome: 'session' }>> {
    const { accountId: _, id: __, ...start } = pending
    // A factor that was just added proves that it works; who it is was proven before, by another one.
    const secondFactorAt = (pending.adds && pending.secondFactorAt) || this.#parts.now()
    const opened = await this.#parts.sessions.open({ ...start, secondFactorAt, via: [...pending.via, method], client })
    this.#parts.browsers.signedIn(pending.user, client)
    return { outcome: 'session', ...opened, returnTo: pending.returnTo }
  }
}
