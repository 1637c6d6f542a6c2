import type { Logger } from '../../contracts.js'

/** How much of what a site may have under way at once is under way. */
export interface Load {
  /** As operators know it. */
  readonly site: string
  readonly kind: 'requests' | 'event-streams' | 'web-sockets'
  readonly used: number
  readonly limit: number
}

/** Said at four fifths, and once more only after it was well below. */
const nearlyFull = 0.8
const wellBelow = 0.6

const lookMs = 250

const keys: Readonly<Record<Load['kind'], string>> = {
  requests: 'limits.connections',
  'event-streams': 'limits.eventStreams',
  'web-sockets': 'limits.webSockets',
}

/**
 * Says in the log when a site is nearly full, before its users are turned away. Looks from time to time: what is counted at
 * every request would be paid for by every request.
 */
export class LoadWatch {
  readonly #loads: () => Iterable<Load>
  readonly #log: Pick<Logger, 'warn'>
  readonly #said = new Set<string>()
  readonly #timer: NodeJS.Timeout

  constructor(loads: () => Iterable<Load>, log: Pick<Logger, 'warn'>) {
    this.#loads = loads
    this.#log = log
    this.#timer = setInterval(() => this.look(), lookMs).unref()
  }

  look(): void {
    for (const { site, kind, used, limit } of this.#loads()) {
      const name = `${kind} ${site}`
      if (used < limit * wellBelow) this.#said.delete(name)
      if (used === 0 || used < limit * nearlyFull || this.#said.has(name)) continue
      this.#said.add(name)
      this.#log.warn(
        { site, kind, used, limit, key: keys[kind] },
        'a site is nearly full: beyond its limit it answers 503',
      )
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }
}
