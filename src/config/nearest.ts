/** The name somebody most likely meant, or `undefined` when none is near. Case, `-` and `_` do not count. */
export function nearest(written: string, names: Iterable<string>): string | undefined {
  if (written.length > 60) return undefined
  const folded = fold(written)
  let best: string | undefined
  let least = Math.max(1, Math.floor(folded.length / 3)) + 1
  for (const name of names) {
    const steps = distance(folded, fold(name))
    if (steps < least) {
      best = name
      least = steps
    }
  }
  return best
}

/** The name that only case, `-` and `_` tell from what is written; `undefined` where there is none. */
export function sameName(written: string, names: Iterable<string>): string | undefined {
  const folded = fold(written)
  for (const name of names) if (fold(name) === folded) return name
  return undefined
}

function fold(name: string): string {
  return name.toLowerCase().replace(/[-_]/g, '')
}

/** Letters to add, drop, change or swap with their neighbour (optimal string alignment). */
export function distance(a: string, b: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= b.length; column += 1) {
      const isSame = a[row - 1] === b[column - 1]
      const isSwap = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      current[column] = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + (isSame ? 0 : 1),
        isSwap ? (beforePrevious[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      )
    }
    beforePrevious = previous
    previous = current
  }
  return previous[b.length] ?? 0
}
