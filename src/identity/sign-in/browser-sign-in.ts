import { isDeepStrictEqual } from 'node:util'
import type { Audit } from '../../audit/audit.js'
import type { DeniedRequests } from '../../audit/denied-requests.js'
import type { AuditEntry } from '../../audit/entry.js'
import type { Json, SecondFactor, UserDirectory } from '../../contracts.js'
import type { Messages } from '../../messages/messages.js'
import { type Account, isOff } from '../accounts/account.js'
import type { Accounts } from '../accounts/accounts.js'
import type { SpentForms } from '../attempts/spent-forms.js'
import type { Notices } from '../notices/notices.js'
import type { Enrolment, Enrolments } from '../second-factors/enrolments.js'
import { Factors, heldOnly } from '../second-factors/factors.js'
import type { PasswordInput } from '../second-factors/outcomes.js'
import type { ClientFacts } from '../store/client-facts.js'
import type { Installation } from '../store/installation.js'
import { readJson, seen } from './browser-step.js'
import type { SignedInOrPending } from './first-factor.js'
import type { SignIn } from './sign-in.js'

interface Parts {
  readonly signIn: Pick<SignIn, 'proceed'>
  readonly directory: Pick<UserDirectory, 'find'>
  readonly accounts: Pick<Accounts, 'find'>
  readonly enrolments: Enrolments
  /** By the name YAML gives them. */
  readonly factors: ReadonlyMap<string, SecondFactor>
  readonly messages: Pick<Messages, 'destination'>
  readonly spentForms: SpentForms
  readonly notices: Notices
  readonly installation: Installation
  readonly settings: { fresh?(): Promise<void> }
  readonly audit: Audit
  /** Answers of nobody that is known are sent by anybody, as often as they like: they are written down in numbers. */
  readonly refusals?: Pick<DeniedRequests, 'condense'>
  readonly now: () => number
}

export interface BrowserSignInInput {
  /** As the script sent it. */
  readonly answer: string
  /** Drawn for the question, for this browser, not long ago: to be checked before. */
  readonly nonce: string
  readonly client: ClientFacts
  readonly returnTo: string
  readonly policy: PasswordInput['policy']
  readonly sessionToken?: string
  /** Nobody asked to be kept signed in. */
  readonly isBrief?: boolean
}

export type BrowserSignInOutcome =
  | SignedInOrPending
  /** The same for one that nobody has, a wrong answer, and somebody who may not sign in. */
  | { readonly outcome: 'refused' /** It was right, and is refused this once. */; readonly isCopied?: true }

/** A passkey in place of username and password: who it is, it says itself. */
export class BrowserSignIn {
  readonly #parts: Parts
  readonly #factors: Factors

  constructor(parts: Parts) {
    this.#parts = parts
    this.#factors = new Factors(parts)
  }

  /** Whether one may be given in place of username and password. */
  get isOffered(): boolean {
    return this.#factors.forSignIn() !== undefined
  }

  /** The question to somebody who has not said who they are; `undefined` where none may be answered. Reads and writes nothing. */
  ask(nonce: string): Json | undefined {
    return this.#factors.forSignIn()?.factor.signIn?.ask(nonce)
  }

