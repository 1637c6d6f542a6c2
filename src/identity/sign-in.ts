import type { Audit } from '../audit/audit.js'
import type { SecondFactor, User, UserDirectory } from '../contracts.js'
import type { Messages } from '../messages/messages.js'
import type { Account, Accounts } from './accounts.js'
import { AnswerStep, type Judge } from './answer-step.js'
import type { Attempts } from './attempts.js'
import type { BackupCodes } from './backup-codes.js'
import type { Browsers } from './browsers.js'
import type { ClientFacts } from './client-facts.js'
import type { CodeSending } from './code-sending.js'
import { type AfterCode, CodeStep } from './code-step.js'
import type { Devices, KnownDevice } from './devices.js'
import type { Enrolment, Enrolments } from './enrolments.js'
import { Factors } from './factors.js'
import { missingProof } from './fresh-proof.js'
import type { Installation } from './installation.js'
import type { Notices } from './notices.js'
import type {
  AnswerOutcome,
  Begun,
  ChooseOutcome,
  Method,
  PasswordInput,
  PasswordOutcome,
  PendingView,
  SendOutcome,
  StepUpOutcome,
} from './outcomes.js'
import { PasswordStep } from './password-step.js'
import type { OpenedPending, PendingSignIn, PendingSignIns } from './pending.js'
import type { SentCodes } from './sent-codes.js'
import type { SessionStart } from './session.js'
import type { Sessions } from './sessions.js'
import type { WayBack, WaysBack } from './ways-back.js'

