/** How much may be guessed, and how long to wait after it. Times in ms. */

export interface PasswordFailures {
  readonly failures: number
  /** When the last one was. */
  readonly at: number
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
export const PASSWORD = { free: 4, longestMs: 15 * MINUTE, perNetworkAndMinute: 20 }
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

/** Until this network may try again; 0: it may now. */
export function networkWaitMs(tries: NetworkTries, now: number): number {
  const running = tries.filter((at) => at > now - MINUTE)
  return running.length >= PASSWORD.perNetworkAndMinute ? (running[0] ?? now) + MINUTE - now : 0
}
