import fc from 'fast-check'
import t from 'tap'
import { encodeIdentity, type IdentityChoice, IdentityHeaders } from '../../src/http/applications/identity-headers.js'
import {
  HeaderPolicy,
  type HeaderPolicySettings,
  type RequestFacts,
} from '../../src/http/applications/upstream-headers.js'
import { Cookies, setsOurCookie, withoutOurCookies } from '../../src/http/web/cookies.js'

const policyFor = ({
  identity,
  ...more
}: Partial<Omit<HeaderPolicySettings, 'identity'>> & { identity?: IdentityChoice }) =>
  new HeaderPolicy({ upstream, ...more, identity: new IdentityHeaders(identity) })
const upstream = 'http://10.1.2.3:3000'
const facts: RequestFacts = { client: '203.0.113.9', scheme: 'https', host: 'crm.example.com', requestId: 'r1' }
const bob = { id: 'u1', username: 'bob', email: 'bob@example.com', groups: ['staff', 'a,b'] }

const pairs = (flat: readonly string[]) =>
  flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1] ?? ''] as const] : []))
const values = (flat: readonly string[], name: string) =>
  pairs(flat)
    .filter(([key]) => key.toLowerCase() === name.toLowerCase())
    .map(([, value]) => value)
/** How CGI, WSGI and Rack read a name: every spelling that becomes one variable is one header to them. */
const variable = (name: string) => name.toUpperCase().replace(/[^A-Z0-9]/g, '_')

t.test('what a client says about identity, origin or method never arrives, in any spelling', async (t) => {
  const policy = policyFor({ identity: 'remote-user', upstream })
  const lies = [
    'Remote-User',
    'Remote_User',
    'REMOTE.USER',
    'X_Remote_User',
    'X-Forwarded-User',
    'X_Forwarded_For',
    'X-Auth-Request-Email',
    'Forwarded',
    'X-Real-IP',
    'X-Original-URL',
    'X-Rewrite-URL',
    'X_HTTP_Method_Override',
    'X.HTTP.Method',
    'X-Method_Override',
    'Proxy',
    'Proxy-Authorization',
    'SSL-Client-S-DN',
    'X-SSL-Client-Verify',
    'X-Request-Id',
    'Transfer-Encoding',
    'Keep-Alive',
    'Upgrade',
    'HTTP2-Settings',
    'TE',
    'Trailer',
    'Expect',
    'Content_Length',
  ]
  const sent = policy.request(
    lies.flatMap((name) => [name, 'lie']),
    facts,
  )
  t.strictSame(
    pairs(sent).filter(([, value]) => value === 'lie'),
    [],
  )
})

t.test('each header of ours arrives exactly once with our value, whatever a client sends', async () => {
  const policy = policyFor({ identity: { headers: { 'X-Who': '{username}', 'X-Who-Groups': '{groups}' } }, upstream })
  const ours = new Map([
    ['X_FORWARDED_FOR', '203.0.113.9'],
    ['X_FORWARDED_PROTO', 'https'],
    ['X_FORWARDED_HOST', 'crm.example.com'],
    ['X_REQUEST_ID', 'r1'],
    ['HOST', 'crm.example.com'],
    ['X_WHO', 'bob'],
    ['X_WHO_GROUPS', 'staff,a%2Cb'],
  ])
  const spelling = fc
    .tuple(
      fc.constantFrom(
        'x-forwarded-for',
        'x-forwarded-proto',
        'x-request-id',
        'host',
        'x-who',
        'x-who-groups',
        'remote-user',
      ),
      fc.constantFrom('-', '_', '.', '~'),
      fc.boolean(),
    )
    .map(([name, joint, upper]) => (upper ? name.toUpperCase() : name).replaceAll('-', joint))
  const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/)
  const line = fc.tuple(fc.oneof(spelling, token, fc.constantFrom('Connection', 'Cookie')), fc.oneof(spelling, token))
  fc.assert(
    fc.property(fc.array(line, { maxLength: 30 }), (lines) => {
      const sent = policy.request(lines.flat(), { ...facts, user: bob })
      for (const [name, value] of ours) {
        const seen = pairs(sent).filter(([key]) => variable(key) === name)
        if (seen.length !== 1 || seen[0]?.[1] !== value) return false
      }
      return !pairs(sent).some(([key]) => variable(key) === 'REMOTE_USER')
    }),
    { numRuns: 500 },
  )
})

