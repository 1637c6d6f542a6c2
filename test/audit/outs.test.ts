import { createHmac } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync, renameSync, unlinkSync } from 'node:fs'
import { createServer as createHttpServer, type IncomingHttpHeaders } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import jsonLines from '../../plugins/audit-outs/json-lines.js'
import syslog from '../../plugins/audit-outs/syslog.js'
import webhook from '../../plugins/audit-outs/webhook.js'
import embedded from '../../plugins/stores/embedded.js'
import { Audit } from '../../src/audit/audit.js'
import { OutDelivery } from '../../src/audit/out-delivery.js'
import { removeOld } from '../../src/audit/retention.js'
import type { AuditLine, AuditOut, Store } from '../../src/contracts.js'
import { build, lentHost } from '../support/lent-host.js'
import { until } from '../support/poll.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const START = 1_763_000_000_000
const SECRET = 'sixteen or more characters'

async function openStore(t: Test, now: () => number = () => START): Promise<Store> {
  const store = await build(embedded, { path: await temporaryDirectory(t) }, lentHost({ now }))
  t.teardown(() => store.close())
  return store
}

function auditOver(store: Store, now: () => number = () => START): Audit {
  return new Audit({ store, log: lentHost().log, now })
}

/** A gateway's follower; looks often, so that tests do not wait. */
async function follow(t: Test, store: Store, audit: Audit, out: AuditOut, now = () => START, everyMs = 10) {
  const { log, lines } = lentHost()
  const follower = new OutDelivery({ store, audit, out, log, now, machine: 'here', everyMs })
  await follower.start()
  t.teardown(() => follower.close())
  return { follower, lines }
}

/** Something outside that is told what to do. */
class Place implements AuditOut {
  readonly name: string
  readonly arrived: AuditLine[] = []
  isBroken = false
  constructor(name = 'place') {
    this.name = name
  }
  async deliver(entries: readonly AuditLine[], delivered: (number: number) => void): Promise<void> {
    for (const entry of entries) {
      if (this.isBroken) throw new Error('no')
      this.arrived.push(entry)
      delivered(entry.number)
    }
  }
  get numbers(): number[] {
    return this.arrived.map(({ number }) => number)
  }
}

const record = (audit: Audit, count = 1, reason = 'grüß\n"dich"') =>
  Promise.all(
    Array.from({ length: count }, () => audit.record({ event: 'policy.changed', outcome: 'success', reason })),
  )

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

t.test('every entry arrives once and in order, also what other processes write', async (t) => {
  const store = await openStore(t)
  const [audit, other] = [auditOver(store), auditOver(store)]
  const place = new Place()
  await follow(t, store, audit, place)
  await record(audit, 3)
  await record(other, 2)
  await record(audit, 250)
  await until('all to arrive', () => place.arrived.length === 255)
  t.same(place.numbers, upTo(255))
})

t.test('of two gateways one delivers, and the other goes on when it closes', async (t) => {
  const store = await openStore(t)
  const [one, two] = [auditOver(store), auditOver(store)]
  const [first, second] = [new Place(), new Place()]
  const { follower } = await follow(t, store, one, first)
  await record(one)
  await until('the first to lead', () => first.arrived.length === 1)
  await follow(t, store, two, second)
  await record(two, 5)
  await until('the first to deliver', () => first.arrived.length === 6)
  t.same(second.numbers, [])
  await follower.close()
  await record(one, 2)
  await until('the second to deliver', () => second.arrived.length === 2)
  t.same(second.numbers, [7, 8])
})

t.test('what was not taken is kept over a restart, and taken then', async (t) => {
  let now = START
  const store = await openStore(t, () => now)
  const audit = auditOver(store, () => now)
  const place = new Place()
  // With pauses long enough that it does not count as down before it closes.
  const { follower } = await follow(t, store, audit, place, () => now, 10_000)
  await record(audit, 2)
  await until('two', () => place.arrived.length === 2)
  place.isBroken = true
  await record(audit, 3)
  await follower.close()
  t.same(place.numbers, [1, 2])
  now += 60_000
  await record(audit)
  place.isBroken = false
  await follow(
    t,
    store,
    auditOver(store, () => now),
    place,
    () => now,
  )
  await until('the rest', () => place.arrived.length === 6)
  t.same(place.numbers, upTo(6))
})

t.test('a gateway that died is followed by another after half a minute', async (t) => {
  let now = START
  const store = await openStore(t, () => now)
  const audit = auditOver(store, () => now)
  await store.set('audit-out/place/lease', 'somebody who died', 30)
  const place = new Place()
  await follow(t, store, audit, place, () => now)
  await record(audit)
  now += 31_000
  await until('it to arrive', () => place.arrived.length === 1)
})

