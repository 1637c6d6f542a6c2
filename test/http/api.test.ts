import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Role } from '../../src/identity/accounts/account.js'
import type { AdminScope } from '../../src/identity/api-clients/app-tokens.js'
import { operations } from '../../src/operations/catalog.js'
import { checkBackup } from '../../src/operations/transfer/backup-file.js'
import { samples, table } from '../operations/table.js'
import { type OpenHouse, startHouse } from '../support/house.js'

const yaml = `
publicUrl: http://localhost:8080
sites: [{ upstream: "http://127.0.0.1:1" }]
secondFactor: { methods: [{ use: totp }] }
`

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: Record<string, never> & { items?: readonly Record<string, unknown>[]; code?: string }
}

async function call(
  core: OpenHouse,
  door: string,
  { token, body, headers = {} }: { token?: string | undefined; body?: unknown; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const [method = 'GET', path = '/'] = door.split(' ')
  const answer = await fetch(`${core.url}/.gatelodge/api/v1${path}`, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    redirect: 'manual',
  })
  const text = await answer.text()
  const isJson = /json\b/.test(answer.headers.get('content-type') ?? '')
  return { status: answer.status, headers: answer.headers, text, body: isJson ? JSON.parse(text) : {} }
}

async function tokenOf(
  core: OpenHouse,
  name: string,
  more: { admin?: boolean; networks?: string[]; adminScopes?: AdminScope[] } = {},
) {
  const { identity, directory } = core.core
  const [user] = await directory.find({ username: name })
  const { admin = true, networks, adminScopes = [] } = more
  const wish = { accountId: user?.id ?? '', name: 'test', admin, adminScopes, scopes: networks ? { networks } : {} }
  const issued = await identity.tokens.issue(wish, 'test')
  if (issued === undefined) throw new Error('there is no token')
  return issued.secret
}

/** The door of an operation with its sample put into path, query and body. */
function request(name: string, about: string): { door: string; body?: object | string } | undefined {
  const { doors, takes } = operations.find((operation) => operation.name === name) ?? {}
  const api = doors?.api
  if (typeof api !== 'string') return undefined
  const input = { ...samples(about)[name] } as Record<string, unknown>
  const door = api.replaceAll(/\{(\w+)\}/g, (_, field) => {
    const value = String(input[field])
    delete input[field]
    return encodeURIComponent(value)
  })
  if (!door.startsWith('GET ') && takes === undefined) return { door, body: input }
  const query = new URLSearchParams()
  const file = takes && String(input[takes.field])
  for (const [field, value] of Object.entries(input)) if (field !== takes?.field) query.set(field, String(value))
  return { door: query.size === 0 ? door : `${door}?${query}`, ...(file === undefined ? {} : { body: file }) }
}

