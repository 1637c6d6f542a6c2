import t from 'tap'
import { application, frontDoor, token } from '../support/front-door.js'
import { signIn, startHouse } from '../support/house.js'
import { until } from '../support/poll.js'
import { rawExchange } from '../support/raw-socket.js'

/** What of a request line is judged, and that it arrives as it was judged. */

const cookie = `Cookie: gatelodge=${token}\r\n`
const get = (target: string, more = '', host = 'app.example.com') =>
  `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${more}Connection: close\r\n\r\n`
const statusOf = (text: string) => Number(text.slice(9, 12))

t.test('odd spellings arrive byte for byte where the site lets them pass, and not otherwise', async (t) => {
  const behind = await application(t)
  const passes = { encodedSlash: 'pass', emptySegment: 'pass', backslash: 'pass', doubleEscape: 'pass' } as const
  const rules = [
    { path: '/admin/**', access: 'second-factor', line: 1 },
    { path: '/**', access: 'public', line: 2 },
  ] as const
  const { port } = await frontDoor(t, {
    sites: [
      { host: 'app.example.com', upstream: behind.url, rules, paths: passes },
      { host: 'strict.example.com', upstream: behind.url, rules },
    ],
  })
  const codes: Record<string, string> = {
    '/@acme%2fpkg?x=%2f//': 'request.encoded-slash',
    '/api/queues/%2F/orders': 'request.encoded-slash',
    '/a//b///c': 'request.empty-segment',
    '//a/b': 'request.empty-segment',
    '/a\\b': 'request.backslash',
    '/a%5Cb': 'request.backslash',
    '/50%2520off.txt': 'request.double-escape',
    '/cal/a%252Fb/': 'request.double-escape',
  }
  for (const [target, code] of Object.entries(codes)) {
    const passed = await rawExchange(t, port, get(target))
    t.match(passed.text, /^HTTP\/1\.1 200 /, target)
    t.equal(behind.requests.at(-1)?.url, target)
    const count = behind.requests.length
    const refused = await rawExchange(t, port, get(target, '', 'strict.example.com'))
    t.match(refused.text, /^HTTP\/1\.1 400 /, target)
    t.match(refused.text, `"${code}"`)
    t.match(refused.text, /paths: \{ \w+: pass \}/, 'the key is named')
    t.equal(behind.requests.length, count)
  }
  const count = behind.requests.length
  for (const target of ['/admin%2fpanel', '//admin/x', '//h/admin/x', '/x\\..\\admin', '/%2561dmin/x', '/a%2f..%2fb']) {
    t.ok(statusOf((await rawExchange(t, port, get(target))).text) >= 400, target)
    const upgrade = 'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'
    const handshake = get(target, upgrade).replace('Connection: close', 'Connection: Upgrade')
    t.ok(statusOf((await rawExchange(t, port, handshake)).text) >= 400, `a WebSocket to ${target}`)
  }
  t.equal(behind.requests.length, count)
})

t.test('a request that says another method in a header is judged as both and arrives unchanged', async (t) => {
  const behind = await application(t)
  const { port } = await frontDoor(t, {
    sites: [
      {
        upstream: behind.url,
        rules: [
          { path: '/odata/**', methods: ['POST', 'MERGE'], access: 'public', line: 1 },
          { path: '/odata/**', methods: ['DELETE'], access: 'deny', line: 2 },
        ],
      },
    ],
  })
  const post = (more: string) =>
    rawExchange(t, port, `POST /odata/x HTTP/1.1\r\nHost: h\r\n${more}Content-Length: 0\r\nConnection: close\r\n\r\n`)
  for (const name of ['X-HTTP-Method-Override', 'x-http-method', 'X-Method-Override']) {
    t.match((await post(`${name}: MERGE\r\n`)).text, /^HTTP\/1\.1 200 /)
    t.equal(behind.requests.at(-1)?.headers[name.toLowerCase()], 'MERGE', 'the application still learns of it')
    t.equal(behind.requests.at(-1)?.method, 'POST')
    const count = behind.requests.length
    t.match((await post(`${name}: DELETE\r\n`)).text, /^HTTP\/1\.1 403 /)
    t.match((await post(`${name}: delete\r\n`)).text, /^HTTP\/1\.1 403 /, 'frameworks compare in upper case')
    t.match((await post(`${name}: PUT\r\n`)).text, /^HTTP\/1\.1 401 /, 'only what both rules allow')
    t.match((await post(`${name}: TRACE\r\n`)).text, /"request\.method-override"/)
    t.match((await post(`${name}: MERGE\r\n${name}: DELETE\r\n`)).text, /"request\.method-override"/)
    t.equal(behind.requests.length, count)
  }
  const twice = await post('X-HTTP-Method: MERGE\r\nX-HTTP-Method-Override: DELETE\r\n')
  t.match(twice.text, /"request\.method-override"/)
  t.match((await post('X_HTTP_Method_Override: DELETE\r\n')).text, /^HTTP\/1\.1 200 /)
  t.notOk(
    behind.requests.at(-1)?.rawHeaders.some((name) => name.startsWith('X_HTTP')),
    'not judged, so not passed on',
  )
})

