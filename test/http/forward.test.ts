import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { Agent, createServer, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { application, frontDoor, token } from '../support/front-door.js'
import { localhostCertificate } from '../support/localhost-certificate.js'
import { until, untilStill } from '../support/poll.js'
import { RawSocket, rawExchange } from '../support/raw-socket.js'
import type { Scope } from '../support/scope.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

/** Bytes through the gate and back: bodies, streams, haste, slowness, and everything that breaks off in the middle. */

const open = [{ path: '/**', access: 'public' as const, line: 1 }]
const statusOf = (text: string) => Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1])
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

async function ask(port: number, path: string, options: RequestOptions & { body?: Buffer | Readable } = {}) {
  const { body, ...rest } = options
  const request = httpRequest({ port, host: '127.0.0.1', path, ...rest })
  if (body instanceof Readable) pipeline(body, request).catch(() => {})
  else request.end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return response
}

async function bytesOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function* piecesOf(body: Buffer) {
  for (let at = 0; at < body.length; at += 64 * 1024) yield body.subarray(at, at + 64 * 1024)
}

/** An application that answers each connection with exactly these bytes, as soon as a whole head is there. */
async function rawApplication(t: Scope, answer: (socket: Socket, head: string) => void) {
  const received: string[] = []
  const server = createTcpServer((socket) => {
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    let head = ''
    socket.on('data', (chunk) => {
      head += chunk.toString('latin1')
      if (!head.includes('\r\n\r\n')) return
      received.push(head)
      const complete = head
      head = ''
      answer(socket, complete)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received }
}

t.test(
  'bodies of any type, method and framing arrive as they were sent: text is not decoded, nothing is 415',
  async (t) => {
    const app = await application(t, async (request, response) => {
      const body = await bytesOf(request)
      response.setHeader(
        'x-seen',
        JSON.stringify([
          request.method,
          request.headers['content-type'],
          sha256(body),
          request.headers['content-length'] ?? request.headers['transfer-encoding'] ?? null,
        ]),
      )
      response.end(body)
    })
    const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
    const body = randomBytes(100_001)
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'GET', 'OPTIONS', 'PROPFIND', 'REPORT']) {
      for (const type of ['text/plain; charset=utf-8', 'application/json', 'made/up', undefined]) {
        for (const chunked of [false, true]) {
          const framing = chunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(body.length) }
          const headers = { ...framing, ...(type === undefined ? {} : { 'content-type': type }) }
          const response = await ask(door.port, '/x', { method, headers, body })
          const back = await bytesOf(response)
          const expected = [method, type ?? null, sha256(body), chunked ? 'chunked' : String(body.length)]
          t.strictSame(JSON.parse(String(response.headers['x-seen'])), expected)
          t.ok(back.equals(body))
        }
      }
    }
    const empty = await ask(door.port, '/x', { method: 'POST', headers: { 'content-length': '0' } })
    t.equal(JSON.parse(String(empty.headers['x-seen']))[3], '0')
  },
)

t.test('64 MiB go up and come down with bounded memory, to and from a slow reader too', async (t) => {
  const size = 64 * 1024 * 1024
  const block = randomBytes(64 * 1024)
  const blocks = function* () {
    for (let sent = 0; sent < size; sent += block.length) yield block
  }
  let received = 0
  const app = await application(t, async (request, response) => {
    for await (const chunk of request) received += chunk.length
    response.setHeader('content-length', size)
    await pipeline(Readable.from(blocks()), response)
  })
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
  // What is held, not what waits to be collected: when that is done is each version of Node's own choice.
  const heldBytes = () => {
    collectGarbage()
    return process.memoryUsage().arrayBuffers
  }
  let most = 0
  const watch = setInterval(() => {
    most = Math.max(most, heldBytes())
  }, 25)
  const before = heldBytes()
  const response = await ask(door.port, '/x', {
    method: 'POST',
    headers: { 'content-length': String(size) },
    body: Readable.from(blocks(), { objectMode: false }),
  })
  let down = 0
  for await (const chunk of response) down += chunk.length
  clearInterval(watch)
  t.equal(received, size)
  t.equal(down, size)
  t.equal(response.headers['content-length'], String(size))
  t.ok(most - before < 32 * 1024 * 1024, `${Math.round((most - before) / 2 ** 20)} MiB at most`)
})

