import t from 'tap'
import { request as ask } from 'undici'
import { application, type FrontDoorInput, frontDoor, prefix, signedIn, token } from '../support/front-door.js'
import { until } from '../support/poll.js'
import { RawSocket } from '../support/raw-socket.js'
import type { Scope } from '../support/scope.js'

/** Where other proxies ask. What real ones send and do is in test/journeys/other-proxies.test.ts. */

const cookie = `gatelodge=${token}`
const html = 'text/html,*/*'

/** A site that other proxies pass requests on to, and the trusted proxy on this machine. */
async function door(t: Scope, input: Partial<FrontDoorInput> = {}) {
  const gateway = await frontDoor(t, {
    trusted: ['127.0.0.1/32'],
    sites: [
      {
        host: 'app.example.com',
        upstream: 'none',
        rules: [
          { path: '/assets/**', access: 'public', line: 1 },
          { path: '/internal/**', access: 'deny', line: 2 },
          { path: '/api/**', access: 'password', clients: 'api', line: 3 },
          { path: '/office/**', methods: ['POST'], access: 'deny', line: 4 },
          { path: '/office/**', from: ['203.0.113.0/24'], access: 'public', line: 5 },
        ],
      },
    ],
    ...input,
  })
  const send = async (headers: Record<string, string | string[]>, path = '', method = 'GET', body?: string) => {
    const url = `http://127.0.0.1:${gateway.port}${prefix}/forward-auth${path}`
    const answer = await ask(url, { method: method as 'GET', headers, ...(body === undefined ? {} : { body }) })
    return { status: answer.statusCode, headers: answer.headers, body: await answer.body.text() }
  }
  return Object.assign(gateway, { send })
}

async function sendRaw(t: Scope, port: number, text: string): Promise<string> {
  const socket = await RawSocket.open(t, port)
  socket.write(text)
  await until('an answer', () => socket.text().includes('\r\n\r\n'))
  return socket.text()
}

/** As Caddy and Traefik ask. */
const held = (uri: string, more: Record<string, string> = {}) => ({
  'x-forwarded-method': 'GET',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'app.example.com',
  'x-forwarded-uri': uri,
  'x-forwarded-for': '192.0.2.1',
  ...more,
})

/** As nginx is told to ask. */
const heldByNginx = (uri: string, more: Record<string, string> = {}) => ({
  'x-original-method': 'GET',
  'x-original-url': `https://app.example.com${uri}`,
  'x-forwarded-for': '192.0.2.1',
  ...more,
})

t.test('who may pass is answered with 200 and who it is', async (t) => {
  const { send } = await door(t)
  const answer = await send(held('/page?x=1', { cookie: `theme=dark; ${cookie}; lang=en` }))
  t.equal(answer.status, 200)
  t.equal(answer.body, '')
  t.equal(answer.headers['cache-control'], 'no-store')
  t.equal(answer.headers['remote-user'], undefined, 'the site names no preset')
  t.equal(answer.headers['cookie'], 'theme=dark; lang=en', 'the session is not the application’s to see')
})

t.test('the identity headers are those of the site, and empty where nobody is known', async (t) => {
  const sites: FrontDoorInput['sites'] = [
    { upstream: 'none', identity: 'remote-user', rules: [{ path: '/assets/**', access: 'public', line: 1 }] },
  ]
  const { send } = await door(t, { sites })
  const known = await send(held('/', { cookie }))
  t.match(known.headers, {
    'remote-user': 'bob',
    'remote-email': 'bob@example.com',
    'remote-groups': 'staff',
    'remote-name': 'bob',
  })
  const nobody = await send(held('/assets/a.css', { 'remote-user': 'root' }))
  t.equal(nobody.status, 200)
  for (const name of ['remote-user', 'remote-email', 'remote-groups', 'remote-name', 'cookie']) {
    t.equal(nobody.headers[name], '', `${name} takes the place of what the client sent`)
  }
  const alias = await send(held('/assets/a.css', { remote_user: 'root' }))
  t.equal(alias.status, 400, 'another spelling, which no proxy takes off')
})