t.test('a header named in Connection is gone, but neither ours nor the length of the body', async (t) => {
  const policy = policyFor({ identity: 'remote-user', upstream })
  const raw = [
    'X-Secret',
    '1',
    'Content-Length',
    '5',
    'Connection',
    'close, x_secret, Remote-User, X-Forwarded-For, content-length',
  ]
  const sent = policy.request(raw, { ...facts, user: bob })
  t.strictSame(values(sent, 'x-secret'), [])
  t.strictSame(values(sent, 'content-length'), ['5'])
  t.strictSame(values(sent, 'remote-user'), ['bob'])
  t.strictSame(values(sent, 'x-forwarded-for'), ['203.0.113.9'])
  t.strictSame(values(sent, 'connection'), [])
})

t.test('without a user no identity header arrives at all', async (t) => {
  const policy = policyFor({ identity: 'x-auth-request', upstream })
  const sent = policy.request(['X-Auth-Request-User', 'root', 'Accept', '*/*'], facts)
  t.strictSame(
    pairs(sent).filter(([name]) => /auth/i.test(name)),
    [],
  )
  t.strictSame(values(sent, 'accept'), ['*/*'])
})

t.test('a username is sent so that no two users look the same and nothing breaks out of the line', async (t) => {
  t.equal(encodeIdentity('bob'), 'bob')
  t.equal(encodeIdentity('Bob Smith'), 'Bob Smith')
  t.equal(encodeIdentity('é'), '%C3%A9')
  t.equal(encodeIdentity('%C3%A9'), '%25C3%25A9')
  t.equal(encodeIdentity(' bob '), '%20bob%20')
  t.equal(encodeIdentity('a\r\nX-Role: root'), 'a%0D%0AX-Role: root')
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      const sent = encodeIdentity(name)
      return (
        /^[\x20-\x7e]*$/.test(sent) &&
        sent.trim() === sent &&
        decodeURIComponent(sent) === name.replace(/\p{Surrogate}/gu, '\ufffd')
      )
    }),
  )
})

t.test('Authorization reaches the application unless the gateway used it up', async (t) => {
  const policy = policyFor({ upstream })
  const raw = ['Authorization', 'Basic eA==']
  t.strictSame(values(policy.request(raw, facts), 'authorization'), ['Basic eA=='])
  t.strictSame(values(policy.request(raw, { ...facts, dropAuthorization: true }), 'authorization'), [])
})

t.test('the address of a page of ours is not told: a link that signs in may have been opened there', async (t) => {
  const policy = policyFor({ upstream, ownPages: '/.gatelodge' })
  const from = (address: string) => values(policy.request(['Referer', address], facts), 'referer')
  t.strictSame(from('https://crm.example.com/.gatelodge/link?token=secret'), [])
  t.strictSame(from('https://crm.example.com/orders?page=2'), ['https://crm.example.com/orders?page=2'])
})

t.test('our cookies are cut out of Cookie and every other byte stays', async (t) => {
  t.equal(withoutOurCookies('a=1;  b="x; y"; c'), 'a=1;  b="x; y"; c')
  t.equal(withoutOurCookies('a=1; __Host-gatelodge=T;  b=2'), 'a=1;  b=2')
  t.equal(withoutOurCookies('__Host-gatelodge=T; b=2'), 'b=2')
  t.equal(withoutOurCookies('gatelodge-device=D'), undefined)
  t.equal(withoutOurCookies('a=1; __Host-gatelodge-browser=B; gatelodge-browser=B'), 'a=1')
  t.equal(withoutOurCookies('a=1; =gatelodge=T; \u00a0gatelodge-pending =P; mygatelodge=3'), 'a=1; mygatelodge=3')
  const secret = 'SECRETSECRET'
  const pair = fc
    .tuple(fc.constantFrom('a', 'gatelodge', '__Host-gatelodge', 'x-gatelodge', '__Secure-b'), fc.nat(9))
    .map(([name, value]) => `${name}=${/^(__Host-)?gatelodge$/.test(name) ? secret : value}`)
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 8 }), fc.constantFrom('; ', ';', ' ; '), (cookies, joint) => {
      const rest = withoutOurCookies(cookies.join(joint)) ?? ''
      return !rest.includes(secret) && cookies.filter((one) => !one.includes(secret)).every((one) => rest.includes(one))
    }),
  )
})

