import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t from 'tap'
import { AnswerError } from '../../src/http/upstream/answer-head.js'
import { AnswerParser } from '../../src/http/upstream/answer-parser.js'
import { frontDoor } from '../support/front-door.js'
import { until } from '../support/poll.js'
import { rawExchange } from '../support/raw-socket.js'
import type { Scope } from '../support/scope.js'

t.setTimeout(120_000)

/** Answers that every client takes and old devices send: refused by default, with a word about the key that helps. */

const open = [{ path: '/**', access: 'public' as const, line: 1 }]

async function answering(t: Scope, answer: string, lenient: boolean) {
  let connections = 0
  const server = createServer((socket) => {
    connections += 1
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    socket.on('data', () => socket.write(answer, 'latin1'))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const upstream = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const door = await frontDoor(t, { sites: [{ upstream, rules: open, lenient }] })
  const get = async (accept = '*/*') =>
    (await rawExchange(t, door.port, `GET /x HTTP/1.1\r\nHost: h\r\nAccept: ${accept}\r\nConnection: close\r\n\r\n`))
      .text
  return { get, log: door.log, connections: () => connections }
}

const odd: ReadonlyArray<readonly [what: string, answer: string]> = [
  ['a line of the head that ends in LF alone', 'HTTP/1.1 200 OK\nX-Own: one two\nContent-Length: 5\n\nhello'],
  [
    'a line of the head that ends in LF alone',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Own: one two\nX: y\r\n\r\nhello',
  ],
  ['a folded line in the head', 'HTTP/1.1 200 OK\r\nX-Own: one\r\n\t two\r\nContent-Length: 5\r\n\r\nhello'],
  [
    'a folded line in the head',
    'HTTP/1.1 200 OK\r\nX-Own: one\r\n two\r\nX: a:\r\n b:c\r\nContent-Length: 5\r\n\r\nhello',
  ],
  ['the same length twice', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Own: one two\r\nContent-Length: 5\r\n\r\nhello'],
  ['the same length twice', 'HTTP/1.1 200 OK\r\nX-Own: one two\r\nContent-Length: 5, 5\r\n\r\nhello'],
  [
    'chunks in an answer of HTTP/1.0',
    'HTTP/1.0 200 OK\r\nX-Own: one two\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  ],
]

for (const [what, answer] of odd) {
  t.test(
    `${what}: 502 that says so, and the answer where the site is lenient: ${JSON.stringify(answer)}`,
    async (t) => {
      const strict = await answering(t, answer, false)
      const refused = await strict.get()
      t.match(refused, /^HTTP\/1\.1 502[\s\S]*"code":"upstream\.invalid"/)
      for (const text of [refused, await strict.get('text/html')]) {
        t.ok(text.includes(`What was wrong: ${what}; lenient: true at this site lets it pass.`), text)
        t.notMatch(text, 'one two')
      }
      await until('the log', () => strict.log.some((line) => line.includes(what) && line.includes('lenient: true')))
      const lenient = await answering(t, answer, true)
      for (const time of [1, 2]) {
        const text = await lenient.get()
        t.match(text, /^HTTP\/1\.1 200 OK\r\n/)
        t.match(text, /\r\nX-Own: one two\r\n/)
        t.match(text, /hello(?:\r\n0\r\n\r\n)?$/)
        t.ok([...text.matchAll(/content-length: 5\r\n/gi)].length <= 1)
        t.equal(lenient.connections(), time, 'what follows is not read as the answer to another request')
      }
    },
  )
}

t.test('a lenient site takes nothing that two readers end at two places', async (t) => {
  for (const answer of [
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!',
    'HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello!',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    'HTTP/1.0 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nX: 1\nContent-Length: 5\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\nX: 1\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nX: 1\n\nContent-Length: 5\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nX: 1\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nX: 1\r\n Content-Length: 5\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nContent-Length:\r\n 5\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nX: 1\r\n \r\nContent-Length: 5\r\n\r\nhello',
    'HTTP/1.1 200\r\n OK\r\nContent-Length: 5\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nX: a\rContent-Length: 5\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nX: a\0\r\nContent-Length: 5\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ]) {
    for (const pieces of [[answer], [...answer]]) {
      t.throws(() => read(pieces), AnswerError, JSON.stringify(answer))
    }
  }
})

t.test('a lenient site reads the same in whatever pieces it comes, and other answers as every site does', async (t) => {
  const usual = 'HTTP/1.1 103 Early\r\nX: 1\r\n\r\nHTTP/1.1 200 OK\r\nX-Own: one two\r\nContent-Length: 5\r\n\r\nhello'
  for (const answer of [usual, ...odd.map(([, one]) => one)]) {
    for (let cut = 1; cut < answer.length; cut += 1) {
      const { body, own } = read([answer.slice(0, cut), answer.slice(cut)])
      if (body !== 'hello' || own !== 'one two') t.fail(`${cut}: ${JSON.stringify({ answer, body, own })}`)
    }
    t.equal(read([...answer]).body, 'hello')
  }
  t.equal(read([usual]).keepAlive, true)
  t.throws(() => read(Array.from({ length: 2000 }, () => `X: ${'y'.repeat(100)}\n`)), AnswerError, 'without end')
})

function read(pieces: readonly string[]) {
  let [body, own] = ['', undefined as string | undefined]
  const parser = new AnswerParser(
    {
      onHead: ({ headers }) => {
        own = headers[headers.indexOf('X-Own') + 1]
      },
      onBody: (piece) => {
        body += piece.toString('latin1')
      },
      onEnd: () => {},
    },
    true,
  )
  parser.expect('GET')
  for (const piece of pieces) parser.read(Buffer.from(piece, 'latin1'))
  return { body, own, keepAlive: parser.keepAlive }
}
