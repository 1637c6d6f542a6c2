import { LruMap } from 'toad-cache'
import type { Store } from '../../contracts.js'
import { Records } from '../store/records.js'
import type { Rate } from './app-tokens.js'

/** What is left of a token's rate. */
export interface RateState {
  readonly allowed: boolean
  readonly limit: number
  readonly remaining: number
  /** Until the next span begins. */
  readonly resetSeconds: number
  readonly windowSeconds: number
}

/**
 * How many requests a token has made. The count is in the store; each gateway takes its share of the limit from it, a
 * twentieth at a time, and counts that down by itself. So most requests write nothing, all gateways together never let
 * more through than the limit, and one gateway alone lets through exactly the limit. A share that one gateway has not
 * used up is what another may be short of.
 */
export class TokenRates {
  readonly #records: Records<number>
  readonly #shares = new LruMap<Share>(SHARES)
  readonly #now: () => number

  constructor({ store, now }: { store: Store; now: () => number }) {
    this.#records = new Records(store, 'token-rate/')
    this.#now = now
  }

  /** Takes one request from the rate, if one is left. */
  async take(id: string, rate: Rate): Promise<RateState> {
    const spanMs = rate.seconds * 1000
    const span = Math.floor(this.#now() / spanMs)
    const known = this.#shares.get(id)
    const share = known?.span === span ? known : { span, left: 0, taken: 0 }
    if (share !== known) this.#shares.set(id, share)
    if (share.left < 1 && share.taken < rate.requests) await this.#refill(id, rate, share)
    const allowed = share.left > 0
    if (allowed) share.left -= 1
    return {
      allowed,
      limit: rate.requests,
      remaining: Math.max(0, rate.requests - share.taken + share.left),
      resetSeconds: Math.max(1, Math.ceil(((span + 1) * spanMs - this.#now()) / 1000)),
      windowSeconds: rate.seconds,
    }
  }

  async #refill(id: string, { requests, seconds }: Rate, share: Share): Promise<void> {
    const portion = Math.max(1, Math.floor(requests / PORTIONS))
    let before = 0
    const after = await this.#records.change(
      `${id}/${seconds}/${share.span}`,
      (taken = 0) => {
        before = taken
        return taken >= requests ? undefined : Math.min(requests, taken + portion)
      },
      2 * seconds,
    )
    // Two requests at once may both have refilled: each brought its own portion.
    share.left += after === undefined ? 0 : Math.max(0, after - before)
    share.taken = Math.max(share.taken, after ?? requests)
  }
}

interface Share {
  readonly span: number
  /** Taken from the store and not used yet. */
  left: number
  /** By all gateways, as this one knows it. */
  taken: number
}

const PORTIONS = 20
const SHARES = 10_000
