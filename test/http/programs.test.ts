import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type IncomingMessage, type OutgoingHttpHeaders, request as requestHttp } from 'node:http'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import type { RuleSettings } from '../../src/access/rule.js'
import type { TokenWish } from '../../src/identity/api-clients/app-tokens.js'
import { add, PASSWORD, type Rooms, services } from '../support/core.js'
import {
  type Application,
  application,
  type FrontDoor,
  frontDoor,
  type SiteInput,
  token as session,
} from '../support/front-door.js'
import { findProgram, skipWithout } from '../support/installed.js'
import { until } from '../support/poll.js'
import { rawExchange } from '../support/raw-socket.js'

/** Programs at the front door: real sockets, a real store, real passwords. */

interface House {
  readonly r: Rooms
  readonly app: Application
  readonly door: FrontDoor
  issue(username: string, more?: Partial<TokenWish>): Promise<string>
  send(method: string, path: string, headers?: OutgoingHttpHeaders): Promise<Reply>
}

interface Reply {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
  readonly code: string | undefined
}

const api: RuleSettings = { path: '/api/**', access: 'password', clients: 'api', preflight: 'pass', line: 1 }
const rules: readonly RuleSettings[] = [
  { path: '/public/**', access: 'public', line: 2 },
  { path: '/api/sealed/**', access: 'second-factor', clients: 'api', line: 3 },
  { path: '/api/closed/**', access: 'deny', line: 4 },
  { path: '/api/staff/**', access: 'password', clients: 'api', groups: ['staff'], line: 5 },
  { path: '/api/quiet/**', methods: ['OPTIONS'], access: 'deny', line: 6 },
  { path: '/api/plain/**', access: 'password', clients: 'api', line: 7 },
  api,
]

async function core(t: Test, more: { site?: Partial<SiteInput> } = {}): Promise<House> {
  const r = await services(t)
  const app = await application(t, (request, response) => {
    if (request.url?.includes('stream')) {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: first\n\n')
      return
    }
    response.setHeader('ratelimit-limit', '7')
    response.setHeader('set-cookie', 'own=1')
    request.resume().on('end', () => response.end(`${request.method} ${request.url}`))
  })
  const door = await frontDoor(t, {
    sites: [{ upstream: app.url, identity: 'remote-user', rules, ...more.site }],
    programs: (authorization, request) => r.programs.find(authorization, request),
    trusted: ['127.0.0.0/8'],
  })
  return {
    r,
    app,
    door,
    async issue(username, wish = {}) {
      const [user] = await r.directory.find({ username })
      const issued = await r.tokens.issue({ accountId: user?.id ?? '', name: 'test', ...wish }, 'test')
      return issued?.secret ?? 'none'
    },
    send: (method, path, headers = {}) => send(door.port, method, path, headers),
  }
}

async function send(port: number, method: string, path: string, headers: OutgoingHttpHeaders): Promise<Reply> {
  const request = requestHttp({ host: '127.0.0.1', port, method, path, headers, agent: false }).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const body = await text(response)
  const isProblem = response.headers['content-type'] === 'application/problem+json'
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body,
    code: isProblem ? (JSON.parse(body) as { code: string }).code : undefined,
  }
}