  /**
   * Goes on from a right answer as from a right password; where this very answer proved the person as well, as from both
   * factors. What was said when it was set up does not count.
   */
  async redeem(input: BrowserSignInInput): Promise<BrowserSignInOutcome> {
    const { enrolments, installation, spentForms, settings, now } = this.#parts
    const { client, nonce } = input
    const offered = this.#factors.forSignIn()
    const said = input.answer.length > LONGEST_ANSWER ? undefined : readJson(input.answer)
    const handle = said === undefined ? undefined : offered?.factor.handleOf(said)
    const found = handle === undefined ? undefined : await this.#find(offered?.use ?? '', handle)
    if (offered === undefined || said === undefined || found === undefined) return this.#refuse(client, 'unknown')
    await settings.fresh?.()
    // As they are before the answer is judged: what is revoked meanwhile ends what is opened by it.
    const cleared = await installation.generation()
    const { account, used } = found
    const { use, factor } = offered
    const reason = whyNot(account, use)
    if (reason !== undefined) return this.#refuse(client, reason, found)
    const [user] = await this.#parts.directory.find({ id: account.id })
    if (user === undefined) return this.#refuse(client, 'unknown-user', found)
    const opened = await enrolments.open(used, account)
    if (opened === undefined) return this.#refuse(client, 'unreadable', found)
    // One caller over all gateways judges an answer to it.
    if (!(await spentForms.spend(nonce, NONCE_SECONDS))) return this.#refuse(client, 'used-question', found)
    const verdict = await factor.judge(nonce, opened.value, said, true)
    if (verdict === false) return this.#refuse(client, 'wrong-answer', found)
    if ('refused' in verdict) {
      await enrolments.spend(used, input.answer, verdict.enrolment)
      this.#parts.notices.tell('factor-copied', { user, values: { name: used.name }, client })
      await this.#refuse(client, 'counter-went-back', found)
      return { outcome: 'refused', isCopied: true }
    }
    const at = now()
    const isBoth = verdict.provesUser
    const given = { passkeyAt: at, ...(isBoth ? { secondFactorAt: at } : {}) }
    const ask = input.policy(account, user, given)
    if (ask === 'deny') return this.#refuse(client, 'policy', found)
    const grown = isDeepStrictEqual(verdict.enrolment, opened.value) ? undefined : verdict.enrolment
    if (!(await enrolments.spend(used, input.answer, grown, seen(used, verdict)))) {
      return this.#refuse(client, 'used-answer', found)
    }
    await this.#record('success', client, found, isBoth ? undefined : 'held-only')
    const { returnTo, sessionToken, isBrief = false } = input
    return this.#parts.signIn.proceed({
      account,
      user,
      installation: cleared,
      method: isBoth ? use : heldOnly(use),
      provesBoth: isBoth,
      ...(factor.resistsPhishing ? { passkeyAt: at } : {}),
      // What policy asks for beside the password, this answer has given too.
      ask: isBoth ? 'none' : ask,
      client,
      returnTo,
      isBrief,
      ...(sessionToken === undefined ? {} : { sessionToken }),
    })
  }

  /** Only what the account itself names counts. */
  async #find(use: string, handle: string): Promise<Found | undefined> {
    const { enrolments, accounts } = this.#parts
    const whose = await enrolments.whose(use, handle)
    const account = whose && (await accounts.find(whose.accountId))
    const used = account && whose && (await enrolments.find(account, whose.id))
    return account && used?.handle === handle ? { account, used } : undefined
  }

  async #refuse(client: ClientFacts, reason: string, found?: Found): Promise<BrowserSignInOutcome> {
    await this.#record('refused', client, found, reason)
    return { outcome: 'refused' }
  }

  #record(outcome: 'success' | 'refused', client: ClientFacts, found?: Found, reason?: string): Promise<void> {
    const { audit, refusals } = this.#parts
    const { account, used } = found ?? {}
    const entry: AuditEntry = {
      event: 'sign-in.passkey',
      outcome,
      client,
      ...(account === undefined ? {} : { accountId: account.id, username: account.username }),
      ...(used === undefined ? {} : { method: used.method, details: { name: used.name } }),
      ...(reason === undefined ? {} : { reason }),
    }
    if (found !== undefined || refusals === undefined) return audit.record(entry)
    refusals.condense(`${client.network} passkey`, entry)
    return Promise.resolve()
  }
}

interface Found {
  readonly account: Account
  readonly used: Enrolment
}

function whyNot(account: Account, use: string): string | undefined {
  if (account.status !== 'active') return account.status
  if (account.role === 'api') return 'api-account'
  return isOff(account, use) ? 'method-off' : undefined
}

/** Longer than a question may be answered, on clocks that differ. */
const NONCE_SECONDS = 15 * 60
const LONGEST_ANSWER = 8192
