import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t from 'tap'
import { UpstreamConnection, UpstreamTimeout } from '../../src/http/upstream/upstream-connection.js'
import { until } from '../support/poll.js'

const [minute, hour] = [60_000, 3_600_000]

t.test('an answer that has begun may be silent for longer than it may take to begin', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const errors: Error[] = []
  let received = ''
  const connection = new UpstreamConnection(
    {
      ...{ host: '127.0.0.1', port: (server.address() as AddressInfo).port, isTls: false, serverName: 'x' },
      ...{ certificateAuthority: undefined, connectMs: minute, headMs: minute, bodyIdleMs: hour },
    },
    {
      onReady: (ready) => ready.send('GET', 'GET / HTTP/1.1\r\n\r\n'),
      onHead: () => {},
      onBody: (piece) => {
        received += piece.toString()
      },
      onEnd: () => {},
      onError: (error) => errors.push(error),
    },
    { onFree: () => {}, onClosed: () => {} },
  )
  t.teardown(() => connection.destroy())
  await until('the first event', () => received.includes('data: one'))
  connection.look(performance.now() + 30 * minute)
  t.same(errors, [], 'head and event came in one piece, and then nothing for half an hour')
  connection.look(performance.now() + hour + minute)
  t.ok(errors[0] instanceof UpstreamTimeout, 'nothing at all for longer than it may')
})
