import type { Audit } from '../../audit/audit.js'
import { awaitingOf, usableEnrolments } from '../accounts/account.js'
import type { Attempts } from '../attempts/attempts.js'
import { type GraceSettings, graceLeft } from '../second-factors/enrolment-grace.js'
import type { Enrolments } from '../second-factors/enrolments.js'
import type { Factors } from '../second-factors/factors.js'
import type { AnswerOutcome, ChooseOutcome, PendingView, SendOutcome } from '../second-factors/outcomes.js'
import type { PendingSignIns } from '../sessions/pending-sign-ins.js'
import type { ClientFacts } from '../store/client-facts.js'
import type { BrowserStep } from './browser-step.js'
import type { FallbackCode, FallbackCodes } from './fallback-codes.js'
import type { LivePending, PendingCheck } from './pending-check.js'
import type { CodeStep } from './sent-code-check.js'

interface Parts {
  readonly enrolments: Enrolments
  readonly pending: PendingSignIns
  readonly attempts: Attempts
  readonly fallbackCodes: FallbackCodes
  readonly factors: Factors
  readonly codes: CodeStep
  readonly pendingCheck: PendingCheck
  readonly browser: BrowserStep
  readonly audit: Audit
  readonly grace?: GraceSettings | undefined
  readonly now: () => number
}

