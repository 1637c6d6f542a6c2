import { type Budget, judge, measurementsOf, median, type Results } from './budgets/budget.js'

/** What was measured, number by number. */
export function figures(results: Results): string {
  const lines = [...results].map(([{ name }, rounds]) => {
    const each = Object.keys(rounds[0] ?? {}).map((key) => {
      const numbers = rounds.map((one) => one[key] ?? Number.NaN)
      return `${key} ${shown(median(numbers))} (${spread(Math.min(...numbers), Math.max(...numbers))})`
    })
    return `${name.padEnd(56)} ${each.join(', ')}`
  })
  return lines.join('\n')
}

/** One line for each budget: what was measured, over which range, what it may be, and whether it is. */
export function verdicts(budgets: readonly Budget[], results: Results): string {
  const lines = budgets.map((budget) => {
    const row = rowOf(budget, results)
    if ('missing' in row) return `${row.name.padEnd(64)} skipped: ${row.missing}`
    const { name, figure, range, bound, stretch, verdict } = row
    return `${name.padEnd(64)} ${figure.padEnd(10)} ${`(${range})`.padEnd(18)} ${`${bound}, aim ${stretch}:`.padEnd(24)} ${verdict}`
  })
  return lines.join('\n')
}

/** The same as a table for the README. */
export function markdown(budgets: readonly Budget[], results: Results): string {
  const lines = budgets.map((budget) => {
    const row = rowOf(budget, results)
    if ('missing' in row) return `| ${row.name} | not measured | | | |`
    const { name, figure, range, bound, stretch, verdict } = row
    return `| ${name} | ${figure} (${range}) | ${bound} | ${stretch} | ${words[verdict]} |`
  })
  return ['| budget | measured (lowest to highest) | bound | aim | kept |', '|---|---|---|---|---|', ...lines].join(
    '\n',
  )
}

const words = { 'pass (stretch)': 'yes, and the aim', pass: 'yes', FAIL: '**no**' } as const

export function areKept(budgets: readonly Budget[], results: Results): boolean {
  const measured = budgets.filter((budget) => measurementsOf(budget).every(({ missing }) => missing === undefined))
  return measured.every((budget) => judge(budget, results).verdict !== 'FAIL')
}

function rowOf(budget: Budget, results: Results) {
  const { name, unit, limit, stretch } = budget
  const missing = measurementsOf(budget).find((one) => one.missing !== undefined)?.missing
  if (missing !== undefined) return { name, missing }
  const { median, lowest, highest, verdict } = judge(budget, results)
  return {
    name,
    figure: unit === undefined ? shown(median) : `${shown(median)} ${unit}`,
    range: spread(lowest, highest),
    bound: 'most' in limit ? `at most ${limit.most}` : `at least ${limit.least}`,
    stretch,
    verdict,
  }
}

function shown(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(3)
}

function spread(lowest: number, highest: number): string {
  return `${shown(lowest)} to ${shown(highest)}`
}
