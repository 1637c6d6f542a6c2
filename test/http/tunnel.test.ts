import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { FrameBoundary } from '../../src/http/web-sockets/frames.js'
import { type Application, application, frontDoor, token } from '../support/front-door.js'
import { localhostCertificate } from '../support/localhost-certificate.js'
import { ownTime } from '../support/own-time.js'
import { until, untilStill } from '../support/poll.js'
import { RawSocket, rawExchange } from '../support/raw-socket.js'
import type { Scope } from '../support/scope.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

/** Upgrades: each test opens with the attack. */

const rules = [{ path: '/public/**', access: 'public' as const, line: 3 }]
const cookie = `gatelodge=${token}`
const key = 'AAAAAAAAAAAAAAAAAAAAAA=='
const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
const handshake = (path: string, more = '') =>
  `GET ${path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n${more}\r\n`
const statusOf = (text: string) => Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1])

/** An application that sends every message back. */
async function echo(t: Scope): Promise<Application & { readonly sockets: WebSocketServer }> {
  const app = await application(t)
  const sockets = new WebSocketServer({ server: app.server })
  sockets.on('connection', (socket, request) => {
    app.requests.push(request)
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
    socket.on('error', () => {})
  })
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    sockets.close()
  })
  return { ...app, sockets }
}

async function open(t: Scope, port: number, path: string, headers: Record<string, string> = {}): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers })
  t.teardown(() => socket.terminate())
  await once(socket, 'open')
  return socket
}

t.test('a WebSocket of somebody who is signed in works both ways, and the application knows who it is', async (t) => {
  const app = await echo(t)
  const door = await frontDoor(t, { sites: [{ upstream: app.url, identity: 'remote-user', rules }] })
  const origin = `http://127.0.0.1:${door.port}`
  const socket = await open(t, door.port, '/chat?room=1', {
    cookie: `a=1; ${cookie}`,
    origin,
    'remote-user': 'root',
    x_remote_user: 'root',
  })
  socket.send('hello')
  const [message] = await once(socket, 'message')
  t.equal(String(message), 'hello')
  const large = randomBytes(3_000_000)
  socket.send(large)
  const [back] = await once(socket, 'message')
  t.ok(large.equals(back as Buffer))
  const seen = app.requests[0]
  t.equal(seen?.url, '/chat?room=1')
  t.equal(seen?.headers.cookie, 'a=1')
  t.equal(seen?.headers.origin, origin)
  t.strictSame(seen?.headersDistinct['remote-user'], ['bob'])
  t.equal(seen?.headers['x-forwarded-for'], '127.0.0.1')
  t.equal(seen?.headers.x_remote_user, undefined)
  socket.close(4001, 'done')
  const [code] = await once(socket, 'close')
  t.equal(code, 4001, 'the close goes there and back unread')
})

t.test(
  'an upgrade that may not pass gets a plain answer, and nothing after it is ever read (invariant 3)',
  async (t) => {
    const app = await echo(t)
    const door = await frontDoor(t, {
      sites: [{ upstream: app.url, rules: [...rules, { path: '/no/**', access: 'deny', line: 4 }] }],
    })
    const after = 'GET /public/after HTTP/1.1\r\nHost: h\r\n\r\n'
    for (const [bytes, status] of [
      [handshake('/private'), 401],
      [handshake('/no/x', `Cookie: ${cookie}\r\n`), 403],
      [handshake('/public/../x'), 400],
      [handshake('/.gatelodge/x'), 404],
      [handshake('/public/x', 'Host: again\r\n'), 400],
      [handshake('/public/x', 'Content-Length: 5\r\n'), 400],
      [handshake('/public/x', 'Sec-WebSocket-Key: BBBBBBBBBBBBBBBBBBBBBB==\r\n'), 400],
      [handshake('/public/x', 'Origin: https://evil.example\r\n'), 403],
    ] as const) {
      const { text, state } = await rawExchange(t, door.port, bytes + after)
      t.equal(statusOf(text), status, JSON.stringify(bytes.slice(0, 30)))
      t.equal(text.split('HTTP/1.1').length, 2, 'one answer')
      t.not(state, 'open')
    }
    t.equal(app.requests.length, 0)
  },
)

