import type { TransportError, User } from '../contracts.js'
import type { Channel } from './mask.js'
import type { Limit } from './sending-budget.js'

/** How long a sent code is good for, in seconds: it travels and is read at different speeds. */
export const codeLifetimeSeconds: Readonly<Record<Channel, number>> = { sms: 5 * 60, email: 10 * 60 }

/** Who asked for a message, as far as sending needs to know. */
export interface Asker {
  readonly address: string
  /** What the per-network limit counts by. */
  readonly network: string
  readonly userAgent: string
  readonly requestId: string
}

/** A code or link the gateway made up, to go out by one of the user's methods. */
export interface SecretToSend {
  readonly user: User
  /** By the name YAML gives the method. */
  readonly method: string
  readonly client: Asker
  /** What is to be typed; for a link, what is typed on another device instead of opening it. */
  readonly code?: string
  /** Of a link: under the prefix, with its leading slash. */
  readonly path?: string
  /** `enrolment` proves an address, so it never goes to another one. */
  readonly purpose: 'sign-in' | 'enrolment'
  /** Host name of the site whose page takes the code, from the configuration. Left out: the public address. */
  readonly host?: string
  /** The first code of a sign-in right after an enrolment is not held up by the enrolment's own. */
  readonly afterEnrolment?: boolean
  /** Asked for without any proof: limited by the mailbox, so that a stranger does not use up what the user may send. */
  readonly byAnybody?: boolean
  /**
   * By mail when the transport of the text message fails. For a sign-in that a code by mail is enough for, whether or not
   * the user has set e-mail up; left out: never.
   */
  readonly mayFallBack?: boolean
  /**
   * Called once it may be sent, before it is handed over: the moment to keep its hash, and for what was sent before to die.
   * Called again when it goes another way. Not called where nothing is sent.
   * @param isFallback it goes by mail in place of the method it was asked for
   */
  readonly keep?: (via: Channel, isFallback: boolean) => Promise<void>
}

/** What became of it. */
export type Sending =
  | {
      readonly outcome: 'sent'
      readonly via: Channel
      /** Masked: `...671`, `a…@e…`. */
      readonly to: string
      readonly lifetimeSeconds: number
      /** Why it went by mail and not where it was meant to go. */
      readonly fellBack?: Trouble
    }
  /** One a minute. Nothing was sent; what was sent before is as good as it was. */
  | { readonly outcome: 'wait'; readonly retryAfterSeconds: number }
  | { readonly outcome: 'limited'; readonly limit: Limit; readonly retryAfterSeconds: number }
  | { readonly outcome: 'failed'; readonly reason: Trouble }

/** Why a message did not go where it was meant to go. */
export type Trouble = 'no-address' | 'over-budget' | 'provider-quota' | TransportError['reason']
