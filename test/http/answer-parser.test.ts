import fc from 'fast-check'
import t from 'tap'
import { AnswerError, type AnswerHead } from '../../src/http/upstream/answer-head.js'
import { AnswerParser } from '../../src/http/upstream/answer-parser.js'

/** What upstreams say, in whatever pieces it comes: read in one way only, or not at all. */

interface Seen {
  heads: AnswerHead[]
  body: string
  ends: number
  keepAlive: boolean | undefined
}

/** Reads the pieces as answers to requests of this method, one after the other while nothing is left over. */
function read(pieces: readonly string[], { method = 'GET', ends = false } = {}): Seen {
  const seen: Seen = { heads: [], body: '', ends: 0, keepAlive: undefined }
  const parser = new AnswerParser({
    onHead: (head) => void seen.heads.push(head),
    onBody: (piece) => {
      seen.body += piece.toString('latin1')
    },
    onEnd: () => {
      seen.ends += 1
    },
  })
  parser.expect(method)
  for (const piece of pieces) parser.read(Buffer.from(piece, 'latin1'))
  if (ends) parser.finish()
  seen.keepAlive = parser.keepAlive
  return seen
}

const ok = 'HTTP/1.1 200 OK\r\n'

t.test('answers are read the same in whatever pieces they come', async () => {
  const body = fc.string({ unit: fc.constantFrom('a', '\r', '\n', '0', ';', '\xff'), maxLength: 40 })
  const chunks = fc.array(
    body.filter((text) => text !== ''),
    { maxLength: 5 },
  )
  const answer = fc.oneof(
    body.map((text) => ({ text: `${ok}Content-Length: ${text.length}\r\nX: y\r\n\r\n${text}`, body: text })),
    chunks.map((parts) => ({
      text: `${ok}Transfer-Encoding: chunked\r\n\r\n${parts.map((part) => `${part.length.toString(16)};x=1\r\n${part}\r\n`).join('')}0\r\nX-T: 1\r\n\r\n`,
      body: parts.join(''),
    })),
    body.map((text) => ({
      text: `HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 102\r\n\r\n${ok}content-length:${text.length} \r\n\r\n${text}`,
      body: text,
    })),
  )
  fc.assert(
    fc.property(answer, fc.array(fc.nat(200), { maxLength: 30 }), (one, cuts) => {
      const places = [...new Set(cuts.map((cut) => cut % (one.text.length + 1)))].sort((a, b) => a - b)
      const pieces = [0, ...places].map((from, at) => one.text.slice(from, [0, ...places][at + 1] ?? one.text.length))
      const seen = read(pieces.filter((piece) => piece !== ''))
      return (
        seen.heads.length === 1 &&
        seen.heads[0]?.status === 200 &&
        seen.body === one.body &&
        seen.ends === 1 &&
        seen.keepAlive === true
      )
    }),
    { numRuns: 1000 },
  )
  const everyByte = `${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00\r\n\r\n`
  if (read([...everyByte]).body !== 'hello') throw new Error('byte by byte')
})