// What is lent is copied into memory that other answers had before: too early, and one reads what is another's.
t.test('answers beside each other keep to their own bytes, while some are read slowly and some given up', async (t) => {
  const bodies = Array.from({ length: 12 }, () => randomBytes(6_000_000))
  const app = await application(t, (request, response) => {
    const body = bodies[Number(request.url?.slice(1))] ?? Buffer.alloc(0)
    if (Number(request.url?.slice(1)) % 2 === 0) response.setHeader('content-length', body.length)
    pipeline(Readable.from(piecesOf(body)), response).catch(() => {})
  })
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
  const answers = await Promise.all(bodies.map((_, at) => ask(door.port, `/${at}`)))
  const isGivenUp = (at: number) => at % 3 === 1
  const isSlow = (at: number) => at % 3 === 2
  const compare = async (at: number) => {
    const [answer, body] = [answers[at], bodies[at]]
    t.ok(answer !== undefined && body?.equals(await bytesOf(answer)), `answer ${at}`)
  }
  await Promise.all(
    answers.map(async (answer, at) => {
      if (isSlow(at)) return
      if (!isGivenUp(at)) return compare(at)
      await once(answer, 'readable')
      answer.destroy()
    }),
  )
  // The slow ones have stood still with pieces on their way, while the memory went round among the others.
  await Promise.all(answers.map((_, at) => (isSlow(at) ? compare(at) : undefined)))
})

t.test('a client that does not read holds the application back', async (t) => {
  let written = 0
  const app = await application(t, (_request, response) => {
    const chunk = Buffer.alloc(64 * 1024)
    const more = () => {
      while (!response.destroyed && written < 200_000_000) {
        written += chunk.length
        if (!response.write(chunk)) return void response.once('drain', more)
      }
    }
    more()
  })
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
  const socket = await RawSocket.open(t, door.port)
  socket.pause()
  socket.write('GET /x HTTP/1.1\r\nHost: h\r\n\r\n')
  await untilStill('the application to stand still', () => written)
  t.ok(written < 40_000_000, `${written} bytes`)
  const left = written
  socket.resume()
  await until('it to go on', () => written > left)
})

t.test('an event stream is ended when the gateway stops, and does not hold it up', async (t) => {
  const app = await application(
    t,
    (_request, response) => void response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n'),
  )
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
  const socket = await RawSocket.open(t, door.port)
  socket.write('GET /events HTTP/1.1\r\nHost: h\r\n\r\n')
  await socket.untilReceived(/data: 1/)
  await door.fastify.close()
  const text = await socket.untilClosed()
  t.match(text, /\r\n0\r\n\r\n$/, 'the answer is whole: the browser comes back by itself')
})

t.test('server-sent events arrive one by one, at once', async (t) => {
  let say: (line: string) => void = () => {}
  const app = await application(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.flushHeaders()
    say = (line) => response.write(line)
  })
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
  const socket = await RawSocket.open(t, door.port)
  socket.write('GET /events HTTP/1.1\r\nHost: h\r\n\r\n')
  await socket.untilReceived(/text\/event-stream[\s\S]*\r\n\r\n/)
  say('data: one\n\n')
  await socket.untilReceived('data: one\n\n')
  say('data: two\n\n')
  await socket.untilReceived('data: two\n\n')
})

t.test('a stream ends within two seconds when its session ends (invariant 6)', async (t) => {
  const app = await application(
    t,
    (_request, response) => void response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n'),
  )
  const door = await frontDoor(t, { sites: [{ upstream: app.url }] })
  const socket = await RawSocket.open(t, door.port)
  socket.write(`GET /events HTTP/1.1\r\nHost: h\r\nCookie: gatelodge=${token}\r\n\r\n`)
  await socket.untilReceived('data: 1')
  door.sessions.delete(token)
  await socket.untilClosed(2000)
  t.notMatch(socket.text(), /\r\n0\r\n\r\n$/, 'and the client sees that it is not whole')
  await until('the application to be told', () => app.requests[0]?.destroyed)
})

