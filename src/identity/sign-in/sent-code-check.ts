import type { Account } from '../accounts/account.js'
import type { Attempts } from '../attempts/attempts.js'
import type { CodeSending } from '../second-factors/code-sending.js'
import type { Enrolments } from '../second-factors/enrolments.js'
import type { Factors } from '../second-factors/factors.js'
import type { SendOutcome, SentView } from '../second-factors/outcomes.js'
import type { CodePurpose, SentCode, SentCodes } from '../second-factors/sent-codes.js'
import { type PendingSignIn, type PendingSignIns, prolonged } from '../sessions/pending-sign-ins.js'
import type { ClientFacts } from '../store/client-facts.js'
import type { Judge } from './answer-check.js'

export interface CodeStepParts {
  readonly factors: Factors
  readonly codes: SentCodes
  readonly sending: CodeSending
  readonly enrolments: Enrolments
  readonly pending: PendingSignIns
  readonly attempts: Attempts
  readonly now: () => number
}

/** What follows a right code, by the one step that only one caller can take; `undefined` when the code is for nothing. */
export type AfterCode = (code: SentCode) => Promise<(() => Promise<boolean>) | undefined>

/** The second step by a code that was sent: when one goes out, what pages show of it, and what an answer is judged by. */
export class CodeStep {
  readonly #parts: CodeStepParts

  constructor(parts: CodeStepParts) {
    this.#parts = parts
  }

  /** Without asking: whoever gave the right password wants the code now. */
  async sendFirst(account: Account, pending: PendingSignIn, token: string, client: ClientFacts): Promise<void> {
    const { factors, attempts, enrolments, sending, now } = this.#parts
    const { enrolmentId: ref = '', method = '' } = pending.challenge ?? {}
    if (!factors.sendsCode(method)) return
    // Nobody can use a code while no answer is judged: somebody else's wrong guesses must not cost messages as well.
    if ((await attempts.secondStepLeft(account.id)).retryAfterSeconds !== undefined) return
    const enrolled = await enrolments.list(account)
    const since = now() - JUST_ENROLLED_MS
    const afterEnrolment = enrolled.some(({ createdAt }) => createdAt > since)
    await sending.send({ pending, token, ref, method, purpose: 'sign-in', client, afterEnrolment })
  }

  /** A new one by the chosen method, within the budgets; the one before dies only when one is sent. */
  async send(now: PendingSignIn, token: string, client: ClientFacts): Promise<SendOutcome> {
    const wanted = this.#wanted(now)
    if (wanted === undefined) return { outcome: 'expired' }
    const { retryAfterSeconds } = await this.#parts.attempts.secondStepLeft(now.accountId)
    if (retryAfterSeconds !== undefined) return { outcome: 'throttled', retryAfterSeconds }
    const pending = await this.#parts.pending.change(now, (was) => prolonged(was, this.#parts.now()))
    if (pending === undefined) return { outcome: 'expired' }
    return this.#parts.sending.send({ pending, token, ...wanted, purpose: purposeOf(pending), client })
  }

  /** What became of it, where the method in question sends one. */
  async view(pending: PendingSignIn): Promise<SentView | undefined> {
    const wanted = this.#wanted(pending)
    return wanted && this.#parts.sending.view(pending, purposeOf(pending), wanted.ref, wanted.method)
  }

  /** Whether a code of this enrolment is good: another one need not be sent. */
  async isGood(pending: PendingSignIn, enrolmentId: string): Promise<boolean> {
    return (await this.#live(pending))?.ref === enrolmentId
  }

  /**
   * What an answer is judged by, and the method it proves; `undefined` where there is nothing to compare with. The right one
   * is used up together with its pending sign-in.
   */
  async question(
    pending: PendingSignIn,
    token: string,
    after: AfterCode,
  ): Promise<{ readonly method: string; readonly fellBack: boolean; readonly judge: Judge } | undefined> {
    const code = await this.#live(pending)
    const next = code && (await after(code))
    if (code === undefined || next === undefined) return undefined
    const { codes, pending: pendings } = this.#parts
    const judge: Judge = async (answer) => {
      if (!(await codes.check(pending, code, token, answer))) return undefined
      return async () => (await codes.consume(pending, code)) && (await pendings.win(pending)) && (await next())
    }
    return { method: code.method, fellBack: code.isFallback === true, judge }
  }

  async #live(pending: PendingSignIn): Promise<SentCode | undefined> {
    const { codes } = this.#parts
    return codes.live(await codes.find(pending), purposeOf(pending))
  }

  #wanted({
    mode,
    challenge,
    enrolling,
  }: PendingSignIn): { readonly ref: string; readonly method: string } | undefined {
    const method = mode === 'verify' ? challenge?.method : enrolling?.method
    if (method === undefined || !this.#parts.factors.sendsCode(method)) return undefined
    return { ref: mode === 'verify' ? (challenge?.enrolmentId ?? method) : method, method }
  }
}

/** An enrolment younger than this may have sent a code that holds up the first one of a sign-in. */
const JUST_ENROLLED_MS = 5 * 60_000

function purposeOf({ mode }: PendingSignIn): CodePurpose {
  return mode === 'verify' ? 'sign-in' : 'enrolment'
}
