import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Child } from './child.js'
import type { LoadOrder, LoadReport } from './load.js'

/**
 * What a request costs: CPU seconds of the measured process per 10,000 requests, and requests a second. Every round starts
 * every side in a fresh process, in turn; the figures are medians over the rounds. Compare within one run only.
 */

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '6' },
    requests: { type: 'string', default: '30000' },
    warmup: { type: 'string', default: '15000' },
    connections: { type: 'string', default: '64' },
    only: { type: 'string' },
  },
})
const rounds = Number(values.rounds)
const requests = Number(values.requests)
const warmup = Number(values.warmup)
const connections = Number(values.connections)

interface Side {
  readonly name: string
  readonly process: string
  readonly args?: readonly string[]
  readonly path: string
  readonly sendsCookie?: boolean
  /** More header lines, each with its line end. */
  readonly says?: string
}

/** What Caddy and Traefik say when they ask. */
const question =
  'X-Forwarded-Method: GET\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: localhost\r\n' +
  'X-Forwarded-Uri: /x?y=1\r\nX-Forwarded-For: 192.0.2.1\r\n'

const sides: readonly Side[] = [
  { name: 'upstream alone (Node http)', process: 'upstream', path: '/x' },
  { name: 'Fastify hello world', process: 'fastify-hello', path: '/x' },
  { name: 'bare @fastify/http-proxy', process: 'bare-proxy', path: '/x' },
  { name: 'gate, public rule', process: 'gate', path: '/public/x' },
  { name: 'gate, session', process: 'gate', path: '/x', sendsCookie: true },
  { name: 'gate, session, 1,000 rules', process: 'gate', args: ['1000'], path: '/x', sendsCookie: true },
  { name: 'forward-auth', process: 'gate', path: '/.gatelodge/forward-auth', sendsCookie: true, says: question },
]

interface Budget {
  readonly of: string
  readonly to: string
  readonly most: number
  readonly stretch: number
}

const budgets: readonly Budget[] = [
  { of: 'gate, session', to: 'bare @fastify/http-proxy', most: 0.7, stretch: 0.45 },
  { of: 'gate, session', to: 'gate, public rule', most: 1.1, stretch: 1.05 },
  { of: 'gate, session, 1,000 rules', to: 'gate, session', most: 1.05, stretch: 1.01 },
  { of: 'forward-auth', to: 'Fastify hello world', most: 1.3, stretch: 1.1 },
]

interface Figures {
  readonly cpuPer10k: number
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  readonly memoryMiB: number
}

async function load(generator: ChildProcess, order: LoadOrder): Promise<LoadReport> {
  generator.send(order)
  const [report] = (await once(generator, 'message')) as [LoadReport]
  if (report.failures > 0) throw new Error(`${report.failures} answers were not 200`)
  return report
}

async function measure(side: Side, upstreamPort: number): Promise<Figures> {
  const child = await Child.start(side.process, String(upstreamPort), ...(side.args ?? []))
  const generator = fork(fileURLToPath(new URL('./load.js', import.meta.url)))
  try {
    const headers = (side.sendsCookie === true ? child.headers : '') + (side.says ?? '')
    const order = { port: child.port, path: side.path, headers, connections }
    await load(generator, { ...order, requests: warmup })
    const before = await child.usage()
    const report = await load(generator, { ...order, requests })
    const after = await child.usage()
    return {
      cpuPer10k: ((after.cpuSeconds - before.cpuSeconds) / report.requests) * 10_000,
      perSecond: (report.requests / report.milliseconds) * 1000,
      p50: report.p50,
      p99: report.p99,
      memoryMiB: after.memoryMiB,
    }
  } finally {
    generator.kill()
    await child.stop()
  }
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  if (sorted.length % 2 === 1) return sorted[middle] ?? 0
  return ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

function print(results: ReadonlyMap<string, readonly Figures[]>): boolean {
  const middle = (name: string, figure: keyof Figures) => median((results.get(name) ?? []).map((f) => f[figure]))
  const base = middle('bare @fastify/http-proxy', 'cpuPer10k')
  const row = (cells: readonly (string | number)[]) =>
    console.log(cells.map((cell, at) => (at === 0 ? String(cell).padEnd(30) : String(cell).padStart(12))).join(''))
  row(['', 'CPU s/10k', 'to bare', 'req/s', 'p50 ms', 'p99 ms', 'MiB'])
  for (const name of results.keys()) {
    const cpu = middle(name, 'cpuPer10k')
    const rest = (['perSecond', 'p50', 'p99', 'memoryMiB'] as const).map((figure) => middle(name, figure))
    const [perSecond = 0, p50 = 0, p99 = 0, memory = 0] = rest
    row([
      name,
      cpu.toFixed(3),
      (cpu / base).toFixed(2),
      perSecond.toFixed(0),
      p50.toFixed(2),
      p99.toFixed(2),
      memory.toFixed(0),
    ])
  }
  console.log()
  let kept = true
  for (const { of, to, most, stretch } of budgets) {
    if (!results.has(of) || !results.has(to)) continue
    const ratio = middle(of, 'cpuPer10k') / middle(to, 'cpuPer10k')
    const verdict = ratio <= stretch ? 'pass (stretch)' : ratio <= most ? 'pass' : 'FAIL'
    if (ratio > most) kept = false
    console.log(`${`${of} / ${to}`.padEnd(54)} ${ratio.toFixed(3)}  at most ${most}, stretch ${stretch}: ${verdict}`)
  }
  return kept
}

const chosen = sides.filter(({ name }) => values.only === undefined || new RegExp(values.only).test(name))
console.log(
  `${rounds} rounds of ${requests} requests after ${warmup}, ${connections} connections, Node ${process.version}, ${cpus().length} cores\n`,
)
const results = new Map<string, Figures[]>(chosen.map(({ name }) => [name, []]))
const upstream = await Child.start('upstream')
try {
  for (let round = 1; round <= rounds; round += 1) {
    for (const side of chosen) results.get(side.name)?.push(await measure(side, upstream.port))
    process.stderr.write(`round ${round} of ${rounds}\n`)
  }
} finally {
  await upstream.stop()
}
if (!print(results)) process.exitCode = 1
