import { pairOf } from '../measurement.js'
import { startSignedIn } from '../sides/gateway.js'
import type { Side } from '../sides/side.js'
import type { Budget } from './budget.js'

/** As many connections and requests for each of them as for one alone. */
function withWorkers(workers: number): Side & { readonly workers: number } {
  const name = workers === 1 ? 'one worker' : `${workers} workers`
  return { name, path: '/x', workers, start: (ground) => startSignedIn(ground, { workers }) }
}

const [one, two] = [withWorkers(1), withWorkers(2)]
const workersOf = (side: Side) => (side === two ? two.workers : one.workers)

/**
 * Requests a second that so many workers could answer with a core each: by the CPU time of the one that had most to do. So
 * neither the generator nor the application counts, which on a small machine take the cores that the workers would need.
 * Every connection sends as many requests as every other: else a worker that others kept from its core for a while would
 * leave its requests to the other one, and the figure would say who was kept.
 */
const capacity = pairOf({
  name: 'requests/s with a core for each worker',
  sides: [two, one],
  turns: 4,
  work: ({ generator, extent }, side, { program, headers }, requests) => {
    const connections = extent.connections * workersOf(side)
    const order = { kind: 'closed' as const, port: program.port, path: side.path, headers, connections }
    return generator.send({ ...order, requests: requests * workersOf(side), isEven: true })
  },
  figure: (spent, side, { extent }) => (extent.requests * workersOf(side)) / Math.max(...spent.values()),
})

export const workers: readonly Budget[] = [
  {
    name: 'two workers / one worker, requests a second, generator excluded',
    ...capacity,
    limit: { least: 1.7 },
    stretch: 1.9,
  },
]
