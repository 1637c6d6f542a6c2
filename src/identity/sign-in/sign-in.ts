import type { Audit } from '../../audit/audit.js'
import type { SecondFactor, User, UserDirectory } from '../../contracts.js'
import type { Messages } from '../../messages/messages.js'
import type { Account } from '../accounts/account.js'
import type { Accounts } from '../accounts/accounts.js'
import type { Attempts } from '../attempts/attempts.js'
import type { Locks } from '../attempts/locks.js'
import type { KnownBrowsers } from '../notices/known-browsers.js'
import type { Notices } from '../notices/notices.js'
import type { Approvals } from '../second-factors/approvals.js'
import type { BackupCodes } from '../second-factors/backup-codes.js'
import type { CodeSending } from '../second-factors/code-sending.js'
import type { GraceSettings } from '../second-factors/enrolment-grace.js'
import type { Enrolments } from '../second-factors/enrolments.js'
import { Factors } from '../second-factors/factors.js'
import type {
  AnswerOutcome,
  Begun,
  ChooseOutcome,
  EnrolOutcome,
  Method,
  PasswordInput,
  PasswordOutcome,
  PendingView,
  SendOutcome,
  StepUpOutcome,
} from '../second-factors/outcomes.js'
import type { SentCodes } from '../second-factors/sent-codes.js'
import type { PendingSignIns } from '../sessions/pending-sign-ins.js'
import type { RememberedDevices } from '../sessions/remembered-devices.js'
import type { Sessions } from '../sessions/sessions.js'
import type { ClientFacts } from '../store/client-facts.js'
import type { Installation } from '../store/installation.js'
import { AnswerStep } from './answer-check.js'
import { BrowserStep } from './browser-step.js'
import { EnrolmentStep } from './enrolment.js'
import type { FallbackCode, FallbackCodes } from './fallback-codes.js'
import { FirstFactorStep, type Proven, type SignedInOrPending } from './first-factor.js'
import { PasswordCheck } from './password-check.js'
import { PendingCheck } from './pending-check.js'
import { SecondFactorStep } from './second-factor.js'
import { CodeStep } from './sent-code-check.js'
import { SkipEnrolment } from './skip-enrolment.js'

export type {
  AnswerOutcome,
  Ask,
  Begun,
  ChooseOutcome,
  EnrolOutcome,
  Method,
  PasswordInput,
  PasswordOutcome,
  PendingView,
  SendOutcome,
  SentView,
  StepUpOutcome,
} from '../second-factors/outcomes.js'
export type { Proven } from './first-factor.js'

export interface SignInParts {
  readonly directory: UserDirectory
  /** Whether people may type their mail address for their username. */
  readonly byEmail?: boolean | undefined
  /** By the name YAML gives them, in the order they are offered. */
  readonly factors: ReadonlyMap<string, SecondFactor>
  readonly accounts: Accounts
  readonly enrolments: Enrolments
  readonly approvals: Approvals
  readonly sessions: Sessions
  readonly pending: PendingSignIns
  readonly devices: RememberedDevices
  readonly backupCodes: Pick<BackupCodes, 'drop'>
  readonly fallbackCodes: FallbackCodes
  /** Read anew at every look. */
  readonly settings: { readonly unenrolled?: 'enrol' | 'recovery-code'; fresh?(): Promise<void> }
  /** For how long setting up a second factor can be put off; left out: not at all. */
  readonly grace?: GraceSettings | undefined
  readonly attempts: Attempts
  readonly locks: Locks
  readonly codes: SentCodes
  readonly sending: CodeSending
  readonly messages: Pick<Messages, 'destination'>
  readonly notices: Notices
  readonly knownBrowsers: KnownBrowsers
  readonly installation: Installation
  readonly audit: Audit
  readonly now: () => number
}

/** From nobody to a session: a first proof, then what policy asks for. Each step is a part of its own. */
export class SignIn {
  readonly #first: FirstFactorStep
  readonly #second: SecondFactorStep
  readonly #enrol: EnrolmentStep
  readonly #skipEnrolment: SkipEnrolment

  constructor(parts: SignInParts) {
    const factors = new Factors(parts)
    const codes = new CodeStep({ ...parts, factors })
    const pendingCheck = new PendingCheck({ ...parts, codes, factors, answers: new AnswerStep(parts) })
    this.#first = new FirstFactorStep({ ...parts, factors, codes, passwordCheck: new PasswordCheck(parts) })
    const browser = new BrowserStep({ ...parts, factors, pendingCheck })
    this.#second = new SecondFactorStep({ ...parts, factors, codes, pendingCheck, browser })
    this.#enrol = new EnrolmentStep({ ...parts, factors, codes, pendingCheck, browser })
    this.#skipEnrolment = new SkipEnrolment({ ...parts, pendingCheck })
  }

