/** One network as a form has it: three fields and a place in the order. */
export interface NetworkRow {
  /** CIDR ranges, separated by spaces. */
  readonly range: string
  /** `allow`, `deny`, or empty. */
  readonly access: string
  /** `required`, `not-required`, or empty. */
  readonly secondFactor: string
}

/** Longer lists are edited as text: a form of ours is 16 KiB. */
export const MOST_ROWS = 60

/** @param value the setting as the file would have it */
export function rowsOfNetworks(value: unknown): readonly NetworkRow[] {
  if (!Array.isArray(value)) return []
  return value.map((entry: unknown) => {
    const { range, access, secondFactor } = (typeof entry === 'object' && entry !== null ? entry : {}) as {
      readonly [name: string]: unknown
    }
    return { range: [range ?? []].flat().join(' '), access: word(access), secondFactor: word(secondFactor) }
  })
}

/**
 * What was filled in, in the order of its places; rows without a range are left out, which is how one is removed.
 * @param field reads a field of the form, empty where there is none
 */
export function typedRows(field: (name: string) => string): readonly NetworkRow[] {
  const rows = Array.from({ length: MOST_ROWS + 1 }, (_, index) => ({
    place: Number.parseFloat(field(`place-${index}`)) || index + 1,
    row: {
      range: field(`range-${index}`).trim(),
      access: field(`access-${index}`),
      secondFactor: field(`factor-${index}`),
    },
  }))
  return rows
    .filter(({ row }) => row.range !== '')
    .sort((a, b) => a.place - b.place)
    .map(({ row }) => row)
}

/** The setting as JSON, which the file takes as well. */
export function networksText(rows: readonly NetworkRow[]): string {
  return JSON.stringify(
    rows.map(({ range, access, secondFactor }) => ({
      range: range.split(/[\s,]+/).filter(Boolean),
      ...(access === '' ? {} : { access }),
      ...(secondFactor === '' ? {} : { secondFactor }),
    })),
  )
}

function word(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
