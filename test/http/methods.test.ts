import { METHODS } from 'node:http'
import t from 'tap'
import { application, frontDoor } from '../support/front-door.js'
import { RawSocket, rawExchange } from '../support/raw-socket.js'

t.setTimeout(120_000)

/** Versioned WebDAV and CalDAV have methods of their own: they pass, or are refused for what they are. */

const open = [{ path: '/**', access: 'public' as const, line: 1 }]
const line = (method: string, end = '') => `${method} /x HTTP/1.1\r\nHost: h\r\n${end}\r\n`

t.test('every method Node can read reaches the application, but the two that must not', async (t) => {
  const app = await application(t)
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
  for (const method of METHODS) {
    if (method === 'CONNECT') continue
    const { text } = await rawExchange(t, door.port, line(method, 'Connection: close\r\n'))
    t.match(text, method === 'TRACE' ? /^HTTP\/1\.1 405/ : /^HTTP\/1\.1 200/, method)
    if (method !== 'TRACE' && method !== 'HEAD') t.match(text, `${method} /x`)
  }
})

t.test(
  'a method Node does not know is 501 with a sentence, reaches nobody, and what stands behind it neither',
  async (t) => {
    const app = await application(t)
    const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
    for (const method of [
      'UPDATE',
      'LABEL',
      'VERSION-CONTROL',
      'BASELINE-CONTROL',
      'BCOPY',
      'MKWORKSPACE',
      'GETX',
      'DESCRIBE',
    ]) {
      const { text, state } = await rawExchange(t, door.port, line(method) + line('GET'))
      t.match(
        text,
        /^HTTP\/1\.1 501 Not Implemented\r\n[\s\S]*"code":"method\.unknown","detail":"The method of this request/,
      )
      t.equal([...text.matchAll(/HTTP\/1\.1 /g)].length, 1, method)
      t.not(state, 'open')
    }
    t.same(app.requests, [])
    const second = await RawSocket.open(t, door.port)
    second.write(line('GET'))
    await second.untilReceived('GET /x')
    second.write(line('UPDATE'))
    t.match(await second.untilClosed(), /method\.unknown/)
  },
)

t.test('what is no request stays 400', async (t) => {
  const door = await frontDoor(t, { sites: [{ upstream: (await application(t)).url, rules: open }] })
  for (const text of [
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'UPDATE\r\n\r\n',
    'UPDATE /x\r\n\r\n',
    'UPDATE /x HTTP/2.0\r\nHost: h\r\n\r\n',
    'UP DATE /x HTTP/1.1\r\nHost: h\r\n\r\n',
    'update /x HTTP/1.1\r\nHost: h\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    `${'A'.repeat(50)} /x HTTP/1.1\r\nHost: h\r\n\r\n`,
    'GET /x HTTP/1.1\r\nHost: h\r\nUPDATE /x HTTP/1.1\r\n\r\n',
  ]) {
    t.match((await rawExchange(t, door.port, text)).text, /^HTTP\/1\.1 400 /, JSON.stringify(text))
  }
})