const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` })
const basic = (username: string, password = PASSWORD) => ({
  authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
})

t.test(
  'what a program sent to prove itself stays here, and what was meant for the application goes there',
  async (t) => {
    const { r, app, issue, send } = await core(t)
    await add(r, 'nightly', { role: 'api' })
    await add(r, 'ann')
    const secret = await issue('ann')
    const seen = () => app.requests.at(-1)?.headers
    t.match(await send('GET', '/api/x', bearer(secret)), { status: 200, body: 'GET /api/x' })
    t.equal(seen()?.['remote-user'], 'ann')
    t.equal(seen()?.authorization, undefined)
    t.match(await send('POST', '/api/x', basic('nightly')), { status: 200 })
    t.equal(seen()?.['remote-user'], 'nightly')
    t.equal(seen()?.authorization, undefined)

    const theirs = { cookie: `gatelodge=${session}`, ...basic('their own', 'x') }
    t.match(await send('GET', '/api/x', theirs), { status: 200 })
    t.equal(seen()?.['remote-user'], 'bob', 'a session comes first')
    t.equal(seen()?.authorization, theirs.authorization)
    await send('GET', '/public/x', basic('their own', 'x'))
    t.equal(seen()?.authorization, basic('their own', 'x').authorization)

    const sent = [bearer(secret), basic('ann', secret), basic(secret, ''), bearer(`${secret}x`)]
    for (const header of sent) {
      await send('GET', '/public/x', header)
      t.equal(seen()?.authorization, undefined, 'a token of ours is no application’s to see')
      await send('GET', '/api/x', { cookie: `gatelodge=${session}`, ...header })
      t.equal(seen()?.authorization, undefined)
    }
  },
)

t.test('a token in a header of its own leaves Authorization to the application', async (t) => {
  const { r, app, issue, send } = await core(t)
  await add(r, 'ann')
  await add(r, 'nightly', { role: 'api' })
  const secret = await issue('ann')
  const seen = () => app.requests.at(-1)?.headers
  for (const authorization of [
    'token 0123abcd',
    'Negotiate abc',
    'Bearer theirs',
    basic('their own', 'x').authorization,
  ]) {
    t.match(await send('GET', '/api/x', { 'X-Gatelodge-Token': secret, authorization }), { status: 200 }, authorization)
    t.same([seen()?.['remote-user'], seen()?.authorization], ['ann', authorization])
    t.equal(seen()?.['x-gatelodge-token'], undefined, 'taken off')
  }
  await send('GET', '/api/x', { 'x-gatelodge-token': secret, ...bearer(secret) })
  t.equal(seen()?.authorization, undefined, 'a token of ours is no application’s to see, in either')
  await send('GET', '/public/x', { 'x-gatelodge-token': secret, x_gatelodge_token: secret, authorization: 'token x' })
  t.same(
    [seen()?.['x-gatelodge-token'], seen()?.['x_gatelodge_token'], seen()?.authorization],
    [undefined, undefined, 'token x'],
  )

  const count = app.requests.length
  const wrong = [`${secret}x`, `Bearer ${secret}`, '', PASSWORD, [secret, secret], basic('nightly').authorization]
  for (const value of wrong) {
    const refused = await send('GET', '/api/x', { 'x-gatelodge-token': value, ...basic('nightly') })
    t.match(refused, { status: 401, code: 'api.credentials' }, `${value}`)
  }
  t.match(await send('GET', '/elsewhere', { 'x-gatelodge-token': secret }), { status: 401, code: 'sign-in.required' })
  t.equal(app.requests.length, count)

  t.match(await send('GET', '/api/x', basic('', secret)), { status: 200 }, 'git of https://:TOKEN@host')
  t.match(await send('GET', '/api/x', basic(secret, '')), { status: 200 }, 'git of https://TOKEN:@host')
  t.match(await send('GET', '/api/x', basic('', PASSWORD)), { status: 401 }, 'and no name is nobody’s password')
})

t.test('git takes a token as a name and as a password', { skip: skipWithout('git', findProgram('git')) }, async (t) => {
  const { r, app, door, issue } = await core(t)
  await add(r, 'ann')
  const secret = await issue('ann')
  for (const who of [`${secret}:`, `:${secret}`]) {
    const before = app.requests.length
    const address = `http://${who}@127.0.0.1:${door.port}/api/it.git`
    const git = spawn('git', ['-c', 'credential.helper=', 'ls-remote', address], {
      env: { ...process.env, GIT_TERMINAL_PROMPT: '0', no_proxy: '*' },
      stdio: 'ignore',
    })
    await once(git, 'exit')
    const [request] = app.requests.slice(before)
    t.match(request?.url, /^\/api\/it\.git\/info\/refs/, who.replace(secret, 'TOKEN'))
    t.same([request?.headers['remote-user'], request?.headers.authorization], ['ann', undefined])
  }
})

