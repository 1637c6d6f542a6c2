/** The value in the middle; of an even number the lower one of the two. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? Number.NaN
}

/**
 * How often one of `left` is larger than one of `right`, ties by half: the statistic of Mann and Whitney as a share of
 * all pairs. Both alike give 0.5, however skewed their values are; 0 and 1 mean that they do not even overlap.
 */
export function shareLarger(left: readonly number[], right: readonly number[]): number {
  let larger = 0
  for (const a of left) for (const b of right) larger += a > b ? 1 : a === b ? 0.5 : 0
  return larger / (left.length * right.length)
}
