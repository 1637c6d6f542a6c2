/** A moment as a page says it, and as a program reads it. */
export interface SpokenTime {
  readonly words: string
  /** ISO 8601, for `<time datetime>`. */
  readonly iso: string
}

const clock = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' })

/** @param at milliseconds since 1970 */
export function spoken(at: number): SpokenTime {
  const date = new Date(at)
  return { words: `${clock.format(date)} UTC`, iso: date.toISOString() }
}
