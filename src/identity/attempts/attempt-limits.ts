import { timesOf } from '../../messages/network-steps.js'

/** How much may be guessed, and how long to wait after it. Times in ms. */

export interface PasswordFailures {
  /** Of late, for the delay: a day without one, and they begin anew. */
  readonly failures: number
  /** When the last one was. */
  readonly at: number
  /** Since the last right password, however long ago. Left out in records of an earlier version: as many as `failures`. */
  readonly inARow?: number
}

/** When each try of the last minute was. */
export type NetworkTries = readonly number[]

export interface SecondStepTries {
  /** When each try of the last 24 hours was. */
  readonly tries: readonly number[]
  /** How often the account was blocked in this time. */
  readonly blocks: number
  readonly blockedAt: number
  readonly blockedUntil: number
}

export const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
export const DAY_SECONDS = DAY / 1000
/** `mostInARow`: NIST SP 800-63B-4, 3.2.2, allows no more than 100 consecutive failures on one account. */
export const PASSWORD = { free: 4, longestMs: 15 * MINUTE, perNetworkAndMinute: 20, mostInARow: 100 }
export const SECOND_STEP = {
  burst: 5,
  windowMs: 15 * MINUTE,
  blocksMs: [15 * MINUTE, 30 * MINUTE, 60 * MINUTE],
  perDay: 20,
}
export const NONE: SecondStepTries = { tries: [], blocks: 0, blockedAt: 0, blockedUntil: 0 }

/** How long after this many failures the next try has to wait. */
export function delayMs(failures: number): number {
  return failures <= PASSWORD.free ? 0 : Math.min(1000 * 2 ** (failures - PASSWORD.free - 1), PASSWORD.longestMs)
}

/** With one more, which counts until it turns out to be right. */
export function failedAgain(past: PasswordFailures | undefined, now: number): PasswordFailures {
  const failures = past === undefined || now >= past.at + DAY ? 0 : past.failures
  return { failures: failures + 1, at: now, inARow: inARow(past) + 1 }
}

/** Without the last one, which was not judged. */
export function notFailed(past: PasswordFailures): PasswordFailures {
  return { ...past, failures: Math.max(0, past.failures - 1), inARow: Math.max(0, inARow(past) - 1) }
}

export function inARow(past: PasswordFailures | undefined): number {
  return past?.inARow ?? past?.failures ?? 0
}

/** Whether no more passwords are judged until somebody proves in another way who they are. */
export function isLocked(past: PasswordFailures | undefined): boolean {
  return inARow(past) >= PASSWORD.mostInARow
}

/** How long this many have to be waited out now, ms; 0 and less: not at all. */
export function passwordWaitMs(past: PasswordFailures | undefined, now: number): number {
  return past === undefined ? 0 : past.at + delayMs(past.failures) - now
}

/**
 * How long a count is kept after its last failure. Names are typed by anybody, also such as nobody has, so a short count goes
 * after a month: who pauses for a month after every nine has a hundred guesses a year.
 */
export function keptSeconds(failures: PasswordFailures): number {
  return (inARow(failures) < KEPT_LONG_FROM ? 30 : LOCKED_DAYS) * DAY_SECONDS
}

const KEPT_LONG_FROM = 10
const LOCKED_DAYS = 400
export const LOCKED_SECONDS = LOCKED_DAYS * DAY_SECONDS

export function today(past: SecondStepTries | undefined, now: number): SecondStepTries {
  if (past === undefined) return NONE
  const tries = past.tries.filter((at) => at > now - DAY)
  return tries.length === 0 && past.blockedUntil <= now ? NONE : { ...past, tries }
}

/** Tries since the last block began, as far as the window reaches. */
export function recent({ tries, blockedAt }: SecondStepTries, now: number): number {
  return tries.filter((at) => at > now - SECOND_STEP.windowMs && at > blockedAt).length
}

export function secondStepWaitMs({ tries, blockedUntil }: SecondStepTries, now: number): number {
  const oldest = tries.length >= SECOND_STEP.perDay ? (tries[0] ?? now) + DAY : 0
  return Math.max(blockedUntil, oldest) - now
}

export function tried(past: SecondStepTries, now: number): SecondStepTries {
  const after = { ...past, tries: [...past.tries, now] }
  if (recent(after, now) < SECOND_STEP.burst) return after
  const { blocksMs } = SECOND_STEP
  const blockMs = blocksMs[Math.min(past.blocks, blocksMs.length - 1)] ?? DAY
  return { ...after, blocks: past.blocks + 1, blockedAt: now, blockedUntil: now + blockMs }
}

export function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000))
}

/** Until this network may try again; 0: it may now. A wider IPv6 network has more tries than a /64. */
export function networkWaitMs(network: string, tries: NetworkTries, now: number): number {
  const running = tries.filter((at) => at > now - MINUTE)
  const limit = PASSWORD.perNetworkAndMinute * timesOf(network)
  return running.length >= limit ? (running[running.length - limit] ?? now) + MINUTE - now : 0
}
