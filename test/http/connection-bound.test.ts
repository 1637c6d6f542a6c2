import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { frontDoor, signedIn } from '../support/front-door.js'
import { ntlmApplication } from '../support/ntlm-application.js'
import { until } from '../support/poll.js'
import { RawSocket } from '../support/raw-socket.js'
import type { Scope } from '../support/scope.js'

t.setTimeout(120_000)

/**
 * NTLM and Negotiate sign in the connection, not the message: whoever comes next over a connection that was shared gets the
 * mailbox of the one before (invariant 14).
 */

const open = [{ path: '/**', access: 'public' as const, line: 1 }]

/** One client connection, kept. */
class Client {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #port: number
  readonly #headers: Record<string, string>

  constructor(t: Scope, port: number, headers: Record<string, string> = {}) {
    this.#port = port
    this.#headers = headers
    t.teardown(() => this.leave())
  }

  leave(): void {
    this.#agent.destroy()
  }

  async ask(path: string, headers: Record<string, string | string[]> = {}, method = 'GET') {
    const options = { agent: this.#agent, port: this.#port, host: '127.0.0.1', path, method }
    const request = httpRequest({ ...options, headers: { ...this.#headers, ...headers } }).end()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    return { status: response.statusCode, headers: response.headers, body: await text(response) }
  }

  /** The three steps. @returns what the last one gave */
  async signIn(name: string, { scheme = 'NTLM', path = '/', headers = {} } = {}) {
    const first = await this.ask(path, headers)
    if (first.status !== 401) return first
    const second = await this.ask(path, { ...headers, authorization: `${scheme} hello:${name}` })
    const nonce = /challenge:(\w+)/.exec(second.headers['www-authenticate'] ?? '')?.[1]
    return this.ask(path, { ...headers, authorization: `${scheme} answer:${name}:${nonce}` })
  }
}

/** Everybody with a session of their own. */
async function doorWithSessions(
  t: Scope,
  ...input: Parameters<typeof frontDoor> extends [Scope, infer I] ? [I] : never
) {
  const door = await frontDoor(t, ...input)
  const cookieOf = (name: string) => {
    const value = name.padEnd(43, 'x')
    door.sessions.set(value, signedIn(name))
    return { cookie: `gatelodge=${value}` }
  }
  return { ...door, cookieOf }
}

for (const access of ['signed-in', 'public'] as const) {
  const rules = [{ path: '/**', access, line: 1 }]

  t.test(`${access}: another person never gets the connection somebody signed in on with NTLM`, async (t) => {
    for (const connections of [1, 256]) {
      const app = await ntlmApplication(t)
      const door = await doorWithSessions(t, { sites: [{ upstream: app.url, rules, limits: { connections } }] })
      const ann = new Client(t, door.port, door.cookieOf('ann'))
      t.equal((await ann.signIn('ann')).body, 'mailbox of ann')
      const ben = new Client(t, door.port, door.cookieOf('ben'))
      for (let time = 0; time < 5; time += 1) {
        const answer = await ben.ask('/')
        t.equal(answer.status, 401, 'nobody signed in on his connection')
        t.notMatch(answer.body, 'ann')
        t.equal((await ben.ask('/open')).body, 'open to all')
      }
      t.ok(app.seen.every(({ url, user }) => url === '/' || user !== 'ann'))
    }
  })

  t.test(`${access}: parallel sign-ins all work, and everybody stays who they are`, async (t) => {
    const app = await ntlmApplication(t)
    const door = await doorWithSessions(t, { sites: [{ upstream: app.url, rules }] })
    const names = Array.from({ length: 40 }, (_, at) => `person-${at}`)
    const failed: string[] = []
    await Promise.all(
      names.map(async (name) => {
        const client = new Client(t, door.port, door.cookieOf(name))
        const answers = [await client.signIn(name)]
        for (let time = 0; time < 5; time += 1) answers.push(await client.ask(`/${time}`))
        if (answers.some(({ body }) => body !== `mailbox of ${name}`)) failed.push(name)
        await client.ask('/', {}, 'POST').then(({ body }) => t.equal(body, `mailbox of ${name}`))
      }),
    )
    t.same(failed, [], 'none of 40')
  })
}

t.test('the connection ends with the client connection it belongs to', async (t) => {
  const app = await ntlmApplication(t)
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
  const ann = new Client(t, door.port)
  await ann.signIn('ann')
  t.same(app.signedIn(), ['ann'])
  ann.leave()
  await until('the connection to be closed', () => app.signedIn().length === 0)
  t.equal((await new Client(t, door.port).ask('/')).status, 401)
})

t.test('a connection on which it was only offered is nobody else’s either: the next step must find it', async (t) => {
  for (const scheme of [
    'NTLM',
    'Negotiate',
    'negotiate abc',
    'Basic realm="x", NTLM',
    'Kerberos',
    'Passport1.4 da=1',
  ]) {
    const app = await ntlmApplication(t, scheme)
    const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
    const [ann, ben] = [new Client(t, door.port), new Client(t, door.port)]
    const offered = await ann.ask('/')
    t.equal(offered.status, 401)
    const other = (await ben.ask('/open')).headers['x-connection']
    t.not(other, offered.headers['x-connection'], scheme)
    t.equal((await ann.ask('/open')).headers['x-connection'], offered.headers['x-connection'], scheme)
  }
})

t.test(
  'credentials of such a scheme bind the connection, in any case and place; those of a message do not',
  async (t) => {
    const app = await ntlmApplication(t)
    const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
    const connectionsFor = async (authorization: string | string[]) => {
      const [ann, ben] = [new Client(t, door.port), new Client(t, door.port)]
      const one = (await ann.ask('/open', { authorization })).headers['x-connection']
      await new Promise((resolve) => setImmediate(resolve))
      const two = (await ben.ask('/open')).headers['x-connection']
      ann.leave()
      return [one, two]
    }
    const rawField = ['Basic YTpi', 'ntlm x'].join(', ')
    for (const bound of ['NTLM x', 'nTlM x', 'Negotiate x', 'Kerberos x', 'Passport1.4 x', 'NegotiateEx x', rawField]) {
      const [one, two] = await connectionsFor(bound)
      t.not(one, two, bound)
    }
    for (const free of ['Basic YTpi', 'Bearer x', 'Digest username="ntlm"', 'token x', 'AWS4-HMAC-SHA256 x']) {
      const [one, two] = await connectionsFor(free)
      t.equal(one, two, free)
    }
  },
)

t.test('a second Authorization field is looked at as well: the application may take that one', async (t) => {
  const app = await ntlmApplication(t)
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
  const socket = await RawSocket.open(t, door.port)
  socket.write('GET /open HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YTpi\r\nAuthorization: NTLM x\r\n\r\n')
  await socket.untilReceived('open to all')
  const ben = await new Client(t, door.port).ask('/open')
  t.equal(ben.headers['x-connection'], '2')
})

t.test('one client connection with several people on it, as some proxies keep it: each is who they are', async (t) => {
  const app = await ntlmApplication(t)
  for (const access of ['signed-in', 'public'] as const) {
    const door = await doorWithSessions(t, {
      trusted: ['127.0.0.1/32'],
      sites: [{ upstream: app.url, rules: [{ path: '/**', access, line: 1 }] }],
    })
    const [ann, ben] = [door.cookieOf('ann'), door.cookieOf('ben')]
    const shared = new Client(t, door.port, { 'x-forwarded-for': '203.0.113.7' })
    t.equal((await shared.signIn('ann', { headers: ann })).body, 'mailbox of ann')
    t.equal((await shared.ask('/', ann)).body, 'mailbox of ann')
    t.equal((await shared.ask('/', ben)).status, 401, 'another session')
    t.equal((await shared.ask('/', ann)).status, 401, 'hers has ended, and nobody else has it')
    t.equal((await shared.signIn('ben', { headers: ben })).body, 'mailbox of ben')
    if (access === 'public') t.equal((await shared.ask('/')).status, 401, 'nobody')
    t.equal((await shared.ask('/', ann)).status, 401)
    shared.leave()
  }
})

t.test(
  'where a proxy is in front and nothing tells people apart, nobody stays signed in on a connection',
  async (t) => {
    const app = await ntlmApplication(t)
    const trusting = await frontDoor(t, { trusted: ['127.0.0.1/32'], sites: [{ upstream: app.url, rules: open }] })
    const plain = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
    const ways: [number, Record<string, string>][] = [
      [trusting.port, {}],
      [plain.port, { 'x-forwarded-for': '203.0.113.7' }],
      [plain.port, { via: '1.1 proxy' }],
      [plain.port, { forwarded: 'for=203.0.113.7' }],
    ]
    for (const [port, headers] of ways) {
      const shared = new Client(t, port, headers)
      const second = await shared.ask('/', { authorization: 'NTLM hello:ann' })
      t.match(second.headers['www-authenticate'], /challenge/)
      const nonce = /challenge:(\w+)/.exec(second.headers['www-authenticate'] ?? '')?.[1]
      t.equal((await shared.ask('/', { authorization: `NTLM answer:ann:${nonce}` })).status, 401)
      t.equal((await shared.ask('/')).status, 401)
      shared.leave()
    }
    t.ok(app.seen.every(({ user }) => user === undefined))
  },
)

t.test('a WebSocket is opened over the connection its client is signed in on, and over no other’s', async (t) => {
  const app = await ntlmApplication(t)
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open }] })
  const upgrade = `GET /socket HTTP/1.1\r\nHost: h\r\nOrigin: http://h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}\r\n\r\n`
  const ann = await RawSocket.open(t, door.port)
  ann.write('GET / HTTP/1.1\r\nHost: h\r\nAuthorization: NTLM hello:ann\r\n\r\n')
  const nonce = /challenge:(\w+)/.exec(await ann.untilReceived('no!!'))?.[1]
  ann.write(`GET / HTTP/1.1\r\nHost: h\r\nAuthorization: NTLM answer:ann:${nonce}\r\n\r\n`)
  await ann.untilReceived('mailbox of ann')
  const ben = await RawSocket.open(t, door.port)
  ben.write(upgrade)
  t.match(await ben.untilReceived(/HTTP\/1\.1 \d{3}/), /^HTTP\/1\.1 401/)
  ann.write(upgrade)
  t.match(await ann.untilReceived(/101 Switching[\s\S]*mailbox of ann/), /101/)
  t.same(app.signedIn(), ['ann'])
  ann.reset()
  await until('the connection to be closed', () => app.signedIn().length === 0)
})

t.test('connections kept for one client each take no application’s places from the others', async (t) => {
  const app = await ntlmApplication(t)
  const door = await frontDoor(t, { sites: [{ upstream: app.url, rules: open, limits: { connections: 4 } }] })
  const strangers = Array.from({ length: 30 }, () => new Client(t, door.port))
  for (const stranger of strangers) await stranger.ask('/', { authorization: 'NTLM hello:x' })
  t.ok(app.open() <= 5, `${app.open()} of 4, and one on its way out`)
  const answers = await Promise.all(Array.from({ length: 12 }, () => new Client(t, door.port).ask('/open')))
  t.same([...new Set(answers.map(({ status }) => status))], [200])
})