t.test('programs get no session, no page and no box to type into', async (t) => {
  const { r, issue, send } = await core(t)
  const account = await add(r, 'nightly', { role: 'api' })
  const secret = await issue('nightly')
  const page = { accept: 'text/html', 'sec-fetch-mode': 'navigate' }
  const passed = await send('GET', '/api/x', { ...page, ...bearer(secret) })
  t.same(passed.headers['set-cookie'], ['own=1'], 'the application’s own, and none of ours')
  for (const path of ['/api/sealed/x', '/api/staff/x', '/api/closed/x']) {
    const refused = await send('GET', path, bearer(secret))
    t.match(refused, { status: 403, code: 'access.denied' }, path)
    t.equal(refused.headers['set-cookie'], undefined)
    t.equal((await send('GET', path, { ...page, ...bearer(secret) })).status, 403, 'no way to the sign-in page')
  }
  t.match(await send('GET', '/elsewhere', bearer(secret)), { status: 401, code: 'sign-in.required' })
  const none = await send('GET', '/api/x')
  t.match(none, { status: 401, code: 'sign-in.required' })
  t.equal(none.headers['www-authenticate'], 'Basic realm="gatelodge", charset="UTF-8", Bearer realm="gatelodge"')
  const wrong = await send('GET', '/api/x', bearer(`${secret.slice(0, -1)}_`))
  t.match(wrong, { status: 401, code: 'api.credentials' })
  t.match(wrong.headers['www-authenticate'], /Bearer realm="gatelodge", error="invalid_token"$/)
  const script = await send('GET', '/api/x', { 'sec-fetch-mode': 'cors', ...bearer('glt_x') })
  t.match(script.headers['www-authenticate'], /^Cookie /)
  const old = await send('GET', '/api/x', { accept: 'text/html, */*', ...bearer('glt_x') })
  t.match(old, { status: 401 }, 'no redirect for whoever sends credentials, whatever it accepts')
  t.match(await send('GET', '/api/x', page), { status: 302 }, 'a person in a browser is led to sign in')
  await r.accounts.deactivate(account.id)
  t.match(await send('GET', '/api/x', bearer(secret)), { status: 401, code: 'api.credentials' })
  t.match(await send('GET', '/api/x', basic('nightly')), { status: 401, code: 'api.credentials' })
})

t.test(
  'a token used on a site outside its scope reaches nothing, by no trick with hosts, paths or methods',
  async (t) => {
    const { r, app, door, issue, send } = await core(t)
    await add(r, 'ann')
    const scopes = {
      sites: ['crm.example.com'],
      methods: ['GET'],
      paths: ['/api/reports/**'],
      networks: ['203.0.113.0/24'],
    }
    const secret = await issue('ann', { scopes })
    const from = { host: 'crm.example.com', 'x-forwarded-for': '203.0.113.9', ...bearer(secret) }
    t.match(await send('GET', '/api/reports/q1', from), { status: 200 })
    t.match(await send('HEAD', '/api/reports/q1', from), { status: 200 })
    const before = app.requests.length
    const outside = [
      await send('GET', '/api/reports/q1', { ...from, host: 'wiki.example.com' }),
      await send('GET', '/api/reports/q1', { ...from, 'x-forwarded-for': '203.0.113.9, 198.51.100.1' }),
      await send('GET', '/api/reports/q1', { ...from, 'x-forwarded-for': '2001:db8::1' }),
      await send('GET', '/api/reports/q1', { ...from, 'x-forwarded-for': 'junk' }),
      await send('POST', '/api/reports/q1', { ...from, 'x-http-method-override': 'GET' }),
      await send('GET', '/api/orders', { ...from, 'x-original-url': '/api/reports/q1' }),
      await send('GET', '/api/orders?/api/reports/q1', from),
    ]
    for (const reply of outside) {
      t.match(reply, { status: 403, code: 'token.insufficient-scope' })
      t.equal(reply.headers['www-authenticate'], 'Bearer realm="gatelodge", error="insufficient_scope"')
    }
    for (const path of [
      '/api/reports/../orders',
      '/api/reports/..;/orders',
      '/api/reports/%2e%2e/orders',
      '/api/reports/..%2forders',
      '/api/reports/..\\orders',
      '/api//reports/../orders',
      '/api/reports;/../../orders',
      '/api/orders;/api/reports/x',
      '/api/orders%3f/../reports/x',
    ]) {
      const raw = `GET ${path} HTTP/1.1\r\nHost: crm.example.com\r\nX-Forwarded-For: 203.0.113.9\r\nAuthorization: Bearer ${secret}\r\nConnection: close\r\n\r\n`
      const { text: answer } = await rawExchange(t, door.port, raw)
      t.match(answer, /^HTTP\/1\.1 40[03] /, path)
    }
    t.equal(app.requests.length, before)
  },
)

t.test('a token for the management opens no site that it does not name', async (t) => {
  const { r, issue, send } = await core(t)
  await add(r, 'ann')
  const host = { host: 'crm.example.com' }
  const bare = await issue('ann', { admin: true })
  t.match(await send('GET', '/api/x', { ...host, ...bearer(bare) }), { status: 403, code: 'token.insufficient-scope' })
  const named = await issue('ann', { admin: true, scopes: { sites: ['crm.example.com'] } })
  t.match(await send('GET', '/api/x', { ...host, ...bearer(named) }), { status: 200 })
})

