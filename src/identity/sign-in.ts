import type { Audit } from '../audit/audit.js'
import type { Json, SecondFactor, User, UserDirectory } from '../contracts.js'
import { GatelodgeError } from '../errors.js'
import type { Account, Accounts } from './accounts.js'
import { cleanAnswer, isChecked } from './answer.js'
import type { Attempts, PasswordTry, Receipt, Spend } from './attempts.js'
import type { ClientFacts } from './client-facts.js'
import type { Enrolment, Enrolments } from './enrolments.js'
import type { Installation } from './installation.js'
import { nameHash } from './names.js'
import type { PendingSignIn, PendingSignIns } from './pending.js'
import type { Session, Sessions } from './sessions.js'

/** What policy wants after the right password. `deny` is answered in the words of a wrong one. */
export type Ask = 'none' | 'second-factor' | 'enrol' | 'deny'

export interface PasswordInput {
  readonly username: string
  readonly password: string
  readonly client: ClientFacts
  /** A path on this site, checked by the caller. */
  readonly returnTo: string
  readonly policy: (account: Account, user: User) => Ask
  /** The session this browser has already: it ends when the new one opens. */
  readonly sessionToken?: string
}

export type PasswordOutcome =
  | { readonly outcome: 'session'; readonly token: string; readonly session: Session }
  | { readonly outcome: 'verify' | 'enrol'; readonly pendingToken: string }
  /** The same for an unknown name, a wrong password, a deactivated user and an API account. With a wait: not judged. */
  | { readonly outcome: 'refused'; readonly retryAfterSeconds?: number }

export type StepUpOutcome =
  | { readonly outcome: 'verify' | 'enrol'; readonly pendingToken: string }
  /** There is no session, or its password is too old to take a new factor over with: sign in again. */
  | { readonly outcome: 'sign-in' }

export type AnswerOutcome =
  | { readonly outcome: 'session'; readonly token: string; readonly session: Session; readonly returnTo: string }
  | { readonly outcome: 'wrong'; readonly triesLeft: number }
  | { readonly outcome: 'throttled'; readonly retryAfterSeconds: number }
  | { readonly outcome: 'expired' }

/** What a page may show of a pending sign-in. */
export interface PendingView {
  readonly username: string
  readonly mode: 'verify' | 'enrol'
  /** What can be chosen: enrolled factors to verify with, or factors to take over. Empty: nobody but the owner can help. */
  readonly methods: readonly Method[]
  /** The chosen one's `id`. */
  readonly method?: string
  /** The question of the chosen factor, or what shows its secret while it is taken over. */
  readonly show?: Json
  /** Answers that would be judged now, over all methods and sessions of the account. */
  readonly triesLeft: number
  /** Set while none would be. */
  readonly retryAfterSeconds?: number
  readonly returnTo: string
  readonly expiresAt: number
}

export interface Method {
  /** For `choose` and `beginEnrolment`. */
  readonly id: string
  /** What YAML calls it, as in `totp`: picks the template. */
  readonly use: string
  readonly label: string
}

