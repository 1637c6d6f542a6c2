import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import t, { type Test } from 'tap'
import { HeaderTemplate } from '../../src/access/header-template.js'
import type { AssertionSigner } from '../../src/http/applications/application.js'
import { IdentityHeaders, type IdentitySettings } from '../../src/http/applications/identity-headers.js'
import { HeaderPolicy, type RequestFacts } from '../../src/http/applications/upstream-headers.js'
import { AssertionKeys } from '../../src/identity/api-clients/assertion-keys.js'
import { Assertions } from '../../src/identity/api-clients/assertions.js'
import { checkConfig } from '../../src/plugin-host/check-config.js'
import { Clock, emptyStore } from '../support/core.js'
import { lentHost } from '../support/lent-host.js'
import { testSealer } from '../support/sealer.js'

const upstream = 'http://10.1.2.3:3000'
const facts: RequestFacts = { client: '203.0.113.9', scheme: 'https', host: 'crm.example.com', requestId: 'r1' }
const zoe = { id: 'u7', username: 'zoë', email: 'zoe@example.com', groups: ['staff', 'a,b'] }

const pairs = (flat: readonly string[]) =>
  flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1] ?? ''] as const] : []))
const sent = (identity: IdentitySettings, user: typeof zoe | Omit<typeof zoe, 'email'>) =>
  Object.fromEntries(pairs(new IdentityHeaders(identity).of(user)))

t.test('a template is text, placeholders and nothing else', async (t) => {
  const fill = (text: string) => new HeaderTemplate(text).fill({ username: 'ann', groups: 'a,b' })
  t.equal(fill('{username}'), 'ann')
  t.equal(fill('uid={username},ou=people ({groups})'), 'uid=ann,ou=people (a,b)')
  t.equal(fill('{{{username}}}'), '{ann}')
  t.equal(fill('{username} <{email}>'), undefined, 'nothing is said rather than half of it')
  for (const text of ['{user}', '{', 'a}', '{username', '{}', '{toString}', 'a\r\nX: b', 'é', ' a', 'a ', '']) {
    t.throws(() => new HeaderTemplate(text), RangeError, text)
  }
})

t.test('an application is told by headers of its own names', async (t) => {
  const headers = { 'X-User': '{username}', 'X-Mail': '{email}', 'X-Groups': '{groups}', 'X-Id': 'id:{id}' }
  t.same(sent({ headers }, zoe), {
    'X-User': 'zo%C3%AB',
    'X-Mail': 'zoe@example.com',
    'X-Groups': 'staff,a%2Cb',
    'X-Id': 'id:u7',
  })
  const { email: _, ...without } = zoe
  t.equal(sent({ headers }, without)['X-Mail'], undefined)
  t.equal(sent({ preset: 'remote-user', headers }, zoe)['Remote-User'], 'zo%C3%AB', 'beside a preset')
  t.equal(sent({ preset: 'remote-user', headers: { 'remote-user': 'x-{id}' } }, zoe)['remote-user'], 'x-u7')
})

t.test('an application that knows Basic alone gets the name in UTF-8 and the password of the file', async (t) => {
  const basic = { username: '{username}', password: 's{c}:r' }
  const { Authorization = '' } = sent({ basic }, zoe)
  t.equal(Buffer.from(Authorization.replace('Basic ', ''), 'base64').toString(), 'zoë:s{c}:r')
  for (const username of ['admin:x', 'a\nb', 'a\u0000']) {
    t.same(sent({ basic }, { ...zoe, username }), {}, 'a name that would be read as another is not told')
  }
})

