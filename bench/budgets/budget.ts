import type { Figure, Figures, Measurement } from '../measurement.js'

/** A promise of speed: one number, or two of them against each other, and what it may be. */
export interface Budget {
  readonly name: string
  readonly of: Figure
  /** What it is divided by, or what is taken off it. */
  readonly to?: Figure
  readonly over?: Figure
  readonly unit?: string
  /** `most` where less is better. */
  readonly limit: { readonly most: number } | { readonly least: number }
  readonly stretch: number
}

export type Results = ReadonlyMap<Measurement, readonly Figures[]>

export interface Outcome {
  readonly median: number
  readonly lowest: number
  readonly highest: number
  readonly verdict: 'pass (stretch)' | 'pass' | 'FAIL'
}

export function measurementsOf({ of, to, over }: Budget): Measurement[] {
  return [of, to, over].flatMap((figure) => figure?.measurement ?? [])
}

/** Of each round by itself, for what the machine did meanwhile was done to both sides; then the median of the rounds. */
export function judge(budget: Budget, results: Results): Outcome {
  const [of, to, over] = [budget.of, budget.to, budget.over].map((figure) => figure && valuesOf(figure, results))
  const each = (of ?? []).map((value, round) => (value - (over?.[round] ?? 0)) / (to?.[round] ?? 1))
  const middle = median(each)
  return { median: middle, lowest: Math.min(...each), highest: Math.max(...each), verdict: verdictOn(middle, budget) }
}

function verdictOn(value: number, { limit, stretch }: Budget): Outcome['verdict'] {
  const isWithin = (bound: number) => ('most' in limit ? value <= bound : value >= bound)
  if (isWithin(stretch)) return 'pass (stretch)'
  return isWithin('most' in limit ? limit.most : limit.least) ? 'pass' : 'FAIL'
}

export function valuesOf({ measurement, key }: Figure, results: Results): number[] {
  return (results.get(measurement) ?? []).map((figures) => figures[key] ?? Number.NaN)
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  if (sorted.length % 2 === 1) return sorted[middle] ?? Number.NaN
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
}