t.test('the rate of a token is said with every answer, and kept', async (t) => {
  const { r, app, issue, send } = await core(t)
  await add(r, 'ann')
  const secret = await issue('ann', { rate: { requests: 2, seconds: 86_400 } })
  const first = await send('GET', '/api/x', bearer(secret))
  t.match(first.headers, { 'ratelimit-limit': '2', 'ratelimit-remaining': '1', 'ratelimit-policy': '2;w=86400' })
  t.match((await send('GET', '/api/x', bearer(secret))).headers, { 'ratelimit-remaining': '0' })
  const third = await send('GET', '/api/x', bearer(secret))
  t.match(third, { status: 429, code: 'token.rate-limited' })
  t.equal(third.headers['retry-after'], third.headers['ratelimit-reset'])
  t.match(Number(third.headers['retry-after']) > 0, true)
  t.equal(app.requests.length, 2)
  const free = await send('GET', '/api/x', bearer(await issue('ann')))
  t.equal(free.headers['ratelimit-limit'], '7', 'the application’s own, where there is none of ours')
})

t.test(
  'what browsers ask before a call from another origin passes where the rule says so, and nothing else does',
  async (t) => {
    const { app, send, door } = await core(t)
    const preflight = { origin: 'https://shop.example.com', 'access-control-request-method': 'PUT' }
    const passed = await send('OPTIONS', '/api/x', { ...preflight, cookie: 'gatelodge=junk', 'remote-user': 'root' })
    t.match(passed, { status: 200, body: 'OPTIONS /api/x' })
    t.equal(app.requests.at(-1)?.headers['remote-user'], undefined)
    const before = app.requests.length
    const { origin, ...noOrigin } = preflight
    for (const [what, reply] of [
      ['no origin', await send('OPTIONS', '/api/x', noOrigin)],
      ['no method', await send('OPTIONS', '/api/x', { origin })],
      [
        'no word for a method',
        await send('OPTIONS', '/api/x', { ...preflight, 'access-control-request-method': 'GET /' }),
      ],
      ['another method than OPTIONS', await send('PUT', '/api/x', preflight)],
      [
        'a body',
        await send('OPTIONS', '/api/x', { ...preflight, 'content-length': '0', 'transfer-encoding': 'chunked' }),
      ],
      ['a rule that does not say so', await send('OPTIONS', '/api/plain/x', preflight)],
      ['no rule', await send('OPTIONS', '/elsewhere', preflight)],
      ['a rule of second factors', await send('OPTIONS', '/api/sealed/x', preflight)],
      ['a spelling of a rule that does not say so', await send('OPTIONS', '/api/x;/../plain/x', preflight)],
    ] as const) {
      t.ok(reply.status >= 400 && reply.status < 500, `${what}: ${reply.status}`)
    }
    t.match(await send('OPTIONS', '/api/quiet/x', preflight), { status: 403 }, 'OPTIONS is denied by a rule of its own')
    t.match(await send('OPTIONS', '/api/closed/x', preflight), { status: 403 })
    const wrong = await send('OPTIONS', '/api/x', { ...preflight, ...basic('nobody', 'x') })
    t.match(wrong, { status: 401, code: 'api.credentials' }, 'with credentials it is a request like any other')
    t.equal(app.requests.length, before)
    t.equal(door.log.filter((line) => line.includes('"err"')).length, 0)
  },
)

t.test('a WebSocket by token opens like any, and ends with the token', async (t) => {
  const { r, app, door, issue } = await core(t)
  const sockets = new WebSocketServer({ server: app.server })
  const handshakes: IncomingMessage[] = []
  sockets.on('connection', (socket, request) => {
    handshakes.push(request)
    socket.on('error', () => {})
  })
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    sockets.close()
  })
  const open = async (headers: Record<string, string>) => {
    const socket = new WebSocket(`ws://127.0.0.1:${door.port}/api/chat`, { headers })
    t.teardown(() => socket.terminate())
    socket.on('error', () => {})
    await once(socket, 'open')
    return socket
  }
  const refusedWith = async (headers: Record<string, string>) => {
    const socket = new WebSocket(`ws://127.0.0.1:${door.port}/api/chat`, { headers })
    socket.on('error', () => {})
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
    response.resume()
    return response
  }
  const ann = await add(r, 'ann')
  const [one, other] = [await issue('ann'), await issue('ann', { rate: { requests: 1, seconds: 86_400 } })]
  const [first, second] = [await open(bearer(one)), await open(bearer(other))]
  t.match(handshakes[0]?.headers, { 'remote-user': 'ann' })
  t.equal(handshakes[0]?.headers.authorization, undefined)
  const none = await refusedWith({})
  t.match(none.headers, { 'content-type': 'application/problem+json', 'www-authenticate': /^Basic .*Bearer / })
  t.equal((await refusedWith(bearer(other))).statusCode, 429)

  const revoked = (await r.tokens.list(ann.id)).find(({ rate }) => rate === undefined)
  await r.tokens.revoke(revoked?.id ?? '', 'owner')
  await until('the end of what the revoked token opened', () => first.readyState === WebSocket.CLOSED)
  t.equal(second.readyState, WebSocket.OPEN, 'the other goes on, though its rate is used up')
  await r.accounts.deactivate(ann.id)
  await until('the end of what the deactivated account has open', () => second.readyState === WebSocket.CLOSED)
})