t.test('what two readers might end at two places is no answer', async (t) => {
  for (const text of [
    `${ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${ok}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`,
    `${ok}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`,
    `${ok}Content-Length: 5, 5\r\n\r\nhello`,
    `${ok}Content-Length: +5\r\n\r\nhello`,
    `${ok}Content-Length: 0x5\r\n\r\nhello`,
    `${ok}Content-Length:\r\n\r\nhello`,
    `${ok}Content-Length: 9999999999999999999\r\n\r\n`,
    `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    `${ok}Transfer-Encoding: identity\r\n\r\nx`,
    `${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    `${ok}X: a\r\n folded\r\n\r\n`,
    `${ok} X: a\r\n\r\n`,
    `${ok}X : a\r\n\r\n`,
    `${ok}: a\r\n\r\n`,
    `${ok}no colon\r\n\r\n`,
    `${ok}X: a\rY: b\r\n\r\n`,
    `${ok}X: a\nContent-Length: 3\r\n\r\n`,
    `${ok}X: a\0b\r\n\r\n`,
    `${ok}X\x7f: a\r\n\r\n`,
    `${ok}\xe9: a\r\n\r\n`,
    'HTTP/1.1 200 OK\n\n\r\n\r\n',
    'HTTP/2 200 OK\r\n\r\n',
    'HTTP/1.1 20 OK\r\n\r\n',
    'HTTP/1.1  200 OK\r\n\r\n',
    'HTTP/1.1 099 OK\r\n\r\n',
    'http/1.1 200 OK\r\n\r\n',
    '\r\nHTTP/1.1 200 OK\r\n\r\n',
    'SSH-2.0-OpenSSH\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n',
    `${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n`,
    `${ok}Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n`,
    `${ok}Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n`,
    `${ok}Transfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n`,
    `${ok}Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n\r\n`,
    `${ok}Transfer-Encoding: chunked\r\n\r\n\r\n`,
    `${ok}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n`,
    `${ok}Transfer-Encoding: chunked\r\n\r\n5;\x01\r\nhello\r\n0\r\n\r\n`,
  ]) {
    t.throws(() => read([text]), AnswerError, JSON.stringify(text))
    t.throws(() => read([...text]), AnswerError, `byte by byte: ${JSON.stringify(text)}`)
  }
})

t.test('bytes behind an answer are nobody’s: they would be taken for the answer to the next request', async (t) => {
  const poison = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'
  t.throws(() => read([`${ok}Content-Length: 2\r\n\r\nok${poison}`]), AnswerError)
  t.throws(() => read([`${ok}Content-Length: 2\r\n\r\nok`, poison]), AnswerError)
  t.throws(() => read([`${ok}Content-Length: 2\r\n\r\nok`], { method: 'HEAD' }), AnswerError)
  t.throws(() => read([`HTTP/1.1 204 No Content\r\n\r\n${poison}`]), AnswerError)
  t.throws(() => read([`HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil`]), AnswerError)
})

t.test('an answer that breaks off is not whole; one whose end is the connection is', async (t) => {
  t.throws(() => read([ok], { ends: true }), AnswerError)
  t.throws(() => read([`${ok}Content-Length: 5\r\n\r\nhell`], { ends: true }), AnswerError)
  t.throws(() => read([`${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`], { ends: true }), AnswerError)
  t.throws(() => read([`${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n`], { ends: true }), AnswerError)
  const seen = read([`${ok}\r\nhel`, 'lo'], { ends: true })
  t.equal(seen.body, 'hello')
  t.equal(seen.ends, 1)
  t.equal(seen.keepAlive, false)
})

t.test('a connection is used again only if both sides may', async (t) => {
  const keeps = (head: string) => read([`${head}Content-Length: 0\r\n\r\n`]).keepAlive
  t.equal(keeps(ok), true)
  t.equal(keeps(`${ok}Connection: close\r\n`), false)
  t.equal(keeps(`${ok}Connection: Keep-Alive, CLOSE\r\n`), false)
  t.equal(keeps(`${ok}Connection: x\r\nConnection: close\r\n`), false)
  t.equal(keeps('HTTP/1.0 200 OK\r\n'), false)
  t.equal(keeps('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n'), true)
})

t.test('heads, lines and trailers without end are given up, not kept', async (t) => {
  const long = 'x'.repeat(70_000)
  t.throws(() => read([ok, `X: ${long}`]), AnswerError)
  t.throws(() => read([`${ok}X: ${long}\r\n\r\n`]), AnswerError)
  t.throws(() => read([ok, ...Array.from({ length: 5000 }, () => `X-Long: ${'y'.repeat(20)}\r\n`)]), AnswerError)
  t.throws(() => read([`${ok}Transfer-Encoding: chunked\r\n\r\n`, `5;${long}`]), AnswerError)
  t.throws(
    () =>
      read([
        `${ok}Transfer-Encoding: chunked\r\n\r\n0\r\n`,
        ...Array.from({ length: 5000 }, () => `X: ${'y'.repeat(20)}\r\n`),
      ]),
    AnswerError,
  )
})

t.test('headers come out as they came in', async (t) => {
  const seen = read([
    `HTTP/1.1 299 Quite  Odd\r\nX-A:  1 \r\nx-a: \t2\r\nX-Empty:\r\nX-Latin: caf\xe9\r\nContent-Length: 0\r\n\r\n`,
  ])
  t.equal(seen.heads[0]?.reason, 'Quite  Odd')
  t.strictSame(seen.heads[0]?.headers, [
    'X-A',
    '1',
    'x-a',
    '2',
    'X-Empty',
    '',
    'X-Latin',
    'caf\xe9',
    'Content-Length',
    '0',
  ])
})

t.test('no bytes do anything but answer or fail', async () => {
  const piece = fc.oneof(
    fc.constantFrom(
      ok,
      '\r\n',
      '\r\n\r\n',
      'Content-Length: 3\r\n',
      'Transfer-Encoding: chunked\r\n',
      '3\r\nabc\r\n',
      '0\r\n\r\n',
      'abc',
    ),
    fc.string({ unit: 'binary', maxLength: 10 }).map((text) => Buffer.from(text).toString('latin1')),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.boolean(), (pieces, ends) => {
      try {
        return (
          read(
            pieces.filter((text) => text !== ''),
            { ends },
          ).ends <= 1
        )
      } catch (error) {
        return error instanceof AnswerError
      }
    }),
    { numRuns: 3000 },
  )
})
