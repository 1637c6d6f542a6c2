import type { UserDirectory } from '../../contracts.js'
import { missingProof } from '../sessions/fresh-proof.js'
import type { OpenSession, Sessions } from '../sessions/sessions.js'
import type { ClientFacts } from '../store/client-facts.js'
import type { ChangePassword, ChangePasswordOutcome } from './change-password.js'

export type OwnPasswordOutcome =
  /** Everything else of the account has ended; this browser goes on with the new session. */
  | { readonly outcome: 'changed'; readonly token: string }
  | { readonly outcome: 'unproven' }
  | Exclude<ChangePasswordOutcome, { outcome: 'changed' }>

/** A user's own password, changed by a session that has just proven whose it is. */
export class OwnPassword {
  readonly #parts: {
    readonly directory: UserDirectory
    readonly sessions: Sessions
    readonly changePassword: ChangePassword
    readonly now: () => number
  }

  constructor(parts: {
    directory: UserDirectory
    sessions: Sessions
    changePassword: ChangePassword
    now: () => number
  }) {
    this.#parts = parts
  }

  isPossible({ account }: OpenSession): boolean {
    return this.#parts.changePassword.isPossible(account.id)
  }

  /** Characters that a new password has at least. */
  shortest({ account }: OpenSession): number {
    return this.#parts.changePassword.shortest(account)
  }

  /** @throws `password.busy`; nothing was changed then */
  async change(open: OpenSession, password: string, client: ClientFacts): Promise<OwnPasswordOutcome> {
    const { directory, sessions, changePassword, now } = this.#parts
    if (missingProof(open, now())) return { outcome: 'unproven' }
    const { session } = open
    const [user = session.user] = await directory.find({ id: session.accountId })
    // As the session has it, not as the account stands: a session that was revoked meanwhile changes nothing.
    const account = { ...open.account, generation: session.generation }
    const result = await changePassword.change({ user, account, password, client, method: 'account-page' })
    if (result.outcome !== 'changed') return result
    const { id: _, ...start } = session
    const { generation } = result.account
    const { token } = await sessions.open({ ...start, user, generation, client })
    return { outcome: 'changed', token }
  }
}
