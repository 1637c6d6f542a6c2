import { LruMap } from 'toad-cache'
import { networkSteps } from '../../messages/network-steps.js'

/**
 * How often a minute one network may send what anybody may send, for each thing that costs something. Far above what people
 * do, also of a company behind one address: passwords, help and links have narrower limits of their own behind this one.
 */
export const strangerLimits = { 'sign-in': 240, passkey: 240, help: 10, link: 30, setup: 30, 'not-me': 30 } as const

export type StrangerRoute = keyof typeof strangerLimits

interface Count {
  minute: number
  count: number
}

/**
 * The limit that stands before everything else: it is counted in this process and costs a look into memory, so a request
 * that is over it reads nothing, writes nothing and hashes nothing. IPv6 is counted in steps.
 */
export class StrangerLimits {
  readonly #counts = new LruMap<Count>(MOST_NETWORKS)
  readonly #now: () => number

  constructor({ now }: { now: () => number }) {
    this.#now = now
  }

  /** @returns seconds until the network may go on; `undefined`: now */
  take(route: StrangerRoute, network: string): number | undefined {
    const now = this.#now()
    const minute = Math.floor(now / MINUTE_MS)
    let isOver = false
    for (const step of networkSteps(network)) {
      const count = this.#countOf(`${route} ${step.network}`, minute)
      if (count.count >= strangerLimits[route] * step.times) isOver = true
      else count.count += 1
    }
    return isOver ? Math.max(1, Math.ceil(((minute + 1) * MINUTE_MS - now) / 1000)) : undefined
  }

  #countOf(key: string, minute: number): Count {
    const known = this.#counts.get(key)
    if (known?.minute === minute) return known
    const count = { minute, count: 0 }
    this.#counts.set(key, count)
    return count
  }
}

const MINUTE_MS = 60_000

/** Those that asked last: memory has a bound, and the limits in the store hold for the others. */
const MOST_NETWORKS = 20_000
