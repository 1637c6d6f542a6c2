import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { acceptanceOf } from '../../src/http/web-sockets/frames.js'
import { application } from '../support/front-door.js'
import { type RunningGateway, startGateway } from '../support/gateway.js'
import { quickest, tableVariable, tell } from './table.js'

t.setTimeout(400_000)

/** 10,000 in `npm run faults`, as far as this process may have as many open files; fewer beside other tests. */
const wanted = process.env[tableVariable] === undefined ? 1000 : 10_000
const openFiles = Number(/Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 1024)
const idle = Math.min(wanted, openFiles - 500)
/** One end of each at the client and one at the application, both here. */
const sockets = Math.min(wanted, Math.floor((openFiles - 500) / 2))

const memoryOf = (gateway: RunningGateway) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${gateway.pid()}/status`, 'utf8'))?.[1] ?? 0)

async function gatewayFor(t: Test, url: string) {
  return startGateway(t, {
    yaml: `
publicUrl: http://localhost
sites: [{ upstream: "${url}", rules: [{ path: /**, access: public }], limits: { webSockets: 20000 } }]
limits: { connections: 20000 }
log: { level: error }
`,
  })
}

/** That many connections, a hundred at a time: each says its words and waits until it is answered. */
async function openMany(t: Test, port: number, count: number, words: string, answer: string): Promise<Socket[]> {
  const open: Socket[] = []
  t.teardown(() => {
    for (const socket of open) socket.destroy()
  })
  while (open.length < count) {
    const some = Array.from({ length: Math.min(100, count - open.length) }, () => oneMore(port, words, answer))
    open.push(...(await Promise.all(some)))
  }
  return open
}

function oneMore(port: number, words: string, answer: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(words))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`closed after: ${text.slice(0, 200)}`)))
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (text.includes(answer)) resolve(socket)
    })
  })
}

const beside = (gateway: RunningGateway) =>
  quickest(5, async () => {
    const { statusCode, body } = await request(`http://127.0.0.1:${gateway.port}/x`)
    await body.dump()
    return statusCode
  })

t.test(`${idle} idle connections: the next request is as quick as ever`, async (t) => {
  const app = await application(t, (_request, response) => response.end('end of answer'))
  const gateway = await gatewayFor(t, app.url)
  await openMany(t, gateway.port, 100, 'GET / HTTP/1.1\r\nHost: h\r\n\r\n', 'end of answer')
  const before = memoryOf(gateway)
  const open = await openMany(t, gateway.port, idle, 'GET / HTTP/1.1\r\nHost: h\r\n\r\n', 'end of answer')
  const each = (memoryOf(gateway) - before) / idle
  const next = await beside(gateway)
  t.equal(next.value, 200)
  t.ok(each < 64, `${each} KB a connection`)
  t.ok(open.every((socket) => !socket.destroyed))
  tell(t, {
    fault: `${idle} idle connections`,
    saw: '200',
    answerMs: next.ms,
    promisedMs: 1000,
    more: `${each.toFixed(1)} KB of memory each`,
  })
})

t.test(`${sockets} open WebSockets: the next request is as quick as ever`, async (t) => {
  const app = await application(t, (_request, response) => response.end('x'))
  const inside: Socket[] = []
  t.teardown(() => {
    for (const socket of inside) socket.destroy()
  })
  app.server.on('upgrade', ({ headers }: IncomingMessage, socket: Socket) => {
    inside.push(socket)
    socket.on('error', () => {})
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptanceOf(headers['sec-websocket-key'] ?? '')}\r\n\r\n`,
    )
  })
  const gateway = await gatewayFor(t, app.url)
  const handshake =
    'GET /socket HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
  await openMany(t, gateway.port, 50, handshake, '101 Switching')
  const before = memoryOf(gateway)
  const count = sockets - 50
  const open = await openMany(t, gateway.port, count, handshake, '101 Switching')
  const each = (memoryOf(gateway) - before) / count
  const next = await beside(gateway)
  t.equal(next.value, 200)
  t.ok(each < 128, `${each} KB a WebSocket`)
  t.ok(open.every((socket) => !socket.destroyed))
  tell(t, {
    fault: `${sockets} open WebSockets`,
    saw: '200',
    answerMs: next.ms,
    promisedMs: 1000,
    more: `${each.toFixed(1)} KB of memory each`,
  })
})