t.test('an absolute target is judged by its path, and its host is that of Host', async (t) => {
  const behind = await application(t)
  const { port } = await frontDoor(t, {
    sites: [{ host: 'app.example.com', upstream: behind.url, rules: [{ path: '/p/**', access: 'public', line: 1 }] }],
  })
  for (const [target, arrives] of [
    ['http://app.example.com/p/a%20b?x=1', '/p/a%20b?x=1'],
    ['HTTP://APP.example.com:80/p/', '/p/'],
    ['https://app.example.com/p', '/p'],
  ] as const) {
    t.match((await rawExchange(t, port, get(target))).text, /^HTTP\/1\.1 200 /, target)
    t.equal(behind.requests.at(-1)?.url, arrives)
    t.equal(behind.requests.at(-1)?.headers.host, 'app.example.com')
  }
  const bare = await rawExchange(t, port, get('http://app.example.com', cookie))
  t.match(bare.text, /^HTTP\/1\.1 200 /)
  t.equal(behind.requests.at(-1)?.url, '/')
  await rawExchange(t, port, get('http://app.example.com?x', cookie))
  t.equal(behind.requests.at(-1)?.url, '/?x')
  const count = behind.requests.length
  for (const target of [
    'http://other.example.com/p/x',
    'http://app.example.com:8080/p/x',
    'http://app.example.com:443/p/x',
    'http://user@app.example.com/p/x',
    'http://app.example.com\\p/x',
    'http:///p/x',
    'ftp://app.example.com/p/x',
    'app.example.com:80',
    'http://app.example.com//p/x',
    'http://app.example.com/p/../x',
    'http://app.example.com/%2egatelodge/forward-auth',
  ]) {
    t.equal(statusOf((await rawExchange(t, port, get(target, cookie))).text), 400, target)
  }
  t.equal(behind.requests.length, count)
  const upgrade = 'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'
  const handshake = get('http://other.example.com/p/x', upgrade).replace('Connection: close', 'Connection: Upgrade')
  t.equal(statusOf((await rawExchange(t, port, handshake)).text), 400, 'a WebSocket, too')
})

t.test('health is answered to programs that know no Host, and to no other question', async (t) => {
  const core = await startHouse(t, {
    yaml: 'sites: [{ upstream: "http://127.0.0.1:1", paths: { encodedSlash: pass } }]',
  })
  const old = (line: string, more = '') => rawExchange(t, core.port, `${line} HTTP/1.0\r\n${more}\r\n`)
  t.match((await old('GET /.gatelodge/readyz')).text, /^HTTP\/1\.1 200 .*"ready"/s)
  t.match((await old('GET /.gatelodge/healthz')).text, /^HTTP\/1\.1 200 .*"alive"/s)
  t.match((await old('HEAD /.gatelodge/readyz')).text, /^HTTP\/1\.1 200 /)
  t.match((await old('GET http://h/.gatelodge/readyz', 'Host: h\r\n')).text, /^HTTP\/1\.1 200 /)
  for (const line of ['GET /', 'GET /.gatelodge/sign-in', 'POST /.gatelodge/readyz', 'GET /.gatelodge/readyz/x']) {
    t.equal(statusOf((await old(line)).text), 400, line)
  }
  const without = await rawExchange(t, core.port, 'GET /.gatelodge/readyz HTTP/1.1\r\n\r\n')
  t.equal(statusOf(without.text), 400, 'HTTP/1.1 without Host is a fault (RFC 9112, 3.2)')

  // The log names site, path and key, once, and never a query.
  for (let times = 0; times < 5; times++) await rawExchange(t, core.port, get('/a//b?token=SECRET'))
  const said = await until('a line', () => core.lines.filter(({ message }) => message.includes('emptySegment')))
  t.equal(said.length, 1)
  t.match(said[0]?.fields, { site: '*', path: '/a//b', key: 'paths.emptySegment' })
  t.notMatch(JSON.stringify(core.lines), 'SECRET')

  // Back to such an address after the sign-in, and to no other host.
  await core.addUser('ana')
  const back = async (path: string) => (await signIn(core.visitor(), 'ana', path)).location
  t.equal(await back('/@acme%2fpkg'), '/@acme%2fpkg')
  for (const evil of ['//evil.example.com/x', '/\\evil.example.com', '/%5cevil', '/%2fevil', '/a%2f..%2fb']) {
    t.equal(await back(evil), '/', evil)
  }
})
