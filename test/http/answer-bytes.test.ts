import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t from 'tap'
import { frontDoor } from '../support/front-door.js'
import { until } from '../support/poll.js'
import { rawExchange } from '../support/raw-socket.js'
import type { Scope } from '../support/scope.js'

t.setTimeout(120_000)

/** The bytes of an application's head are passed as they came: raw UTF-8 is legal there (obs-text, RFC 9110, 5.5). */

const open = [{ path: '/**', access: 'public' as const, line: 1 }]

/** Latin-1 text of which each character is a byte of the UTF-8. */
const bytesOf = (text: string) => Buffer.from(text).toString('latin1')

async function answering(t: Scope, head: string, body = 'hello') {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    socket.on('data', (chunk) =>
      socket.write(`${head}\r\n\r\n${String(chunk).startsWith('HEAD') ? '' : body}`, 'latin1'),
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const upstream = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const door = await frontDoor(t, { sites: [{ upstream, rules: open }] })
  const get = async (method = 'GET') =>
    (await rawExchange(t, door.port, `${method} /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`)).text
  return { get, log: door.log }
}

for (const name of ['отчёт.pdf', 'Rechnung für März.pdf', '請求書.pdf', '😀.txt'].map(bytesOf)) {
  t.test(`a download whose name is raw UTF-8: ${name}`, async (t) => {
    const disposition = `Content-Disposition: attachment; filename="${name}"`
    for (const framing of ['Content-Length: 5', 'Transfer-Encoding: chunked']) {
      const body = framing.startsWith('T') ? '5\r\nhello\r\n0\r\n\r\n' : 'hello'
      for (const headers of [`${framing}\r\n${disposition}`, `${disposition}\r\n${framing}`]) {
        const app = await answering(t, `HTTP/1.1 200 OK\r\nX-A: 1\r\n${headers}`, body)
        for (const method of ['GET', 'HEAD']) {
          const text = await app.get(method)
          t.match(text, /^HTTP\/1\.1 200 OK\r\n/)
          t.ok(text.includes(`\r\n${disposition}\r\n`), `${method}, ${headers.slice(0, 12)}`)
        }
      }
    }
  })
}

t.test(
  'bytes beyond ASCII keep in every header and the reason, also of an answer that begins without a body',
  async (t) => {
    const every = String.fromCharCode(...Array.from({ length: 0x80 }, (_, at) => 0x80 + at))
    const server = createServer((socket) => {
      t.teardown(() => socket.destroy())
      socket.on('data', () =>
        socket.write(
          `HTTP/1.1 200 ${bytesOf('schön')}\r\nContent-Type: text/event-stream\r\nX-All: ${every}\r\nSet-Cookie: a=${every}\r\n\r\n`,
          'latin1',
        ),
      )
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => server.close())
    const upstream = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const door = await frontDoor(t, { sites: [{ upstream, rules: open }] })
    const { text } = await rawExchange(t, door.port, 'GET /x HTTP/1.1\r\nHost: h\r\n\r\n', 500)
    t.ok(text.startsWith(`HTTP/1.1 200 ${bytesOf('schön')}\r\n`), text)
    t.ok(text.includes(`X-All: ${every}\r\n`))
    t.ok(text.includes(`Set-Cookie: a=${every}\r\n`))
  },
)

t.test('a control character costs the answer that header and no more; CR, LF and NUL make it none', async (t) => {
  for (const control of ['\x01', '\x0b', '\x1b', '\x7f']) {
    const app = await answering(t, `HTTP/1.1 200 O${control}K\r\nX-Odd: a${control}b\r\nX-Even: 1\r\nContent-Length: 5`)
    const text = await app.get()
    t.match(text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*X-Even: 1\r\n[\s\S]*hello$/)
    t.notMatch(text, /X-Odd/)
  }
  for (const control of ['\0', '\r', '\n']) {
    const app = await answering(t, `HTTP/1.1 200 OK\r\nX-Odd: a${control}b\r\nContent-Length: 5`)
    const text = await app.get()
    t.match(text, /^HTTP\/1\.1 502[\s\S]*upstream\.invalid/)
    await until('the log', () => app.log.some((line) => line.includes('upstream.invalid')))
  }
})

t.test('nothing an application answers is called its outage, however odd; that it does not answer is', async (t) => {
  const failed: string[] = []
  const upstreams = { failed: (name: string) => void failed.push(name), worked: () => {}, isFailing: () => false }
  const server = createServer((socket) => {
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    socket.on('data', (chunk) => {
      const [, path = ''] = String(chunk).split(' ')
      if (path === '/closed') socket.end()
      else if (path === '/short') socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort')
      else if (path === '/reset') {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort', () => socket.resetAndDestroy())
      } else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const upstream = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const door = await frontDoor(t, { sites: [{ upstream, rules: open }], upstreams })
  const get = (path: string) =>
    rawExchange(t, door.port, `GET ${path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`)
  for (const path of ['/two-lengths', '/short', '/reset']) {
    await get(path)
    t.same(failed, [], path)
  }
  t.match((await get('/closed')).text, /upstream\.closed/)
  t.equal(failed.length, 1)
})