  /** The password, and a remembered device if there is one: a session, what is outstanding, or the one refusal. */
  password(input: PasswordInput): Promise<PasswordOutcome> {
    return this.#first.password(input)
  }

  /** Goes on from a proof that was given by a link or a passkey, the way a right password does. */
  proceed(proven: Proven): Promise<SignedInOrPending> {
    return this.#first.proceed(proven)
  }

  /**
   * From a session to a pending sign-in, where more is asked for than the session has. The session stays until then. Sends
   * no code by itself: it is reached by following links, which anybody can make a browser do.
   * @param wanted `enrol`: to take another factor over beside those there are, where both proofs are fresh
   * @param mayWait setting a first one up can be put off
   * @param isMailEnough the page takes a code that goes by mail because the text message fails
   */
  stepUp(
    sessionToken: string | undefined,
    returnTo: string,
    wanted: PendingView['mode'] = 'verify',
    mayWait = false,
    isMailEnough = false,
  ): Promise<StepUpOutcome> {
    return this.#first.stepUp(sessionToken, returnTo, wanted, mayWait, isMailEnough)
  }

  /** What stands, if it still does. */
  pending(token: string | undefined): Promise<PendingView | undefined> {
    return this.#second.view(token)
  }

  /** Puts a question anew that a script asks, where the one that stands was answered or is too old. To be called before it is shown. */
  renewQuestion(token: string | undefined): Promise<void> {
    return this.#second.renew(token)
  }

  /** Puts another factor's question; a code that goes with it is sent, unless one of this method is good already. */
  choose(pendingToken: string | undefined, enrolmentId: string, client: ClientFacts): Promise<ChooseOutcome> {
    return this.#second.choose(pendingToken, enrolmentId, client)
  }

  /** Sends a new code by the chosen method, within the budgets; the code before dies only when one is sent. */
  send(pendingToken: string | undefined, client: ClientFacts): Promise<SendOutcome> {
    return this.#second.send(pendingToken, client)
  }

  /** Judges the answer to the question that stands. */
  answer(pendingToken: string | undefined, text: string, client: ClientFacts): Promise<AnswerOutcome> {
    return this.#second.answer(pendingToken, text, client)
  }

  /** A code that is given in place of the question that stands, or where there is nothing to ask for. */
  wayBack(
    way: FallbackCode,
    pendingToken: string | undefined,
    text: string,
    client: ClientFacts,
  ): Promise<AnswerOutcome> {
    return this.#second.wayBack(way, pendingToken, text, client)
  }

  /**
   * The second step by a link that was opened in the browser that waits for it. No guess: it has 256 bits.
   * @param win uses the link up; true for one caller only
   */
  answerByLink(
    pendingToken: string | undefined,
    by: { readonly method: string; readonly client: ClientFacts },
    win: () => Promise<boolean>,
  ): Promise<Extract<AnswerOutcome, { outcome: 'session' | 'expired' }>> {
    return this.#second.answerByLink(pendingToken, by, win)
  }

  /** What this user could take over: a method whose code is sent, only with an address on file that it serves. */
  available(account: Pick<Account, 'methodsOff'>, user: User): readonly Method[] {
    return this.#enrol.available(account, user)
  }

  /**
   * A new secret for the method, or the one already shown to this pending sign-in. A code goes out only when it is asked for,
   * by {@link SignIn.send}. `undefined`: expired.
   * @param more.isRenewed the page is shown: a question that a script asks has to stand for a while
   */
  beginEnrolment(
    pendingToken: string | undefined,
    method: string,
    more?: { readonly isRenewed?: boolean },
  ): Promise<Begun | undefined> {
    return this.#enrol.begin(pendingToken, method, more)
  }

  /** Goes on without setting one up, while there is time left to do it in. */
  putOffEnrolment(
    pendingToken: string | undefined,
    client: ClientFacts,
  ): Promise<Extract<AnswerOutcome, { outcome: 'session' | 'expired' }>> {
    return this.#skipEnrolment.signIn(pendingToken, client)
  }

  /**
   * The first right answer makes the factor active and opens the session, unless an owner has to agree first.
   * @param name what the user wants to call it, where there may be several
   */
  confirmEnrolment(
    pendingToken: string | undefined,
    text: string,
    client: ClientFacts,
    name?: string,
  ): Promise<EnrolOutcome> {
    return this.#enrol.confirm(pendingToken, text, client, name)
  }
}
