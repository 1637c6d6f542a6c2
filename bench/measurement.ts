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

const costs = new Map<Side, Measurement>()

/** CPU seconds of the side's own processes per 10,000 requests, as `cpu`; measured once, whoever asks. */
export function cpuOf(side: Side): Figure {
  const known = costs.get(side)
  const measurement: Measurement = known ?? {
    name: side.name,
    missing: side.missing,
    run: (ground) => on(ground, side, (started) => cost(ground, side, started)),
  }
  costs.set(side, measurement)
  return { measurement, key: 'CPU s/10k' }
}

async function cost({ generator, extent }: Ground, { path }: Side, { program, headers }: Started): Promise<Figures> {
  const { connections, warmup, requests } = extent
  const order = { kind: 'closed' as const, port: program.port, path, headers, connections }
  await generator.send({ ...order, requests: warmup })
  const before = program.cpuSeconds()
  const { milliseconds, p50, p99 } = await generator.send({ ...order, requests })
  const seconds = program.cpuSeconds() - before
  return { 'CPU s/10k': (seconds / requests) * 10_000, 'req/s': (requests / milliseconds) * 1000, p50, p99 }
}
