import type { Store } from '../../contracts.js'
import { isFromTheFuture } from '../store/clock-skew.js'
import { drawToken, hashOf, isSame, isToken } from '../store/random-token.js'
import { Records } from '../store/records.js'

/** What a ticket is good for. */
export interface Ticket {
  /** The host that takes it. */
  readonly host: string
  /** SHA-256 of the nonce that the browser has a cookie of at that host. */
  readonly state: string
  readonly sessionId: string
  /** Path and query to go on to. */
  readonly returnTo: string
}

interface Kept extends Ticket {
  readonly issuedAt: number
}

/** Who brings a ticket, and where. */
export interface Bearer {
  readonly host: string
  readonly nonce: string | undefined
}

/** `gone`: too late, used before, or never ours. `elsewhere`: of another browser or for another host. */
export type Redeemed =
  | { readonly outcome: 'good'; readonly ticket: Ticket }
  | { readonly outcome: 'gone' }
  | { readonly outcome: 'elsewhere'; readonly ticket: Ticket }

/**
 * What carries a sign-in from the portal to another host: 256 bits, good once over all gateways, for half a minute.
 *
 * The attack: somebody signs in, keeps the ticket and makes another browser bring it, which then works in the attacker's
 * account (login CSRF). So a ticket is for the browser that set out: the one with the nonce.
 */
export class Tickets {
  readonly #records: Records<Kept>
  readonly #now: () => number

  constructor({ store, now }: { store: Store; now: () => number }) {
    this.#records = new Records(store, 'ticket/')
    this.#now = now
  }

  async issue(ticket: Ticket): Promise<string> {
    const token = drawToken()
    await this.#records.set(hashOf(token), { ...ticket, issuedAt: this.#now() }, (2 * LIFETIME_MS) / 1000)
    return token
  }

  /** Uses it up where it is good. One that is brought by somebody else stays as it was. */
  async redeem(token: string, { host, nonce }: Bearer): Promise<Redeemed> {
    if (!isToken(token)) return { outcome: 'gone' }
    const id = hashOf(token)
    const ticket = await this.#records.get(id)
    const now = this.#now()
    if (ticket === undefined || now >= ticket.issuedAt + LIFETIME_MS || isFromTheFuture(ticket.issuedAt, now)) {
      return { outcome: 'gone' }
    }
    const isTheirs = ticket.host === host && nonce !== undefined && isSame(hashOf(nonce), ticket.state)
    if (!isTheirs) return { outcome: 'elsewhere', ticket }
    return (await this.#records.delete(id)) ? { outcome: 'good', ticket } : { outcome: 'gone' }
  }
}

const LIFETIME_MS = 30_000
