/** What a stretch of time is compared with, in words. */
const others = {
  day: 'in the same hours a week before',
  week: 'in the week before',
  month: 'in the 30 days before',
} as const

export type Period = keyof typeof others

/** As in `3 more than in the week before`. */
export function compared(count: number, before: number, period: Period): string {
  if (count === before) return `as many as ${others[period]}`
  return `${Math.abs(count - before)} ${count > before ? 'more' : 'fewer'} than ${others[period]}`
}

/** Rows of a table with a bar each, longest where there is most. */
export function rowsOf(
  counts: ReadonlyArray<{ readonly name: string; readonly count: number; readonly before: number }>,
  words: (name: string) => string,
): ReadonlyArray<{ readonly words: string; readonly count: number; readonly before: number; readonly share: number }> {
  const most = Math.max(1, ...counts.map(({ count }) => count))
  return counts.map(({ name, count, before }) => ({
    words: words(name),
    count,
    before,
    share: Math.round((count / most) * 100),
  }))
}