t.test('another site cannot open a WebSocket with the cookies of this one (CWE-1385)', async (t) => {
  const app = await echo(t)
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules, origins: ['https://friend.example'] }] })
  const ask = async (more: string, path = '/x') =>
    statusOf((await rawExchange(t, door.port, handshake(path, `Cookie: ${cookie}\r\n${more}`), 500)).text)
  for (const origin of [
    'https://evil.example',
    'null',
    'http://h.evil.example',
    'http://h:81',
    'https://evil.example/h',
    'file://',
    'http://h@evil.example',
    'http://evil.example#h',
    '',
  ]) {
    t.equal(await ask(`Origin: ${origin}\r\n`), 403, origin)
  }
  t.equal(await ask('Origin: https://evil.example\r\n', '/public/x'), 403, 'on public paths too')
  t.equal(await ask('Sec-Fetch-Site: cross-site\r\n'), 403, 'a browser whose Origin was taken away')
  t.equal(await ask('Origin: http://h\r\nOrigin: https://evil.example\r\n'), 403, 'two of them')
  for (const origin of ['http://h', 'http://H', 'http://h:80', 'https://h', 'https://friend.example']) {
    t.equal(await ask(`Origin: ${origin}\r\n`), 101, origin)
  }
  t.equal(await ask(''), 101, 'what is no browser sends none')
})

t.test('the client hears of 101 only when the application has agreed', async (t) => {
  const app = await application(t)
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules }], tunnelLimits: { handshakeMs: 300 } })
  app.server.on('upgrade', (request, socket: Socket) => {
    if (request.url === '/public/no')
      socket.end(
        'HTTP/1.1 426 Upgrade Required\r\nX-Why: version\r\nSet-Cookie: gatelodge=x\r\nContent-Length: 2\r\n\r\nno',
      )
    if (request.url === '/public/liar')
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: AAAA\r\n\r\n',
      )
    if (request.url === '/public/dead') socket.destroy()
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
  })
  const after = 'GET /public/smuggled HTTP/1.1\r\nHost: h\r\n\r\n'
  const no = await rawExchange(t, door.port, handshake('/public/no') + after)
  t.match(no.text, /^HTTP\/1\.1 426 [\s\S]*X-Why: version[\s\S]*no$/)
  t.notMatch(no.text, /gatelodge=x/)
  t.not(no.state, 'open')
  t.equal(statusOf((await rawExchange(t, door.port, handshake('/public/liar') + after)).text), 502)
  t.equal(statusOf((await rawExchange(t, door.port, handshake('/public/dead') + after)).text), 502)
  t.equal(statusOf((await rawExchange(t, door.port, handshake('/public/silent') + after)).text), 504)
  t.equal(app.requests.length, 0, 'what followed was never a request')
})