t.test('a page load is led to the sign-in on its own host, a program is told 401', async (t) => {
  const { send } = await door(t)
  const led = await send(held('/page?x=1&y=2', { accept: html }))
  t.equal(led.status, 302)
  t.equal(
    led.headers['location'],
    `https://app.example.com${prefix}/sign-in?return=${encodeURIComponent('/page?x=1&y=2')}`,
  )
  const told = await send(held('/page', { accept: 'application/json' }))
  t.equal(told.status, 401)
  t.match(told.headers['content-type'], 'application/problem+json')
  t.match(told.headers['www-authenticate'], /^Cookie /)
  t.equal(JSON.parse(told.body).code, 'sign-in.required')
  t.match((await send(held('/api/x'))).headers['www-authenticate'], /^Basic /)
  const posted = await send({ ...held('/page', { accept: html }), 'x-forwarded-method': 'POST' })
  t.equal(posted.status, 401, 'a form that was sent cannot be led anywhere')
})

t.test('nginx gets 401 and the way in a header, as it understands nothing else', async (t) => {
  const { send } = await door(t)
  const led = await send(heldByNginx('/page?x=1', { accept: html }))
  t.equal(led.status, 401)
  const way = `https://app.example.com${prefix}/sign-in?return=%2Fpage%3Fx%3D1`
  t.equal(led.headers['location'], way)
  t.equal(led.headers['x-gatelodge-location'], way)
  t.ok(led.headers['www-authenticate'])
  const told = await send(heldByNginx('/page'))
  t.equal(told.status, 401)
  t.equal(told.headers['location'], undefined)
  t.equal(told.headers['x-gatelodge-code'], 'sign-in.required')
  t.equal((await send(heldByNginx('/internal/x', { cookie }))).status, 403)
  t.equal((await send(heldByNginx('/page', { cookie }))).status, 200)
})

t.test('Envoy asks with the whole request behind the address', async (t) => {
  const { send } = await door(t)
  const host = { host: 'app.example.com', 'x-forwarded-for': '192.0.2.1' }
  t.equal((await send({ ...host, cookie }, '/page?x=1')).status, 200)
  t.equal((await send({ ...host, cookie }, '/')).status, 200)
  t.equal((await send({ ...host, cookie }, '/internal/x')).status, 403)
  t.equal((await send({ ...host, cookie, 'content-length': '0' }, '/office/x', 'POST')).status, 403)
  t.equal((await send({ ...host, accept: html, 'x-forwarded-proto': 'https' }, '/page')).status, 302)
  t.equal((await send({ ...host, cookie }, '/a/..%2finternal/x')).status, 400)
  t.equal((await send({ ...host, cookie, 'x-forwarded-uri': '/assets/a' }, '/internal/x')).status, 400)
})

t.test('only a proxy that is listed may ask', async (t) => {
  const nobody = await door(t, { trusted: [] })
  const refused = await nobody.send(held('/assets/a.css', { cookie }))
  t.equal(refused.status, 403)
  t.equal(JSON.parse(refused.body).code, 'forward-auth.peer')
  const another = await door(t, { peers: ['10.0.0.1/32'] })
  t.equal((await another.send(held('/assets/a.css'))).status, 403, 'trusted for addresses is not listed for this')
  const listed = await door(t, { trusted: [], peers: ['127.0.0.1/32'] })
  t.equal((await listed.send(held('/assets/a.css'))).status, 200)
  t.equal((await listed.send(held('/office/x', { 'x-forwarded-for': '203.0.113.5' }))).status, 200)
})

