import type { ServerResponse } from 'node:http'
import t from 'tap'
import { application, type FrontDoor, frontDoor } from '../support/front-door.js'
import { until } from '../support/poll.js'
import { RawSocket } from '../support/raw-socket.js'
import type { Scope } from '../support/scope.js'

t.setTimeout(120_000)

/** Streams that never end must not take the places of pages: 256 open tabs, and every page was 503. */

const open = [{ path: '/**', access: 'public' as const, line: 1 }]

async function ask(t: Scope, { port }: FrontDoor, path: string) {
  const socket = await RawSocket.open(t, port)
  socket.write(`GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`)
  const status = Number(/ (\d{3})/.exec(await socket.untilReceived(/^HTTP\/1\.1 \d{3}/))?.[1])
  return { socket, status }
}

for (const type of ['text/event-stream; charset=utf-8', 'multipart/x-mixed-replace; boundary=x']) {
  t.test(`${type} is counted apart: pages go on, and its own limit holds`, async (t) => {
    const streams: ServerResponse[] = []
    const app = await application(t, (request, response) => {
      if (request.url !== '/stream') return void response.end('page')
      streams.push(response)
      response.writeHead(200, { 'content-type': type }).write('data: 1\n\n')
    })
    const limits = { connections: 2, eventStreams: 3 }
    const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open, limits }] })
    const first = []
    for (let time = 0; time < 3; time += 1) first.push(await ask(t, door, '/stream'))
    t.same(
      first.map(({ status }) => status),
      [200, 200, 200],
    )
    const pages = await Promise.all(Array.from({ length: 10 }, () => ask(t, door, '/page')))
    t.same([...new Set(pages.map(({ status }) => status))], [200])
    const beyond = await ask(t, door, '/stream')
    t.equal(beyond.status, 503)
    t.match(await beyond.socket.untilReceived('upstream.busy'), /retry-after/i)
    await until('the application to be told', () => streams.at(-1)?.destroyed === true)
    first[0]?.socket.reset()
    await until('a place', () => streams[0]?.destroyed === true)
    await until('the next stream', async () => (await ask(t, door, '/stream')).status === 200)
    streams[1]?.end()
    await first[1]?.socket.untilReceived(/\r\n0\r\n\r\n$/)
    t.equal((await ask(t, door, '/stream')).status, 200, 'one that ended by itself has left its place')
    t.equal((await ask(t, door, '/page')).status, 200)
    t.same(
      [...door.applications.loads()].map(({ kind, used }) => [kind, used]),
      [
        ['requests', 0],
        ['event-streams', 3],
      ],
    )
  })
}

t.test('at four fifths the log says so, once, with the key that helps', async (t) => {
  const app = await application(t, (request, response) => {
    if (request.url === '/stream') response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
  })
  const limits = { connections: 5, eventStreams: 5 }
  const door = await frontDoor(t, { sites: [{ host: 'h', upstream: app.url, rules: open, limits }] })
  const said = (kind: string) => door.log.filter((line) => line.includes('nearly full') && line.includes(`"${kind}"`))
  const sockets: RawSocket[] = []
  const hang = async (path: string) => {
    const before = app.requests.length
    const socket = await RawSocket.open(t, door.port)
    socket.write(`GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`)
    sockets.push(socket)
    await until('it to arrive', () => app.requests.length > before)
    if (path === '/stream') await socket.untilReceived('data: 1')
  }
  for (let time = 0; time < 4; time += 1) await hang('/poll')
  await until('a word about requests', () => said('requests').length > 0)
  t.match(said('requests')[0], /"site":"h".*"used":4,"limit":5,"key":"limits\.connections"/)
  t.same(said('event-streams'), [])
  for (let time = 0; time < 5; time += 1) await hang('/stream')
  await until('a word about streams', () => said('event-streams').length > 0)
  t.match(said('event-streams')[0], /"key":"limits\.eventStreams"/)
  t.equal(said('requests').length, 1)
  for (const socket of sockets) socket.reset()
  await until('all to be gone', () => [...door.applications.loads()].every(({ used }) => used === 0))
})