t.test('every operation by every kind of caller', async (t) => {
  const core = await startHouse(t, { yaml })
  const people: readonly (readonly [string, Role])[] = [
    ['olga', 'owner'],
    ['sam', 'support'],
    ['sue', 'support'],
    ['uma', 'user'],
    ['bob', 'user'],
    ['job', 'api'],
  ]
  for (const [name, role] of people) await core.addUser(name, { role, email: `${name}@example.com` })
  const tokens = {
    owner: await tokenOf(core, 'olga', { adminScopes: ['owners', 'backup'] }),
    support: await tokenOf(core, 'sam'),
    plain: await tokenOf(core, 'olga', { admin: false }),
    elsewhere: await tokenOf(core, 'olga', { networks: ['192.0.2.0/24'] }),
    program: await tokenOf(core, 'job'),
  }
  const cookie = (
    await core.core.identity.sessions.open({
      user: { id: (await core.core.directory.find({ username: 'olga' }))[0]?.id ?? '', username: 'olga', groups: [] },
      generation: 1,
      installation: 1,
      passwordAt: Date.now(),
      via: ['password'],
      client: { address: '127.0.0.1', network: '127.0.0.1', userAgent: 'test', requestId: '1' },
    })
  ).token
  for (const { name } of operations) {
    const sample = request(name, 'bob')
    if (sample === undefined) continue
    const { door, body } = sample
    const nobody = await call(core, door, { body })
    t.match(nobody, { status: 401, body: { code: 'api.token-required' } }, `${name}: nobody`)
    t.match(nobody.headers.get('www-authenticate'), /^Bearer/)
    t.equal(nobody.headers.get('content-type'), 'application/problem+json')
    const byCookie = await call(core, door, { body, headers: { cookie: `gatelodge=${cookie}` } })
    t.equal(byCookie.status, 401, `${name}: a cookie counts for nothing`)
    const byPassword = Buffer.from('job:a lamp over the lodge gate').toString('base64')
    if (table[name]?.changes !== true) {
      const basic = await call(core, door, { body, headers: { authorization: `Basic ${byPassword}` } })
      t.equal(basic.status, 401, `${name}: a password counts for nothing`)
    }
    t.match(await call(core, door, { token: tokens.plain, body }), { status: 403 }, `${name}: without the scope`)
    t.match(await call(core, door, { token: tokens.elsewhere, body }), { status: 403 }, `${name}: from elsewhere`)
    if (table[name]?.may === 'owner') {
      t.match(await call(core, door, { token: tokens.support, body }), { status: 403 }, `${name}: support`)
    } else if (table[name]?.changes && 'user' in (samples('bob')[name] ?? {})) {
      for (const other of ['olga', 'sue', 'job', 'sam']) {
        const about = request(name, other)
        const result = await call(core, about?.door ?? '', { token: tokens.support, body: about?.body })
        t.match(result, { status: 403, body: { code: 'access.denied' } }, `${name}: support, to ${other}`)
      }
    }
    const result = await call(core, door, { token: tokens.owner, body })
    t.ok([200, 409].includes(result.status), `${name}: an owner: ${result.status} ${result.text}`)
    t.equal(result.headers.get('cache-control'), 'no-store')
    if (name === 'session.clear' || name === 'user.deactivate')
      await call(core, 'POST /users/bob/activate', { token: tokens.owner, body: {} })
  }
  t.match(await call(core, 'GET /users?search=olg', { token: tokens.program }), {
    status: 200,
    body: { items: [{ username: 'olga' }] },
  })
})

t.test('pages, faults and odd requests', async (t) => {
  const core = await startHouse(t, { yaml })
  await core.addUser('olga', { role: 'owner' })
  for (const name of ['ada', 'bob', 'cy']) {
    await core.core.directory.writable?.create({ username: name, groups: [] })
  }
  const token = await tokenOf(core, 'olga')
  const seen: unknown[] = []
  let after = ''
  do {
    const { body } = await call(core, `GET /users?limit=2${after}`, { token })
    seen.push(...(body.items ?? []).map(({ username }) => username))
    after = body['next'] === undefined ? '' : `&after=${body['next']}`
  } while (after !== '')
  t.same(seen, ['ada', 'bob', 'cy', 'olga'])

  t.match(await call(core, 'GET /users?limit=0', { token }), { status: 422, body: { faults: [{ field: 'limit' }] } })
  t.match(await call(core, 'GET /users?page=2', { token }), { status: 422, body: { code: 'operation.input' } })
  t.match(await call(core, 'GET /users/nobody', { token }), { status: 404, body: { code: 'user.unknown' } })
  t.match(await call(core, 'GET /nothing', { token }), { status: 404, body: { code: 'not-found' } })
  t.match(await call(core, 'GET /nothing'), { status: 401 })
  t.match(await call(core, 'POST /users', { token, body: '{"username":' }), { status: 400 })
  t.match(await call(core, 'POST /users', { token, body: '[]' }), { status: 422 })
  t.match(await call(core, 'POST /users', { token, body: { username: 'x'.repeat(20_000) } }), { status: 413 })
  t.match(await call(core, 'POST /users', { token, body: { username: 'dan', password: 'a lamp over the gate' } }), {
    status: 409,
    body: { detail: /Nobody sets/ },
  })
  const form = { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'username=dan' }
  t.match(await call(core, 'POST /users', { token, ...form }), { status: 415 })
  const page = await call(core, 'POST /users/ada/deactivate', {
    body: {},
    headers: { 'sec-fetch-mode': 'navigate', accept: 'text/html' },
  })
  t.equal(page.headers.get('content-type'), 'application/problem+json', 'never a page')
})