t.test('what is missing, comes twice or is said in two ways opens nothing', async (t) => {
  const { send } = await door(t)
  const without = (name: string) => {
    const { [name as 'x-forwarded-uri']: _, ...rest } = held('/assets/a.css', { cookie })
    return rest
  }
  const unclear = async (what: string, headers: Record<string, string | string[]>) => {
    const answer = await send(headers)
    t.ok(answer.status >= 400, `${what}: ${answer.status} ${answer.headers['x-gatelodge-reason'] ?? ''}`)
  }
  await unclear('no headers', { cookie })
  await unclear('no method', without('x-forwarded-method'))
  await unclear('no address', without('x-forwarded-uri'))
  await unclear('no host', without('x-forwarded-host'))
  const whole = held('/assets/a.css', { cookie })
  for (const name of ['x-forwarded-method', 'x-forwarded-host', 'x-forwarded-uri'] as const) {
    await unclear(`${name} twice`, { ...whole, [name]: [whole[name] ?? '', whole[name] ?? ''] })
  }
  await unclear('two in one line', { ...whole, 'x-forwarded-host': 'app.example.com, evil.example.com' })
  await unclear('another address', { ...whole, 'x-original-uri': '/internal/x' })
  await unclear('another full address', { ...whole, 'x-original-url': 'https://app.example.com/page' })
  await unclear('another host', { ...whole, 'x-original-url': 'https://evil.example.com/assets/a.css' })
  await unclear('another scheme', { ...whole, 'x-original-url': 'http://app.example.com/assets/a.css' })
  await unclear('another method', { ...whole, 'x-original-method': 'POST' })
  await unclear('no such scheme', { ...whole, 'x-forwarded-proto': 'gopher' })
  await unclear('a method that is none', { ...whole, 'x-forwarded-method': 'GET /x' })
  await unclear('TRACE', { ...whole, 'x-forwarded-method': 'TRACE' })
  await unclear('a host that is none', { ...whole, 'x-forwarded-host': 'a@app.example.com' })
  await unclear('no site', { ...whole, 'x-forwarded-host': 'other.example.com' })
  await unclear('a user in the address', { ...heldByNginx(''), 'x-original-url': 'https://a@app.example.com/assets/a' })
  const agreeing = { ...whole, 'x-original-url': 'https://APP.example.com/assets/a.css', 'x-original-method': 'GET' }
  t.equal((await send(agreeing)).status, 200, 'several that say the same are one')
})

t.test('the address that is asked about is read as strictly as one that comes straight here', async (t) => {
  const { send } = await door(t)
  for (const uri of [
    '/assets/../internal/x',
    '/assets/..%2finternal',
    '//assets',
    '/a%5cb',
    '*',
    'assets',
    '/a#b',
    '',
  ]) {
    t.ok((await send(held(uri, { cookie }))).status >= 400, uri)
    t.ok((await send(heldByNginx(uri, { cookie }))).status >= 400, uri)
  }
})

t.test('the client is who the proxy names, never the proxy itself', async (t) => {
  const { send } = await door(t, {
    networks: [
      { range: ['127.0.0.0/8'], secondFactor: 'not-required', line: 1 },
      { range: ['198.51.100.7/32'], access: 'deny', line: 2 },
    ],
  })
  const from = (text: string) => send(held('/office/x', { 'x-forwarded-for': text }))
  t.equal((await from('203.0.113.5')).status, 200)
  t.equal((await from('203.0.113.5, 192.0.2.1')).status, 401, 'what the client wrote itself is not looked at')
  t.equal((await from('198.51.100.7')).status, 403)
  const { 'x-forwarded-for': _, ...unnamed } = held('/office/x')
  t.equal((await send(unnamed)).status, 403, 'nobody named: the strictest network')
})

t.test('nobody is let in by asking about our own pages, which nothing judges', async (t) => {
  const { send } = await door(t)
  for (const path of ['', '/', '/sign-in', '/healthz', '/forward-auth', '/forward-auth/assets/a.css', '?x=1']) {
    const answer = await send(held(`${prefix}${path}`, { cookie }))
    t.equal(answer.status, 404, path)
    t.match(answer.headers['x-gatelodge-reason'], /own pages/)
    t.ok((await send(heldByNginx(`${prefix}${path}`, { cookie }))).status >= 400, path)
    if (path.startsWith('/')) t.equal((await send({ host: 'app.example.com', cookie }, `${prefix}${path}`)).status, 404)
  }
})

/** What one reader takes for our own pages and another for an application's. */
const aliases = [
  '/%2egatelodge',
  '/%2Egatelodge/',
  '/%2egatelodge/sign-in',
  '/.gatelodg%65/sign-in',
  '/.GATELODGE',
  '/.Gatelodge/sign-in',
  '/.gatelodge.',
  '/.gatelodge%20/sign-in',
  '/.gatelodge;x=1/sign-in',
  '/.gatelodge%3fx/sign-in',
  '/.gatelodge%23',
  '/.gatelodge::$DATA',
  '/.gatelodge:$I30:$INDEX_ALLOCATION/sign-in',
  '/%EF%BC%8Egatelodge/sign-in',
  '/./.gatelodge',
  '//.gatelodge',
  '/x/../.gatelodge',
  '/.gatelodge/../.gatelodge/sign-in',
  '/.gatelodge/forward%2Dauth',
  '/.gatelodge/%66orward-auth/x',
  '/.gatelodge/forward-auth;x',
]

