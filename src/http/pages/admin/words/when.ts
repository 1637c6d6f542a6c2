import { spoken } from '../../account/words.js'

/** A moment as a page of the desk says it: how long ago where that is not long, in UTC to whoever points at it. */
export interface When {
  /** As in `2 minutes ago`, or the whole date. */
  readonly said: string
  /** Whether {@link said} is how long ago it was: a script adds the reader's own clock time. */
  readonly isRelative: boolean
  /** As in `21 November 2026 at 21:40 UTC`. */
  readonly words: string
  /** ISO 8601, for `<time datetime>`. */
  readonly iso: string
}

/** @param at and now: milliseconds since 1970 */
export function when(at: number, now: number): When {
  const { words, iso } = spoken(at)
  const ago = agoOf(now - at)
  return { said: ago ?? words, isRelative: ago !== undefined, words, iso }
}

/** Of less than a day. What is to come, and what is longer ago, is told by its date. */
function agoOf(ms: number): string | undefined {
  if (ms < 0 || ms >= DAY_MS) return undefined
  if (ms < MINUTE_MS) return 'just now'
  const minutes = Math.floor(ms / MINUTE_MS)
  if (minutes < 60) return minutes === 1 ? '1 minute ago' : `${minutes} minutes ago`
  const hours = Math.floor(minutes / 60)
  return hours === 1 ? '1 hour ago' : `${hours} hours ago`
}

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