interface Parts {
  readonly directory: UserDirectory
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
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async password(input: PasswordInput): Promise<PasswordOutcome> {
    const { attempts, sessions, installation, now } = this.#parts
    const attempt = { nameHash: nameHash(input.username), network: input.client.network }
    const spend = await attempts.spendPassword(attempt)
    await this.#noteThrottle(spend, 'password', input.client, { nameHash: attempt.nameHash })
    if (!spend.allowed) return { outcome: 'refused', retryAfterSeconds: spend.retryAfterSeconds }

    // Read before the password is judged: what is revoked while it is being judged ends what is opened by it.
    const cleared = await installation.generation()
    const { user, account, reason } = await this.#judgePassword(input, attempt, spend.receipt)
    const ask = user && account && reason === undefined ? input.policy(account, user) : 'deny'
    if (user === undefined || account === undefined || ask === 'deny') {
      await this.#recordPassword('refused', input.client, attempt, account, reason ?? 'policy')
      return { outcome: 'refused' }
    }
    await this.#passwordWasRight(attempt, spend.receipt, input.client, account)

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
    // Whoever has a factor is asked for it: taking over another one must not be a way round it.
    const mode = ask === 'enrol' && account.enrolled.length === 0 ? 'enrol' : 'verify'
    const pendingToken = await this.#parts.pending.open({
      ...start,
      accountId: account.id,
      mode,
      returnTo: input.returnTo,
      ...(mode === 'verify' ? await this.#firstChallenge(user, account) : {}),
    })
    return { outcome: mode, pendingToken }
  }

  /** From a session to a pending sign-in, where more is asked for than the session has. The session stays until then. */
  async stepUp(sessionToken: string | undefined, returnTo: string): Promise<StepUpOutcome> {
    const open = await this.#parts.sessions.find(sessionToken)
    if (open === undefined) return { outcome: 'sign-in' }
    const { session, account } = open
    const mode = account.enrolled.length === 0 ? 'enrol' : 'verify'
    // A session somebody left open for weeks must not be enough to put one's own phone on the account.
    const age = this.#parts.now() - (session.passwordAt ?? 0)
    if (mode === 'enrol' && age > FRESH_PASSWORD_MS) return { outcome: 'sign-in' }
    const pendingToken = await this.#parts.pending.open({
      user: session.user,
      accountId: account.id,
      generation: session.generation,
      installation: session.installation,
      ...(session.passwordAt === undefined ? {} : { passwordAt: session.passwordAt }),
      via: session.via.slice(0, 1),
      mode,
      returnTo,
      replaces: session.id,
      ...(mode === 'verify' ? await this.#firstChallenge(session.user, account) : {}),
    })
    return { outcome: mode, pendingToken }
  }

  /** What stands, if it still does. */
  async pending(token: string | undefined): Promise<PendingView | undefined> {
    const live = await this.#live(token)
    if (live === undefined) return undefined
    const { pending, account } = live
    const left = await this.#parts.attempts.secondStepLeft(account.id)
    const method = pending.mode === 'verify' ? pending.challenge?.enrolmentId : pending.enrolling?.method
    const show = pending.mode === 'verify' ? pending.challenge?.question : pending.enrolling?.show
    return {
      username: pending.user.username,
      mode: pending.mode,
      methods: this.#methods(pending, account),
      ...(method === undefined ? {} : { method }),
      ...(show === undefined ? {} : { show }),
      triesLeft: left.tries,
      ...(left.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: left.retryAfterSeconds }),
      returnTo: pending.returnTo,
      expiresAt: pending.expiresAt,
    }
  }

  /** Puts another factor's question. @returns false when there is nothing to choose from any more */
  async choose(pendingToken: string | undefined, enrolmentId: string): Promise<boolean> {
    const live = await this.#live(pendingToken)
    if (live === undefined || live.pending.mode !== 'verify') return false
    const challenge = await this.#challenge(live.pending.user, live.account, enrolmentId)
    return challenge !== undefined && (await this.#parts.pending.change(live.pending, { challenge })) !== undefined
  }

  /** Judges the answer to the question that stands. */
  async answer(pendingToken: string | undefined, text: string, client: ClientFacts): Promise<AnswerOutcome> {
    const live = await this.#live(pendingToken)
    if (live?.pending.mode !== 'verify' || live.pending.challenge === undefined) return { outcome: 'expired' }
    const { pending, account } = live
    const { enrolmentId, method, question } = live.pending.challenge
    return this.#judgeAnswer(live, method, text, client, async (answer) => {
      const enrolment = await this.#parts.enrolments.find(account, enrolmentId)
      const factor = this.#parts.factors.get(method)
      if (enrolment === undefined || factor === undefined || !isChecked(factor)) return undefined
      const verdict = await factor.verify(question, enrolment.enrolment, answer)
      if (verdict === false) return undefined
      const grown = verdict === true ? undefined : verdict.enrolment
      if (!(await this.#parts.enrolments.spend(enrolment, answer, grown))) return undefined
      return async () => (await this.#parts.pending.win(pending)) || undefined
    })
  }

  /** A new secret for the method, or the one already shown to this pending sign-in. `undefined`: expired. */
  async beginEnrolment(pendingToken: string | undefined, method: string): Promise<{ readonly show: Json } | undefined> {
    const live = await this.#live(pendingToken)
    const factor = this.#parts.factors.get(method)
    if (live?.pending.mode !== 'enrol' || factor === undefined || !isChecked(factor)) return undefined
    const { pending } = live
    if (!factor.available(pending.user)) return undefined
    if (pending.enrolling?.method === method) return { show: pending.enrolling.show }
    const { secret, show } = await factor.enrol.begin(pending.user)
    if ((await this.#parts.pending.change(pending, { enrolling: { method, secret, show } })) !== undefined)
      return { show }
    // Two tabs at once: the secret that was kept is the one to show.
    const kept = (await this.#live(pendingToken))?.pending.enrolling
    return kept?.method === method ? { show: kept.show } : undefined
  }

  /** The first right answer makes the factor active and opens the session. */
  async confirmEnrolment(pendingToken: string | undefined, text: string, client: ClientFacts): Promise<AnswerOutcome> {
    const live = await this.#live(pendingToken)
    if (live?.pending.mode !== 'enrol' || live.pending.enrolling === undefined) return { outcome: 'expired' }
    const { pending } = live
    const { method, secret } = live.pending.enrolling
    return this.#judgeAnswer(live, method, text, client, async (answer) => {
      const factor = this.#parts.factors.get(method)
      if (factor === undefined || !isChecked(factor)) return undefined
      const enrolment = await factor.enrol.confirm(secret, answer)
      if (enrolment === undefined) return undefined
      return async () => {
        if (!(await this.#parts.pending.win(pending))) return undefined
        return this.#activate(pending, { method, name: factor.label, enrolment }, answer, client)
      }
    })
  }

  /**
   * One guess: spent before it is judged, given back when it was right. `judge` says no by `undefined`, or yes by a
   * function that takes the one step only one caller can take.
   */
  async #judgeAnswer(
    { pending, account }: Live,
    method: string,
    text: string,
    client: ClientFacts,
    judge: (answer: string) => Promise<(() => Promise<true | undefined>) | undefined>,
  ): Promise<AnswerOutcome> {
    const { attempts, audit, sessions, now } = this.#parts
    const answer = cleanAnswer(text)
    // An empty field is a slip and no guess.
    if (answer === '') return { outcome: 'wrong', triesLeft: (await attempts.secondStepLeft(account.id)).tries }
    const spend = await attempts.spendSecondStep(account.id)
    const who = { accountId: account.id, username: account.username }
    if (!spend.allowed) return { outcome: 'throttled', retryAfterSeconds: spend.retryAfterSeconds }

    const commit = answer.length > LONGEST_ANSWER ? undefined : await judge(answer)
    const entry = { event: 'sign-in.second-factor', ...who, client, method } as const
    if (commit === undefined) {
      await this.#noteThrottle(spend, 'second-factor', client, who)
      await audit.record({ ...entry, outcome: 'refused', reason: 'wrong-answer' })
      return { outcome: 'wrong', triesLeft: (await attempts.secondStepLeft(account.id)).tries }
    }
    await attempts.secondStepWasRight(account.id, spend.receipt)
    if (!(await commit())) return { outcome: 'expired' }
    await audit.record({ ...entry, outcome: 'success' })
    const opened = await sessions.open({
      user: pending.user,
      generation: pending.generation,
      installation: pending.installation,
      ...(pending.passwordAt === undefined ? {} : { passwordAt: pending.passwordAt }),
      secondFactorAt: now(),
      via: [...pending.via, method],
      client,
      ...(pending.replaces === undefined ? {} : { replaces: pending.replaces }),
    })
    return { outcome: 'session', ...opened, returnTo: pending.returnTo }
  }

  async #activate(
    pending: PendingSignIn,
    confirmed: Pick<Enrolment, 'method' | 'name' | 'enrolment'>,
    answer: string,
    client: ClientFacts,
  ): Promise<true | undefined> {
    const account = { id: pending.accountId, generation: pending.generation }
    const made = await this.#parts.enrolments.activate(account, confirmed)
    if (made === undefined) return undefined
    // The answer that confirmed it must not open another sign-in as well.
    await this.#parts.enrolments.spend(made, answer)
    const { method } = made
    const who = { accountId: account.id, username: pending.user.username }
    await this.#parts.audit.record({ event: 'factor.enrolled', outcome: 'success', ...who, method, client })
    return true
  }

  /** Every kind of no takes the same way: the same reads, one hash, the same words, the same audit. */
  async #judgePassword(
    { username, password }: PasswordInput,
    attempt: PasswordTry,
    receipt: Receipt,
  ): Promise<PasswordVerdict> {
    const { directory, accounts, attempts } = this.#parts
    let known: { user: User | undefined; account: Account | undefined }
    let user: User | undefined
    try {
      const [named] = await directory.find({ username })
      known = { user: named, account: await accounts.find(named?.id ?? NOBODY) }
      user = await directory.verifyPassword(username, password)
    } catch (error) {
      await attempts.passwordWasNotJudged(attempt, receipt)
      throw error instanceof GatelodgeError ? error : new GatelodgeError('directory.unavailable', { cause: error })
    }
    const account = known.account
    // Gone, renamed or given to somebody else while the password was judged counts as wrong.
    if (user === undefined || user.id !== known.user?.id) {
      return { user: undefined, account, reason: known.user === undefined ? 'unknown-user' : 'wrong-password' }
    }
    const opened = account ?? (await accounts.open(user))
    if (opened.status !== 'active') return { user, account: opened, reason: opened.status }
    if (opened.role === 'api') return { user, account: opened, reason: 'api-account' }
    return { user, account: opened, reason: undefined }
  }

  async #passwordWasRight(
    attempt: PasswordTry,
    receipt: Receipt,
    client: ClientFacts,
    account: Account,
  ): Promise<void> {
    const { wasSlowed } = await this.#parts.attempts.passwordWasRight(attempt, receipt)
    const who = { accountId: account.id, username: account.username, client }
    const details = { budget: 'password' }
    await Promise.all([
      this.#recordPassword('success', client, attempt, account),
      wasSlowed ? this.#parts.audit.record({ event: 'throttle.off', outcome: 'success', ...who, details }) : undefined,
    ])
  }

  #recordPassword(
    outcome: 'success' | 'refused',
    client: ClientFacts,
    attempt: PasswordTry,
    account?: Account,
    reason?: string,
  ): Promise<void> {
    return this.#parts.audit.record({
      event: 'sign-in.password',
      outcome,
      client,
      ...(account === undefined
        ? { nameHash: attempt.nameHash }
        : { accountId: account.id, username: account.username }),
      ...(reason === undefined ? {} : { reason }),
    })
  }

  /** A block is written down when it begins, not at every try it turns away: those cost a stranger nothing. */
  async #noteThrottle(
    spend: Spend,
    budget: string,
    client: ClientFacts,
    who: { accountId?: string; username?: string; nameHash?: string },
  ): Promise<void> {
    if (!spend.allowed || spend.blocksSeconds === undefined) return
    const details = { budget, seconds: spend.blocksSeconds }
    await this.#parts.audit.record({ event: 'throttle.on', outcome: 'success', ...who, client, details })
  }

  /** The pending sign-in with its account, unless anything it rests on was taken away meanwhile. */
  async #live(token: string | undefined): Promise<Live | undefined> {
    const pending = await this.#parts.pending.find(token)
    if (pending === undefined) return undefined
    const [account, installation] = await Promise.all([
      this.#parts.accounts.find(pending.accountId),
      this.#parts.installation.generation(),
    ])
    if (account === undefined || account.status !== 'active' || account.role === 'api') return undefined
    if (account.generation !== pending.generation || installation !== pending.installation) return undefined
    return { pending, account }
  }

  #methods({ mode, user }: PendingSignIn, account: Account): readonly Method[] {
    if (mode === 'verify') {
      return account.enrolled.flatMap(({ id, method }) => {
        const label = this.#parts.factors.get(method)?.label
        return label === undefined ? [] : [{ id, use: method, label }]
      })
    }
    return [...this.#parts.factors].flatMap(([use, factor]) =>
      isChecked(factor) && factor.available(user) ? [{ id: use, use, label: factor.label }] : [],
    )
  }

  /** The preferred factor's question, or the first one's that can be asked. */
  async #firstChallenge(user: User, account: Account): Promise<Pick<PendingSignIn, 'challenge'>> {
    const { preferred, enrolled } = account
    const inOrder = enrolled.map(({ id }) => id).sort((a, b) => Number(b === preferred) - Number(a === preferred))
    for (const id of inOrder) {
      const challenge = await this.#challenge(user, account, id)
      if (challenge !== undefined) return { challenge }
    }
    return {}
  }

  async #challenge(user: User, account: Account, id: string): Promise<PendingSignIn['challenge']> {
    const enrolment: Enrolment | undefined = await this.#parts.enrolments.find(account, id)
    const factor = enrolment && this.#parts.factors.get(enrolment.method)
    if (enrolment === undefined || factor === undefined || !isChecked(factor)) return undefined
    return {
      enrolmentId: id,
      method: enrolment.method,
      question: await factor.begin(user, enrolment.enrolment),
    }
  }
}

interface Live {
  readonly pending: PendingSignIn
  readonly account: Account
}

interface PasswordVerdict {
  readonly user: User | undefined
  readonly account: Account | undefined
  /** Why not, for the audit alone. */
  readonly reason: string | undefined
}

/** The longest password age at which a session may take over a factor. */
const FRESH_PASSWORD_MS = 15 * 60_000

/** No checked answer typed by a person or made by a browser is longer. */
const LONGEST_ANSWER = 8192

/** An account id nobody has: unknown names cost the same reads. */
const NOBODY = 'nobody'
