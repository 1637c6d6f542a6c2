import type { Scope } from './scope.js'

const everyMs = 20

/**
 * A stopwatch for promises like "within two seconds": it counts turns of this process's event loop, so it stands still
 * while the machine gives the processor to others, and never runs ahead of the clock.
 * @returns milliseconds since, in steps of 20
 */
export function ownTime(t: Scope): () => number {
  let turns = 0
  const timer = setInterval(() => {
    turns += 1
  }, everyMs)
  t.teardown(() => clearInterval(timer))
  return () => turns * everyMs
}
