import type { Grace } from '../accounts/account.js'

/** For how long setting up a second factor can be put off; with both, what ends first ends it. */
export interface GraceSettings {
  /** From the first time it is put off. */
  readonly days?: number | undefined
  readonly signIns?: number | undefined
}

/** What a page says of it. */
export interface GraceLeft {
  readonly days?: number
  /** This one included. */
  readonly signIns?: number
}

/** What is left to somebody who signs in now; `undefined` when that is nothing. */
export function graceLeft(
  settings: GraceSettings | undefined,
  used: Grace | undefined,
  now: number,
): GraceLeft | undefined {
  if (settings === undefined) return undefined
  const until = endOf(settings, used?.from ?? now)
  const signIns = (settings.signIns ?? Number.POSITIVE_INFINITY) - (used?.signIns ?? 0)
  if (now >= until || signIns <= 0) return undefined
  return {
    ...(settings.days === undefined ? {} : { days: Math.ceil((until - now) / DAY_MS) }),
    ...(settings.signIns === undefined ? {} : { signIns }),
  }
}

/** Whether what was taken of it still holds: the last sign-in lasts as long as the days do. */
export function isWithinGrace(settings: GraceSettings | undefined, used: Grace | undefined, now: number): boolean {
  if (settings === undefined || used === undefined) return false
  return now < endOf(settings, used.from) && used.signIns <= (settings.signIns ?? Number.POSITIVE_INFINITY)
}

/** Once more. */
export function moreGrace(used: Grace | undefined, now: number): Grace {
  return { from: used?.from ?? now, signIns: (used?.signIns ?? 0) + 1 }
}

function endOf({ days }: GraceSettings, from: number): number {
  return days === undefined ? Number.POSITIVE_INFINITY : from + days * DAY_MS
}

const DAY_MS = 24 * 60 * 60_000
