import type { User, UserDirectory } from '../../contracts.js'
import { type Account, usableEnrolments } from '../accounts/account.js'
import type { KnownBrowsers } from '../notices/known-browsers.js'
import type { Factors } from '../second-factors/factors.js'
import type { Ask, PasswordInput, PasswordOutcome, PendingView, StepUpOutcome } from '../second-factors/outcomes.js'
import { missingProof } from '../sessions/fresh-proof.js'
import type { OpenedPending, PendingSignIn, PendingSignIns } from '../sessions/pending-sign-ins.js'
import type { KnownDevice, RememberedDevices } from '../sessions/remembered-devices.js'
import type { SessionStart } from '../sessions/session.js'
import type { Sessions } from '../sessions/sessions.js'
import type { ClientFacts } from '../store/client-facts.js'
import type { Installation } from '../store/installation.js'
import { nameHash } from '../store/name-hash.js'
import type { PasswordCheck } from './password-check.js'
import type { CodeStep } from './sent-code-check.js'

interface Parts {
  readonly directory: UserDirectory
  readonly sessions: Sessions
  readonly pending: PendingSignIns
  readonly devices: RememberedDevices
  readonly knownBrowsers: KnownBrowsers
  readonly installation: Installation
  readonly passwordCheck: PasswordCheck
  readonly factors: Factors
  readonly codes: CodeStep
  /** Read anew at every look. */
  readonly settings: {
    readonly unenrolled?: 'enrol' | 'recovery-code'
    /** Asks the store what holds now, policy included. */
    fresh?(): Promise<void>
  }
  readonly now: () => number
}

/** The first proof, by password, link or a session there is, and what it leads to: a session, or what is outstanding. */
export class FirstFactorStep {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async password(input: PasswordInput): Promise<PasswordOutcome> {
    const { sessions, installation, devices, settings, now } = this.#parts
    await settings.fresh?.()
    const known = await devices.find(input.deviceToken)
    // As they are before the password is judged: what is revoked while it is being judged ends what is opened by it.
    const cleared = await installation.generation()
    const own = known?.nameHash === nameHash(input.username) ? known : this.#parts.knownBrowsers.budgetOf(input)
    const verdict = await this.#parts.passwordCheck.judge(input, own)
    if (!verdict.right) {
      const { right: _, ...why } = verdict
      return { outcome: 'refused', ...why }
    }
    const { user, account, ask } = verdict
    const old = await sessions.find(input.sessionToken)
    const start = {
      user,
      generation: account.generation,
      installation: cleared,
      passwordAt: now(),
      via: ['password'],
      ...(input.isBrief ? { isBrief: true as const } : {}),
      ...(old === undefined ? {} : { replaces: old.session.id }),
    }
    const remembered = await this.#openByDevice(input, verdict, known, start)
    if (remembered !== undefined) return remembered
    const isEnough = input.policy(account, user, { secondFactorAt: now(), fellBack: true }) === 'none'
    const mayFallBack = isEnough && !this.#parts.factors.isMailOff(account, user)
    return this.#goOn(account, { ...start, returnTo: input.returnTo }, ask, input.client, mayFallBack)
  }

  /** Goes on from a proof that was given by a link or a passkey, the way a right password does. */
  async proceed(proven: Proven): Promise<SignedInOrPending> {
    const { account, user, installation, method, provesBoth, ask, client, returnTo, sessionToken } = proven
    await this.#parts.settings.fresh?.()
    const old = await this.#parts.sessions.find(sessionToken)
    const now = this.#parts.now()
    const start = {
      user,
      generation: account.generation,
      installation,
      passwordAt: now,
      ...(provesBoth ? { secondFactorAt: now } : {}),
      ...(proven.passkeyAt === undefined ? {} : { passkeyAt: proven.passkeyAt }),
      via: [method],
      ...(proven.isBrief ? { isBrief: true as const } : {}),
      ...(old === undefined ? {} : { replaces: old.session.id }),
      returnTo,
    }
    return this.#goOn(account, start, ask, client)
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
    if (known?.accountId !== account.id || usableEnrolments(account).length === 0) return undefined
    const deviceAt = known.secondFactorAt
    if (input.policy(account, user, { deviceAt }) !== 'none') return undefined
    const used = await devices.use(deviceToken, client)
    if (used === undefined) return undefined
    const opened = await sessions.open({ ...start, deviceAt, via: [...start.via, 'device'], client })
    this.#parts.knownBrowsers.signedIn(user, client)
    return { outcome: 'session', ...opened, ...(used.token === undefined ? {} : { deviceToken: used.token }) }
  }