t.test('of every name the gateway tells by, the application sees one header, with the gateway’s value', async () => {
  const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9]{0,6}([-_][A-Za-z0-9]{1,6}){0,2}$/)
  const own = fc.dictionary(name, fc.constantFrom('{username}', '{email}', '{groups}', 'u={id}'), {
    minKeys: 1,
    maxKeys: 5,
  })
  const variable = (text: string) => text.toUpperCase().replace(/[^A-Z0-9]/g, '_')
  const reserved = /^(HOST|CONNECTION|COOKIE|TE|TRAILER|UPGRADE|EXPECT|CONTENT_.*|AUTHORIZATION)$/
  const user = fc.record({
    id: fc.string({ unit: 'binary' }),
    username: fc.string({ unit: 'binary' }),
    email: fc.string({ unit: 'binary' }),
    groups: fc.array(fc.string({ unit: 'binary' }), { maxLength: 3 }),
  })
  const joints = fc.array(fc.constantFrom('-', '_', '.', '~'), { minLength: 3, maxLength: 3 })
  fc.assert(
    fc.property(
      own,
      user,
      fc.boolean(),
      joints,
      fc.boolean(),
      fc.array(name),
      (headers, who, isKnown, [a, b, c], upper, named) => {
        const names = Object.keys(headers)
        if (new Set(names.map(variable)).size !== names.length || names.some((one) => reserved.test(variable(one))))
          return true
        const identity = new IdentityHeaders({ headers, basic: { username: '{id}', password: 'p' } })
        const policy = new HeaderPolicy({ identity, upstream })
        const said = [...names, 'authorization'].flatMap((one) => {
          const spelt = one.replace(/[-_]/g, () => [a, b, c][one.length % 3] ?? '-')
          return [upper ? spelt.toUpperCase() : spelt, 'lie', one, 'lie']
        })
        const raw = [...said, 'Connection', [...names, ...named, 'authorization'].join(',')]
        const seen = pairs(policy.request(raw, isKnown ? { ...facts, user: who } : facts))
        if (seen.some(([, value]) => value === 'lie' || /[^\x20-\x7e]/.test(value))) return false
        const told = new Map(pairs(identity.of(who)))
        return [...names, 'Authorization'].every((one) => {
          const values = seen.filter(([key]) => variable(key) === variable(one)).map(([, value]) => value)
          return (
            values.length === (isKnown && told.has(one) ? 1 : 0) && values.every((value) => value === told.get(one))
          )
        })
      },
    ),
    { numRuns: 300 },
  )
})

/** Keys and signer over a real store, and a clock of the test's own. */
async function signing(t: Test, settings: { rotateSeconds?: number } = {}) {
  const clock = new Clock()
  const { now } = clock
  const store = await emptyStore(t, clock)
  const sealer = testSealer()
  const { log } = lentHost()
  const keys = () => new AssertionKeys({ store, sealer, log, now, rotateSeconds: 30 * 86_400, ...settings })
  const first = keys()
  const signer: AssertionSigner = new Assertions({ keys: first, issuer: 'https://crm.example.com', now })
  const session = { id: 's1', user: zoe, passwordAt: clock.now() - 5000, secondFactorAt: clock.now() - 1000 }
  const verify = async (token: string, from = first) => {
    const list = createLocalJWKSet({ keys: [...(await from.published())] } as JSONWebKeySet)
    return jwtVerify(token, list, {
      currentDate: new Date(clock.now()),
      issuer: 'https://crm.example.com',
      audience: 'crm',
    })
  }
  return { clock, keys, first, signer, session, verify }
}