t.test('with a key a request is done once, also when it is sent many times at once', async (t) => {
  const core = await startHouse(t, { yaml })
  await core.addUser('olga', { role: 'owner' })
  await core.addUser('ada')
  const token = await tokenOf(core, 'olga')
  const other = await tokenOf(core, 'olga')
  const headers = { 'idempotency-key': 'one' }
  const ask = (more: object = {}) => call(core, 'POST /users/ada/recovery-code', { token, body: {}, headers, ...more })
  const results = await Promise.all(Array.from({ length: 8 }, () => ask()))
  const codes = new Set(results.filter(({ status }) => status === 200).map(({ body }) => body.code))
  t.equal(codes.size, 1)
  t.ok(results.every(({ status }) => status === 200 || status === 409))
  const again = await ask()
  t.same(again.body.code, [...codes][0])
  t.equal(again.headers.get('idempotency-replayed'), 'true')
  t.not((await ask({ token: other })).body.code, again.body.code, 'of another token it is another key')
  t.match(await call(core, 'POST /users/ada/deactivate', { token, body: {}, headers }), {
    status: 422,
    body: { code: 'idempotency.other' },
  })
  t.match(await ask({ headers: { 'idempotency-key': 'ü' } }).catch(() => ({ status: 400 })), { status: 400 })
  const kept = JSON.stringify(await core.core.store.list('idempotency/'))
  t.notOk(kept.includes(String(again.body.code)), 'what is kept is sealed')
})

t.test('nothing that anybody may ask tells the release', async (t) => {
  const core = await startHouse(t, { yaml })
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))
  const own = ['/sign-in', '/healthz', '/readyz', '/jwks.json', '/nowhere', '/api/v1/', '/api/v1/openapi.json', '/%']
  for (const path of [...own.map((each) => `/.gatelodge${each}`), '/', '/%']) {
    for (const accept of ['text/html', 'application/json']) {
      const answer = await fetch(core.url + path, { headers: { accept }, redirect: 'manual' })
      const said = [...answer.headers, await answer.text()].flat().join('\n')
      t.notOk(said.includes(version), `${path} as ${accept}`)
    }
  }
})