t.test('a duplicate of our cookie voids it, and odd names are not ours', async (t) => {
  const cookies = new Cookies({ secure: true })
  const name = cookies.names.session
  t.equal(cookies.read(`a=1; ${name}=tok`, name), 'tok')
  t.equal(cookies.read(`${name}=tok; ${name}=tok`, name), undefined)
  t.equal(cookies.read(`${name}=evil; b=1; ${name}=tok`, name), undefined)
  t.equal(cookies.read(`\u00a0${name}=evil; ${name}=tok`, name), 'tok')
  t.equal(cookies.read(`${name}-pending=p`, name), undefined)
  t.equal(cookies.read(`a=${name}=evil`, name), undefined)
  t.equal(cookies.read(`${name}=`, name), undefined)
  t.equal(cookies.read(undefined, name), undefined)
  t.equal(cookies.read(`a=1;  ${name}=x`, name), undefined)
  t.equal(cookies.read(`a=1;${name}=x;b`, name), 'x')
  t.equal(cookies.read(` ${name}=x`, name), 'x')
  t.equal(cookies.read(`x${name}=x`, name), undefined)
  t.equal(cookies.read(`a ${name}=x`, name), undefined)
  t.match(
    cookies.write(name, 'v', { maxAgeSeconds: 60.5 }),
    /^__Host-gatelodge=v; Path=\/; HttpOnly; SameSite=Lax; Secure; Max-Age=60$/,
  )
  t.match(cookies.forget(name), /Max-Age=0$/)
  t.equal(new Cookies({ secure: false }).write('gatelodge', 'v'), 'gatelodge=v; Path=/; HttpOnly; SameSite=Lax')
})

t.test('an application cannot set our cookies, in any spelling a browser might send back', async (t) => {
  for (const line of [
    '__Host-gatelodge=x; Path=/',
    'gatelodge=x',
    ' gatelodge =x',
    '__HOST-Gatelodge-Device=x',
    '=__Host-gatelodge=x',
    'gatelodge',
    '\tgatelodge-pending=x',
  ]) {
    t.ok(setsOurCookie(line), line)
  }
  t.notOk(setsOurCookie('theme=gatelodge'))
  t.notOk(setsOurCookie('sid=1; Path=/gatelodge'))
  t.notOk(setsOurCookie('mygatelodge=1'))
})

t.test('of the answer only what belongs to this connection and our names are taken away', async (t) => {
  const policy = policyFor({ upstream })
  const answer = policy.response(
    [
      ['Connection', 'close, X-Hop'],
      ['X-Hop', '1'],
      ['Keep-Alive', 'timeout=5'],
      ['Transfer-Encoding', 'chunked'],
      ['Trailer', 'X-T'],
      ['Set-Cookie', 'sid=1; Path=/'],
      ['Set-Cookie', '__Host-gatelodge=evil'],
      ['Set-Cookie', 'theme=d'],
      ['X-Latin', 'caf\u00e9'],
      ['X-Bad', 'a\u0001b'],
      ['Location', 'http://10.1.2.3:3000/next?x=1'],
      ['Content-Length', '3'],
    ].flat(),
  )
  t.strictSame(pairs(answer), [
    ['Set-Cookie', 'sid=1; Path=/'],
    ['Set-Cookie', 'theme=d'],
    ['X-Latin', 'caf\u00e9'],
    ['Location', '/next?x=1'],
    ['Content-Length', '3'],
  ])
  t.strictSame(policy.response(['Location', 'http://10.1.2.3:30001/x']), ['Location', 'http://10.1.2.3:30001/x'])
  t.strictSame(policy.response(['Location', upstream]), ['Location', '/'])
})

t.test('names made up by clients do not grow memory', async (t) => {
  const policy = policyFor({ upstream })
  for (let at = 0; at < 5000; at += 1) policy.request([`X-Made-Up-${at}`, '1'], facts)
  t.strictSame(values(policy.request(['X-Made-Up-4999', '1', 'X_Forwarded_For', 'lie'], facts), 'X-Made-Up-4999'), [
    '1',
  ])
  t.strictSame(values(policy.request(['X_Forwarded_For', 'lie'], facts), 'X_Forwarded_For'), [])
})

t.test("what an application's sign-out clears reaches none of our cookies", async (t) => {
  const cleared = (value: string) =>
    values(policyFor({ upstream }).response(['Clear-Site-Data', value]), 'clear-site-data')
  t.strictSame(cleared('"cookies"'), [])
  t.strictSame(cleared('"cache", "cookies","storage"'), ['"cache", "storage"'])
  const others = '"cache", "clientHints", "executionContexts", "prefetchCache", "prerenderCache", "storage"'
  t.strictSame(cleared('"*"'), [others], 'all is all but the cookies')
  t.strictSame(cleared('"*", "cookies", "cache"'), [others])
  t.strictSame(
    cleared('"storageBuckets", cookies, *, "COOKIES", "coo\tkies"'),
    [],
    'what is not known is not passed on',
  )
})

t.test('an application neither widens its service workers nor has visits of our pages reported to it', async (t) => {
  const raw = ['Service-Worker-Allowed', '/', 'NEL', '{"report_to":"x","max_age":1,"success_fraction":1}', 'A', 'b']
  t.strictSame(policyFor({ upstream }).response(raw), ['A', 'b'])
  t.strictSame(policyFor({ upstream, serviceWorkers: 'allow' }).response(raw), [
    'Service-Worker-Allowed',
    '/',
    'A',
    'b',
  ])
})