t.test('another spelling of our own prefix is refused, by the question and by the proxy itself', async (t) => {
  const behind = await application(t)
  const { send, port } = await door(t, {
    sites: [{ upstream: behind.url, rules: [{ path: '/**', access: 'public', line: 1 }] }],
  })
  for (const alias of aliases) {
    t.equal((await send(held(alias, { cookie }))).status, 400, `asked about ${alias}`)
    const straight = await sendRaw(t, port, `GET ${alias} HTTP/1.1\r\nHost: app.example.com\r\n\r\n`)
    t.match(straight, /^HTTP\/1\.1 400 /, `straight ${alias}`)
  }
  t.equal(behind.requests.length, 0)
  t.equal((await send(held('/.gatelodge-notes/x', { cookie }))).status, 200, 'a name of its own is the application’s')
  t.equal((await send(held('/x/.gatelodge/y', { cookie }))).status, 200)
})

t.test('every 200 says each header a proxy may copy, with nothing in it where there is nothing to say', async (t) => {
  const sites: FrontDoorInput['sites'] = [
    {
      upstream: 'none',
      identity: {
        preset: 'remote-user',
        headers: { 'X-User': '{username}' },
        assertion: { header: 'X-Signed', lifetimeSeconds: 60 },
      },
      rules: [{ path: '/assets/**', access: 'public', line: 1 }],
    },
    { host: 'seen.example.com', upstream: 'none', identity: 'remote-user', enforce: false },
    { host: 'basic.example.com', upstream: 'none', identity: { basic: { username: '{username}', password: 'x' } } },
  ]
  const { send } = await door(t, { sites })
  const said = async (host: string, more: Record<string, string> = {}, uri = '/assets/a.css') => {
    const answer = await send({ ...held(uri, more), 'x-forwarded-host': host })
    t.equal(answer.status, 200, host)
    return answer.headers
  }
  const lies = { 'remote-user': 'root', 'x-user': 'root', 'x-signed': 'root' }
  const names = ['remote-user', 'remote-email', 'remote-groups', 'remote-name', 'cookie', 'authorization']
  const nobody = await said('app.example.com', lies)
  for (const name of [...names, 'x-user', 'x-signed']) t.equal(nobody[name], '', name)
  const observed = await said('seen.example.com', lies, '/page')
  for (const name of names) t.equal(observed[name], '', name)
  t.match((await said('basic.example.com', { cookie }))['authorization'], /^Basic /)
})

