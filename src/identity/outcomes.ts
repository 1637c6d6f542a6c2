import type { Json, User } from '../contracts.js'
import type { Account } from './accounts.js'
import type { ClientFacts } from './client-facts.js'
import type { Session } from './sessions.js'

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
