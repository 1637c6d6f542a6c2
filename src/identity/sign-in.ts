import type { Audit } from '../audit/audit.js'
import type { SecondFactor, User, UserDirectory } from '../contracts.js'
import type { Messages } from '../messages/messages.js'
import type { Account, Accounts } from './accounts.js'
import { AnswerStep } from './answer-step.js'
import type { Approvals } from './approvals.js'
import type { Attempts } from './attempts.js'
import type { BackupCodes } from './backup-codes.js'
import type { Browsers } from './browsers.js'
import type { ClientFacts } from './client-facts.js'
import type { CodeSending } from './code-sending.js'
import { CodeStep } from './code-step.js'
import type { Devices } from './devices.js'
import { EnrolStep } from './enrol-step.js'
import type { Enrolments } from './enrolments.js'
import { Factors } from './factors.js'
import { FirstStep, type Proven, type SignedInOrPending } from './first-step.js'
import type { GraceSettings } from './grace.js'
import type { Installation } from './installation.js'
import type { Locks } from './locks.js'
import type { Notices } from './notices.js'
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
} from './outcomes.js'
import { Outstanding } from './outstanding.js'
import { PasswordStep } from './password-step.js'
import type { PendingSignIns } from './pending.js'
import { PutOff } from './put-off.js'
import { SecondStep } from './second-step.js'
import type { SentCodes } from './sent-codes.js'
import type { Sessions } from './sessions.js'
import type { WayBack, WaysBack } from './ways-back.js'

export type { Proven } from './first-step.js'
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
} from './outcomes.js'

export interface SignInParts {
  readonly directory: UserDirectory
  /** By the name YAML gives them, in the order they are offered. */
  readonly factors: ReadonlyMap<string, SecondFactor>
  readonly accounts: Accounts
  readonly enrolments: Enrolments
  readonly approvals: Approvals
  readonly sessions: Sessions
  readonly pending: PendingSignIns
  readonly devices: Devices
  readonly backupCodes: Pick<BackupCodes, 'drop'>
  readonly waysBack: WaysBack
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
  readonly browsers: Browsers
  readonly installation: Installation
  readonly audit: Audit
  readonly now: () => number
}

/** From nobody to a session: a first proof, then what policy asks for. Each step is a part of its own. */
export class SignIn {
  readonly #first: FirstStep
  readonly #second: SecondStep
  readonly #enrol: EnrolStep
  readonly #putOff: PutOff

  constructor(parts: SignInParts) {
    const factors = new Factors(parts)
    const codes = new CodeStep({ ...parts, factors })
    const outstanding = new Outstanding({ ...parts, codes, answers: new AnswerStep(parts) })
    this.#first = new FirstStep({ ...parts, factors, codes, passwordStep: new PasswordStep(parts) })
    this.#second = new SecondStep({ ...parts, factors, codes, outstanding })
    this.#enrol = new EnrolStep({ ...parts, factors, codes, outstanding })
    this.#putOff = new PutOff({ ...parts, outstanding })
  }

  /** The password, and a remembered device if there is one: a session, what is outstanding, or the one refusal. */
  password(input: PasswordInput): Promise<PasswordOutcome> {
    return this.#first.password(input)
  }

  /** Goes on from a proof that was given by a link, the way a right password does. */
  proceed(proven: Proven): Promise<SignedInOrPending> {
    return this.#first.proceed(proven)
  }

  /**
   * From a session to a pending sign-in, where more is asked for than the session has. The session stays until then. Sends
   * no code by itself: it is reached by following links, which anybody can make a browser do.
   * @param wanted `enrol`: to take another factor over beside those there are, where both proofs are fresh
   * @param mayWait setting a first one up can be put off
   */
  stepUp(
    sessionToken: string | undefined,
    returnTo: string,
    wanted: PendingView['mode'] = 'verify',
    mayWait = false,
  ): Promise<StepUpOutcome> {
    return this.#first.stepUp(sessionToken, returnTo, wanted, mayWait)
  }

  /** What stands, if it still does. */
  pending(token: string | undefined): Promise<PendingView | undefined> {
    return this.#second.view(token)
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
  wayBack(way: WayBack, pendingToken: string | undefined, text: string, client: ClientFacts): Promise<AnswerOutcome> {
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
   */
  beginEnrolment(pendingToken: string | undefined, method: string): Promise<Begun | undefined> {
    return this.#enrol.begin(pendingToken, method)
  }

  /** Goes on without setting one up, while there is time left to do it in. */
  putOffEnrolment(
    pendingToken: string | undefined,
    client: ClientFacts,
  ): Promise<Extract<AnswerOutcome, { outcome: 'session' | 'expired' }>> {
    return this.#putOff.signIn(pendingToken, client)
  }

  /** The first right answer makes the factor active and opens the session, unless an owner has to agree first. */
  confirmEnrolment(pendingToken: string | undefined, text: string, client: ClientFacts): Promise<EnrolOutcome> {
    return this.#enrol.confirm(pendingToken, text, client)
  }
}