t.test('frames sent ahead of the answer arrive after it, and nowhere else', async (t) => {
  const app = await application(t)
  const arrived: Buffer[] = []
  app.server.on('upgrade', (_request, socket: Socket, head: Buffer) => {
    arrived.push(head)
    socket.on('data', (chunk) => arrived.push(chunk))
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\nEARLY`,
    )
    t.teardown(() => socket.destroy())
  })
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules }] })
  const socket = await RawSocket.open(t, door.port)
  socket.write(`${handshake('/public/x')}AHEAD`)
  t.match(await socket.untilReceived('EARLY'), /^HTTP\/1\.1 101 [\s\S]*\r\n\r\nEARLY$/)
  await until('what was sent ahead', () => Buffer.concat(arrived).toString() === 'AHEAD')
})

t.test('one pipelined upgrade, or a reset in the middle of a decision, kills no process', async (t) => {
  const app = await echo(t)
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules }] })
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  door.beforeFind = () => held
  const slow = await RawSocket.open(t, door.port)
  slow.write(`GET /private HTTP/1.1\r\nHost: h\r\nCookie: gatelodge=x\r\n\r\n${handshake('/public/x')}`)
  await slow.untilClosed()
  const left = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const socket = await RawSocket.open(t, door.port)
      socket.write(handshake('/private', `Cookie: ${cookie}\r\n`))
      return socket
    }),
  )
  for (const socket of left) socket.reset()
  door.beforeFind = undefined
  release()
  const socket = await open(t, door.port, '/public/x')
  socket.send('alive')
  await once(socket, 'message')
  await until('those that left to be forgotten', () => app.sockets.clients.size === 1)
})

t.test('h2c is never passed on, and the request is answered as if it had not been asked for', async (t) => {
  const app = await application(t)
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules }] })
  const h2c =
    'Connection: Upgrade, HTTP2-Settings, keep-alive\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n'
  const socket = await RawSocket.open(t, door.port)
  socket.write(`POST /public/x HTTP/1.1\r\nHost: h\r\n${h2c}Content-Length: 5\r\n\r\nhello`)
  t.match(await socket.untilReceived('POST /public/x'), /^HTTP\/1\.1 200 /)
  socket.write('GET /public/y HTTP/1.1\r\nHost: h\r\n\r\n')
  await socket.untilReceived('GET /public/y')
  for (const { headers } of app.requests) {
    t.equal(headers.upgrade, undefined)
    t.equal(headers['http2-settings'], undefined)
  }
  const refused = await rawExchange(
    t,
    door.port,
    `GET /private HTTP/1.1\r\nHost: h\r\n${h2c}\r\nGET /public/z HTTP/1.1\r\nHost: h\r\n\r\n`,
  )
  t.equal(statusOf(refused.text), 401)
  const twice = await rawExchange(
    t,
    door.port,
    'GET /public/two HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c, websocket\r\n\r\n',
    500,
  )
  t.equal(statusOf(twice.text), 200)
  t.strictSame(
    app.requests.map(({ url }) => url),
    ['/public/x', '/public/y', '/public/two'],
  )
})

t.test('when a session ends its WebSockets end within two seconds, others stay (invariant 6)', async (t) => {
  const app = await echo(t)
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules }] })
  const mine = await open(t, door.port, '/x', { cookie })
  const other = await open(t, door.port, '/public/x')
  door.sessions.delete(token)
  const since = ownTime(t)
  const [code] = await once(mine, 'close')
  t.equal(code, 1008)
  t.ok(since() < 2000)
  other.send('still here')
  await once(other, 'message')
  await until('the application to be told', () => app.sockets.clients.size === 1)
})

t.test('a WebSocket whose session ends while a frame is under way is closed between two frames', async (t) => {
  const boundary = new FrameBoundary()
  const frames = Buffer.concat([
    Buffer.from([0x81, 2, 1, 2]),
    Buffer.from([0x82, 126, 0x01, 0x00]),
    Buffer.alloc(256),
    Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    Buffer.alloc(65536),
    Buffer.from([0x81, 0x82, 1, 2, 3, 4, 5, 6]),
    Buffer.from([0x89, 0]),
  ])
  const ends = new Set([4, 264, 65810, 65818, 65820])
  for (let at = 0; at < frames.length; at += 1) {
    boundary.see(frames.subarray(at, at + 1))
    if (boundary.isBetweenFrames !== ends.has(at + 1)) t.fail(`byte ${at}`)
  }
  const whole = new FrameBoundary()
  whole.see(frames)
  t.ok(whole.isBetweenFrames)
  whole.see(frames.subarray(0, 3))
  t.notOk(whole.isBetweenFrames)
})

t.test(
  'an https application is verified before it is asked for a WebSocket, and large messages come back whole',
  async (t) => {
    const server = createTlsServer(localhostCertificate)
    const sockets = new WebSocketServer({ server })
    sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => {
      for (const socket of sockets.clients) socket.terminate()
      server.close()
    })
    const ca = join(await temporaryDirectory(t), 'ca.pem')
    writeFileSync(ca, localhostCertificate.cert)
    const upstream = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
    const door = await frontDoor(t, {
      sites: [
        { host: 'known', upstream, rules, upstreamTls: { ca } },
        { host: 'stranger', upstream, rules },
      ],
    })
    const refused = handshake('/public/x').replace('Host: h', 'Host: stranger')
    t.equal(statusOf((await rawExchange(t, door.port, refused, 500)).text), 502)
    const socket = await open(t, door.port, '/public/x', { host: 'known' })
    const large = randomBytes(1_000_000)
    socket.send(large)
    t.ok(large.equals((await once(socket, 'message'))[0] as Buffer))
  },
)

t.test('limits: per site, per session, in all', async (t) => {
  const app = await echo(t)
  const door = await frontDoor(t, {
    sites: [{ upstream: app.url, rules, limits: { webSockets: 3 } }],
    tunnelLimits: { perSession: 1, total: 10 },
  })
  const mine = await open(t, door.port, '/x', { cookie })
  const ask = async (path: string, more = '') => {
    const { text } = await rawExchange(t, door.port, handshake(path, more), 500)
    return [statusOf(text), /^retry-after: \d+/m.test(text)]
  }
  t.strictSame(await ask('/x', `Cookie: ${cookie}\r\n`), [503, true])
  await open(t, door.port, '/public/1')
  await open(t, door.port, '/public/2')
  t.strictSame(await ask('/public/3'), [503, true])
  mine.close()
  await once(mine, 'close')
  await until('room', async () => (await ask('/public/3'))[0] === 101)
})

t.test('who opens and closes again and again uses no place up, by what way each of them ends', async (t) => {
  const app = await echo(t)
  const door = await frontDoor(t, {
    sites: [{ upstream: app.url, rules, limits: { webSockets: 2 } }],
    tunnelLimits: { perSession: 1 },
  })
  for (let round = 0; round < 5; round += 1) {
    const socket = await open(t, door.port, '/x', { cookie })
    if (round % 2 === 0) socket.terminate()
    else for (const far of app.sockets.clients) far.terminate()
    await once(socket, 'close')
    await until('its place is free', () => door.fastify.passages.count() === 0)
  }
  await open(t, door.port, '/x', { cookie })
})

t.test('on shutdown WebSockets are told 1001, and closing does not wait for ever', async (t) => {
  const app = await echo(t)
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules }] })
  const polite = await open(t, door.port, '/public/x')
  const deaf = await RawSocket.open(t, door.port)
  deaf.write(handshake('/public/deaf'))
  await deaf.untilReceived('101')
  const idle = await RawSocket.open(t, door.port)
  idle.write('GET /public/x HTTP/1.1\r\nHost: h\r\n\r\n')
  await idle.untilReceived('200')
  const closed = once(polite, 'close')
  const since = ownTime(t)
  await door.fastify.close()
  t.ok(since() < 4000)
  t.equal((await closed)[0], 1001)
})

t.test('a side that does not read holds the other back: memory stays bounded', async (t) => {
  const app = await echo(t)
  let sent = 0
  app.sockets.on('connection', (socket) => {
    const chunk = Buffer.alloc(64 * 1024)
    const more = () => {
      if (socket.bufferedAmount < 1_000_000 && sent < 200_000_000) {
        socket.send(chunk)
        sent += chunk.length
      }
      if (socket.readyState === WebSocket.OPEN) setImmediate(more)
    }
    more()
  })
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules }] })
  const socket = await RawSocket.open(t, door.port)
  socket.pause()
  socket.write(handshake('/public/x'))
  await untilStill('the application to be held back', () => sent)
  t.ok(sent < 40_000_000, `${sent} bytes`)
})

t.test('large messages beside each other keep to their own bytes, while some clients read slowly', async (t) => {
  const app = await application(t)
  const applicationSide = new WebSocketServer({ server: app.server, perMessageDeflate: false })
  // Too much for what the machine itself keeps for a connection: a part waits in the gateway.
  const messages = Array.from({ length: 4 }, () => randomBytes(20_000_000))
  applicationSide.on('connection', (socket) => {
    t.teardown(() => socket.terminate())
    socket.on('message', (at) => socket.send(messages[Number(at)] ?? ''))
  })
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules }] })
  const sockets = await Promise.all(messages.map((_, at) => open(t, door.port, `/public/${at}`)))
  const arrivals = sockets.map((socket) => once(socket, 'message'))
  const isSlow = (at: number) => at % 2 === 0
  sockets.forEach((socket, at) => {
    if (isSlow(at)) socket.pause()
    socket.send(String(at))
  })
  const compare = async (at: number) => {
    const [message] = (await arrivals[at]) ?? []
    t.ok(messages[at]?.equals(message as Buffer), `message ${at}`)
  }
  await Promise.all(messages.map((_, at) => (isSlow(at) ? undefined : compare(at))))
  for (const socket of sockets) socket.resume()
  await Promise.all(messages.map((_, at) => compare(at)))
})

t.test('an application that closes without a word closes the client, and the other way round', async (t) => {
  const app = await echo(t)
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules }] })
  const one = await open(t, door.port, '/public/1')
  for (const socket of app.sockets.clients) socket.terminate()
  t.equal((await once(one, 'close'))[0], 1006)
  const two = await open(t, door.port, '/public/2')
  const there = [...app.sockets.clients][0]
  two.terminate()
  await once(there as WebSocket, 'close')
  t.pass()
})

t.test('an application that is not there is a 502 with nothing of its address', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  const door = await frontDoor(t, { sites: [{ upstream: `http://127.0.0.1:${port}`, rules }] })
  const { text } = await rawExchange(t, door.port, handshake('/public/x'))
  t.equal(statusOf(text), 502)
  t.notMatch(text, new RegExp(String(port)))
})
