/** A moment as a page says it, and as a program reads it. */
export interface SpokenTime {
  readonly words: string
  /** ISO 8601, for `<time datetime>`. */
  readonly iso: string
}

// Made when it is wanted: what it knows about languages takes a while to read.
let clock: Intl.DateTimeFormat | undefined

/** @param at milliseconds since 1970 */
export function spoken(at: number): SpokenTime {
  const date = new Date(at)
  clock ??= new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' })
  return { words: `${clock.format(date)} UTC`, iso: date.toISOString() }
}
