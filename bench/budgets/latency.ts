import { type Measurement, on } from '../measurement.js'
import { gateWithSession } from '../sides/gateway.js'
import { direct } from '../sides/others.js'
import type { Side } from '../sides/side.js'
import type { Budget } from './budget.js'

const perSecond = 3000

function latencyOf(side: Side): Measurement {
  return {
    name: `${perSecond} requests a second, ${side.name}`,
    run: (ground) =>
      on(ground, side, async ({ program, headers }) => {
        const { connections, warmup, seconds } = ground.extent
        const target = { port: program.port, path: '/x', headers, connections }
        await ground.generator.send({ ...target, kind: 'closed', requests: warmup })
        const { p50, p99 } = await ground.generator.send({ ...target, kind: 'steady', perSecond, seconds })
        return { p50, p99 }
      }),
  }
}

const through = latencyOf(gateWithSession)
const straight = latencyOf(direct)

export const latency: readonly Budget[] = [
  {
    name: 'latency over direct at 3,000 requests a second, p50',
    of: { measurement: through, key: 'p50' },
    over: { measurement: straight, key: 'p50' },
    unit: 'ms',
    limit: { most: 0.6 },
    stretch: 0.35,
  },
  {
    name: 'latency over direct at 3,000 requests a second, p99',
    of: { measurement: through, key: 'p99' },
    over: { measurement: straight, key: 'p99' },
    unit: 'ms',
    limit: { most: 4 },
    stretch: 1.5,
  },
]
