import type { Ground } from '../ground.js'
import { type Figures, type Measurement, on, type Pair, pairOf } from '../measurement.js'
import { gateWithSession } from '../sides/gateway.js'
import { nginx } from '../sides/others.js'
import type { Started } from '../sides/side.js'
import type { Budget } from './budget.js'

const megabyte = 1_000_000
const paths = { down: '/bytes', up: '/x' } as const

function send({ generator }: Ground, { program, headers }: Started, direction: 'down' | 'up', megabytes: number) {
  const { port } = program
  const bytes = megabytes * megabyte
  return generator.send({ kind: 'transfer', direction, bytes, port, path: paths[direction], headers })
}

const turns = 6

/** MB/s of bodies of 100 MB, one at a time. */
function throughput(direction: 'down' | 'up'): Pair {
  return pairOf({
    name: `MB/s, 100 MB ${direction}`,
    sides: [gateWithSession, nginx],
    turns,
    work: (ground, _side, started) => send(ground, started, direction, 100),
    figure: (_spent, _side, _ground, milliseconds) => (turns * 100) / (milliseconds / 1000),
  })
}

/**
 * How far resident memory rises above where it stood, while 1 GB passes; down, the client takes nothing for a second in
 * the middle.
 */
const growth: Measurement = {
  name: '1 GB',
  run: (ground) => on(ground, gateWithSession, (started) => measureGrowth(ground, started)),
}

async function measureGrowth(ground: Ground, started: Started): Promise<Figures> {
  const { program, headers } = started
  const { warmup, connections } = ground.extent
  const { port } = program
  await ground.generator.send({ kind: 'closed', port, path: '/x', headers, connections, requests: warmup })
  const figures: Record<string, number> = {}
  for (const direction of ['down', 'up'] as const) {
    await send(ground, started, direction, 50)
    program.forgetPeak()
    const before = program.memoryMiB()
    const more = { bytes: 1000 * megabyte, path: paths[direction], pauseAt: 500 * megabyte }
    await ground.generator.send({ kind: 'transfer', direction, port, headers, ...more })
    figures[`${direction} MiB`] = program.peakMiB() - before
  }
  return figures
}

export const transfer: readonly Budget[] = [
  {
    name: '100 MB down, MB/s to nginx',
    ...throughput('down'),
    limit: { least: 0.55 },
    stretch: 0.8,
  },
  {
    name: '100 MB up, MB/s to nginx',
    ...throughput('up'),
    limit: { least: 1 },
    stretch: 1.5,
  },
  {
    name: '1 GB down: gateway memory growth',
    of: { measurement: growth, key: 'down MiB' },
    unit: 'MiB',
    limit: { most: 32 },
    stretch: 8,
  },
  {
    name: '1 GB up: gateway memory growth',
    of: { measurement: growth, key: 'up MiB' },
    unit: 'MiB',
    limit: { most: 32 },
    stretch: 8,
  },
]
