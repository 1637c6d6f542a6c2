import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { text } from 'node:stream/consumers'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import t, { type Test } from 'tap'
import { housePassword, startHouse } from '../support/house.js'
import { type ProxyName, skipWithoutProxy, startCaddy, startHaproxy, startNginx } from '../support/other-proxies.js'
import { Visitor } from '../support/visitor.js'

/**
 * Proxies of others in front: those that ask, and one that only passes on. Each runs what its recipe shows, and all pass the
 * same table of requests.
 */

t.setTimeout(300_000)

interface Seen {
  readonly method: string
  readonly url: string
  /** As they came; names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
}

/** An application that keeps what it sees, and opens every WebSocket. */
async function startApplication(t: Test) {
  const seen: Seen[] = []
  const keep = async (incoming: IncomingMessage, body: string) => {
    const { method = '', url = '', rawHeaders } = incoming
    const headers = rawHeaders.flatMap((name, at) =>
      at % 2 === 0 ? [[name.toLowerCase(), rawHeaders[at + 1] ?? ''] as const] : [],
    )
    seen.push({ method, url, headers, body })
  }
  const server = createServer(async (incoming, response) => {
    await keep(incoming, await text(incoming))
    response.end('the application')
  })
  server.on('upgrade', (incoming, socket) => {
    void keep(incoming, '')
    socket.on('error', () => socket.destroy())
    const accept = createHash('sha1')
      .update(`${incoming.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64')
    socket.end(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, seen }
}

const rules = `
    rules:
      - { path: /assets/**, access: public }
      - { path: /internal/**, access: deny }
      - { path: /office/**, from: [203.0.113.0/24], access: public }
      - { path: /api/**, access: password, clients: api }`

/** The gateway, the application, and one user. What comes through a proxy comes from 127.0.0.2: only 127.0.0.1 is trusted. */
async function open(t: Test, upstream: 'none' | 'application', host: '127.0.0.1' | '::' = '127.0.0.1') {
  const application = await startApplication(t)
  const core = await startHouse(t, {
    host,
    yaml: `
publicUrl: http://localhost:8080
trustedProxies: [127.0.0.1/32, "::1/128"]
sites:
  - upstream: ${upstream === 'none' ? 'none' : `http://127.0.0.1:${application.port}`}
    identity: remote-user${rules}
networks:
  - { range: [198.51.100.0/24], access: deny }
  - { range: [127.0.0.1/32], access: deny }
`,
  })
  await core.addUser('ana', { email: 'ana@example.com' })
  return { ...core, seen: application.seen, behind: { gateway: core.port, application: application.port } }
}

const page = { accept: 'text/html,*/*', 'sec-fetch-mode': 'navigate' }

/** Whatever a client can say about who it is, where it comes from and what it asks for. */
const lies = {
  'remote-user': 'liar',
  'remote-groups': 'liar',
  remote_user: 'liar',
  'x-remote-user': 'liar',
  'x-forwarded-for': '203.0.113.5',
  'x-real-ip': '203.0.113.5',
  forwarded: 'for=203.0.113.5',
  'x-forwarded-uri': '/assets/a.css',
  'x-forwarded-method': 'GET',
  'x-forwarded-host': 'localhost',
  'x-forwarded-proto': 'https',
  'x-original-url': '/assets/a.css',
  'x-original-uri': '/assets/a.css',
  'x-original-method': 'GET',
  'x-rewrite-url': '/assets/a.css',
}

/** One request exactly as said, over a connection of its own. */
function raw(port: number, method: string, path: string, headers: Record<string, string>, body = '') {
  return new Promise<{ status: number; body: string; headers: IncomingMessage['headers'] }>((resolve, reject) => {
    const outgoing = request({
      host: '127.0.0.1',
      port,
      method,
      path,
      headers,
      localAddress: '127.0.0.2',
      agent: false,
    })
    outgoing.on('response', async (answer) => {
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: await text(answer) })
    })
    outgoing.on('upgrade', (answer, socket) => {
      socket.destroy()
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: '' })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** The table. */
async function passesTheTable(t: Test, port: number, core: Awaited<ReturnType<typeof open>>) {
  const { seen } = core
  const visitor = new Visitor(t, `http://localhost:${port}`, '127.0.0.2')
  const host = `localhost:${port}`
  const last = () => seen.at(-1)
  const told = (name: string) => last()?.headers.flatMap(([key, value]) => (key === name ? [value] : []))

  // Nobody.
  t.equal((await raw(port, 'GET', '/assets/a.css?v=1', { host })).status, 200, 'public')
  t.equal(last()?.url, '/assets/a.css?v=1')
  t.notOk(told('remote-user')?.join(''), 'nobody is told')
  t.notOk(told('cookie')?.join(''))
  const led = await visitor.get('/page?x=1&y=2')
  t.equal(led.status, 302, 'a page load is led to the sign-in')
  t.equal(led.location, `/.gatelodge/sign-in?return=${encodeURIComponent('/page?x=1&y=2')}`)
  const asked = await raw(port, 'GET', '/page', { host, accept: 'application/json' })
  t.equal(asked.status, 401, 'a program is told')
  t.match(asked.headers, { 'content-type': /problem\+json/, 'www-authenticate': /./ })
  t.equal(JSON.parse(asked.body).code, 'sign-in.required')
  t.match((await raw(port, 'GET', '/api/x', { host })).headers['www-authenticate'], /^Basic /)
  t.equal((await raw(port, 'POST', '/page', { host, ...page, 'content-length': '3' }, 'x=1')).status, 401)
  t.equal((await raw(port, 'GET', '/internal/x', { host })).status, 403)

  // Lies open nothing, and do not arrive.
  const before = seen.length
  for (const path of ['/page', '/office/x', '/internal/x']) {
    t.ok((await raw(port, 'GET', path, { host, ...lies })).status >= 400, `lies on ${path}`)
  }
  for (const [name, value] of Object.entries(lies)) {
    const status = (await raw(port, 'GET', '/page', { host, [name]: value })).status
    t.ok(status >= 400, `${name} opens nothing: ${status}`)
    t.not((await raw(port, 'GET', '/office/x', { host, [name]: value })).status, 200, `${name} is no other address`)
  }
  for (const path of [
    '/assets/..%2finternal/x',
    '/assets/../internal/x',
    '/assets/%2e%2e/page',
    '/assets/..;/page',
    '//page',
    '/assets//../page',
    '/assets\\..\\page',
    '/assets/%5c..%5cpage',
    '/.gatelodge/../page',
    '/.gatelodge/..%2fpage',
  ]) {
    t.ok((await raw(port, 'GET', path, { host })).status >= 400, path)
  }
  // Our own prefix, and what may be taken for it: nothing judges those, so none of them may arrive.
  for (const path of [
    '/.gatelodge',
    '/.gatelodge?x',
    '/%2egatelodge',
    '/%2egatelodge/',
    '/%2egatelodge/sign-in',
    '/.GATELODGE',
    '/.Gatelodge/sign-in',
    '/.gatelodge.',
    '/.gatelodge;x',
    '/.gatelodge%3bx/sign-in',
    '/.gatelodge%20/',
    '/.gatelodge/./',
    '/.gatelodge/',
    '/.gatelodge//',
    '/.gatelodge%2fsign-in',
    '/.gatelodge%5csign-in',
    '//.gatelodge',
    '/x/../.gatelodge',
  ]) {
    t.not((await raw(port, 'GET', path, { host })).body, 'the application', path)
  }
  t.equal(seen.length, before, 'the application saw none of it')
  await raw(port, 'GET', '/assets/a.css', { host, ...lies })
  await raw(port, 'GET', '/assets/a.css', { host, 'remote-user': 'liar', 'x-remote_user': 'liar' })
  for (const name of ['remote-user', 'remote_user', 'remote-groups']) {
    t.notOk(
      seen.some(({ headers }) => headers.some(([key, value]) => key === name && value === 'liar')),
      name,
    )
  }
  t.not((await raw(port, 'GET', '/assets/a.css', { host, 'x-forwarded-for': '198.51.100.7' })).status, 403)

  // The question is nobody's to ask from outside.
  for (const path of [
    '/.gatelodge/forward-auth',
    '/.gatelodge/forward-auth/assets/a.css',
    '/.gatelodge/forward%2Dauth',
  ]) {
    const answer = await raw(port, 'GET', path, { host, ...lies, 'x-original-url': `http://${host}/assets/a.css` })
    t.ok(answer.status >= 400, `${path}: ${answer.status}`)
  }

  // Signed in.
  const signedIn = await visitor.fillIn(led.location ?? '', { username: 'ana', password: housePassword }, '/sign-in')
  t.equal(signedIn.location, '/page?x=1&y=2', 'back to the wanted page')
  visitor.cookies.set('theme', 'dark')
  t.equal((await visitor.get('/page?x=1&y=2', { headers: { 'remote-user': 'liar' } })).text, 'the application')
  t.same(told('remote-user'), ['ana'])
  t.same(told('remote-email'), ['ana@example.com'])
  t.same(told('cookie'), ['theme=dark'], 'the session is not the application’s to see')
  t.equal((await visitor.send('POST', '/page', { body: 'a=1', headers: page })).status, 200)
  t.match(last(), { method: 'POST', url: '/page', body: 'a=1' })
  t.same(told('remote-user'), ['ana'])
  t.equal((await visitor.get('/internal/x')).status, 403)
  const cookie = [...visitor.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  t.equal((await raw(port, 'GET', '/assets/a.css', { host, cookie })).status, 200)
  t.same(told('cookie'), ['theme=dark'], 'on public pages neither')

  // WebSockets.
  const handshake = {
    host,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
  }
  const origin = `http://${host}`
  t.equal(
    (await raw(port, 'GET', '/ws', { ...handshake, cookie, origin })).status,
    101,
    'from a page of the application',
  )
  t.same(told('remote-user'), ['ana'])
  t.same(told('cookie'), ['theme=dark'])
  t.ok((await raw(port, 'GET', '/ws', { ...handshake, origin })).status >= 400, 'without a session')
  t.ok((await raw(port, 'GET', '/ws', { ...handshake, cookie, origin: 'http://evil.example.com' })).status >= 400)

  // Over.
  await core.core.identity.sessions.clear()
  t.equal((await visitor.get('/page')).status, 302, 'a session that ended opens nothing')
}

type Start = (t: Test, behind: { gateway: number; application: number }) => Promise<number>
const asking: readonly (readonly [ProxyName, string, Start])[] = [
  ['nginx', 'nginx auth_request', (t, behind) => startNginx(t, 'asks', behind)],
  ['caddy', 'Caddy forward_auth', startCaddy],
  ['haproxy', 'HAProxy with a few lines of Lua', startHaproxy],
]
for (const [name, title, start] of asking) {
  t.test(`${title} passes the table, and fails closed`, { skip: skipWithoutProxy(name) }, async (t) => {
    const core = await open(t, 'none')
    const port = await start(t, core.behind)
    await passesTheTable(t, port, core)
    const nobody = await start(t, { ...core.behind, gateway: 1 })
    const before = core.seen.length
    const answer = await raw(nobody, 'GET', '/assets/a.css', { host: `localhost:${nobody}` })
    t.ok(answer.status >= 500, `without a gateway: ${answer.status}`)
    t.equal(core.seen.length, before)
  })
}

t.test('nginx as a plain trusted proxy passes the table', { skip: skipWithoutProxy('nginx') }, async (t) => {
  const core = await open(t, 'application')
  await passesTheTable(t, await startNginx(t, 'plain', core.behind), core)
})

const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))

t.test(
  'nginx as a plain trusted proxy over IPv6 passes the table',
  { skip: skipWithoutProxy('nginx') || (hasIPv6 ? false : 'this machine has no ::1') },
  async (t) => {
    const core = await open(t, 'application', '::')
    await passesTheTable(t, await startNginx(t, 'plain', { ...core.behind, gatewayHost: '[::1]' }), core)
  },
)

t.test('an application behind the gateway checks the assertion with the keys that are published', async (t) => {
  const application = await startApplication(t)
  const core = await startHouse(t, {
    yaml: `
publicUrl: http://localhost:8080
sites:
  - upstream: http://127.0.0.1:${application.port}
    identity:
      headers: { X-User: "{username}" }
      assertion: { audience: crm }
      basic: { username: "{username}", password: "the {same} for all" }
    rules: [{ path: /assets/**, access: public }]
`,
  })
  await core.addUser('ana')
  const told = (name: string) =>
    application.seen.at(-1)?.headers.flatMap(([key, value]) => (key === name ? [value] : [])) ?? []
  const visitor = core.visitor()
  const lie = {
    'x-user': 'liar',
    x_gatelodge_assertion: 'liar',
    'x-gatelodge-assertion': 'liar',
    authorization: 'liar',
  }
  await visitor.get('/assets/a', { headers: lie })
  t.notOk(
    application.seen.at(-1)?.headers.some(([, value]) => value === 'liar'),
    'nothing of it on public pages',
  )
  const led = await visitor.get('/')
  await visitor.fillIn(led.location ?? '', { username: 'ana', password: housePassword }, '/sign-in')
  await visitor.get('/', { headers: lie })
  t.same(told('x-user'), ['ana'])
  t.same(told('authorization'), [`Basic ${Buffer.from('ana:the {same} for all').toString('base64')}`])
  const [token = '', ...more] = told('x-gatelodge-assertion')
  t.same(more, [])
  const keys = createRemoteJWKSet(new URL(`${core.url}/.gatelodge/jwks.json`))
  const { payload } = await jwtVerify(token, keys, { issuer: 'http://localhost:8080', audience: 'crm' })
  t.equal(payload['preferred_username'], 'ana')
  await visitor.get('/again')
  t.same(told('x-gatelodge-assertion'), [token], 'signed once')
  const list = await visitor.send('GET', '/.gatelodge/jwks.json')
  t.match(list.headers['cache-control'], /max-age=/)
  t.notMatch(list.text, '"d"')
})
