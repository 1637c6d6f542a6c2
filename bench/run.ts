import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { type Budget, measurementsOf } from './budgets/budget.js'
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
import { areKept, figures, markdown, verdicts } from './report.js'

/**
 * Every budget of the gateway's speed, measured. A round starts everything in fresh processes, one after the other; the
 * figures are medians over the rounds. Compare within one run only: throughput is a matter of who else is on the machine,
 * the CPU time of one's own processes hardly is.
 *
 *     npm run bench -- --rounds 6 --minutes 25 --only start,nginx --quick --markdown
 */

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    /** Words, separated by commas: budgets that have one of them in their name. Can be given again. */
    only: { type: 'string', multiple: true },
    quick: { type: 'boolean', default: false },
    /** No round is begun that would not end in this time, whatever number was asked for; the first always is. */
    minutes: { type: 'string', default: '25' },
    /** At the end, the table as it stands in the README. */
    markdown: { type: 'boolean', default: false },
  },
})
const { quick } = values
const minutes = Number(values.minutes)
const rounds = Number(values.rounds ?? (quick ? 1 : 6))
const extent: Extent = quick
  ? { requests: 8000, warmup: 8000, connections: 64, seconds: 2 }
  : { requests: 16_000, warmup: 20_000, connections: 64, seconds: 4 }
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
const machine = `${cpus().length} cores (${processor?.model.trim()}), Node ${process.version}`
console.log(`${machine}; up to ${rounds} rounds of`)
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
  let longest = 0
  for (let round = 1; round <= rounds; round += 1) {
    const since = performance.now()
    if (since + longest > minutes * 60_000) {
      console.log(`Only ${round - 1} rounds, for there were no more than ${minutes} minutes.\n`)
      break
    }
    for (const measurement of measurements) {
      process.stderr.write(`round ${round} of ${rounds}: ${measurement.name}\n`)
      results.get(measurement)?.push(await measurement.run(ground))
    }
    longest = Math.max(longest, performance.now() - since)
  }
} finally {
  for (const handler of leftToDo) await handler()
}
console.log(`${figures(results)}\n\n${verdicts(budgets, results)}`)
if (values.markdown) console.log(`\n${machine}\n\n${markdown(budgets, results)}`)
if (!areKept(budgets, results)) process.exitCode = 1
