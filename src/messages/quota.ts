import type { Json, Store } from '../contracts.js'
import { GatelodgeError } from '../errors.js'

/** At most `count` in any stretch of `seconds`. */
export interface Window {
  readonly seconds: number
  readonly count: number
}

/**
 * Sliding limits, kept as the times of what was taken. A counter with a fixed start would let twice the limit through around
 * its end, and could not say when the next one is free.
 */
export class Quota {
  readonly #store: Store
  readonly #now: () => number

  constructor({ store, now }: { store: Store; now: () => number }) {
    this.#store = store
    this.#now = now
  }

  /** Seconds until one is free again; `undefined`: there is one. Takes nothing. */
  async look(key: string, windows: readonly Window[]): Promise<number | undefined> {
    return waitFor(times(await this.#store.get(key)), windows, this.#now())
  }

  /** The same, and takes it. Atomic over all processes: whoever loses the race looks again. */
  async take(key: string, windows: readonly Window[]): Promise<number | undefined> {
    const longest = Math.max(...windows.map(({ seconds }) => seconds))
    // Each lost race is somebody else's success, so it is over once the limit is reached.
    const races = 10 + 4 * Math.max(...windows.map(({ count }) => count))
    for (let race = 0; race < races; race++) {
      const now = this.#now()
      const seen = await this.#store.get(key)
      const taken = times(seen).filter((time) => now - time < longest * 1000)
      const wait = waitFor(taken, windows, now)
      if (wait !== undefined) return wait
      const next = [...taken, now]
      const won =
        seen === undefined
          ? await this.#store.add(key, next, longest)
          : await this.#store.replace(key, seen, next, longest)
      if (won) return undefined
    }
    throw new GatelodgeError('store.unavailable')
  }
}

function times(value: Json | undefined): readonly number[] {
  return Array.isArray(value) ? value.filter((time): time is number => typeof time === 'number') : []
}

/** Seconds until the oldest that counts has left each window. */
function waitFor(taken: readonly number[], windows: readonly Window[], now: number): number | undefined {
  const waits = windows.map(({ seconds, count }) => {
    const inside = taken.filter((time) => now - time < seconds * 1000).sort((a, b) => a - b)
    if (inside.length < count) return 0
    const leaving = inside[inside.length - count] ?? now
    return Math.max(1, Math.ceil((leaving + seconds * 1000 - now) / 1000))
  })
  const longest = Math.max(...waits)
  return longest === 0 ? undefined : longest
}