t.test('answers keep their shape: HEAD, 204, 304, lengths, reasons, repeated headers, 103 before them', async (t) => {
  const app = await application(t, (request, response) => {
    if (request.url === '/204') return void response.writeHead(204).end()
    if (request.url === '/304') return void response.writeHead(304, { etag: '"x"', 'content-length': '10' }).end()
    if (request.url === '/103') response.writeEarlyHints({ link: '</a.css>; rel=preload' })
    if (request.url === '/102') response.writeProcessing()
    if (request.url === '/odd')
      return void response.writeHead(299, 'Quite Odd', ['X-A', '1', 'X-A', '2', 'Content-Length', '2']).end('ok')
    response.writeHead(200, { 'content-length': '5', 'content-encoding': 'gzip', 'x-te': 'keep' })
    response.end(request.method === 'HEAD' ? undefined : 'hello')
  })
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
  const get = (path: string, method = 'GET') =>
    rawExchange(t, door.port, `${method} ${path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`)
  const head = await get('/x', 'HEAD')
  t.match(head.text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*content-length: 5\r\n[\s\S]*\r\n\r\n$/)
  t.match((await get('/x')).text, /content-encoding: gzip[\s\S]*hello$/)
  t.match((await get('/204')).text, /^HTTP\/1\.1 204 No Content[\s\S]*\r\n\r\n$/)
  t.notMatch((await get('/204')).text, /content-length|transfer-encoding/i)
  t.match((await get('/304')).text, /^HTTP\/1\.1 304[\s\S]*etag: "x"[\s\S]*\r\n\r\n$/)
  t.match((await get('/103')).text, /^HTTP\/1\.1 200[\s\S]*hello$/)
  t.match((await get('/102')).text, /^HTTP\/1\.1 200[\s\S]*hello$/)
  t.match((await get('/odd')).text, /^HTTP\/1\.1 299 Quite Odd\r\nX-A: 1\r\nX-A: 2\r\n/)
})