t.test('a stream ends when its token expires, or the password that opened it ends', async (t) => {
  const { r, app, door, issue } = await core(t)
  const nightly = await add(r, 'nightly', { role: 'api' })
  const expiresAt = r.clock.ms + 3_600_000
  const open = async (headers: OutgoingHttpHeaders) => {
    const request = requestHttp({
      host: '127.0.0.1',
      port: door.port,
      path: '/api/stream',
      headers,
      agent: false,
    }).end()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    t.equal(response.statusCode, 200)
    response.resume().on('error', () => {})
    return response
  }
  const byToken = await open(bearer(await issue('nightly', { expiresAt })))
  const byPassword = await open(basic('nightly'))
  r.clock.forward(3600)
  await until('the end of the expired token’s stream', () => byToken.destroyed)
  t.notOk(byPassword.destroyed, 'the password was judged an hour ago, and nothing has ended it')
  await r.accounts.endAll(nightly.id)
  await until('the end of the other stream', () => byPassword.destroyed)
  t.equal(app.requests.length, 2)
})

t.test('on a site that is only observed an application’s own Basic passes untouched, however often', async (t) => {
  const { r, app, issue, send } = await core(t, { site: { enforce: false } })
  await add(r, 'ann')
  const theirs = basic('ann', 'the password of the application')
  for (let turn = 0; turn < 7; turn += 1) t.match(await send('GET', '/api/x', theirs), { status: 200 })
  t.equal(app.requests.at(-1)?.headers.authorization, theirs.authorization)
  t.equal(app.requests.at(-1)?.headers['remote-user'], undefined)
  const narrow = await issue('ann', { scopes: { methods: ['POST'] } })
  t.match(await send('GET', '/api/x', bearer(narrow)), { status: 200 })
  t.equal(app.requests.at(-1)?.headers['remote-user'], undefined, 'not in the name of a token that is not for that')
})

t.test('an exempt account passes with its password where a site allows API clients (S09)', async (t) => {
  const { r, app, send } = await core(t, { site: { host: 'crm.example.com' } })
  const ann = await add(r, 'ann')
  const host = { host: 'crm.example.com', 'x-forwarded-for': '203.0.113.9' }
  const ask = (path = '/api/x', more = {}) => send('GET', path, { ...host, ...basic('ann'), ...more })
  t.match(await ask(), { status: 401, code: 'api.credentials' }, 'not exempt yet')
  const exempt = (exemption: { sites?: string[]; networks?: string[]; until?: number }) =>
    r.accounts.change(ann.id, (account) => ({
      ...account,
      required: true,
      enrolled: [{ id: '1', method: 'totp' }],
      exemption: { reason: 'runs the nightly import', ...exemption },
    }))
  await exempt({ sites: ['crm.example.com'], networks: ['203.0.113.0/24'], until: Date.now() + 3_600_000 })
  t.match(await ask(), { status: 200 })
  t.equal(app.requests.at(-1)?.headers['remote-user'], 'ann')
  t.match(await ask('/elsewhere'), { status: 401 }, 'no rule for programs')
  t.match(await ask('/api/sealed/x'), { status: 401, code: 'sign-in.second-factor-required' })
  t.match(await ask('/api/x', { 'x-forwarded-for': '198.51.100.1' }), { status: 401, code: 'api.credentials' })
  await exempt({ until: Date.now() - 1 })
  t.match(await ask(), { status: 401, code: 'api.credentials' }, 'over at the next request')
  await exempt({ sites: ['wiki.example.com'] })
  t.match(await ask(), { status: 401, code: 'api.credentials' })
  await exempt({})
  t.match(await ask(), { status: 200 })
  await r.accounts.change(ann.id, (account) => ({ ...account, addresses: ['192.0.2.0/24'] }))
  t.match(await ask(), { status: 403, code: 'access.denied' }, 'may not come from there')
})
