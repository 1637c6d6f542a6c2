import type { Times } from './generators/orders.js'
import type { Ground } from './ground.js'
import type { Side, Started } from './sides/side.js'

/** Numbers by name, of one round. */
export type Figures = Readonly<Record<string, number>>

/** Something that is measured once a round, in processes that were started for it. */
export interface Measurement {
  readonly name: string
  readonly missing?: string | undefined
  run(ground: Ground): Promise<Figures>
}

/** One of the numbers of a measurement. */
export interface Figure {
  readonly measurement: Measurement
  readonly key: string
}

/** Runs the work on a side that is started for it, and stopped after it. */
export async function on<Result>(ground: Ground, side: Side, work: (started: Started) => Promise<Result>) {
  const started = await side.start(ground)
  try {
    return await work(started)
  } finally {
    await started.program.stop()
  }
}

/** The same number of two sides, of one round: what a budget divides. */
export interface Pair {
  readonly of: Figure
  readonly to: Figure
}

/** CPU seconds that each process of a side spent, by id. */
type Spent = ReadonlyMap<number, number>

/**
 * Two sides at the same work, in turns: whatever else the machine does in a round, it does to both.
 * @param work done once to warm a side up, at `extent.warmup`, and then in each turn, at `extent.requests`
 * @param figure what a side gets for what its processes spent in all turns together, and for how long those took
 */
export function pairOf(parts: {
  readonly name: string
  readonly sides: readonly [of: Side, to: Side]
  readonly turns: number
  readonly work: (ground: Ground, side: Side, started: Started, requests: number) => Promise<Times>
  readonly figure: (spent: Spent, side: Side, ground: Ground, milliseconds: number) => number
}): Pair {
  const { name, sides, turns, work, figure } = parts
  const [of, to] = sides
  const run = (ground: Ground) =>
    on(ground, of, (first) =>
      on(ground, to, async (second) => {
        const both = [
          { side: of, started: first, spent: new Map<number, number>(), milliseconds: 0 },
          { side: to, started: second, spent: new Map<number, number>(), milliseconds: 0 },
        ]
        for (const { side, started } of both) await work(ground, side, started, ground.extent.warmup)
        for (let turn = 0; turn < turns; turn += 1) {
          for (const each of both) {
            const { side, started, spent } = each
            const before = started.program.cpuSecondsEach()
            each.milliseconds += (await work(ground, side, started, ground.extent.requests / turns)).milliseconds
            for (const [pid, seconds] of started.program.cpuSecondsEach()) {
              spent.set(pid, (spent.get(pid) ?? 0) + seconds - (before.get(pid) ?? 0))
            }
          }
        }
        return Object.fromEntries(
          both.map(({ side, spent, milliseconds }) => [side.name, figure(spent, side, ground, milliseconds)]),
        )
      }),
    )
  const measurement = { name, missing: of.missing ?? to.missing, run }
  return { of: { measurement, key: of.name }, to: { measurement, key: to.name } }
}

/** CPU seconds of each side's own processes per 10,000 requests. */
export function costsOf(of: Side, to: Side): Pair {
  return pairOf({
    name: `CPU s / 10,000 requests, ${to.name}`,
    sides: [of, to],
    turns: 4,
    work: ({ generator, extent }, { path, host }, { program, headers }, requests) =>
      generator.send({
        kind: 'closed',
        port: program.port,
        path,
        host,
        headers,
        connections: extent.connections,
        requests,
      }),
    figure: (spent, _side, { extent }) => (sumOf(spent) / extent.requests) * 10_000,
  })
}

export function sumOf(spent: Spent): number {
  return [...spent.values()].reduce((sum, each) => sum + each, 0)
}
