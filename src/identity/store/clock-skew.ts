/** By so much the clocks of two gateways may differ, ms. */
const TOLERATED_MS = 5 * 60_000

/**
 * Whether something began when it cannot have: made while a clock was wrong, it would last until long after its time once
 * the clock is right again.
 */
export function isFromTheFuture(began: number, now: number): boolean {
  return began - now > TOLERATED_MS
}
