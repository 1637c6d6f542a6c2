import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { frontDoor } from '../support/front-door.js'
import { until } from '../support/poll.js'
import type { Scope } from '../support/scope.js'

t.setTimeout(120_000)

/** Applications that close a connection they have kept when the next request comes over it (gunicorn, uvicorn, a restart). */

const open = [{ path: '/**', access: 'public' as const, line: 1 }]

interface Seen {
  readonly connection: number
  /** Of this connection, from 1. */
  readonly count: number
  readonly head: string
}

/** An application of which each request is seen, with the connection it came over. */
async function application(t: Scope, answer: (socket: Socket, seen: Seen) => void) {
  const seen: Seen[] = []
  let connections = 0
  const server = createServer((socket) => {
    connections += 1
    const connection = connections
    let [received, count] = ['', 0]
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1')
      const end = received.indexOf('\r\n\r\n')
      if (end < 0) return
      count += 1
      const one = { connection, count, head: received.slice(0, end) }
      received = ''
      seen.push(one)
      answer(socket, one)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

async function ask(port: number, method = 'GET', body?: string, headers: Record<string, string> = {}) {
  const request = httpRequest({ port, host: '127.0.0.1', path: '/x', method, headers }).end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return { status: response.statusCode, body: await text(response) }
}

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

for (const [how, close] of [
  ['ends', (socket: Socket) => socket.end()],
  ['resets', (socket: Socket) => socket.resetAndDestroy()],
] as const) {
  t.test(
    `an application that ${how} a kept connection at the next request is answered with 200 all the same`,
    async (t) => {
      const app = await application(t, (socket, { count }) => (count === 1 ? socket.write(ok) : close(socket)))
      const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
      const statuses: (number | undefined)[] = []
      for (const method of ['GET', 'GET', 'GET', 'OPTIONS', 'DELETE', 'PUT', 'PROPFIND', 'GET', 'GET', 'GET']) {
        statuses.push((await ask(door.port, method)).status)
        await nextTurn()
      }
      t.same([...new Set(statuses)], [200], statuses.join(' '))
      t.ok(
        app.seen.some(({ count }) => count === 2),
        'connections were used again',
      )
    },
  )
}

t.test('what is not idempotent, or has a body, reaches an application once', async (t) => {
  for (const [method, body] of [
    ['POST', undefined],
    ['PATCH', undefined],
    ['LOCK', undefined],
    ['PUT', 'body'],
    ['DELETE', 'body'],
  ] as const) {
    const app = await application(t, (socket, { count }) => (count === 1 ? socket.write(ok) : socket.end()))
    const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
    t.equal((await ask(door.port)).status, 200)
    await nextTurn()
    const framing: Record<string, string> = body === undefined ? {} : { 'content-length': String(body.length) }
    const answer = await ask(door.port, method, body, framing)
    t.equal(answer.status, 502, `${method} ${body ?? ''}`)
    t.match(answer.body, 'upstream.closed')
    t.equal(app.seen.filter(({ head }) => head.startsWith(method)).length, 1)
    for (let time = 0; time < 3; time += 1) {
      await nextTurn()
      t.equal((await ask(door.port, method, body, framing)).status, 200, 'from now on it gets connections that are new')
    }
  }
})

t.test('it is sent again once and no oftener, and not where anything of an answer came', async (t) => {
  let isDown = false
  const app = await application(t, (socket) => (isDown ? socket.end() : socket.write(ok)))
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
  await Promise.all([1, 2, 3].map(() => ask(door.port)))
  await nextTurn()
  isDown = true
  const before = app.seen.length
  t.match(await ask(door.port), { status: 502, body: /upstream\.closed/ })
  t.equal(app.seen.length, before + 2)
  t.equal(app.seen.at(-1)?.count, 1, 'the second time over a fresh one')
  for (const part of ['H', 'HTTP/1.1 200 OK\r\n', 'HTTP/1.1 100 Continue\r\n\r\n']) {
    const partly = await application(t, (socket, { count }) => (count === 1 ? socket.write(ok) : socket.end(part)))
    const second = await frontDoor(t, { sites: [{ upstream: partly.url, rules: open }] })
    t.equal((await ask(second.port)).status, 200)
    await nextTurn()
    t.equal((await ask(second.port)).status, 502)
    t.equal(partly.seen.length, 2, JSON.stringify(part))
  }
})

t.test('a connection is not used near the time at which the application says it closes it', async (t) => {
  for (const [said, isKept] of [
    ['timeout=0', false],
    ['timeout=5, max=0', false],
    ['timeout=1', false],
    ['timeout=60', true],
    ['timeout=5, max=100', true],
    ['nonsense', true],
  ] as const) {
    const answer = `HTTP/1.1 200 OK\r\nKeep-Alive: ${said}\r\nContent-Length: 2\r\n\r\nok`
    const app = await application(t, (socket) => socket.write(answer))
    const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
    const started = performance.now()
    await ask(door.port)
    // Over its half second: what a look from time to time has not closed must not be used either.
    if (said === 'timeout=1') await until('half a second', () => performance.now() - started > 600)
    else await nextTurn()
    await ask(door.port)
    t.equal(app.seen.at(-1)?.count, isKept ? 2 : 1, said)
  }
})
