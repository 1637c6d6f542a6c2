import type { Audit } from '../../audit/audit.js'
import type { User } from '../../contracts.js'
import { type Account, awaitingOf } from '../accounts/account.js'
import type { Notices } from '../notices/notices.js'
import type { Approvals } from '../second-factors/approvals.js'
import type { BackupCodes } from '../second-factors/backup-codes.js'
import { type Confirmed, type Enrolments, named, withName } from '../second-factors/enrolments.js'
import type { Factors } from '../second-factors/factors.js'
import type { AwaitsApproval, Begun, EnrolOutcome, Method } from '../second-factors/outcomes.js'
import type { PendingSignIns } from '../sessions/pending-sign-ins.js'
import type { RememberedDevices } from '../sessions/remembered-devices.js'
import type { ClientFacts } from '../store/client-facts.js'
import type { Judge } from './answer-check.js'
import type { BrowserStep } from './browser-step.js'
import type { LivePending, PendingCheck } from './pending-check.js'
import type { CodeStep } from './sent-code-check.js'

interface Parts {
  readonly enrolments: Enrolments
  readonly approvals: Approvals
  readonly pending: PendingSignIns
  readonly backupCodes: Pick<BackupCodes, 'drop'>
  readonly devices: Pick<RememberedDevices, 'revokeAll'>
  readonly notices: Notices
  readonly factors: Factors
  readonly codes: CodeStep
  readonly pendingCheck: PendingCheck
  readonly browser: BrowserStep
  readonly audit: Audit
}

/** What is done with a factor whose first answer was right. @returns false where something was taken away meanwhile */
type Take = (live: LivePending, confirmed: Confirmed, client: ClientFacts, answer?: string) => Promise<boolean>

/** Taking a second factor over: a secret that is shown, and active only after the first right answer. */
export class EnrolmentStep {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** What this user could take over: a method whose code is sent, only with an address on file that it serves. */
  available(account: Pick<Account, 'methodsOff'>, user: User): readonly Method[] {
    return this.#parts.factors.available(account, user)
  }

  /**
   * A new secret for the method, or the one already shown to this pending sign-in. A code goes out only when it is asked for,
   * by `SecondStep.send`. `undefined`: expired.
   * @param more.isRenewed the page is shown: a question that a script asks has to stand for a while
   */
  async begin(
    pendingToken: string | undefined,
    method: string,
    { isRenewed = false } = {},
  ): Promise<Begun | undefined> {
    const live = await this.#parts.pendingCheck.find(pendingToken, 'enrol')
    if (live === undefined || !this.#parts.factors.isAvailable(method, live.account, live.pending.user))
      return undefined
    // One at a time: what waits for an owner is approved or refused first.
    if (awaitingOf(live.account) !== undefined) return undefined
    const { user } = live.pending
    if (this.#parts.factors.inBrowser(method) !== undefined) {
      const enrolling = await this.#parts.browser.begin(live, method, isRenewed)
      return enrolling && { show: enrolling.show }
    }
    const made = (await this.#parts.factors.checked(method)?.enrol.begin(user)) ?? { secret: null, show: null }
    // Two tabs at once: the secret that was kept is the one to show.
    const pending = await this.#parts.pending.change(live.pending, (now) =>
      now.enrolling?.method === method ? now : { ...now, enrolling: { method, ...made } },
    )
    const sent = pending && (await this.#parts.codes.view(pending))
    return pending?.enrolling && { show: pending.enrolling.show, ...(sent === undefined ? {} : { sent }) }
  }

  /** The first right answer makes the factor active and opens the session; or the factor waits for an owner, and opens nothing. */
  async confirm(
    pendingToken: string | undefined,
    text: string,
    client: ClientFacts,
    name?: string,
  ): Promise<EnrolOutcome> {
    const live = await this.#parts.pendingCheck.find(pendingToken, 'enrol')
    if (live?.pending.enrolling === undefined || awaitingOf(live.account) !== undefined) return { outcome: 'expired' }
    const { method, secret } = live.pending.enrolling
    const isHeld = await this.#parts.approvals.isNeeded(live.account)
    const instead = isHeld ? { outcome: 'held' as const, returnTo: live.pending.returnTo } : undefined
    const take = isHeld ? this.#hold : this.#activate
    if (this.#parts.factors.inBrowser(method) !== undefined) {
      const taken = (confirmed: Confirmed) => take(live, confirmed, client)
      return this.#parts.browser.confirm<AwaitsApproval>(live, { text, name, client }, taken, instead)
    }
    if (this.#parts.factors.sendsCode(method)) {
      const enrolment = { method, name: this.#parts.factors.label(method), enrolment: null }
      return this.#parts.pendingCheck.finishByCode<AwaitsApproval>(
        live,
        { token: pendingToken ?? '', text, client },
        async ({ ref }) => (ref === method ? () => take(live, enrolment, client) : undefined),
        instead,
      )
    }
    const judge: Judge = async (answer) => {
      const factor = this.#parts.factors.checked(method)
      const enrolment = await factor?.enrol.confirm(secret, answer)
      if (factor === undefined) return undefined
      if (enrolment === undefined) {
        return (await factor.enrol.isOfAnotherTime?.(secret, answer)) ? 'another-time' : undefined
      }
      return async () =>
        (await this.#parts.pending.win(live.pending)) &&
        take(live, { method, name: factor.label, enrolment }, client, answer)
    }
    return this.#parts.pendingCheck.finish<AwaitsApproval>(live, { method, text, client }, judge, instead)
  }

  /** Kept for an owner to say yes. The pending sign-in is used up, and no session opens. */
  #hold: Take = async ({ account }, confirmed, client, answer) => {
    const held = await this.#parts.approvals.hold(account, confirmed)
    if (held === undefined) return false
    if (answer !== undefined) await this.#parts.enrolments.spend(held, answer)
    const { id: accountId, username } = account
    const entry = { accountId, username, method: held.method, ...named(held), client, reason: 'awaits-approval' }
    await this.#parts.audit.record({ event: 'factor.enrolled', outcome: 'intended', ...entry })
    return true
  }

  #activate: Take = async ({ pending, account }, confirmed, client, answer) => {
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
      ...named(made),
      client,
    })
    const { user } = pending
    this.#parts.notices.tell('factor-added', {
      user,
      values: { method: withName(this.#parts.factors.label(made.method), made.name) },
      client,
      enrolmentId: made.id,
    })
    return true
  }
}
