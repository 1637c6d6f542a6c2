import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import t from 'tap'
import { acceptanceOf } from '../../src/http/web-sockets/frames.js'
import { application } from '../support/front-door.js'
import { startGateway } from '../support/gateway.js'
import { until } from '../support/poll.js'
import { RawSocket } from '../support/raw-socket.js'
import { quickest, tell } from './table.js'

t.setTimeout(120_000)

t.test('a client that takes nothing of its answer loses its place; one that waits for an event does not', async (t) => {
  let abandoned = false
  const streams: ServerResponse[] = []
  const app = await application(t, (request, response) => {
    if (request.url === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
      streams.push(response)
    } else if (request.url === '/large') {
      response.on('close', () => {
        abandoned = true
      })
      response.end(Buffer.alloc(64 * 1024 * 1024))
    } else response.end('well')
  })
  const rules = '[{ path: /**, access: public }]'
  const gateway = await startGateway(t, {
    yaml: `
publicUrl: http://localhost
sites:
  - { host: one.example, upstream: "${app.url}", rules: ${rules}, limits: { connections: 1 } }
  - { host: events.example, upstream: "${app.url}", rules: ${rules} }
limits: { sendTimeout: 1s }
`,
  })
  const events = await RawSocket.open(t, gateway.port)
  events.write('GET /events HTTP/1.1\r\nHost: events.example\r\n\r\n')
  await events.untilReceived('data: 1')
  const stuck = await RawSocket.open(t, gateway.port)
  stuck.pause()
  stuck.write('GET /large HTTP/1.1\r\nHost: one.example\r\n\r\n')
  await until('its answer to be abandoned', () => abandoned)
  const after = await quickest(5, async () => {
    const next = await RawSocket.open(t, gateway.port)
    next.write('GET /x HTTP/1.1\r\nHost: one.example\r\nConnection: close\r\n\r\n')
    return next.untilClosed()
  })
  t.match(after.value, /^HTTP\/1\.1 200/, 'the place is free')
  await until('the log to say so', () => gateway.logs().includes('took nothing'))
  const left = new Promise((resolve) => {
    app.server.on('upgrade', (request: IncomingMessage, socket: Socket) => {
      socket.on('error', () => {}).on('close', resolve)
      const accept = acceptanceOf(request.headers['sec-websocket-key'] ?? '')
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      )
      socket.write(Buffer.alloc(64 * 1024 * 1024))
    })
  })
  const deaf = await RawSocket.open(t, gateway.port)
  deaf.pause()
  deaf.write(
    'GET /socket HTTP/1.1\r\nHost: one.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  await left
  for (const stream of streams) stream.end('data: 2\n\n')
  await events.untilReceived('data: 2')
  const more = 'its place is free; a WebSocket it does not read is cut, an event stream that says nothing is not'
  tell(t, { fault: 'a client that takes nothing of its answer', saw: 'cut, others 200', answerMs: after.ms, more })
})