t.test('an out that is named for the first time begins with what is written from then on', async (t) => {
  const store = await openStore(t)
  const audit = auditOver(store)
  await record(audit, 4)
  const place = new Place()
  await follow(t, store, audit, place)
  await record(audit)
  await until('it to arrive', () => place.arrived.length === 1)
  t.same(place.numbers, [5])
})

t.test('old entries are removed, the rest still holds, and nothing else may remove them', async (t) => {
  let now = START
  const store = await openStore(t, () => now)
  const audit = auditOver(store, () => now)
  const parts = { store, audit, log: lentHost().log, now: () => now, keptSeconds: 3600 }
  for (let round = 0; round < 8; round++) await record(audit, 3)
  t.equal(await removeOld(parts), 0)
  now += 1_800_000
  await record(audit, 2)
  now += 1_900_000
  t.equal(await removeOld(parts), 24)
  t.match(await audit.verify(), { intact: true, entries: 3, removed: 24, first: { number: 25 } })
  t.match((await audit.search({})).entries, [
    { event: 'admin.audit-removed', number: 27 },
    { number: 26 },
    { number: 25 },
  ])
  t.match(await audit.recent('ada'), [])
  now += 10_000_000
  t.equal(await removeOld(parts), 2, 'what is the newest stays')
  t.match(await audit.verify(), { intact: true, entries: 2, removed: 26 })
  await record(
    auditOver(store, () => now),
    2,
  )
  t.match(await audit.verify(), { intact: true, entries: 4, head: { number: 30 } })
  const place = new Place()
  await store.set('audit-out/place', 3)
  const { lines } = await follow(t, store, audit, place)
  await until('what is left', () => place.arrived.length === 4)
  t.match(lines, [{ level: 'error', fields: { entries: 23 } }], 'what nobody fetched in time is said')
})

t.test('json-lines: a file that is renamed or removed is begun anew', async (t) => {
  const directory = join(await temporaryDirectory(t), 'log')
  const path = join(directory, 'audit.jsonl')
  const out = await build(jsonLines, { path })
  t.teardown(() => out.close?.())
  const store = await openStore(t)
  const audit = auditOver(store)
  await follow(t, store, audit, out)
  const lines = (name = path) => readFileSync(name, 'utf8').split('\n').filter(Boolean)
  const reached = async (count: number) => {
    await until(`${count} to be taken`, async () => (await store.get(`audit-out/here/json-lines ${path}`)) === count)
  }
  await record(audit, 2)
  await reached(2)
  const [first = ''] = lines()
  t.match(JSON.parse(first), { number: 1, event: 'policy.changed', outcome: 'success', reason: 'grüß\n"dich"' })
  renameSync(path, `${path}.1`)
  await record(audit)
  await reached(3)
  t.equal(lines(`${path}.1`).length, 2)
  t.equal(lines().length, 1)
  unlinkSync(path)
  await record(audit)
  await reached(4)
  t.match(JSON.parse(lines()[0] ?? ''), { number: 4 })
})

