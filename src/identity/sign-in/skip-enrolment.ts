import type { Audit } from '../../audit/audit.js'
import { type Account, usableEnrolments } from '../accounts/account.js'
import type { Accounts } from '../accounts/accounts.js'
import type { KnownBrowsers } from '../notices/known-browsers.js'
import { type GraceSettings, graceLeft, moreGrace } from '../second-factors/enrolment-grace.js'
import type { AnswerOutcome } from '../second-factors/outcomes.js'
import type { PendingSignIns } from '../sessions/pending-sign-ins.js'
import type { Sessions } from '../sessions/sessions.js'
import type { ClientFacts } from '../store/client-facts.js'
import type { PendingCheck } from './pending-check.js'

interface Parts {
  readonly accounts: Accounts
  readonly sessions: Sessions
  readonly pending: PendingSignIns
  readonly knownBrowsers: KnownBrowsers
  readonly pendingCheck: PendingCheck
  readonly audit: Audit
  readonly grace?: GraceSettings | undefined
  readonly now: () => number
}

/** Going on without a second factor while there is time left to set one up in. */
export class SkipEnrolment {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** A session by the first proof alone. What it opens is decided at every request, by what is left then. */
  async signIn(
    pendingToken: string | undefined,
    client: ClientFacts,
  ): Promise<Extract<AnswerOutcome, { outcome: 'session' | 'expired' }>> {
    const { pendingCheck, pending, sessions, knownBrowsers } = this.#parts
    const live = await pendingCheck.find(pendingToken, 'enrol')
    if (live?.pending.mayWait !== true) return { outcome: 'expired' }
    if (!(await pending.win(live.pending)) || !(await this.#spend(live.account, client))) return { outcome: 'expired' }
    const { accountId: _, id: __, ...start } = live.pending
    const opened = await sessions.open({ ...start, client })
    knownBrowsers.signedIn(live.pending.user, client)
    return { outcome: 'session', ...opened, returnTo: live.pending.returnTo }
  }

  /** Atomic over all processes: the last one left is taken by one sign-in. */
  async #spend({ id, username, generation }: Account, client: ClientFacts): Promise<boolean> {
    const { accounts, audit, grace, now } = this.#parts
    let isSpent = false
    const account = await accounts.change(id, (account) => {
      const isOpen = account.generation === generation && usableEnrolments(account).length === 0
      isSpent = isOpen && graceLeft(grace, account.grace, now()) !== undefined
      return isSpent ? { ...account, grace: moreGrace(account.grace, now()) } : account
    })
    if (account?.grace === undefined || !isSpent) return false
    const { from, signIns } = account.grace
    await audit.record({
      event: 'account.changed',
      outcome: 'success',
      accountId: id,
      username,
      client,
      reason: 'second-factor-put-off',
      details: { since: new Date(from).toISOString(), signIns },
    })
    return true
  }
}