t.test('an assertion says who it is, to whom and for how long, and its key is published', async (t) => {
  const { signer, session, verify, clock, keys } = await signing(t)
  const token = await signer.of(session, 'crm', 300)
  const now = clock.now()
  const { payload, protectedHeader } = await verify(token)
  t.equal(protectedHeader.alg, 'ES256')
  t.match(payload, {
    sub: 'u7',
    preferred_username: 'zoë',
    email: 'zoe@example.com',
    groups: ['staff', 'a,b'],
    amr: ['pwd', 'mfa'],
    auth_time: Math.floor(now / 1000) - 1,
    iat: Math.floor(now / 1000),
    exp: Math.floor(now / 1000) + 300,
  })
  const another = keys()
  t.ok(await verify(token, another), 'any other process publishes the same keys')
  for (const key of await another.published())
    t.same(Object.keys(key).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
})

t.test('an assertion says whether a passkey was given, and no password where there was none', async (t) => {
  const { signer, session, verify } = await signing(t)
  const amrOf = async (id: string, more: object) =>
    (await verify(await signer.of({ ...session, id, ...more }, 'crm', 300))).payload['amr']
  const passkeyAt = session.passwordAt
  t.same(await amrOf('alone', { passkeyAt, via: ['passkey'] }), ['pop', 'mfa'])
  t.same(await amrOf('second', { passkeyAt, via: ['password', 'passkey'] }), ['pwd', 'pop', 'mfa'])
  t.same(await amrOf('none', { via: ['password', 'totp'] }), ['pwd', 'mfa'])
})

t.test('an assertion is signed once for a session, and anew before it is over', async (t) => {
  const { signer, session, clock } = await signing(t)
  const token = await signer.of(session, 'crm', 300)
  t.equal(signer.of({ ...session, user: { ...zoe } }, 'crm', 300), token, 'at once, from a session read anew too')
  t.not(await signer.of({ ...session, id: 's2' }, 'crm', 300), token)
  t.not(await signer.of(session, 'other', 300), token)
  t.not(await signer.of({ ...session, user: { ...zoe, groups: [] } }, 'crm', 300), token)
  const again = await signer.of(session, 'crm', 300)
  clock.forward(151)
  const renewed = await signer.of(session, 'crm', 300)
  t.not(renewed, again)
  t.ok((decodeJwt(renewed).exp ?? 0) > (decodeJwt(again).exp ?? 0))
})

t.test('keys turn: each is published before it signs and after it has', async (t) => {
  const { signer, session, verify, clock, first } = await signing(t, { rotateSeconds: 86_400 })
  const kid = (token: string) => decodeProtectedHeader(token).kid
  const before = await first.published()
  t.equal(before.length, 2, 'the one that is and the one that will be')
  const old = await signer.of(session, 'crm', 3600)
  t.equal(kid(old), before[0]?.kid)
  clock.forward(86_400)
  const next = await signer.of(session, 'crm', 3600)
  t.equal(kid(next), before[1]?.kid)
  t.equal((await first.published()).length, 3, 'previous, active, next')
  t.ok(await verify(next))
  clock.forward(30 * 86_400)
  const late = await signer.of(session, 'crm', 3600)
  t.ok(await verify(late), 'after a long stop, too')
  t.notOk((await first.published()).some((key) => key.kid === kid(old)))
})

t.test('many processes that come first at the same moment make one pair of keys', async (t) => {
  const { keys } = await signing(t)
  const lists = await Promise.all(Array.from({ length: 8 }, () => keys().published()))
  for (const list of lists) t.same(list, lists[0])
  t.equal(lists[0]?.length, 2)
})

t.test('what cannot be told safely is refused when the file is read', async (t) => {
  const problems = async (identity: string) => {
    const directory = t.testdir({
      'gatelodge.yaml': `sites: [{ upstream: "http://127.0.0.1:1", identity: ${identity} }]\n`,
    })
    const checked = await checkConfig(join(directory, 'gatelodge.yaml'), {})
    return 'problems' in checked ? checked.problems.map(({ path, message }) => `${path} ${message}`).join('\n') : ''
  }
  t.equal(
    await problems('{ headers: { X-User: "{username}" }, assertion: {}, basic: { username: "{id}", password: p } }'),
    '',
  )
  t.match(await problems('{ headers: { Cookie: "{username}" } }'), /headers\.Cookie means something else already/)
  t.match(await problems('{ headers: { X_Forwarded_For: "{username}" } }'), 'means something else already')
  t.match(await problems('{ headers: { Authorization: "{username}" } }'), 'is set by basic')
  t.match(await problems('{ headers: { X-User: "{username}", x_user: "{id}" } }'), 'is the same header as X-User')
  t.match(await problems('{ headers: { "X User": "{username}" } }'), 'is not the name of a header')
  t.match(await problems('{ headers: { X-User: "{name}" } }'), 'has a placeholder there is none of')
  t.match(await problems('{ headers: { X-Jwt: "{id}" }, assertion: { header: x-jwt } }'), 'is the same header as X-Jwt')
  t.match(await problems('{ assertion: { lifetime: 2d } }'), 'is longer than the keys are published for')
  t.match(await problems('{ asertion: {} }'), 'asertion is not a key')
})

t.test('every file the guides and recipes show is one the gateway takes', async (t) => {
  const root = new URL('../../../docs/', import.meta.url)
  const pages = ['identity', 'forward-auth', 'recipes/nginx', 'recipes/caddy', 'recipes/haproxy']
  for (const name of pages) {
    const page = readFileSync(new URL(`${name}.md`, root), 'utf8')
    for (const rest of page.split('```yaml\n').slice(1)) {
      const yaml = (rest.split('```')[0] ?? '').replace('${file:/run/secrets/crm}', 'secret')
      const directory = t.testdir({ 'gatelodge.yaml': yaml })
      const checked = await checkConfig(join(directory, 'gatelodge.yaml'), {})
      t.ok('config' in checked, `${name}: ${'problems' in checked ? JSON.stringify(checked.problems) : ''}`)
    }
  }
})