  /**
   * From a session to a pending sign-in, where more is asked for than the session has. The session stays until then. Sends
   * no code by itself: it is reached by following links, which anybody can make a browser do.
   * @param wanted `enrol`: to take another factor over beside those there are, where both proofs are fresh
   * @param mayWait setting a first one up can be put off
   * @param isMailEnough the page takes a code that goes by mail because the text message fails
   */
  async stepUp(
    sessionToken: string | undefined,
    returnTo: string,
    wanted: PendingView['mode'] = 'verify',
    mayWait = false,
    isMailEnough = false,
  ): Promise<StepUpOutcome> {
    const open = await this.#parts.sessions.find(sessionToken)
    if (open === undefined) return { outcome: 'sign-in' }
    const { session, account } = open
    // A session somebody left open for weeks must not be enough to put one's own phone on the account.
    const missing = missingProof(open, this.#parts.now())
    if (usableEnrolments(account).length === 0 && missing !== undefined) return { outcome: 'sign-in' }
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
      ...(session.passkeyAt === undefined ? {} : { passkeyAt: session.passkeyAt }),
      via: session.via.slice(0, 1),
      ...(session.isBrief ? { isBrief: true as const } : {}),
      replaces: session.id,
      returnTo,
    }
    if (wanted === 'enrol' && usableEnrolments(account).length > 0 && missing === undefined) {
      const { secondFactorAt } = session
      const proven = { ...start, via: session.via, ...(secondFactorAt === undefined ? {} : { secondFactorAt }) }
      const { token } = await this.#parts.pending.open({ ...proven, accountId: account.id, mode: 'enrol', adds: true })
      return { outcome: 'enrol', pendingToken: token }
    }
    const mayFallBack = isMailEnough && !this.#parts.factors.isMailOff(account, user)
    const { outcome, token } = await this.#begin(
      account,
      mayFallBack ? { ...start, mayFallBack } : start,
      !mayEnrol ? 'second-factor' : mayWait ? 'enrol-or-later' : 'enrol',
    )
    return { outcome, pendingToken: token }
  }

  /** Whether the password alone is not enough to take a first factor over. */
  get #isStrict(): boolean {
    return this.#parts.settings.unenrolled === 'recovery-code'
  }

  /** After the first proof: a session, or what is outstanding. */
  async #goOn(
    account: Account,
    { returnTo, ...start }: Omit<SessionStart, 'client'> & { readonly returnTo: string },
    ask: Exclude<Ask, 'deny'>,
    client: ClientFacts,
    mayFallBack = false,
  ): Promise<SignedInOrPending> {
    if (ask === 'none') {
      const opened = await this.#parts.sessions.open({ ...start, client })
      this.#parts.knownBrowsers.signedIn(start.user, client)
      return { outcome: 'session', ...opened }
    }
    const wanted = this.#isStrict ? 'second-factor' : ask
    const begun = { ...start, returnTo, ...(mayFallBack ? { mayFallBack: true as const } : {}) }
    const { outcome, token, pending } = await this.#begin(account, begun, wanted)
    await this.#parts.codes.sendFirst(account, pending, token, client)
    return { outcome, pendingToken: token }
  }

  async #begin(
    account: Account,
    start: Omit<PendingSignIn, 'id' | 'accountId' | 'mode' | 'openedAt' | 'expiresAt'>,
    ask: Exclude<Ask, 'deny' | 'none'>,
  ): Promise<OpenedPending & { readonly outcome: 'verify' | 'enrol' }> {
    // Whoever has a factor is asked for it: taking over another one must not be a way round it.
    const mode = ask !== 'second-factor' && usableEnrolments(account).length === 0 ? 'enrol' : 'verify'
    const mayWait = mode === 'enrol' && ask === 'enrol-or-later' ? { mayWait: true as const } : {}
    const challenge =
      mode === 'verify'
        ? await this.#parts.factors.askFirst(start.user, account, start.via, this.#parts.now())
        : undefined
    const first = challenge === undefined ? {} : { challenge }
    return {
      outcome: mode,
      ...(await this.#parts.pending.open({ ...start, accountId: account.id, mode, ...mayWait, ...first })),
    }
  }
}

/** A first proof that was given by a link or a passkey. */
export interface Proven {
  /** As it was when the link was issued: a revocation since then ends what is opened by it. */
  readonly account: Account
  readonly user: User
  readonly installation: number
  /** For the audit, and for what it proves. */
  readonly method: string
  /** The operator lets it stand for both steps. */
  readonly provesBoth: boolean
  /** Set where no other site could have asked for it. */
  readonly passkeyAt?: number
  readonly ask: Exclude<Ask, 'deny'>
  readonly client: ClientFacts
  readonly returnTo: string
  /** The session this browser has already: it ends when the new one opens. */
  readonly sessionToken?: string
  /** Nobody asked to be kept signed in. */
  readonly isBrief?: boolean
}

export type SignedInOrPending = Exclude<PasswordOutcome, { outcome: 'refused' }>