t.test('a token makes no owners, changes none and takes no backup unless it was issued for that', async (t) => {
  const core = await startHouse(t, { yaml })
  await core.addUser('olga', { role: 'owner', email: 'olga@example.com' })
  await core.addUser('pia', { role: 'owner', email: 'pia@example.com' })
  await core.addUser('bob', { email: 'bob@example.com' })
  await core.addUser('ann')
  const plain = await tokenOf(core, 'olga')
  const csv = 'username,email,role\nnew-owner,new@example.com,owner\n'
  const asks: readonly [string, object | string | undefined, AdminScope][] = [
    ['PUT /users/bob/role', { role: 'owner' }, 'owners'],
    ['POST /users', { username: 'eve', role: 'owner' }, 'owners'],
    ['POST /import', csv, 'owners'],
    ['POST /users/pia/change', { email: 'eve@example.net' }, 'owners'],
    ['POST /users/pia/reset-second-factor', {}, 'owners'],
    ['POST /users/pia/recovery-code', {}, 'owners'],
    ['POST /users/pia/deactivate', {}, 'owners'],
    ['POST /users/ann/tokens', { name: 'more', admin: true, adminScopes: ['owners'] }, 'owners'],
    ['POST /users/ann/tokens', { name: 'more', admin: true, adminScopes: ['backup'] }, 'backup'],
    ['POST /backup', undefined, 'backup'],
  ]
  const send = (token: string, door: string, body: object | string | undefined) =>
    call(core, door, { token, body, ...(typeof body === 'string' ? { headers: { 'content-type': 'text/csv' } } : {}) })
  const kept = async () => JSON.stringify(await core.core.store.list('account/'))
  const before = await kept()
  for (const [door, body, scope] of asks) {
    const other = await tokenOf(core, 'olga', { adminScopes: [scope === 'owners' ? 'backup' : 'owners'] })
    for (const token of [plain, other]) {
      t.match(await send(token, door, body), { status: 403, body: { code: 'token.scope' } }, `${door} without`)
    }
  }
  t.equal(await kept(), before, 'none of it did anything')
  t.equal((await send(plain, 'POST /users/bob/deactivate', {})).status, 200, 'everything else it does')
  await send(plain, 'POST /users/bob/activate', {})
  for (const [door, body, scope] of asks) {
    const token = await tokenOf(core, 'olga', { adminScopes: [scope] })
    t.equal((await send(token, door, body)).status, 200, `${door} with`)
  }
  const entries = (await core.core.audit.since(0)).filter(({ reason }) => reason === 'scope')
  t.ok(entries.length >= 10, 'what was refused is in the audit')
})

t.test('a list left empty limits nothing', async (t) => {
  const core = await startHouse(t, { yaml })
  await core.addUser('olga', { role: 'owner' })
  await core.addUser('bob')
  const token = await tokenOf(core, 'olga')
  const empty = { sites: [], methods: [], paths: [], networks: [] }
  const body = { name: 'nightly', admin: true, ...empty }
  const issued = await call(core, 'POST /users/bob/tokens', { token, body })
  t.equal((await call(core, 'GET /users', { token: String(issued.body['token']) })).status, 200)
  t.notOk(Object.keys(issued.body).some((name) => name in empty))
})

t.test('the document says what the routes take', async (t) => {
  const core = await startHouse(t, { yaml })
  const { status, body } = await call(core, 'GET /openapi.json')
  t.equal(status, 200)
  const document = body as unknown as {
    openapi: string
    paths: Record<string, Record<string, { operationId: string; parameters: { name?: string; in?: string }[] }>>
  }
  t.equal(document.openapi, '3.1.0')
  const named = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId, parameters }]) => {
      const inPath = parameters.filter((each) => each.in === 'path').map(({ name }) => name)
      t.same(
        inPath,
        [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
        operationId,
      )
      return `${operationId} ${method.toUpperCase()} ${path}`
    }),
  )
  const doors = operations.flatMap(({ name, doors }) => (typeof doors.api === 'string' ? [`${name} ${doors.api}`] : []))
  t.same(named.toSorted(), doors.toSorted())
  t.notMatch(JSON.stringify(document), /"\$ref":"(?!#\/components\/)/, 'it points at nothing outside of itself')
})

