import { type Figure, type Measurement, on } from '../measurement.js'
import { startSignedIn } from '../sides/gateway.js'
import type { Side } from '../sides/side.js'
import type { Budget } from './budget.js'

/**
 * Requests a second that so many workers could answer with a core each: by the CPU time of the one that had most to do. So
 * neither the generator nor the application counts, which on a small machine take the cores that the workers would need.
 */
function capacityOf(workers: number): Figure {
  const name = workers === 1 ? 'one worker' : `${workers} workers`
  const side: Side = { name, path: '/x', start: (ground) => startSignedIn(ground, { workers }) }
  const measurement: Measurement = {
    name,
    run: (ground) =>
      on(ground, side, async ({ program, headers }) => {
        // As many for each of them as for one alone.
        const connections = ground.extent.connections * workers
        const requests = ground.extent.requests * workers
        const order = { kind: 'closed' as const, port: program.port, path: side.path, headers, connections }
        await ground.generator.send({ ...order, requests: ground.extent.warmup * workers })
        const before = program.cpuSecondsEach()
        const { milliseconds } = await ground.generator.send({ ...order, requests })
        const spent = [...program.cpuSecondsEach()].map(([pid, seconds]) => seconds - (before.get(pid) ?? 0))
        return { 'req/s of a core each': requests / Math.max(...spent), 'req/s': (requests / milliseconds) * 1000 }
      }),
  }
  return { measurement, key: 'req/s of a core each' }
}

export const workers: readonly Budget[] = [
  {
    name: 'two workers / one worker, requests a second, generator excluded',
    of: capacityOf(2),
    to: capacityOf(1),
    limit: { least: 1.7 },
    stretch: 1.9,
  },
]
