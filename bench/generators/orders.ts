/** Where requests go. */
export interface Target {
  readonly port: number
  readonly path: string
  /** Said in `Host`; localhost when left out. */
  readonly host?: string | undefined
  /** More header lines, each with its line end; with several of these, requests take turns. */
  readonly headers: readonly string[]
}

/** What a generator saw. Times of single requests are in milliseconds. */
export interface Times {
  readonly requests: number
  readonly milliseconds: number
  readonly p50: number
  readonly p99: number
}

/** Sorts what it is given. */
export function percentiles(times: number[]): Omit<Times, 'milliseconds'> {
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.floor(times.length * share)] ?? 0
  return { requests: times.length, p50: at(0.5), p99: at(0.99) }
}