t.test('syslog: RFC 5424 over UDP, TCP and a Unix socket', async (t) => {
  const line: AuditLine = {
    number: 7,
    time: '2026-01-02T03:04:05.678Z',
    event: 'sign-in.password',
    outcome: 'refused',
    text: '{"number":7,"reason":"grüß 🔑"}',
  }
  const wanted =
    /^<84>1 2026-01-02T03:04:05\.678Z \S+ gatelodge \d+ sign-in\.password - \{"number":7,"reason":"gr\\u00fc\\u00df \\ud83d\\udd11"\}$/

  const udp = createSocket('udp4')
  udp.bind(0, '127.0.0.1')
  await once(udp, 'listening')
  t.teardown(() => void udp.close())
  const datagrams = await build(syslog, { url: `udp://127.0.0.1:${udp.address().port}` })
  t.teardown(() => datagrams.close?.())
  const arrived = once(udp, 'message')
  await datagrams.deliver([line], () => undefined)
  t.match(String((await arrived)[0]), wanted)

  const path = join(await temporaryDirectory(t), 'socket')
  for (const at of ['tcp', 'unix']) {
    const server = await Listener.start(t, at === 'unix' ? path : undefined)
    const url = at === 'unix' ? `unix://${path}` : `tcp://127.0.0.1:${server.port}`
    const out = await build(syslog, { url, facility: 'local3', appName: 'gate', timeoutSeconds: 20 })
    t.teardown(() => out.close?.())
    await out.deliver([line, { ...line, outcome: 'success' }], () => undefined)
    await until('both', () => server.messages().length === 2)
    t.match(server.messages()[0], /^<156>1 .* gate \d+ sign-in\.password - \{/)
    t.match(server.messages()[1], /^<158>1 /)
    server.hangUp()
    await until('a new connection', () =>
      out
        .deliver([line], () => undefined)
        .then(
          () => server.messages().length > 2,
          () => false,
        ),
    )
  }
  const nobody = await build(syslog, { url: 'tcp://127.0.0.1:1' })
  await t.rejects(nobody.deliver([line], () => undefined))
})

t.test('webhook: signed, in order, again and again until it is taken', async (t) => {
  const requests: { headers: IncomingHttpHeaders; body: string }[] = []
  let status = 204
  const server = createHttpServer(async (request, response) => {
    requests.push({ headers: request.headers, body: await text(request) })
    response.writeHead(status).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/in`
  const host = lentHost({ now: () => START })
  const auth = { username: 'gate', password: 'p@ss/w#rd%?1' }
  const out = await build(webhook, { url, secret: SECRET, auth, events: ['policy.*', 'dependency.down'] }, host)
  t.teardown(() => out.close?.())
  const store = await openStore(t)
  const audit = auditOver(store)
  const { lines } = await follow(t, store, audit, out)
  await audit.record({ event: 'session.opened', outcome: 'success' })
  await record(audit, 2)
  await until('two', () => requests.length === 2)
  for (const { headers, body } of requests) {
    const timestamp = String(START / 1000)
    t.match(headers, { 'x-gatelodge-timestamp': timestamp, 'content-type': 'application/json' })
    t.equal(headers['x-gatelodge-signature'], createHmac('sha256', SECRET).update(`${timestamp}.${body}`).digest('hex'))
    t.equal(String(JSON.parse(body).number), headers['x-gatelodge-number'])
  }
  status = 500
  await record(audit, 1)
  await until('it to be called down', () => lines.length > 0, 30_000)
  t.match(lines, [{ level: 'error', fields: { reason: /HTTP status 500/ } }])
  const failed = requests.length
  status = 200
  await until('it to be taken', () => lines.length > 1, 60_000)
  const numbers = requests.slice(failed).map(({ headers }) => headers['x-gatelodge-number'])
  t.same(numbers.slice(-2), ['4', '5'], 'the entry, then the one that it could not be delivered')
  const events = async () => (await audit.search({ event: 'dependency.*' })).entries.map(({ event }) => event)
  await until('it to be written down', async () => (await events()).length === 2)
  t.same(await events(), ['dependency.up', 'dependency.down'])
})

t.test(
  'the name of a webhook has nothing of its path, which is a secret at many; how far it got is kept',
  async (t) => {
    const host = lentHost({ now: () => START })
    const build1 = (url: string) => build(webhook, { url, secret: SECRET }, host)
    const out = await build1('https://chat.example/hooks/T0KEN-of-the-room?also=one')
    t.match(out.name, /^webhook https:\/\/chat\.example [0-9a-f]{8}$/)
    t.not(out.name, (await build1('https://chat.example/hooks/T0KEN-of-another')).name)
    t.equal(out.name, (await build1('https://chat.example/hooks/T0KEN-of-the-room?also=one')).name)

    const store = await openStore(t)
    const audit = auditOver(store)
    const before = new Place('as it was called')
    const { follower } = await follow(t, store, audit, before)
    await record(audit, 2)
    await until('two', () => before.arrived.length === 2)
    await follower.close()
    await record(audit, 2)
    const after = new Place('as it is called')
    await follow(t, store, audit, Object.assign(after, { formerName: before.name }))
    await until('what came meanwhile', () => after.arrived.length === 2)
    t.same(after.numbers, [3, 4])
  },
)

/** Reads messages with their length before them. */
class Listener {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #text = ''

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.setEncoding('utf8').on('data', (chunk) => {
        this.#text += chunk
      })
      socket.on('error', () => undefined)
    })
  }

  static async start(t: Test, path?: string): Promise<Listener> {
    const server = createServer()
    const listener = new Listener(server)
    if (path === undefined) server.listen(0, '127.0.0.1')
    else server.listen(path)
    await once(server, 'listening')
    t.teardown(() => {
      listener.hangUp()
      server.close()
    })
    return listener
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  messages(): string[] {
    const found: string[] = []
    for (let at = 0; at < this.#text.length; ) {
      const space = this.#text.indexOf(' ', at)
      const length = Number(this.#text.slice(at, space))
      if (space < 0 || this.#text.length < space + 1 + length) break
      found.push(this.#text.slice(space + 1, space + 1 + length))
      at = space + 1 + length
    }
    return found
  }
}
