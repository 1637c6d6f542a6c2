import { pairOf, sumOf } from '../measurement.js'
import { gateWithSession } from '../sides/gateway.js'
import { haproxy } from '../sides/others.js'
import type { Budget } from './budget.js'

/** Messages for one request elsewhere: they are cheap. Handshakes are not among them, the WebSockets stay open. */
const messages = 2

/** CPU seconds per 10,000 messages that went to the application and came back. */
const echo = pairOf({
  name: 'CPU s / 10,000 messages by WebSocket',
  sides: [gateWithSession, haproxy],
  turns: 2,
  work: ({ generator, extent }, _side, { program, headers }, requests) => {
    const { connections } = extent
    const order = { kind: 'echo' as const, port: program.port, path: '/x', headers, connections }
    return generator.send({ ...order, roundTrips: requests * messages })
  },
  figure: (spent, _side, { extent }) => (sumOf(spent) / (extent.requests * messages)) * 10_000,
})

export const webSocket: readonly Budget[] = [
  { name: 'WebSocket echo / HAProxy', ...echo, limit: { most: 1.3 }, stretch: 1.1 },
]