t.test('users come in and go out as files, and the store as a backup', async (t) => {
  const core = await startHouse(t, { yaml })
  await core.addUser('olga', { role: 'owner', email: 'olga@example.com' })
  const token = await tokenOf(core, 'olga', { adminScopes: ['owners', 'backup'] })
  const send = (door: string, body: string, type: string, more: Record<string, string> = {}) =>
    call(core, door, { token, body, headers: { 'content-type': type, ...more } })
  const csv = 'username,email,role\nann,ann@example.com,owner\nolga,,\n'
  const report = { users: 2, added: 1, thereAlready: 1, wrong: 0, problems: [] }
  t.match(await send('POST /import?dryRun=true', csv, 'text/csv'), { status: 200, body: { ...report, dryRun: true } })
  t.same(await core.core.directory.find({ username: 'ann' }), [])
  const once = { 'idempotency-key': 'import' }
  t.match(await send('POST /import', csv, 'text/csv', once), { status: 200, body: { ...report, dryRun: false } })
  const again = await send('POST /import', csv, 'text/csv', once)
  t.match([again.headers.get('idempotency-replayed'), again.body], ['true', report])
  t.match(await send('POST /import', csv, 'text/csv'), { body: { added: 0, thereAlready: 2 } })
  const entries = (await core.core.audit.since(0)).filter(({ event }) => event === 'admin.import')
  t.match(entries.at(-4), { outcome: 'intended', by: 'olga', details: { users: 2, owners: ['ann'], door: 'api' } })
  t.match(entries.at(-3), { outcome: 'success', details: { added: 1, thereAlready: 1 } })

  const wrong = await send('POST /import', 'username\nbob\nBOB\n', 'text/csv; charset=utf-8')
  t.match(wrong, { status: 422, body: { code: 'operation.input', faults: [{ field: 'line 3', sentence: /line 2/ }] } })
  t.match(await send('POST /import?skipWrong=yes', 'username\nbob\nBOB\n', 'text/csv'), {
    body: { added: 1, wrong: 1 },
  })
  t.match(await send('POST /import', 'cy:$2y$05$x', 'text/plain'), {
    status: 422,
    body: { detail: /Say what the file is/ },
  })
  t.match(await send('POST /import?format=htpasswd', 'cy:$2y$05$x', 'text/plain'), {
    status: 422,
    body: { detail: /line 1/ },
  })
  t.match(await send('POST /import', '{"username":"dan"}\n{"username":"eve"}', 'application/x-ndjson'), {
    body: { added: 2 },
  })
  const yaml2 = 'users:\n  fay:\n    password: "$2y$05$abcdefghijklmnopqrstuuKpvM2qfyz7lbpUtsv1LXSPHxpdJlS6W"\n'
  t.match(await send('POST /import', yaml2, 'application/yaml'), { body: { added: 1 } })
  t.match(await send('POST /import', 'username,password\ngil,a lamp over the gate\n', 'text/csv'), {
    status: 409,
    body: { detail: /Nobody sets the password of another/ },
  })
  const many = `username\n${Array.from({ length: 5001 }, (_, index) => `u${index}\n`).join('')}`
  t.match(await send('POST /import', many, 'text/csv'), {
    status: 409,
    body: { detail: /5000 can be imported at once/ },
  })
  t.match(await send('POST /import', 'x'.repeat(1024 * 1024 + 1), 'text/csv'), { status: 413 })
  await core.core.store.add('import-underway', true, 60)
  t.match(await send('POST /import', csv, 'text/csv'), { status: 409, body: { detail: /under way/ } })

  const out = await call(core, 'GET /export', { token })
  t.match(out.headers.get('content-disposition'), /attachment; filename="users\.csv"/)
  t.match(out.text, /^username,email,.*\nann,ann@example\.com,,,owner,active,,\nbob,/)
  t.notMatch(out.text, /argon2|\$2y/)
  t.match((await call(core, 'GET /export?format=json', { token })).text.split('\n')[0], /^\{"username":"ann"/)
  const copy = await fetch(`${core.url}/.gatelodge/api/v1/backup`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  })
  t.equal(copy.headers.get('content-type'), 'application/octet-stream')
  const file = join(core.directory, 'backup')
  await writeFile(file, Buffer.from(await copy.arrayBuffer()))
  const keys: string[] = []
  checkBackup(file, core.core.sealer.ring, ({ key }) => keys.push(key))
  t.ok(keys.some((key) => key.startsWith('account/')))
  t.notOk(
    keys.some((key) => /^(session|device|pending|epoch)/.test(key)),
    'what people hold is not in it',
  )
})
