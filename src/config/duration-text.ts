/** Seconds as the file would have them, as in `90d`. */
export function durationText(seconds: number): string {
  const [unit, length] = units.find(([, size]) => seconds % size === 0) ?? ['s', 1]
  return `${seconds / length}${unit}`
}

const units = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const
