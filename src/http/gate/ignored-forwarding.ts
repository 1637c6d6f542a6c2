import type { Address } from '../../access/client-address.js'
import type { Logger } from '../../contracts.js'

/** Loopback and the private ranges of RFC 1918, 4193 and 6598: where proxies of one's own are. */
const nearby: ReadonlySet<string> = new Set(['loopback', 'private', 'uniqueLocal', 'linkLocal', 'carrierGradeNat'])

/**
 * Says once that an `X-Forwarded-For` is not believed, and once more for one from far away. The fault: a proxy that
 * `trustedProxies` forgets makes one client of everybody, and the wrong passwords of one delay all of them; nothing in the
 * gateway looked wrong. From the open internet anybody can send the header, so that alone proves nothing.
 */
export class IgnoredForwarding {
  readonly #log: Pick<Logger, 'warn'>
  #nearby: string | undefined
  #saidAfar = false

  constructor(log: Pick<Logger, 'warn'>) {
    this.#log = log
  }

  /** Whether everything there is to say has been said, so that nobody needs to look any more. */
  get isDone(): boolean {
    return this.#nearby !== undefined && this.#saidAfar
  }

  /** A peer in a private network that says for whom it asks, and is not believed: most likely the proxy that was forgotten. */
  get likelyProxy(): string | undefined {
    return this.#nearby
  }

  /** @param peer of the socket, and no trusted proxy */
  note(peer: Address): void {
    if (isNearby(peer)) {
      if (this.#nearby === undefined)
        this.#say(peer, 'if that is your proxy, everybody who comes through it is taken for one client')
      this.#nearby ??= peer.text
    } else {
      if (!this.#saidAfar)
        this.#say(peer, 'any client can send it; if that is your proxy, everybody is taken for one client')
      this.#saidAfar = true
    }
  }

  #say({ text }: Address, meaning: string): void {
    this.#log.warn(
      { peer: text },
      `X-Forwarded-For from ${text} is not believed, since trustedProxies does not have it: ${meaning}`,
    )
  }
}

function isNearby({ ip }: Address): boolean {
  return nearby.has(ip.range())
}
