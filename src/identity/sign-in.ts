import type { Audit } from '../audit/audit.js'
import type { Json, SecondFactor, UserDirectory } from '../contracts.js'
import type { Account, Accounts } from './accounts.js'
import { AnswerStep, type Judge } from './answer-step.js'
import type { Attempts } from './attempts.js'
import type { ClientFacts } from './client-facts.js'
import type { Enrolment, Enrolments } from './enrolments.js'
import { Factors } from './factors.js'
import type { Installation } from './installation.js'
import type { AnswerOutcome, PasswordInput, PasswordOutcome, PendingView, StepUpOutcome } from './outcomes.js'
import { PasswordStep } from './password-step.js'
import type { PendingSignIn, PendingSignIns } from './pending.js'
import type { Sessions } from './sessions.js'

export type {
  AnswerOutcome,
  Ask,
  Method,
  PasswordInput,
  PasswordOutcome,
  PendingView,
  StepUpOutcome,
} from './outcomes.js'

export interface SignInParts {
  readonly directory: UserDirectory
  /** By the name YAML gives them, in the order they are offered. */
  readonly factors: ReadonlyMap<string, SecondFactor>
  readonly accounts: Accounts
  readonly enrolments: Enrolments
  readonly sessions: Sessions
  readonly pending: PendingSignIns
  readonly attempts: Attempts
  readonly installation: Installation
  readonly audit: Audit
  readonly now: () => number
}

/** From nobody to a session: password, then what policy asks for. */
export class SignIn {
  readonly #parts: SignInParts
  readonly #password: PasswordStep
  readonly #answer: AnswerStep
  readonly #factors: Factors

  constructor(parts: SignInParts) {
    this.#parts = parts
    this.#password = new PasswordStep(parts)
    this.#answer = new AnswerStep(parts)
    this.#factors = new Factors(parts)
  }