export type {
  AnswerOutcome,
  Ask,
  Begun,
  ChooseOutcome,
  Method,
  PasswordInput,
  PasswordOutcome,
  PendingView,
  SendOutcome,
  SentView,
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
  readonly devices: Devices
  readonly backupCodes: Pick<BackupCodes, 'drop'>
  readonly waysBack: WaysBack
  /** Read anew at every look. */
  readonly settings: { readonly unenrolled?: 'enrol' | 'recovery-code' }
  readonly attempts: Attempts
  readonly codes: SentCodes
  readonly sending: CodeSending
  readonly messages: Pick<Messages, 'destination'>
  readonly notices: Notices
  readonly browsers: Browsers
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
  readonly #codes: CodeStep

  constructor(parts: SignInParts) {
    this.#parts = parts
    this.#password = new PasswordStep(parts)
    this.#answer = new AnswerStep(parts)
    this.#factors = new Factors(parts)
    this.#codes = new CodeStep({ ...parts, factors: this.#factors })
  }

  async password(input: PasswordInput): Promise<PasswordOutcome> {
    const { sessions, installation, devices, now } = this.#parts
    const known = await devices.find(input.deviceToken)
    // As they are before the password is judged: what is revoked while it is being judged ends what is opened by it.
    const cleared = await installation.generation()
    const verdict = await this.#password.judge(input, known)
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
    const remembered = await this.#openByDevice(input, verdict, known, start)
    if (remembered !== undefined) return remembered
    return this.#goOn(account, { ...start, returnTo: input.returnTo }, ask, input.client)
  }

  /** Goes on from a proof that was given by a link, the way a right password does. */
  async proceed(proven: Proven): Promise<SignedInOrPending> {
    const { account, user, installation, method, provesBoth, ask, client, returnTo, sessionToken } = proven
    const old = await this.#parts.sessions.find(sessionToken)
    const now = this.#parts.now()
    const start = {
      user,
      generation: account.generation,
      installation,
      passwordAt: now,
      ...(provesBoth ? { secondFactorAt: now } : {}),
      via: [method],
      ...(old === undefined ? {} : { replaces: old.session.id }),
      returnTo,
    }
    return this.#goOn(account, start, ask, client)
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
    const live = await this.#live(pendingToken, 'verify')
    const id = live?.account.enrolled.find((enrolled) => enrolled.method === method)?.id
    const used = id === undefined ? undefined : live && (await this.#parts.enrolments.find(live.account, id))
    if (live === undefined || used === undefined) return { outcome: 'expired' }
    if (this.#factors.isSameProof(method, live.pending.user, live.pending.via)) return { outcome: 'expired' }
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
    return this.#open(live.pending, method, client)
  }

  /** A session in which the remembered device of this browser stands for the second factor, where policy lets it. */
  async #openByDevice(
    input: PasswordInput,
    { user, account }: { readonly user: User; readonly account: Account },
    known: KnownDevice | undefined,
    start: Omit<SessionStart, 'client'>,
  ): Promise<PasswordOutcome | undefined> {
    const { sessions, devices } = this.#parts
    const { client, deviceToken } = input
    if (known === undefined) await devices.noteReplay(deviceToken, client)
    if (known?.accountId !== account.id || account.enrolled.length === 0) return undefined
    const deviceAt = known.secondFactorAt
    if (input.policy(account, user, { deviceAt }) !== 'none') return undefined
    const used = await devices.use(deviceToken, client)
    if (used === undefined) return undefined
    const opened = await sessions.open({ ...start, deviceAt, via: [...start.via, 'device'], client })
    this.#parts.browsers.signedIn(user, client)
    return { outcome: 'session', ...opened, ...(used.token === undefined ? {} : { deviceToken: used.token }) }
  }

  /**
   * From a session to a pending sign-in, where more is asked for than the session has. The session stays until then. Sends
   * no code by itself: it is reached by following links, which anybody can make a browser do.
   * @param wanted `enrol`: to take another factor over beside those there are, where both proofs are fresh
   */
  async stepUp(
    sessionToken: string | undefined,
    returnTo: string,
    wanted: PendingView['mode'] = 'verify',
  ): Promise<StepUpOutcome> {
    const open = await this.#parts.sessions.find(sessionToken)
    if (open === undefined) return { outcome: 'sign-in' }
    const { session, account } = open
    // A session somebody left open for weeks must not be enough to put one's own phone on the account.
    const missing = missingProof(open, this.#parts.now())
    if (account.enrolled.length === 0 && missing !== undefined) return { outcome: 'sign-in' }
    // As they are now: a code must not go to an address that was changed since the sign-in.
    const [user] = await this.#parts.directory.find({ id: session.accountId })
    if (user === undefined) return { outcome: 'sign-in' }
    const mayEnrol = !this.#isStrict || session.secondFactorAt !== undefined
    const start = {
      user,
      generation: session.generation,
      installation: session.installation,
      within: session.id,
      ...(session.passwordAt === undefined ? {} : { passwordAt: session.passwordAt }),
      via: session.via.slice(0, 1),
      replaces: session.id,
      returnTo,
    }
    if (wanted === 'enrol' && account.enrolled.length > 0 && missing === undefined) {
      const { secondFactorAt } = session
      const proven = { ...start, via: session.via, ...(secondFactorAt === undefined ? {} : { secondFactorAt }) }
      const { token } = await this.#parts.pending.open({ ...proven, accountId: account.id, mode: 'enrol', adds: true })
      return { outcome: 'enrol', pendingToken: token }
    }
    const { outcome, token } = await this.#begin(account, start, mayEnrol ? 'enrol' : 'second-factor')
    return { outcome, pendingToken: token }
  }

  /** What this user could take over: a method whose code is sent, only with an address on file that it serves. */
  available(user: User): readonly Method[] {
    return this.#factors.available(user)
  }

  /** What stands, if it still does. */
  async pending(token: string | undefined): Promise<PendingView | undefined> {
    const live = await this.#live(token)
    if (live === undefined) return undefined
    const { user, mode, challenge, enrolling, returnTo, expiresAt } = live.pending
    const { tries, retryAfterSeconds } = await this.#parts.attempts.secondStepLeft(live.account.id)
    const method = mode === 'verify' ? challenge?.enrolmentId : enrolling?.method
    const show = mode === 'verify' ? challenge?.question : enrolling?.show
    const sent = await this.#codes.view(live.pending)
    return {
      username: user.username,
      mode,
      methods:
        mode === 'verify'
          ? this.#factors.enrolled(live.account, user, live.pending.via)
          : this.#factors.available(user),
      recoveryCodeOnly: mode === 'verify' && live.account.enrolled.length === 0,
      ...(method === undefined ? {} : { method }),
      ...(show === undefined ? {} : { show }),
      ...(sent === undefined ? {} : { sent }),
      ...(this.#withholdsMail(live) ? { mailProvesNothing: true } : {}),
      triesLeft: Math.min(tries, sent?.code?.triesLeft ?? tries),
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      returnTo,
      expiresAt,
    }
  }

  /** Puts another factor's question; a code that goes with it is sent, unless one of this method is good already. */
  async choose(pendingToken: string | undefined, enrolmentId: string, client: ClientFacts): Promise<ChooseOutcome> {
    const live = await this.#live(pendingToken, 'verify')
    if (live === undefined) return { outcome: 'expired' }
    const challenge = await this.#factors.ask(live.pending.user, live.account, enrolmentId, live.pending.via)
    const asked = challenge && (await this.#parts.pending.change(live.pending, (now) => ({ ...now, challenge })))
    if (challenge === undefined || asked === undefined) return { outcome: 'expired' }
    if (!this.#factors.sendsCode(challenge.method)) return { outcome: 'chosen' }
    if (await this.#codes.isGood(asked, enrolmentId)) return { outcome: 'chosen' }
    return { outcome: 'chosen', sending: await this.send(pendingToken, client) }
  }

  /** Sends a new code by the chosen method, within the budgets; the code before dies only when one is sent. */
  async send(pendingToken: string | undefined, client: ClientFacts): Promise<SendOutcome> {
    const live = await this.#live(pendingToken)
    if (live === undefined || pendingToken === undefined) return { outcome: 'expired' }
    return this.#codes.send(live.pending, pendingToken, client)
  }

  /** Judges the answer to the question that stands. */
  async answer(pendingToken: string | undefined, text: string, client: ClientFacts): Promise<AnswerOutcome> {
    const live = await this.#live(pendingToken, 'verify')
    if (live?.pending.challenge === undefined) return { outcome: 'expired' }
    const { enrolmentId, method, question } = live.pending.challenge
    const { enrolments, pending } = this.#parts
    if (this.#factors.sendsCode(method)) {
      return this.#answerCode(live, pendingToken ?? '', text, client, async ({ ref }) => {
        const used = await enrolments.find(live.account, ref)
        if (used === undefined) return undefined
        return async () => {
          await enrolments.touch(used)
          return true
        }
      })
    }
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

  /** A code that is given in place of the question that stands, or where there is nothing to ask for. */
  async wayBack(
    way: WayBack,
    pendingToken: string | undefined,
    text: string,
    client: ClientFacts,
  ): Promise<AnswerOutcome> {
    const live = await this.#live(pendingToken, 'verify')
    if (live === undefined) return { outcome: 'expired' }
    return this.#finish(live, { method: way, text, client }, this.#parts.waysBack.judge(way, live, client))
  }

  /**
   * A new secret for the method, or the one already shown to this pending sign-in. A code goes out only when it is asked for,
   * by {@link send}. `undefined`: expired.
   */
  async beginEnrolment(pendingToken: string | undefined, method: string): Promise<Begun | undefined> {
    const live = await this.#live(pendingToken, 'enrol')
    if (live === undefined || !this.#factors.isAvailable(method, live.pending.user)) return undefined
    const { user } = live.pending
    const made = (await this.#factors.checked(method)?.enrol.begin(user)) ?? { secret: null, show: null }
    // Two tabs at once: the secret that was kept is the one to show.
    const pending = await this.#parts.pending.change(live.pending, (now) =>
      now.enrolling?.method === method ? now : { ...now, enrolling: { method, ...made } },
    )
    const sent = pending && (await this.#codes.view(pending))
    return pending?.enrolling && { show: pending.enrolling.show, ...(sent === undefined ? {} : { sent }) }
  }

  /** The first right answer makes the factor active and opens the session. */
  async confirmEnrolment(pendingToken: string | undefined, text: string, client: ClientFacts): Promise<AnswerOutcome> {
    const live = await this.#live(pendingToken, 'enrol')
    if (live?.pending.enrolling === undefined) return { outcome: 'expired' }
    const { method, secret } = live.pending.enrolling
    if (this.#factors.sendsCode(method)) {
      const enrolment = { method, name: this.#factors.label(method), enrolment: null }
      return this.#answerCode(live, pendingToken ?? '', text, client, async ({ ref }) =>
        ref === method ? () => this.#activate(live, enrolment, client) : undefined,
      )
    }
    return this.#finish(live, { method, text, client }, async (answer) => {
      const factor = this.#factors.checked(method)
      const enrolment = await factor?.enrol.confirm(secret, answer)
      if (factor === undefined || enrolment === undefined) return undefined
      return async () =>
        (await this.#parts.pending.win(live.pending)) &&
        this.#activate(live, { method, name: factor.label, enrolment }, client, answer)
    })
  }

  /** Whether the password alone is not enough to take a first factor over. */
  get #isStrict(): boolean {
    return this.#parts.settings.unenrolled === 'recovery-code'
  }

  /** After the first proof: a session, or what is outstanding. */
  async #goOn(
    account: Account,
    { returnTo, ...start }: Omit<SessionStart, 'client'> & { readonly returnTo: string },
    ask: 'none' | 'second-factor' | 'enrol',
    client: ClientFacts,
  ): Promise<SignedInOrPending> {
    if (ask === 'none') {
      const opened = await this.#parts.sessions.open({ ...start, client })
      this.#parts.browsers.signedIn(start.user, client)
      return { outcome: 'session', ...opened }
    }
    const wanted = this.#isStrict ? 'second-factor' : ask
    const { outcome, token, pending } = await this.#begin(account, { ...start, returnTo }, wanted)
    await this.#codes.sendFirst(account, pending, token, client)
    return { outcome, pendingToken: token }
  }

  /** Whether a method is left out because it would prove the mailbox a second time. */
  #withholdsMail({ pending, account }: Live): boolean {
    return account.enrolled.some(({ method }) => this.#factors.isSameProof(method, pending.user, pending.via))
  }

  async #begin(
    account: Account,
    start: Omit<PendingSignIn, 'id' | 'accountId' | 'mode' | 'openedAt' | 'expiresAt'>,
    ask: 'second-factor' | 'enrol',
  ): Promise<OpenedPending & { readonly outcome: 'verify' | 'enrol' }> {
    // Whoever has a factor is asked for it: taking over another one must not be a way round it.
    const mode = ask === 'enrol' && account.enrolled.length === 0 ? 'enrol' : 'verify'
    const challenge = mode === 'verify' ? await this.#factors.askFirst(start.user, account, start.via) : undefined
    const first = challenge === undefined ? {} : { challenge }
    return { outcome: mode, ...(await this.#parts.pending.open({ ...start, accountId: account.id, mode, ...first })) }
  }

  /** The answer to a code that was sent. */
  async #answerCode(
    live: Live,
    token: string,
    text: string,
    client: ClientFacts,
    after: AfterCode,
  ): Promise<AnswerOutcome> {
    const question = await this.#codes.question(live.pending, token, after)
    if (question !== undefined) return this.#finish(live, { method: question.method, text, client }, question.judge)
    // Nothing to compare with: that is no guess, and tells nobody anything.
    const { retryAfterSeconds } = await this.#parts.attempts.secondStepLeft(live.account.id)
    return retryAfterSeconds === undefined ? { outcome: 'no-code' } : { outcome: 'throttled', retryAfterSeconds }
  }

  async #finish(
    { pending, account }: Live,
    guess: { readonly method: string; readonly text: string; readonly client: ClientFacts },
    judge: Judge,
  ): Promise<AnswerOutcome> {
    const result = await this.#answer.judge({ account, ...guess }, judge)
    if (result.outcome !== 'right') return result
    return this.#open(pending, guess.method, guess.client)
  }

  /** The session a pending sign-in ends in. */
  async #open(
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

  async #activate(
    { pending, account }: Live,
    confirmed: Pick<Enrolment, 'method' | 'name' | 'enrolment'>,
    client: ClientFacts,
    answer?: string,
  ): Promise<boolean> {
    // What stood for a factor that was taken off must not come back to life with this one.
    if (account.enrolled.length === 0) {
      const { backupCodes, devices } = this.#parts
      await Promise.all([
        backupCodes.drop(account.id),
        devices.revokeAll(account.id, { client, reason: 'first-factor' }),
      ])
    }
    const made = await this.#parts.enrolments.activate(account, confirmed)
    if (made === undefined) return false
    // The answer that confirmed it must not open another sign-in as well. A code that was sent is used up already.
    if (answer !== undefined) await this.#parts.enrolments.spend(made, answer)
    await this.#parts.audit.record({
      event: 'factor.enrolled',
      outcome: 'success',
      accountId: account.id,
      username: account.username,
      method: made.method,
      client,
    })
    const { user } = pending
    this.#parts.notices.tell('factor-added', { user, values: { method: this.#factors.label(made.method) }, client })
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
    if (pending.mode === 'enrol' && account.enrolled.length > 0 && !pending.adds) return undefined
    // Signed out meanwhile: what that session had begun ends with it.
    if (pending.within !== undefined && !(await this.#parts.sessions.isOpen(pending.within))) return undefined
    return { pending, account }
  }
}

/** A first proof that was given by a link. */
export interface Proven {
  /** As it was when the link was issued: a revocation since then ends what is opened by it. */
  readonly account: Account
  readonly user: User
  readonly installation: number
  /** For the audit, and for what it proves. */
  readonly method: string
  /** The operator lets it stand for both steps. */
  readonly provesBoth: boolean
  readonly ask: 'none' | 'second-factor' | 'enrol'
  readonly client: ClientFacts
  readonly returnTo: string
  /** The session this browser has already: it ends when the new one opens. */
  readonly sessionToken?: string
}

type SignedInOrPending = Exclude<PasswordOutcome, { outcome: 'refused' }>

interface Live {
  readonly pending: PendingSignIn
  readonly account: Account
}