/** The second proof: the question that stands, another one, and the answer by whatever means. */
export class SecondFactorStep {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** What stands, if it still does. */
  async view(token: string | undefined): Promise<PendingView | undefined> {
    const live = await this.#parts.pendingCheck.find(token)
    if (live === undefined) return undefined
    const { user, mode, challenge, enrolling, returnTo, expiresAt } = live.pending
    const { tries, retryAfterSeconds } = await this.#parts.attempts.secondStepLeft(live.account.id)
    const method = mode === 'verify' ? challenge?.enrolmentId : enrolling?.method
    const show = mode === 'verify' ? challenge?.question : enrolling?.show
    const sent = await this.#parts.codes.view(live.pending)
    const { grace, now } = this.#parts
    const awaiting = awaitingOf(live.account)
    const later = live.pending.mayWait && graceLeft(grace, live.account.grace, now())
    return {
      username: user.username,
      mode,
      methods:
        mode === 'verify'
          ? this.#parts.factors.enrolled(live.account, user, live.pending.via)
          : this.#parts.factors.available(live.account, user),
      recoveryCodeOnly: mode === 'verify' && usableEnrolments(live.account).length === 0,
      ...(method === undefined ? {} : { method }),
      ...(show === undefined ? {} : { show }),
      ...(sent === undefined ? {} : { sent }),
      ...(awaiting && { awaiting: { label: this.#parts.factors.label(awaiting.method), at: awaiting.at } }),
      ...(later === undefined ? {} : { later }),
      ...(this.#withholdsMail(live) ? { mailProvesNothing: true } : {}),
      ...(this.#parts.factors.beganByHolding(live.pending.via) ? { passkeyProvesNothing: true } : {}),
      triesLeft: Math.min(tries, sent?.code?.triesLeft ?? tries),
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      returnTo,
      expiresAt,
    }
  }

  /** Puts a question anew that a script asks, where the one that stands was answered or is too old. To be called before it is shown. */
  async renew(token: string | undefined): Promise<void> {
    const live = await this.#parts.pendingCheck.find(token, 'verify')
    if (live !== undefined) await this.#parts.browser.renew(live)
  }

  /** Puts another factor's question; a code that goes with it is sent, unless one of this method is good already. */
  async choose(pendingToken: string | undefined, enrolmentId: string, client: ClientFacts): Promise<ChooseOutcome> {
    const live = await this.#parts.pendingCheck.find(pendingToken, 'verify')
    if (live === undefined) return { outcome: 'expired' }
    const { user, via } = live.pending
    const challenge = await this.#parts.factors.ask(user, live.account, enrolmentId, via, this.#parts.now())
    const asked = challenge && (await this.#parts.pending.change(live.pending, (now) => ({ ...now, challenge })))
    if (challenge === undefined || asked === undefined) return { outcome: 'expired' }
    if (!this.#parts.factors.sendsCode(challenge.method)) return { outcome: 'chosen' }
    if (await this.#parts.codes.isGood(asked, enrolmentId)) return { outcome: 'chosen' }
    return { outcome: 'chosen', sending: await this.send(pendingToken, client) }
  }

  /** Sends a new code by the chosen method, within the budgets; the code before dies only when one is sent. */
  async send(pendingToken: string | undefined, client: ClientFacts): Promise<SendOutcome> {
    const live = await this.#parts.pendingCheck.find(pendingToken)
    if (live === undefined || pendingToken === undefined) return { outcome: 'expired' }
    return this.#parts.codes.send(live.pending, pendingToken, client)
  }

  /** Judges the answer to the question that stands. */
  async answer(pendingToken: string | undefined, text: string, client: ClientFacts): Promise<AnswerOutcome> {
    const live = await this.#parts.pendingCheck.find(pendingToken, 'verify')
    if (live?.pending.challenge === undefined) return { outcome: 'expired' }
    const { enrolmentId, method, question } = live.pending.challenge
    const { enrolments, pending } = this.#parts
    if (this.#parts.factors.inBrowser(method) !== undefined) return this.#parts.browser.answer(live, text, client)
    if (this.#parts.factors.sendsCode(method)) {
      return this.#parts.pendingCheck.finishByCode(
        live,
        { token: pendingToken ?? '', text, client },
        async ({ ref }) => {
          const used = await enrolments.find(live.account, ref)
          if (used === undefined) return undefined
          return async () => {
            await enrolments.touch(used)
            return true
          }
        },
      )
    }
    return this.#parts.pendingCheck.finish(live, { method, text, client }, async (answer) => {
      const enrolment = await enrolments.find(live.account, enrolmentId)
      const factor = this.#parts.factors.checked(method)
      const opened = enrolment && (await enrolments.open(enrolment, live.account))
      if (enrolment === undefined || opened === undefined || factor === undefined) return undefined
      const verdict = await factor.verify(question, opened.value, answer)
      if (verdict === false) {
        if (!(await factor.isOfAnotherTime?.(opened.value, answer))) return undefined
        // Said once, and used up by that: a guesser who hits a code of the minutes to come must not bring it again then.
        await enrolments.spoil(enrolment, answer)
        return 'another-time'
      }
      const grown = verdict === true ? undefined : verdict.enrolment
      if (!(await enrolments.spend(enrolment, answer, grown))) return undefined
      return () => pending.win(live.pending)
    })
  }

  /** A code that is given in place of the question that stands, or where there is nothing to ask for. */
  async wayBack(
    way: FallbackCode,
    pendingToken: string | undefined,
    text: string,
    client: ClientFacts,
  ): Promise<AnswerOutcome> {
    const live = await this.#parts.pendingCheck.find(pendingToken, 'verify')
    if (live === undefined) return { outcome: 'expired' }
    return this.#parts.pendingCheck.finish(
      live,
      { method: way, text, client },
      this.#parts.fallbackCodes.judge(way, live, client),
    )
  }

  /**
   * The second step by a link that was opened in the browser that waits for it. No guess: it has 256 bits.
   * @param win uses the link up; true for one caller only
   */
  async answerByLink(
    pendingToken: string | undefined,
    { method, client }: { readonly method: string; readonly client: ClientFacts },
    win: () => Promise<boolean>,
  ): Promise<Extract<AnswerOutcome, { outcome: 'session' | 'expired' }>> {
    const live = await this.#parts.pendingCheck.find(pendingToken, 'verify')
    const id = live && usableEnrolments(live.account).find((enrolled) => enrolled.method === method)?.id
    const used = id === undefined ? undefined : live && (await this.#parts.enrolments.find(live.account, id))
    if (live === undefined || used === undefined) return { outcome: 'expired' }
    if (this.#parts.factors.isSameProof(method, live.pending.user, live.pending.via)) return { outcome: 'expired' }
    if (!(await win()) || !(await this.#parts.pending.win(live.pending))) return { outcome: 'expired' }
    await this.#parts.enrolments.touch(used)
    const { id: accountId, username } = live.account
    await this.#parts.audit.record({
      event: 'sign-in.second-factor',
      outcome: 'success',
      accountId,
      username,
      client,
      method,
    })
    return this.#parts.pendingCheck.open(live.pending, method, client)
  }

  /** Whether a method is left out because it would prove the mailbox a second time. */
  #withholdsMail({ pending, account }: LivePending): boolean {
    if (!this.#parts.factors.beganByMail(pending.via)) return false
    return usableEnrolments(account).some(({ method }) =>
      this.#parts.factors.isSameProof(method, pending.user, pending.via),
    )
  }
}
