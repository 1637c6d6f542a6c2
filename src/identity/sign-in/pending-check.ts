import { type Account, usableEnrolments } from '../accounts/account.js'
import type { Accounts } from '../accounts/accounts.js'
import type { Attempts } from '../attempts/attempts.js'
import type { KnownBrowsers } from '../notices/known-browsers.js'
import type { Factors } from '../second-factors/factors.js'
import type { AnswerOutcome } from '../second-factors/outcomes.js'
import type { PendingSignIn, PendingSignIns } from '../sessions/pending-sign-ins.js'
import type { Sessions } from '../sessions/sessions.js'
import type { ClientFacts } from '../store/client-facts.js'
import type { Installation } from '../store/installation.js'
import type { AnswerStep, Judge } from './answer-check.js'
import type { AfterCode, CodeStep } from './sent-code-check.js'

interface Parts {
  readonly accounts: Accounts
  readonly sessions: Sessions
  readonly pending: PendingSignIns
  readonly attempts: Attempts
  readonly knownBrowsers: KnownBrowsers
  readonly installation: Installation
  readonly answers: AnswerStep
  readonly codes: CodeStep
  readonly factors: Pick<Factors, 'resistsPhishing'>
  readonly now: () => number
}

/** A pending sign-in that still stands, with its account. */
export interface LivePending {
  readonly pending: PendingSignIn
  readonly account: Account
}

/** What is outstanding between the first proof and the session: found while it stands, finished by a right answer. */
export class PendingCheck {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** The pending sign-in with its account, unless anything it rests on was taken away meanwhile. */
  async find(token: string | undefined, mode?: PendingSignIn['mode']): Promise<LivePending | undefined> {
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
    { pending, account }: LivePending,
    guess: {
      readonly method: string
      readonly text: string
      readonly isMade?: boolean
      readonly client: ClientFacts
      /** The code came by mail in place of the method. */
      readonly fellBack?: boolean
    },
    judge: Judge,
    instead?: Other,
  ): Promise<AnswerOutcome | Other> {
    const { fellBack = false, ...answer } = guess
    const result = await this.#parts.answers.judge({ account, begunWith: pending.via[0], ...answer }, judge)
    if (result.outcome !== 'right') return result
    if (instead !== undefined) return instead
    return this.open(pending, guess.method, guess.client, fellBack)
  }

  /** The answer to a code that was sent. */
  async finishByCode<Other = never>(
    live: LivePending,
    { token, text, client }: { readonly token: string; readonly text: string; readonly client: ClientFacts },
    after: AfterCode,
    instead?: Other,
  ): Promise<AnswerOutcome | Other> {
    const question = await this.#parts.codes.question(live.pending, token, after)
    if (question !== undefined) {
      const { method, fellBack, judge } = question
      return this.finish(live, { method, fellBack, text, client }, judge, instead)
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
    fellBack = false,
  ): Promise<Extract<AnswerOutcome, { outcome: 'session' }>> {
    const { accountId: _, id: __, ...start } = pending
    // A factor that was just added proves that it works; who it is was proven before, by another one.
    const secondFactorAt = (pending.adds && pending.secondFactorAt) || this.#parts.now()
    const isPasskey = pending.mode === 'verify' && this.#parts.factors.resistsPhishing(method)
    const passkeyAt = isPasskey ? { passkeyAt: this.#parts.now() } : {}
    const weaker = fellBack ? { fellBack: true as const } : {}
    const via = [...pending.via, fellBack ? `${method}-by-mail` : method]
    const opened = await this.#parts.sessions.open({ ...start, ...weaker, ...passkeyAt, secondFactorAt, via, client })
    this.#parts.knownBrowsers.signedIn(pending.user, client)
    return { outcome: 'session', ...opened, returnTo: pending.returnTo }
  }
}