t.test('an answer to HTTP/1.0 is not chunked, and one whose end is the connection is passed whole', async (t) => {
  const app = await rawApplication(t, (socket, head) => {
    if (head.includes('/close')) socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end')
    else
      socket.write(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n5\r\nhello\r\n0\r\nX-T: secret\r\n\r\n',
      )
  })
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
  const old = await rawExchange(t, door.port, 'GET /x HTTP/1.0\r\nHost: h\r\n\r\n')
  t.match(old.text, /^HTTP\/1\.1 200[\s\S]*\r\n\r\nhello$/)
  const chunked = await rawExchange(t, door.port, 'GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
  t.match(chunked.text, /5\r\nhello\r\n0\r\n\r\n$/)
  t.notMatch(chunked.text, /X-T|Trailer/i, 'trailers end here')
  const close = await rawExchange(t, door.port, 'GET /close HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
  t.match(close.text, /until the end/)
})

t.test('trailers of a request end here, too', async (t) => {
  const app = await application(t)
  const door = await frontDoor(t, { sites: [{ upstream: app.url, identity: 'remote-user', rules: open }] })
  await rawExchange(
    t,
    door.port,
    'POST /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: Remote-User\r\n\r\n5\r\nhello\r\n0\r\nRemote-User: root\r\n\r\n',
  )
  t.strictSame(app.requests[0]?.trailers, {})
  t.equal(app.requests[0]?.headers.trailer, undefined)
})

t.test(
  'one message makes one message: an upstream 503 is not tried again, nor its Retry-After waited for',
  async (t) => {
    // An hour: whoever waited for it would not answer in this test.
    const app = await application(t, (_request, response) =>
      response.writeHead(503, { 'retry-after': '3600' }).end('later'),
    )
    const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
    const response = await ask(door.port, '/x')
    t.equal(response.statusCode, 503)
    t.equal(response.headers['retry-after'], '3600')
    t.equal(String(await bytesOf(response)), 'later')
    t.equal(app.requests.length, 1)
  },
)

t.test(
  'a connection the application drops under a request: once more where it was kept and GET, and no oftener',
  async (t) => {
    let drop = false
    const app = await rawApplication(t, (socket) => {
      if (drop) socket.destroy()
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
    const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
    t.equal((await ask(door.port, '/x')).statusCode, 200)
    drop = true
    for (const method of ['GET', 'POST']) {
      const before = app.received.length
      const response = await ask(door.port, '/x', { method })
      t.equal(response.statusCode, 502)
      t.match(String(await bytesOf(response)), 'upstream.closed')
      t.equal(app.received.length, before + (method === 'GET' ? 2 : 1))
    }
  },
)

t.test(
  'trouble with the application is 502, 503 or 504 in plain words with a number, and never an address',
  async (t) => {
    const gone = createServer().listen(0, '127.0.0.1')
    await once(gone, 'listening')
    const { port } = gone.address() as AddressInfo
    gone.close()
    const nonsense = await rawApplication(t, (socket, head) => {
      if (head.includes('/garbage')) socket.end('SSH-2.0-OpenSSH_9\r\n')
      else if (head.includes('/huge')) socket.end(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`)
      else if (head.includes('/both'))
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n')
      else if (head.includes('/twice'))
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello')
      else if (head.includes('/switch'))
        socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    })
    const door = await frontDoor(t, {
      sites: [
        { host: 'gone', upstream: `http://127.0.0.1:${port}`, rules: open },
        { host: 'nonsense', upstream: nonsense.url, rules: open, timeouts: { responseSeconds: 1 } },
        { host: 'nowhere', upstream: 'http://no-such-host.invalid', rules: open },
      ],
    })
    const trouble = async (host: string, path: string) => {
      const response = await ask(door.port, path, { headers: { host } })
      const text = String(await bytesOf(response))
      t.match(text, /"requestId":"[\w-]+"/)
      t.notMatch(text, /127\.0\.0\.1|ECONN|invalid\b.*host|undici|UND_|HPE_/i)
      return response.statusCode
    }
    t.equal(await trouble('gone', '/x'), 502)
    t.equal(await trouble('nowhere', '/x'), 502)
    t.equal(await trouble('nonsense', '/garbage'), 502)
    t.equal(await trouble('nonsense', '/huge'), 502)
    t.equal(await trouble('nonsense', '/both'), 502)
    t.equal(await trouble('nonsense', '/twice'), 502)
    t.equal(await trouble('nonsense', '/switch'), 502)
    t.equal(await trouble('nonsense', '/silent'), 504)
    const page = await ask(door.port, '/x', { headers: { host: 'gone', accept: 'text/html' } })
    t.match(page.headers['content-type'], /text\/html/)
  },
)

t.test('an answer that breaks off in the middle does not look whole', async (t) => {
  const app = await rawApplication(t, (socket, head) => {
    if (head.includes('/length')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')
    else socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n')
  })
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
  const length = await rawExchange(t, door.port, 'GET /length HTTP/1.1\r\nHost: h\r\n\r\n')
  t.not(length.state, 'open')
  const chunked = await rawExchange(t, door.port, 'GET /chunked HTTP/1.1\r\nHost: h\r\n\r\n')
  t.not(chunked.state, 'open')
  t.notMatch(chunked.text, /0\r\n\r\n$/)
})

t.test('a client that leaves is gone for the application, too, in every phase', async (t) => {
  const app = await application(t, (request, response) => {
    if (request.url === '/answering') response.writeHead(200).write('x')
    request.resume()
  })
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
  for (const bytes of [
    'GET /waiting HTTP/1.1\r\nHost: h\r\n\r\n',
    'GET /answering HTTP/1.1\r\nHost: h\r\n\r\n',
    'POST /sending HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf',
    'POST /sending HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
  ]) {
    const before = app.requests.length
    const socket = await RawSocket.open(t, door.port)
    socket.write(bytes)
    await until('it to arrive', () => app.requests.length > before)
    socket.reset()
    const request = app.requests.at(-1)
    await until('the application to be told', () => request?.socket.destroyed === true)
    t.notOk(request?.complete && bytes.startsWith('POST'), 'half a body is not taken for a whole one')
  }
})

t.test(
  'an application that answers before the upload ended: the client gets the answer and nothing hangs',
  async (t) => {
    const app = await application(t, (_request, response) =>
      response.writeHead(413, { 'content-length': '4' }).end('much'),
    )
    const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
    const socket = await RawSocket.open(t, door.port)
    const size = 3_000_000
    socket.write(`POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: ${size}\r\n\r\n`)
    socket.write(Buffer.alloc(1000))
    t.match(await socket.untilReceived('much'), /^HTTP\/1\.1 413/)
    socket.write(Buffer.alloc(size - 1000))
    socket.write('GET /y HTTP/1.1\r\nHost: h\r\n\r\n')
    await until('the next request to be answered', () => app.requests.length === 2 || socket.state() !== 'open')
    t.ok(app.requests.every(({ method, url }) => `${method} ${url}` === 'POST /x' || `${method} ${url}` === 'GET /y'))
    const agent = new Agent({ keepAlive: true })
    t.teardown(() => agent.destroy())
    for (let at = 0; at < 20; at += 1) {
      const response = await ask(door.port, '/z', {
        agent,
        method: 'POST',
        body: Readable.from([Buffer.alloc(300_000)]),
      }).catch(() => undefined)
      if (response !== undefined) {
        t.equal(response.statusCode, 413)
        await bytesOf(response)
      }
    }
  },
)

t.test('a hung application holds up only itself: another site keeps its speed', async (t) => {
  const hung = await application(t, () => {})
  const quick = await application(t)
  const door = await frontDoor(t, {
    sites: [
      { host: 'hung', upstream: hung.url, rules: open, limits: { connections: 20 }, timeouts: { responseSeconds: 60 } },
      { host: 'quick', upstream: quick.url, rules: open },
    ],
  })
  const sockets = await Promise.all(Array.from({ length: 300 }, () => RawSocket.open(t, door.port)))
  for (const socket of sockets) socket.write('GET /x HTTP/1.1\r\nHost: hung\r\n\r\n')
  await until('all that may to arrive', () => hung.requests.length === 20)
  // The hung ones are never answered: whoever waited for one of them would not be either.
  t.equal((await ask(door.port, '/x', { headers: { host: 'quick' } })).statusCode, 200)
  t.ok(hung.requests.every(({ socket }) => !socket.destroyed))
  for (const socket of sockets) socket.reset()
  await until('the hung ones to be given up', () => hung.requests.every(({ socket }) => socket.destroyed))
  t.equal(hung.requests.length, 20, 'nobody who left was sent on')
})

t.test('beyond its limit an application is busy: 503 with Retry-After, after a wait that is bounded', async (t) => {
  const hung = await application(t, () => {})
  const door = await frontDoor(t, { sites: [{ upstream: hung.url, rules: open, limits: { connections: 1 } }] })
  const first = await RawSocket.open(t, door.port)
  first.write('GET /1 HTTP/1.1\r\nHost: h\r\n\r\n')
  await until('the first', () => hung.requests.length === 1)
  const second = await RawSocket.open(t, door.port)
  second.write('GET /2 HTTP/1.1\r\nHost: h\r\n\r\n')
  const text = await second.untilReceived(/upstream\.busy/)
  t.equal(statusOf(text), 503)
  t.match(text, /^retry-after: \d+\r$/m)
  const third = await RawSocket.open(t, door.port)
  third.write('GET /3 HTTP/1.1\r\nHost: h\r\n\r\n')
  first.reset()
  await until('the one that waited to go on', () => hung.requests.some(({ url }) => url === '/3'))
})

t.test('an https application is verified: a stranger is a 502, its own authority or name lets it in', async (t) => {
  const directory = await temporaryDirectory(t)
  const server = createTlsServer(localhostCertificate, (_request, response) => response.end('secret'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const upstream = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const ca = join(directory, 'ca.pem')
  writeFileSync(ca, localhostCertificate.cert)
  const door = await frontDoor(t, {
    sites: [
      { host: 'stranger', upstream, rules: open },
      { host: 'known', upstream, rules: open, upstreamTls: { ca } },
      { host: 'named', upstream, rules: open, upstreamTls: { ca, serverName: 'localhost' } },
      { host: 'misnamed', upstream, rules: open, upstreamTls: { ca, serverName: 'other.example' } },
    ],
  })
  t.equal((await ask(door.port, '/x', { headers: { host: 'stranger' } })).statusCode, 502)
  t.equal((await ask(door.port, '/x', { headers: { host: 'misnamed' } })).statusCode, 502)
  for (const host of ['known', 'named']) {
    t.equal(String(await bytesOf(await ask(door.port, '/x', { headers: { host } }))), 'secret')
  }
})

t.test('an application cannot set our cookie, and its own address does not get out', async (t) => {
  const app = await application(t, (request, response) => {
    const own = `http://${request.socket.localAddress}:${request.socket.localPort}`
    response.writeHead(302, [
      'Location',
      `${own}/next`,
      'Set-Cookie',
      'gatelodge=evil',
      'Set-Cookie',
      'a=1',
      'Connection',
      'close, X-Hop',
      'X-Hop',
      '1',
      'Keep-Alive',
      'x',
    ])
    response.end()
  })
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
  const response = await ask(door.port, '/x')
  t.equal(response.headers.location, '/next')
  t.strictSame(response.headers['set-cookie'], ['a=1'])
  t.equal(response.headers['x-hop'], undefined)
})
