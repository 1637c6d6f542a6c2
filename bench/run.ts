import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { type Budget, judge, measurementsOf, median, type Results } from './budgets/budget.js'
import { cost } from './budgets/cost.js'
import { latency } from './budgets/latency.js'
import { besideSignIns } from './budgets/sign-ins.js'
import { beginning } from './budgets/start.js'
import { transfer } from './budgets/transfer.js'
import { webSocket } from './budgets/web-socket.js'
import { workers } from './budgets/workers.js'
import { Generator } from './generator.js'
import { type Extent, Ground } from './ground.js'
import type { Figures, Measurement } from './measurement.js'

/**
 * Every budget of the gateway's speed, measured. A round starts everything in fresh processes, one after the other; the
 * figures are medians over the rounds. Compare within one run only: throughput is a matter of who else is on the machine,
 * the CPU time of one's own processes hardly is.
 *
 *     npm run bench -- --rounds 6 --only start,nginx --quick
 */

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    /** Words, separated by commas: budgets that have one of them in their name. Can be given again. */
    only: { type: 'string', multiple: true },
    quick: { type: 'boolean', default: false },
  },
})
const { quick } = values
const rounds = Number(values.rounds ?? (quick ? 1 : 6))
const extent: Extent = quick
  ? { requests: 6000, warmup: 4000, connections: 64, seconds: 2 }
  : { requests: 20_000, warmup: 10_000, connections: 64, seconds: 4 }
const words = values.only?.flatMap((list) => list.toLowerCase().split(/, *(?!\d{3})/))
const budgets: readonly Budget[] = [
  ...cost,
  ...webSocket,
  ...latency,
  ...transfer,
  ...workers,
  ...besideSignIns,
  ...beginning,
].filter(({ name }) => words?.some((word) => name.toLowerCase().includes(word)) ?? true)

if (process.platform !== 'linux') throw new Error('The bench reads what processes cost from /proc: it runs on Linux.')
const [processor] = cpus()
console.log(`${cpus().length} cores (${processor?.model.trim()}), Node ${process.version}; ${rounds} rounds of`)
console.log(`${extent.requests} requests after ${extent.warmup} to warm up, over ${extent.connections} connections.\n`)

const isThere = (budget: Budget) => measurementsOf(budget).every(({ missing }) => missing === undefined)
const measurements = new Set(budgets.filter(isThere).flatMap(measurementsOf))
const results = new Map<Measurement, Figures[]>([...measurements].map((measurement) => [measurement, []]))
const leftToDo: Array<() => unknown> = []
const scope = { teardown: (handler: () => unknown) => void leftToDo.unshift(handler) }
try {
  const generator = new Generator()
  scope.teardown(() => generator.stop())
  const ground = await Ground.open(scope, extent, generator)
  for (let round = 1; round <= rounds; round += 1) {
    for (const measurement of measurements) {
      process.stderr.write(`round ${round} of ${rounds}: ${measurement.name}\n`)
      results.get(measurement)?.push(await measurement.run(ground))
    }
  }
} finally {
  for (const handler of leftToDo) await handler()
}
printFigures(results)
if (!printBudgets(results)) process.exitCode = 1

function printFigures(results: Results): void {
  for (const [{ name }, figures] of results) {
    const each = Object.keys(figures[0] ?? {}).map((key) => {
      const numbers = figures.map((one) => one[key] ?? Number.NaN)
      return `${key} ${shown(median(numbers))} (${spread(Math.min(...numbers), Math.max(...numbers))})`
    })
    console.log(`${name.padEnd(48)} ${each.join(', ')}`)
  }
  console.log()
}

/** @returns whether all were kept */
function printBudgets(results: Results): boolean {
  let areKept = true
  for (const budget of budgets) {
    const { name, unit = '', limit, stretch } = budget
    const missing = measurementsOf(budget).find((one) => one.missing !== undefined)?.missing
    if (missing !== undefined) {
      console.log(`${name.padEnd(64)} skipped: ${missing}`)
      continue
    }
    const { median, lowest, highest, verdict } = judge(budget, results)
    const bound = 'most' in limit ? `at most ${limit.most}` : `at least ${limit.least}`
    const figure = `${shown(median)} ${unit}`.padEnd(10)
    const range = `(${spread(lowest, highest)})`.padEnd(16)
    console.log(`${name.padEnd(64)} ${figure} ${range} ${`${bound}, stretch ${stretch}:`.padEnd(28)} ${verdict}`)
    areKept &&= verdict !== 'FAIL'
  }
  return areKept
}

function shown(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(3)
}

function spread(lowest: number, highest: number): string {
  return `${shown(lowest)} to ${shown(highest)}`
}
