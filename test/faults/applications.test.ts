import { once } from 'node:events'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import t from 'tap'
import { request } from 'undici'
import { freePort } from '../support/free-port.js'
import { frontDoor } from '../support/front-door.js'
import { localhostCertificate } from '../support/localhost-certificate.js'
import { until } from '../support/poll.js'
import { quickest, tell, timed } from './table.js'

/** What users see of an application that is in trouble, and of one that is well again. */

t.setTimeout(120_000)

/** How long the sites here let their applications think. */
const patienceMs = 1000

type Trouble = (socket: Socket) => void

const troubles: ReadonlyArray<readonly [fault: string, trouble: Trouble, saw: string]> = [
  ['an upstream that is slow', () => {}, '504'],
  ['an upstream that closes its half', (socket) => socket.end(), '502'],
  ['an upstream that resets', (socket) => socket.resetAndDestroy(), '502'],
  ['an upstream that answers garbage', (socket) => socket.write('\x16\x03\x01 no HTTP at all\r\n\r\n'), '502'],
  [
    'an upstream that resets in the middle of a body',
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', () => socket.resetAndDestroy())
    },
    'cut short',
  ],
]

t.test('each trouble has its answer, and the next request is answered as before', async (t) => {
  const port = await freePort()
  let trouble: Trouble | undefined
  const server = createServer((socket) => {
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    socket.on('data', () => {
      if (trouble !== undefined) trouble(socket)
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell')
    })
  })
  const tls = createTlsServer(localhostCertificate, (_request, response) => response.end('secret'))
  tls.listen(0, '127.0.0.1')
  await once(tls, 'listening')
  t.teardown(() => {
    tls.close()
    server.close()
  })
  const rules = [{ path: '/**', access: 'public' as const, line: 1 }]
  const timeouts = { responseSeconds: patienceMs / 1000 }
  const door = await frontDoor(t, {
    sites: [
      { host: 'app.example', upstream: `http://127.0.0.1:${port}`, rules, timeouts },
      { host: 'tls.example', upstream: `https://127.0.0.1:${(tls.address() as AddressInfo).port}`, rules },
      { host: 'nowhere.example', upstream: 'http://no-such-host.invalid', rules },
    ],
  })
  const ask = async (host = 'app.example'): Promise<string> => {
    const { statusCode, body } = await request(`http://127.0.0.1:${door.port}/x`, { headers: { host } })
    const text = await body.text().catch(() => undefined)
    if (text === undefined) return 'cut short'
    return statusCode === 200 ? text : String(statusCode)
  }

  const down = await quickest(5, ask)
  t.equal(down.value, '502')
  server.listen(port, '127.0.0.1')
  const up = await timed(() => until('an answer', async () => (await ask()) === 'well'))
  tell(t, { fault: 'an upstream that is down', saw: '502', answerMs: down.ms, promisedMs: 1000, recoverMs: up.ms })

  for (const [fault, wrong, saw] of troubles) {
    trouble = wrong
    const seen = await quickest(saw === '504' ? 1 : 5, ask)
    t.equal(seen.value, saw, fault)
    trouble = undefined
    const back = await timed(ask)
    t.equal(back.value, 'well', fault)
    tell(t, { fault, saw, answerMs: seen.ms, ...(saw !== '504' && { promisedMs: 1000 }), recoverMs: back.ms })
  }
  for (const [fault, host] of [
    ['an upstream with the wrong certificate', 'tls.example'],
    ['an upstream whose name is unknown', 'nowhere.example'],
  ] as const) {
    const seen = await quickest(2, () => ask(host))
    t.equal(seen.value, '502', fault)
    tell(t, { fault, saw: '502', answerMs: seen.ms })
  }
})