t.test('a WebSocket opens only from a page of the application', async (t) => {
  const { send } = await door(t)
  const handshake = { cookie, 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' }
  t.equal((await send(held('/ws', { ...handshake, origin: 'https://app.example.com' }))).status, 200)
  t.equal((await send(held('/ws', { ...handshake, origin: 'https://evil.example.com' }))).status, 403)
  t.equal((await send(held('/ws', { ...handshake, origin: 'http://app.example.com' }))).status, 403)
})

t.test('when nobody can be asked who it is, the answer is no, and public pages stay open', async (t) => {
  const gateway = await door(t)
  gateway.beforeFind = async () => {
    throw new Error('away')
  }
  t.equal((await gateway.send(held('/page', { cookie }))).status, 500)
  t.equal((await gateway.send(held('/assets/a.css', { cookie }))).status, 200)
})

t.test('a body that comes along is not waited for', async (t) => {
  const { send } = await door(t)
  t.equal((await send(held('/page', { cookie }), '', 'POST', 'x=1')).status, 200)
})

t.test('a program signs in by the same finder, and its credentials stay here', async (t) => {
  const { send } = await door(t, {
    programs: async (authorization) => (authorization === 'Bearer good' ? signedIn('robot') : undefined),
  })
  const passed = await send(held('/api/x', { authorization: 'Bearer good' }))
  t.equal(passed.status, 200)
  t.equal(passed.headers['authorization'], '')
  t.equal((await send(held('/api/x', { authorization: 'Bearer bad' }))).status, 401)
  const own = await send(held('/page', { cookie, authorization: 'Basic app' }))
  t.equal(own.headers['authorization'], 'Basic app', 'the application’s own')
})

t.test('a site without an application answers nobody straight', async (t) => {
  const { port } = await door(t)
  const answer = await ask(`http://127.0.0.1:${port}/page`, { headers: { host: 'app.example.com', cookie } })
  t.equal(answer.statusCode, 502)
  t.match(await answer.body.text(), 'upstream.none')
})

t.test('what a site lets pass is judged by every reading here, too', async (t) => {
  const { send } = await door(t, {
    sites: [
      {
        upstream: 'none',
        paths: { encodedSlash: 'pass', emptySegment: 'pass' },
        rules: [
          { path: '/admin/**', access: 'second-factor', line: 1 },
          { path: '/**', access: 'public', line: 2 },
        ],
      },
    ],
  })
  const status = async (uri: string) => (await send(held(uri))).status
  t.equal(await status('/@acme%2fpkg'), 200)
  t.equal(await status('/x//y'), 200)
  t.equal(await status('/admin%2fpanel'), 401)
  t.equal(await status('//admin/panel'), 401)
  t.equal(await status('//x/ADMIN/panel'), 401)
  t.equal(await status('/x%5cy'), 400)
  const ofEnvoy = async (uri: string) => (await send({ host: 'h', 'x-forwarded-for': '192.0.2.1' }, uri)).status
  t.equal(await ofEnvoy('/@acme%2fpkg'), 200)
  t.equal(await ofEnvoy('//x//y'), 200)
  t.equal(await ofEnvoy('/admin%2fpanel'), 401)
  t.equal(await ofEnvoy('//admin/panel'), 401)
  t.equal(await ofEnvoy('/x%2f..%2fy'), 400)
  t.equal(await status('/x%2f..%2fadmin'), 400)
  t.equal(await status('/%2f.gatelodge/sign-in'), 400)
  t.equal(await status('//.gatelodge'), 400)
})

t.test('a method in a header is judged beside the one of the request', async (t) => {
  const { send } = await door(t)
  const posted = { ...held('/office/x', { 'x-forwarded-for': '203.0.113.5' }) }
  t.equal((await send(posted)).status, 200)
  t.equal((await send({ ...posted, 'x-http-method-override': 'POST' })).status, 403, 'POST is denied there')
  t.equal((await send({ ...posted, 'x-http-method': 'get' })).status, 200)
  t.equal((await send({ ...posted, 'x-http-method': 'PUT', 'x-method-override': 'GET' })).status, 400)
  t.equal((await send({ ...posted, 'x-http-method': 'TRACE' })).status, 400)
  t.equal((await send({ ...posted, 'x-http-method-override': 'PUT, POST' })).status, 400)
  t.equal((await send({ ...posted, x_http_method_override: 'POST' })).status, 400, 'a spelling that no proxy takes off')
})

t.test('of a chain of proxies that each add the scheme, the one the client came to has the say', async (t) => {
  const { send } = await door(t, { trusted: ['127.0.0.1/32', '10.0.0.0/8'] })
  const led = async (proto: string | string[], client: string) => {
    const headers = { ...held('/page', { accept: html }), 'x-forwarded-proto': proto, 'x-forwarded-for': client }
    const answer = await send(headers)
    t.equal(answer.status, 302, `${proto} of ${client}`)
    return String(answer.headers['location']).split(':')[0]
  }
  t.equal(await led('https,http', '192.0.2.1, 10.0.0.1'), 'https')
  t.equal(await led('https, http, http', '192.0.2.1, 10.0.0.1, 10.0.0.2'), 'https')
  t.equal(await led('https,http', '192.0.2.1'), 'http', 'the client wrote the first itself')
  t.equal(await led('gopher, http', '192.0.2.1'), 'http')
  t.equal(await led(['https', 'http'], '192.0.2.1, 10.0.0.1'), 'https', 'in two lines')
  t.equal(await led('https', '192.0.2.1, 10.0.0.1'), 'https', 'one that all pass on')
  const odd = { ...held('/page'), 'x-forwarded-proto': 'https, gopher' }
  t.equal((await send(odd)).status, 400, 'the trusted end says nothing that is one')
})

t.test('the script of a service worker that would control our own pages is not let through', async (t) => {
  const { send } = await door(t)
  const ask = (uri: string) => send(held(uri, { cookie, 'service-worker': 'script' }))
  const refused = await ask('/sw.js?v=2')
  t.equal(refused.status, 403)
  t.match(refused.body, /service-worker\.refused/)
  t.equal((await ask('/wiki/sw.js')).status, 200)
  t.equal((await send(held('/sw.js', { cookie }))).status, 200, 'the same file as anything else')
})
