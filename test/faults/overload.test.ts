import { EventEmitter } from 'node:events'
import t from 'tap'
import { request } from 'undici'
import { AddressRanges } from '../../src/access/client-address.js'
import { ConnectionsPerAddress, type Peer } from '../../src/http/listener/connections-per-address.js'
import { EventLoopLag, type EventLoopMeasurements } from '../../src/http/listener/event-loop-lag.js'
import { application } from '../support/front-door.js'
import { startGateway } from '../support/gateway.js'
import { until } from '../support/poll.js'
import { RawSocket } from '../support/raw-socket.js'
import { quickest, tell, timed } from './table.js'

t.setTimeout(180_000)

t.test('a site that hangs is busy at once, other sites are as before, and the whole gateway has a limit', async (t) => {
  const hung = await application(t, () => {})
  const quick = await application(t)
  const rules = '[{ path: /**, access: public }]'
  const gateway = await startGateway(t, {
    yaml: `
publicUrl: http://localhost
sites:
  - { host: hung.example, upstream: "${hung.url}", rules: ${rules}, limits: { connections: 4 } }
  - { host: wide.example, upstream: "${hung.url}", rules: ${rules} }
  - { host: quick.example, upstream: "${quick.url}", rules: ${rules} }
limits: { requests: 14 }
`,
  })
  const ask = async (host: string, path = '/x') => {
    const { statusCode, headers, body } = await request(`http://127.0.0.1:${gateway.port}${path}`, {
      headers: { host },
    })
    return { status: statusCode, retryAfter: headers['retry-after'], text: await body.text() }
  }
  const open = async (host: string, count: number) => {
    const sockets = await Promise.all(Array.from({ length: count }, () => RawSocket.open(t, gateway.port)))
    for (const socket of sockets) socket.write(`GET /hang HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    return sockets
  }

  const four = await open('hung.example', 4)
  await until('the hung ones to arrive', () => hung.requests.length === 4)
  const busy = await quickest(2, () => ask('hung.example'))
  t.equal(busy.value.status, 503)
  t.match(busy.value.text, /upstream\.busy/)
  t.match(busy.value.retryAfter, /^\d+$/)
  const beside = await quickest(5, () => ask('quick.example'))
  t.equal(beside.value.status, 200)

  const ten = await open('wide.example', 10)
  await until('the others to arrive', () => hung.requests.length === 14)
  const full = await quickest(5, () => ask('quick.example'))
  t.equal(full.value.status, 503)
  t.match(full.value.text, /"overloaded"/)
  t.match(full.value.retryAfter, /^\d+$/)
  t.equal((await ask('quick.example', '/.gatelodge/sign-in')).status, 503, 'our own pages as well')
  for (const path of ['/.gatelodge/healthz', '/.gatelodge/readyz'])
    t.equal((await ask('quick.example', path)).status, 200)
  const upgrade = await RawSocket.open(t, gateway.port)
  upgrade.write(
    'GET /socket HTTP/1.1\r\nHost: quick.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nGET / HTTP/1.1\r\nHost: quick.example\r\n\r\n',
  )
  const refused = await upgrade.untilClosed()
  t.match(refused, /^HTTP\/1\.1 503 /)
  t.equal(refused.match(/HTTP\/1\.1 /g)?.length, 1, 'what stands behind it is never read')

  for (const socket of [...four, ...ten]) socket.reset()
  const back = await timed(() => until('room', async () => (await ask('quick.example')).status === 200, 30_000))
  const again = await open('hung.example', 1)
  await until('the site to be asked again', () => hung.requests.length === 15)
  for (const socket of again) socket.reset()
  tell(t, {
    fault: 'an upstream hangs and its limits are full',
    saw: 'that site 503 with Retry-After; the others 200',
    answerMs: busy.ms,
    promisedMs: 3000,
  })
  tell(t, { fault: 'the site beside one that hangs', saw: '200', answerMs: beside.ms, promisedMs: 1000 })
  tell(t, {
    fault: 'more requests under way than `limits.requests`',
    saw: '503 with Retry-After; health checks 200',
    answerMs: full.ms,
    promisedMs: 1000,
    recoverMs: back.ms,
  })
})

t.test('behind is who works half a second a turn, twice in a row, and not who is kept from working', async (t) => {
  let at: EventLoopMeasurements = { now: 0, used: 0 }
  const heard: boolean[] = []
  const eventLoopLag = new EventLoopLag(
    (isBehind) => heard.push(isBehind),
    () => at,
  )
  t.teardown(() => eventLoopLag.stop())
  const beat = (now: number, used: number) => {
    at = { now: at.now + now, used: at.used + used }
    eventLoopLag.beat()
    return eventLoopLag.isBehind
  }
  t.equal(beat(100, 100), false)
  t.equal(beat(5000, 30), false, 'others had the processor')
  t.equal(beat(5000, 30), false)
  t.equal(beat(900, 850), false, 'one long task')
  t.equal(beat(100, 90), false)
  t.equal(beat(900, 850), false)
  t.equal(beat(900, 850), true)
  t.equal(beat(900, 850), true)
  t.equal(beat(120, 100), false)
  t.same(heard, [true, false])
})

t.test('one address has a share of the connections; proxies and this machine have none', async (t) => {
  class Connection extends EventEmitter implements Peer {
    isClosed = false
    readonly remoteAddress: string
    constructor(from: string) {
      super()
      this.remoteAddress = from
    }
    destroy(): void {
      this.isClosed = true
      this.emit('close')
    }
  }
  const perAddress = new ConnectionsPerAddress()
  const proxies = AddressRanges.parse(['192.0.2.1'])
  const enter = (from: string) => {
    const connection = new Connection(from)
    perAddress.enter(connection, 3, proxies)
    return connection
  }
  const mine = Array.from({ length: 5 }, () => enter('203.0.113.9'))
  t.same(
    mine.map(({ isClosed }) => isClosed),
    [false, false, false, true, true],
  )
  t.equal(enter('203.0.113.10').isClosed, false, 'others come in')
  for (const from of ['192.0.2.1', '127.0.0.1', '::1', '::ffff:127.0.0.1']) {
    t.notOk(Array.from({ length: 9 }, () => enter(from)).some(({ isClosed }) => isClosed))
  }
  const customer = ['2001:db8::1', '2001:db8::2', '2001:db8::3', '2001:db8::4'].map((from) => enter(from).isClosed)
  t.same(customer, [false, false, false, true], 'an IPv6 /64 is one')
  mine[0]?.destroy()
  t.equal(enter('203.0.113.9').isClosed, false)
  for (const connection of mine.slice(1, 3)) {
    perAddress.enter(connection, 3, proxies)
    t.notOk(connection.isClosed, 'read anew it is no other')
  }
})
