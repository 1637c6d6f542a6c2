import type { Json, User } from '../../contracts.js'
import type { Sending, Trouble } from '../../messages/sending.js'
import type { Account } from '../accounts/account.js'
import type { Session } from '../sessions/sessions.js'
import type { ClientFacts } from '../store/client-facts.js'
import type { GraceLeft } from './enrolment-grace.js'

/**
 * What policy wants after the right password. `enrol-or-later`: some time is left to set one up in. `deny` is answered in the
 * words of a wrong one.
 */
export type Ask = 'none' | 'second-factor' | 'enrol' | 'enrol-or-later' | 'deny'

/** What is there, or is assumed to be, beside the right password. Times in milliseconds since 1970. */
export type GivenBeside =
  | { readonly deviceAt: number }
  /** A passkey, which is both where it proved the person. */
  | { readonly passkeyAt: number; readonly secondFactorAt?: number }
  | { readonly secondFactorAt: number /** It went by mail because the text message failed. */; readonly fellBack: true }

export interface PasswordInput {
  readonly username: string
  readonly password: string
  readonly client: ClientFacts
  /** A path on this site, checked by the caller. */
  readonly returnTo: string
  /** @param given beside the password: what a remembered device stands for, or a code that went by mail for want of the phone */
  readonly policy: (account: Account, user: User, given?: GivenBeside) => Ask
  /** The session this browser has already: it ends when the new one opens. */
  readonly sessionToken?: string
  /** Of a device this browser was remembered as. */
  readonly deviceToken?: string
  /** Of a browser that somebody was signed in with before. */
  readonly browserToken?: string
  /** Nobody asked to be kept signed in. */
  readonly isBrief?: boolean
}

export type PasswordOutcome =
  | {
      readonly outcome: 'session'
      readonly token: string
      readonly session: Session
      /** A remembered device was used: the new token for its cookie. */
      readonly deviceToken?: string
    }
  | { readonly outcome: 'verify' | 'enrol'; readonly pendingToken: string }
  /** The same for an unknown name, a wrong password, a deactivated user and an API account. With a wait: not judged. */
  | {
      readonly outcome: 'refused'
      readonly retryAfterSeconds?: number
      /** Not judged, and waiting does not help: a mailed link does, or support. */
      readonly isLocked?: true
    }

export type StepUpOutcome =
  | { readonly outcome: 'verify' | 'enrol'; readonly pendingToken: string }
  /** There is no session, or its password is too old to take a new factor over with: sign in again. */
  | { readonly outcome: 'sign-in' }

export type AnswerOutcome =
  | { readonly outcome: 'session'; readonly token: string; readonly session: Session; readonly returnTo: string }
  /** `isOfAnotherTime`: the code would have been right some minutes ago or from now, so the clock of the phone is off. */
  | {
      readonly outcome: 'wrong'
      readonly triesLeft: number
      readonly isOfAnotherTime?: true
      /** It was right, and is refused this once: there may be a second copy of what made it. */
      readonly isCopied?: true
    }
  | { readonly outcome: 'throttled'; readonly retryAfterSeconds: number }
  /** Nothing was judged: the question a script asked stands no more. Put it again. */
  | { readonly outcome: 'no-question' }
  /** Nothing was judged: the code that was sent is too old or used up, or none was sent. */
  | { readonly outcome: 'no-code' }
  | { readonly outcome: 'expired' }

/** The factor was set up and waits for an owner: no session opened. */
export interface AwaitsApproval {
  readonly outcome: 'held'
  readonly returnTo: string
}

export type EnrolOutcome = AnswerOutcome | AwaitsApproval

/**
 * What became of a code that was asked for. `sending`: the provider has not answered yet; `throttled`: no answer would be
 * judged now, so none is sent; `expired`: the pending sign-in is.
 */
export type SendOutcome =
  | Sending
  | { readonly outcome: 'sending' | 'expired' }
  | { readonly outcome: 'throttled'; readonly retryAfterSeconds: number }

/** Another method: its question stands now. With `sending`, a code went out for it or did not. */
export type ChooseOutcome =
  | { readonly outcome: 'chosen'; readonly sending?: SendOutcome }
  | { readonly outcome: 'expired' }

/** What a page may show of a code that was sent. */
export interface SentView {
  /** The one that counts now. */
  readonly code?: {
    /** The method it was asked for, by its `id`. */
    readonly ref: string
    readonly via: 'sms' | 'email'
    /** `sending`: nothing was heard of it yet; `unsure`: it may have got through, and may not. */
    readonly state: 'sending' | 'sent' | 'unsure'
    /** Masked: `...671`, `a…@e…`. */
    readonly to?: string
    /** Why it went by mail and not where it was meant to go. */
    readonly fellBack?: Trouble
    readonly secondsLeft: number
    readonly triesLeft: number
  }
  /** There was one, and it is too old or used up. */
  readonly isOver: boolean
  /** Why nothing went out for the chosen method the last time. */
  readonly trouble?: Extract<Sending, { outcome: 'limited' | 'failed' }>
  /** Until another one may be asked for; 0: now. */
  readonly waitSeconds: number
}

/** What a page may show of a pending sign-in. */
export interface PendingView {
  readonly username: string
  readonly mode: 'verify' | 'enrol'
  /** What can be chosen: enrolled factors to verify with, or factors to take over. Empty: nobody but the owner can help. */
  readonly methods: readonly Method[]
  /** Has no second factor and may not set one up by the password alone: only a recovery code of the owner's helps. */
  readonly recoveryCodeOnly: boolean
  /** The chosen one's `id`. */
  readonly method?: string
  /** The question of the chosen factor, or what shows its secret while it is taken over. */
  readonly show?: Json
  /** For a method whose code the gateway sends: what became of it. */
  readonly sent?: SentView
  /** Methods by mail are left out: the sign-in was begun by a link in a mail, and another mail would prove nothing more. */
  readonly mailProvesNothing?: boolean
  /** The passkey is left out: the sign-in was begun by it, and it did not ask who holds it. */
  readonly passkeyProvesNothing?: boolean
  /** Answers that would be judged now, over all methods and sessions of the account. */
  readonly triesLeft: number
  /** Set while none would be. */
  readonly retryAfterSeconds?: number
  /** One that was set up before and waits for an owner: until then none can be set up. */
  readonly awaiting?: { readonly label: string /** ms since 1970. */; readonly at: number }
  /** With `enrol`, where it can be put off: what is left. */
  readonly later?: GraceLeft
  readonly returnTo: string
  readonly expiresAt: number
}

/** A factor being taken over. */
export interface Begun {
  /** What shows its secret; `null` where there is none. */
  readonly show: Json
  /** Where a code is sent: what became of it. */
  readonly sent?: SentView
}

export interface Method {
  /** For `choose` and `beginEnrolment`. */
  readonly id: string
  /** What YAML calls it, as in `totp`: picks the template. */
  readonly use: string
  readonly label: string
  /** Set where it is sent something: a code to type, or a link to open. */
  readonly sends?: 'code' | 'link'
  /** Where that goes, masked; left out where there is no address it could go to. */
  readonly to?: string
  /** Set where a script of the page asks for it. */
  readonly asks?: 'browser'
}
