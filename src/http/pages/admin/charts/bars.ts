/** One bar in a field of {@link FIELD}. */
export interface Bar {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  /** What it stands for, as in `21:00: 4`. */
  readonly title: string
}

/** Width and height of the field that bars are drawn in, as the template has it. */
export const FIELD = { width: 240, height: 60 } as const

/**
 * Bars beside each other, one a number, as high as the highest of them lets them be.
 * @param full what fills the height; left out: the greatest number
 */
export function barsOf(
  numbers: ReadonlyArray<{ readonly name: string; readonly value: number; readonly says?: string }>,
  full?: number,
): readonly Bar[] {
  const most = full ?? Math.max(1, ...numbers.map(({ value }) => value))
  const step = FIELD.width / Math.max(1, numbers.length)
  const width = round(step * 0.8)
  return numbers.map(({ name, value, says }, index) => {
    // The least there is can still be seen.
    const height = value === 0 ? 0 : Math.max(2, round((value / most) * (FIELD.height - 4)))
    const x = round(index * step + step * 0.1)
    return { x, y: round(FIELD.height - height), width, height, title: `${name}: ${says ?? value}` }
  })
}

function round(number: number): number {
  return Math.round(number * 100) / 100
}