  async password(input: PasswordInput): Promise<PasswordOutcome> {
    const { sessions, installation, now } = this.#parts
    // As they are before the password is judged: what is revoked while it is being judged ends what is opened by it.
    const cleared = await installation.generation()
    const verdict = await this.#password.judge(input)
    if (!verdict.right) {
      const { retryAfterSeconds } = verdict
      return { outcome: 'refused', ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) }
    }
    const { user, account, ask } = verdict
    const old = await sessions.find(input.sessionToken)
    const start = {
      user,
      generation: account.generation,
      installation: cleared,
      passwordAt: now(),
      via: ['password'],
      ...(old === undefined ? {} : { replaces: old.session.id }),
    }
    if (ask === 'none') return { outcome: 'session', ...(await sessions.open({ ...start, client: input.client })) }
    return this.#begin(account, { ...start, returnTo: input.returnTo }, ask)
  }

  /** From a session to a pending sign-in, where more is asked for than the session has. The session stays until then. */
  async stepUp(sessionToken: string | undefined, returnTo: string): Promise<StepUpOutcome> {
    const open = await this.#parts.sessions.find(sessionToken)
    if (open === undefined) return { outcome: 'sign-in' }
    const { session, account } = open
    // A session somebody left open for weeks must not be enough to put one's own phone on the account.
    const age = this.#parts.now() - (session.passwordAt ?? 0)
    if (account.enrolled.length === 0 && age > FRESH_PASSWORD_MS) return { outcome: 'sign-in' }
    const start = {
      user: session.user,
      generation: session.generation,
      installation: session.installation,
      ...(session.passwordAt === undefined ? {} : { passwordAt: session.passwordAt }),
      via: session.via.slice(0, 1),
      replaces: session.id,
      returnTo,
    }
    return this.#begin(account, start, 'enrol')
  }

  /** What stands, if it still does. */
  async pending(token: string | undefined): Promise<PendingView | undefined> {
    const live = await this.#live(token)
    if (live === undefined) return undefined
    const { user, mode, challenge, enrolling, returnTo, expiresAt } = live.pending
    const { tries, retryAfterSeconds } = await this.#parts.attempts.secondStepLeft(live.account.id)
    const method = mode === 'verify' ? challenge?.enrolmentId : enrolling?.method
    const show = mode === 'verify' ? challenge?.question : enrolling?.show
    return {
      username: user.username,
      mode,
      methods: mode === 'verify' ? this.#factors.enrolled(live.account) : this.#factors.available(user),
      ...(method === undefined ? {} : { method }),
      ...(show === undefined ? {} : { show }),
      triesLeft: tries,
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      returnTo,
      expiresAt,
    }
  }

  /** Puts another factor's question. @returns false when there is nothing to choose from any more */
  async choose(pendingToken: string | undefined, enrolmentId: string): Promise<boolean> {
    const live = await this.#live(pendingToken, 'verify')
    if (live === undefined) return false
    const challenge = await this.#factors.ask(live.pending.user, live.account, enrolmentId)
    return challenge !== undefined && (await this.#parts.pending.change(live.pending, { challenge })) !== undefined
  }

  /** Judges the answer to the question that stands. */
  async answer(pendingToken: string | undefined, text: string, client: ClientFacts): Promise<AnswerOutcome> {
    const live = await this.#live(pendingToken, 'verify')
    if (live?.pending.challenge === undefined) return { outcome: 'expired' }
    const { enrolmentId, method, question } = live.pending.challenge
    const { enrolments, pending } = this.#parts
    return this.#finish(live, { method, text, client }, async (answer) => {
      const enrolment = await enrolments.find(live.account, enrolmentId)
      const factor = this.#factors.checked(method)
      if (enrolment === undefined || factor === undefined) return undefined
      const verdict = await factor.verify(question, enrolment.enrolment, answer)
      if (verdict === false) return undefined
      const grown = verdict === true ? undefined : verdict.enrolment
      if (!(await enrolments.spend(enrolment, answer, grown))) return undefined
      return () => pending.win(live.pending)
    })
  }

  /** A new secret for the method, or the one already shown to this pending sign-in. `undefined`: expired. */
  async beginEnrolment(pendingToken: string | undefined, method: string): Promise<{ readonly show: Json } | undefined> {
    const live = await this.#live(pendingToken, 'enrol')
    const factor = this.#factors.checked(method)
    if (live === undefined || !factor?.available(live.pending.user)) return undefined
    const { pending } = live
    if (pending.enrolling?.method === method) return { show: pending.enrolling.show }
    const { secret, show } = await factor.enrol.begin(pending.user)
    if (await this.#parts.pending.change(pending, { enrolling: { method, secret, show } })) return { show }
    // Two tabs at once: the secret that was kept is the one to show.
    const kept = (await this.#live(pendingToken, 'enrol'))?.pending.enrolling
    return kept?.method === method ? { show: kept.show } : undefined
  }

  /** The first right answer makes the factor active and opens the session. */
  async confirmEnrolment(pendingToken: string | undefined, text: string, client: ClientFacts): Promise<AnswerOutcome> {
    const live = await this.#live(pendingToken, 'enrol')
    if (live?.pending.enrolling === undefined) return { outcome: 'expired' }
    const { method, secret } = live.pending.enrolling
    return this.#finish(live, { method, text, client }, async (answer) => {
      const factor = this.#factors.checked(method)
      const enrolment = await factor?.enrol.confirm(secret, answer)
      if (factor === undefined || enrolment === undefined) return undefined
      return async () =>
        (await this.#parts.pending.win(live.pending)) &&
        this.#activate(live.account, { method, name: factor.label, enrolment }, answer, client)
    })
  }

  async #begin(
    account: Account,
    start: Omit<PendingSignIn, 'id' | 'accountId' | 'mode' | 'expiresAt'>,
    ask: 'second-factor' | 'enrol',
  ): Promise<{ outcome: 'verify' | 'enrol'; pendingToken: string }> {
    // Whoever has a factor is asked for it: taking over another one must not be a way round it.
    const mode = ask === 'enrol' && account.enrolled.length === 0 ? 'enrol' : 'verify'
    const first = mode === 'verify' ? await this.#factors.askFirst(start.user, account) : {}
    const pendingToken = await this.#parts.pending.open({ ...start, accountId: account.id, mode, ...first })
    return { outcome: mode, pendingToken }
  }

  async #finish(
    { pending, account }: Live,
    guess: { readonly method: string; readonly text: string; readonly client: ClientFacts },
    judge: Judge,
  ): Promise<AnswerOutcome> {
    const result = await this.#answer.judge({ account, ...guess }, judge)
    if (result.outcome !== 'right') return result
    const { accountId: _, id: __, ...start } = pending
    const opened = await this.#parts.sessions.open({
      ...start,
      secondFactorAt: this.#parts.now(),
      via: [...pending.via, guess.method],
      client: guess.client,
    })
    return { outcome: 'session', ...opened, returnTo: pending.returnTo }
  }

  async #activate(
    account: Account,
    confirmed: Pick<Enrolment, 'method' | 'name' | 'enrolment'>,
    answer: string,
    client: ClientFacts,
  ): Promise<boolean> {
    const made = await this.#parts.enrolments.activate(account, confirmed)
    if (made === undefined) return false
    // The answer that confirmed it must not open another sign-in as well.
    await this.#parts.enrolments.spend(made, answer)
    await this.#parts.audit.record({
      event: 'factor.enrolled',
      outcome: 'success',
      accountId: account.id,
      username: account.username,
      method: made.method,
      client,
    })
    return true
  }

  /** The pending sign-in with its account, unless anything it rests on was taken away meanwhile. */
  async #live(token: string | undefined, mode?: PendingSignIn['mode']): Promise<Live | undefined> {
    const pending = await this.#parts.pending.find(token)
    if (pending === undefined || (mode ?? pending.mode) !== pending.mode) return undefined
    const [account, installation] = await Promise.all([
      this.#parts.accounts.find(pending.accountId),
      this.#parts.installation.generation(),
    ])
    if (account === undefined || account.status !== 'active' || account.role === 'api') return undefined
    if (account.generation !== pending.generation || installation !== pending.installation) return undefined
    // Somebody with the password alone could have begun this before the user enrolled: it must not add a factor now.
    if (pending.mode === 'enrol' && account.enrolled.length > 0) return undefined
    return { pending, account }
  }
}

interface Live {
  readonly pending: PendingSignIn
  readonly account: Account
}

/** The longest password age at which a session may take over a factor. */
const FRESH_PASSWORD_MS = 15 * 60_000
