import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import t from 'tap'
import { Listener } from '../../src/http/listener/listener.js'
import { StalledConnections } from '../../src/http/listener/stalled-connections.js'
import { acceptanceOf } from '../../src/http/web-sockets/frames.js'
import { application, type FrontDoor, type FrontDoorInput, frontDoor } from '../support/front-door.js'
import { until, untilStill } from '../support/poll.js'
import { RawSocket } from '../support/raw-socket.js'
import type { Scope } from '../support/scope.js'

/** Looks that something may wait with nothing taken; the first only sees that it waits. */
const patience = 12

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`
const upgrade =
  'GET /socket HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'

interface Watched {
  readonly door: FrontDoor
  look(times: number): void
  /** Clients that were cut. */
  cut(): number
  /** Whether something waits for a client. */
  waits(): boolean
  /** Bytes that clients have taken. */
  taken(): number
}

/** A front door whose connections are looked at when the test says so. */
async function watched(t: Scope, url: string, more: Partial<FrontDoorInput> = {}): Promise<Watched> {
  const rules = [{ path: '/**', access: 'public' as const, line: 1 }]
  const door = await frontDoor(t, { sites: [{ upstream: url, rules, limits: { connections: 1 } }], ...more })
  let cut = 0
  const stalled = new StalledConnections(Number.POSITIVE_INFINITY, (clients) => {
    cut += clients
  })
  const sockets: Socket[] = []
  door.fastify.server.on('connection', (socket: Socket) => {
    sockets.push(socket)
    stalled.watch(socket)
  })
  const look = (times: number) => {
    for (let time = 0; time < times; time += 1) stalled.look()
  }
  const waits = () => sockets.some(({ writableLength }) => writableLength > 0)
  const taken = () => sockets.reduce((sum, { bytesWritten, writableLength }) => sum + bytesWritten - writableLength, 0)
  return { door, look, cut: () => cut, waits, taken }
}

/** Writes without end, as fast as it is taken; how many bytes so far is told. */
function pour(into: ServerResponse | Socket): () => number {
  const piece = Buffer.alloc(64 * 1024)
  let written = 0
  const more = () => {
    while (!into.destroyed) {
      written += piece.length
      if (!into.write(piece)) return void into.once('drain', more)
    }
  }
  more()
  return () => written
}

t.test('a client that takes nothing of its answer is cut, and its place at the application is free', async (t) => {
  let poured = () => 0
  let closed = false
  const app = await application(t, (request, response) => {
    if (request.url !== '/endless') return void response.end('well')
    poured = pour(response)
    response.on('close', () => {
      closed = true
    })
  })
  const { door, look, cut, waits } = await watched(t, app.url)
  const client = await RawSocket.open(t, door.port)
  client.pause()
  client.write(get('/endless'))
  await untilStill('the answer to stand', () => poured())
  await until('something to wait', waits)
  look(patience)
  t.equal(cut(), 0)
  // What it says meanwhile does not help it.
  client.write(get('/another'))
  look(1)
  t.equal(cut(), 1)
  await until('the application to hear that nobody wants the answer', () => closed)
  const next = await RawSocket.open(t, door.port)
  next.write(get('/next'))
  await next.untilReceived('well')
  client.resume()
  t.notMatch((await client.untilClosed()).slice(-10), /0\r\n\r\n$/, 'no client takes it for a whole answer')
})

t.test('a client that takes a little now and then is never cut', async (t) => {
  let poured = () => 0
  const app = await application(t, (_request, response) => {
    poured = pour(response)
  })
  const { door, look, cut, taken } = await watched(t, app.url)
  const client = await RawSocket.open(t, door.port)
  client.pause()
  client.write(get('/endless'))
  for (let round = 0; round < 4; round += 1) {
    await untilStill('the answer to stand', () => poured())
    look(patience - 1)
    const before = taken()
    client.resume()
    await until('it to take some', () => taken() > before)
    client.pause()
  }
  t.equal(cut(), 0)
})

t.test('an answer that nothing of waits is never cut, however long it says nothing', async (t) => {
  const streams: ServerResponse[] = []
  const app = await application(t, (request, response) => {
    if (request.url === '/events') response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
    streams.push(response)
  })
  const { door, look, cut } = await watched(t, app.url, {
    sites: [{ upstream: app.url, rules: [{ path: '/**', access: 'public', line: 1 }] }],
  })
  const events = await RawSocket.open(t, door.port)
  events.write(get('/events'))
  await events.untilReceived('data: 1')
  const poll = await RawSocket.open(t, door.port)
  poll.write(get('/poll'))
  await until('both to wait', () => streams.length === 2)
  look(5 * patience)
  for (const stream of streams) stream.end('data: 2\n\n')
  await events.untilReceived('data: 2')
  await poll.untilReceived('data: 2')
  t.equal(cut(), 0)
})

t.test('a WebSocket whose client takes nothing ends on both sides, and gives its place up', async (t) => {
  const inside: Socket[] = []
  let poured = () => 0
  const app = await application(t)
  app.server.on('upgrade', ({ headers }: IncomingMessage, socket: Socket) => {
    inside.push(socket)
    socket.on('error', () => {})
    socket.write(agreed(headers))
    poured = pour(socket)
  })
  const { door, look } = await watched(t, app.url, { tunnelLimits: { total: 1 } })
  const client = await RawSocket.open(t, door.port)
  client.pause()
  client.write(upgrade)
  await untilStill('the application to stand', () => poured())
  // A client that goes on sending takes nothing all the same.
  client.write(Buffer.from([0x89, 0x80, 1, 2, 3, 4]))
  await until('the application to hear of it', () => {
    look(patience + 1)
    return inside[0]?.destroyed
  })
  t.equal(door.fastify.passages.count(), 0)
})

t.test('a WebSocket whose application takes nothing ends on both sides, and gives its place up', async (t) => {
  const inside: Socket[] = []
  const app = await application(t)
  app.server.on('upgrade', ({ headers }: IncomingMessage, socket: Socket) => {
    inside.push(socket)
    socket.on('error', () => {})
    socket.pause()
    socket.write(agreed(headers))
  })
  const { door, look } = await watched(t, app.url, { tunnelLimits: { sendMs: 600 } })
  const idle = await RawSocket.open(t, door.port)
  idle.write(upgrade)
  await idle.untilReceived('101 Switching')
  const client = await RawSocket.open(t, door.port)
  client.write(upgrade)
  await client.untilReceived('101 Switching')
  client.write(Buffer.alloc(32 * 1024 * 1024))
  await client.untilClosed()
  await until('its place to be free', () => door.fastify.passages.count() === 1)
  look(patience + 1)
  t.equal(idle.state(), 'open', 'one that nobody says anything on stays')
  for (const socket of inside) socket.destroy()
})

t.test('the door cuts by itself, with what its limits say now, and tells how many', async (t) => {
  const server = createServer((_request, response) => response.end(Buffer.alloc(32 * 1024 * 1024)))
  const limits = { connections: 100, connectionsPerAddress: 100, requests: 100, proxies: [] }
  let cut = 0
  const door = new Listener(
    server,
    { ...limits, sendMs: Number.POSITIVE_INFINITY },
    {
      prefix: '/.gatelodge',
      onCut: (clients) => {
        cut += clients
      },
    },
  )
  const { port } = new URL(await door.listen({ host: '127.0.0.1', port: 0 }))
  t.teardown(() => {
    door.cut()
    return door.close()
  })
  const client = await RawSocket.open(t, Number(port))
  client.pause()
  client.write(get('/'))
  door.leadTo(server, { ...limits, sendMs: 600 })
  await until('it to be cut', () => cut === 1)
})

t.test('what is closed is watched no more', async (t) => {
  const stalled = new StalledConnections(60_000)
  const server = createServer((_request, response) => response.end('well'))
  server.on('connection', (socket) => {
    stalled.watch(socket)
    stalled.watch(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const client = await RawSocket.open(t, (server.address() as { port: number }).port)
  client.write(get('/'))
  await client.untilReceived('well')
  t.equal(stalled.size, 1)
  client.reset()
  await until('it to be forgotten', () => stalled.size === 0)
})

function agreed({ 'sec-websocket-key': key = '' }: IncomingMessage['headers']): string {
  return (
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
    `Sec-WebSocket-Accept: ${acceptanceOf(key)}\r\n\r\n`
  )
}
