import { type Figure, type Measurement, on } from '../measurement.js'
import { gateWithSession } from '../sides/gateway.js'
import { haproxy } from '../sides/others.js'
import type { Side } from '../sides/side.js'
import type { Budget } from './budget.js'

/** CPU seconds per 10,000 messages that went to the application and came back. */
function echoThrough(side: Side): Figure {
  const measurement: Measurement = {
    name: `WebSocket echo, ${side.name}`,
    missing: side.missing,
    run: (ground) =>
      on(ground, side, async ({ program, headers }) => {
        const { connections, warmup, requests } = ground.extent
        const order = { kind: 'echo' as const, port: program.port, path: '/x', headers, connections }
        await ground.generator.send({ ...order, roundTrips: warmup })
        const before = program.cpuSeconds()
        const { milliseconds, p50, p99 } = await ground.generator.send({ ...order, roundTrips: requests })
        const seconds = program.cpuSeconds() - before
        return { 'CPU s/10k': (seconds / requests) * 10_000, 'req/s': (requests / milliseconds) * 1000, p50, p99 }
      }),
  }
  return { measurement, key: 'CPU s/10k' }
}

export const webSocket: readonly Budget[] = [
  {
    name: 'WebSocket echo / HAProxy',
    of: echoThrough(gateWithSession),
    to: echoThrough(haproxy),
    limit: { most: 1.3 },
    stretch: 1.1,
  },
]
