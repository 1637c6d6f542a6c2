import t, { type Test } from 'tap'
import { operations } from '../../../src/operations/catalog.js'
import { samples, table } from '../../operations/table.js'
import { AheadClock, enrolApp, prove, seat } from '../../support/at-desk.js'
import { housePassword, type OpenHouse, signIn, startHouse } from '../../support/house.js'
import { formOf, type Visitor } from '../../support/visitor.js'

const yaml = `
publicUrl: http://localhost:8080
sites: [{ host: crm.example.com, upstream: "http://127.0.0.1:1" }]
secondFactor: { methods: [{ use: totp }, { use: email }] }
mail: { use: outbox }
`

const desk = '/.gatelodge/admin'
const pages = [
  '',
  '/find?q=o',
  '/users',
  '/users/new',
  '/settings',
  '/sessions/clear',
  '/audit',
  '/audit/export',
  '/data',
  '/approvals',
  '/locks',
  '/sending',
  '/sites',
  '/sites?url=http://localhost/',
]
const forSupport = [
  '',
  '/find?q=o',
  '/users',
  '/locks',
  '/sending',
  '/sites',
  '/sites?url=http://localhost/',
  '/approvals',
]

/** A portal on a host of its own, with a clock that codes can be waited for by. */
async function open(t: Test): Promise<{
  core: OpenHouse
  clock: AheadClock
  seated(name: string): Promise<Visitor>
}> {
  const clock = new AheadClock()
  const core = await startHouse(t, { yaml, now: clock.now })
  return { core, clock, seated: async (name: string) => (await seat(core, name, clock)).visitor }
}

const idOf = async (core: OpenHouse, username: string) => (await core.core.directory.find({ username }))[0]?.id ?? ''

/** A form of the desk with the token of any of its pages. */
async function send(visitor: Visitor, name: string, fields: Readonly<Record<string, string>>, from = '/users/new') {
  const page = await visitor.get(`${desk}${from}`)
  const token = /name="token" value="([^"]*)"/.exec(page.text)?.[1] ?? ''
  const answer = await visitor.post(`${desk}/do/${name}`, { token, ...fields })
  // What takes something away asks once whether it is meant.
  return answer.text.includes('name="sure"') ? visitor.post(`${desk}/do/${name}`, formOf(answer.text).fields) : answer
}

function words(input: object): Record<string, string> {
  return Object.fromEntries(Object.entries(input).map(([name, value]) => [name, [value].flat().join(' ')]))
}

t.test('to users there is nothing; to whoever is nobody, a sign-in; to support, what support does', async (t) => {
  const { core, seated } = await open(t)
  for (const [name, role] of [
    ['olga', 'owner'],
    ['sam', 'support'],
    ['uma', 'user'],
    ['bob', 'user'],
  ] as const) {
    await core.addUser(name, { role, email: `${name}@example.com` })
  }
  const [olga, sam, uma, nobody] = [await seated('olga'), await seated('sam'), await seated('uma'), core.visitor()]
  // An owner whose second factor is still outstanding: a pending sign-in opens nothing.
  await core.addUser('pam', { role: 'owner' })
  await core.core.identity.accounts.require(await idOf(core, 'pam'), true)
  const half = core.visitor()
  await signIn(half, 'pam')
  t.same([...half.cookies.keys()], ['gatelodge-pending'])
  for (const page of [...pages, `/users/${await idOf(core, 'bob')}`]) {
    t.equal((await olga.get(desk + page)).status, 200, `${page}: owner`)
    const isFor = forSupport.includes(page) || (page.startsWith('/users/') && page !== '/users/new')
    t.equal((await sam.get(desk + page)).status, isFor ? 200 : 404, `${page}: support`)
    t.equal((await uma.get(desk + page)).status, 404, `${page}: user`)
    const { status, location } = await nobody.get(desk + page)
    t.match({ status, location }, { status: 303, location: /sign-in/ }, `${page}: nobody`)
    const pending = await half.get(desk + page)
    t.match([pending.status, pending.location], [303, /sign-in/], `${page}: a pending sign-in`)
  }
  t.equal((await olga.get(`${desk}/elsewhere`)).status, 404)
  const bob = await idOf(core, 'bob')
  const kept = async () => JSON.stringify(await core.core.store.list('account/'))
  const before = await kept()
  for (const { name, event, doors } of operations) {
    if (event === undefined || typeof doors.page !== 'string') continue
    const fields = words(samples(bob)[name] ?? {})
    t.match(await nobody.post(`${desk}/do/${name}`, fields), { status: 303, location: /sign-in/ }, `${name}: nobody`)
    const pending = await half.post(`${desk}/do/${name}`, fields)
    t.match([pending.status, pending.location], [303, /sign-in/], `${name}: a pending sign-in`)
    t.equal((await uma.post(`${desk}/do/${name}`, fields)).status, 404, `${name}: a user`)
    t.equal((await olga.post(`${desk}/do/${name}`, fields)).status, 400, `${name}: without the token of the form`)
    const cross = await olga.post(`${desk}/do/${name}`, fields, { headers: { 'sec-fetch-site': 'cross-site' } })
    t.equal(cross.status, 403, `${name}: from another site`)
    if (table[name]?.may === 'owner')
      t.equal((await send(sam, name, fields, `/users/${bob}`)).status, 403, `${name}: support`)
  }
  t.equal(await kept(), before, 'none of it did anything')
})

t.test('from everywhere a search leads to a user or a page, and to nothing that is not for the reader', async (t) => {
  const { core, seated } = await open(t)
  await core.addUser('olga', { role: 'owner' })
  await core.addUser('sam', { role: 'support' })
  await core.addUser('bob', { email: 'bob@example.com' })
  await core.addUser('bobby', { email: 'bobby@example.com' })
  const [olga, sam] = [await seated('olga'), await seated('sam')]
  const find = (who: Visitor, q: string) => who.get(`${desk}/find?${new URLSearchParams({ q })}`)
  t.match((await olga.get(`${desk}/users`)).text, /<form method="get" action="\/\.gatelodge\/admin\/find"/)
  t.match(await find(olga, 'BOB'), { status: 303, location: new RegExp(`/admin/users/${await idOf(core, 'bob')}$`) })
  const both = await find(olga, 'ob')
  t.match(both.text, />bob<\/strong>[\s\S]*>bobby<\/strong>/)
  t.match(await find(olga, 'locks'), { status: 303, location: /\/admin\/locks$/ })
  t.match((await find(olga, 'session duration')).text, /admin\/settings"><strong>Settings/)
  t.notMatch((await find(sam, 'session duration')).text, '<strong>Settings')
  t.match((await find(sam, 'settings')).text, 'Nothing fits')
  t.match((await find(olga, `<b>${'x'.repeat(400)}`)).text, /Nothing fits <strong>&lt;b&gt;x{251}</)
  const users = (await olga.get(`${desk}/users`)).text
  t.match(users, /<h2>People<\/h2>[\s\S]*<h2>Installation<\/h2>/)
  t.match(users, /href="\/\.gatelodge\/admin\/users" aria-current="page"/)
  t.notMatch(users, /admin" aria-current/, 'one page is the current one')
})

t.test('every operation with a page has its form there, and it works', async (t) => {
  const { core, seated } = await open(t)
  await core.addUser('olga', { role: 'owner' })
  await core.addUser('bob', { email: 'bob@example.com' })
  const olga = await seated('olga')
  const bob = await idOf(core, 'bob')
  const everywhere = async () => {
    const sites = [
      `/users/${bob}`,
      `/users/${bob}/message`,
      `/users/${bob}/token`,
      ...pages.filter((page) => !page.endsWith('export')),
    ]
    return (await Promise.all(sites.map((page) => olga.get(desk + page)))).map(({ text }) => text).join()
  }
  /** What has to be so before there is a form for it. */
  const only: Readonly<Record<string, () => Promise<unknown>>> = {
    'user.activate': () => core.core.identity.accounts.deactivate(bob),
    'user.end-exemption': () => core.core.identity.accounts.exempt(bob, { reason: 'x' }),
    'token.revoke': () => core.core.identity.tokens.issue({ accountId: bob, name: 'x' }, 'test'),
    'lock.end-network': async () => {
      const { attempts } = core.core.identity
      for (let n = 0; n < 20; n += 1) await attempts.spendPassword({ nameHash: `${n}`, network: '192.0.2.77' })
    },
    'lock.end': async () => {
      for (let n = 0; n < 5; n += 1) await core.core.identity.attempts.spendSecondStep(bob)
    },
    'user.invite-link': () => core.core.identity.accounts.change(bob, (account) => ({ ...account, isInvited: true })),
    'user.reset-second-factor': () => hold(core, bob),
    'user.approve': () => hold(core, bob),
    'user.refuse': () => hold(core, bob),
    'settings.set': async () => undefined,
    'settings.unset': () => core.core.identity.settings.set('session.duration', '70d', { name: 'test' }),
  }
  for (const { name, event, doors } of operations) {
    if (event === undefined || typeof doors.page !== 'string') continue
    await only[name]?.()
    const shown =
      name === 'settings.set' ? await olga.get(`${desk}/settings?key=session.duration&value=10d`) : undefined
    t.ok((shown?.text ?? (await everywhere())).includes(`/admin/do/${name}"`), `${name} has a form`)
    const { status, location, text } = await send(olga, name, words(samples(bob)[name] ?? {}), `/users/${bob}`)
    t.ok(status === 303 || status === 200 || status === 409, `${name}: ${status} ${text.slice(0, 400)}`)
    if (status === 303) t.match(location, new RegExp(`done=${name}$`), name)
    await core.core.identity.accounts.activate(bob)
  }
  const code = await send(olga, 'user.recovery-code', { user: bob }, `/users/${bob}`)
  t.match(code, { status: 200, text: /[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}/ })
})

t.test('what takes something away from somebody is asked once, in words that say what and from whom', async (t) => {
  const { core, seated } = await open(t)
  await core.addUser('olga', { role: 'owner' })
  await core.addUser('bob', { email: 'bob@example.com' })
  const olga = await seated('olga')
  const bob = await idOf(core, 'bob')
  const page = await olga.get(`${desk}/users/${bob}`)
  const token = /name="token" value="([^"]*)"/.exec(page.text)?.[1] ?? ''
  const taking = operations.filter(({ consequence }) => consequence !== undefined)
  t.same(taking.map(({ name }) => name).sort(), [
    'session.end',
    'token.revoke',
    'user.deactivate',
    'user.recovery-code',
    'user.refuse',
    'user.reset-second-factor',
  ])
  const before = await core.core.identity.accounts.find(bob)
  for (const { name } of taking) {
    const asked = await olga.post(`${desk}/do/${name}`, {
      token,
      user: bob,
      ...(name === 'token.revoke' ? { id: 'x' } : {}),
    })
    t.equal(asked.status, 200, name)
    t.match(asked.text, name === 'token.revoke' ? 'Revoke this token?' : /<h1>[^<]*bob\?<\/h1>/, name)
    t.match(asked.text, 'No, go back', name)
  }
  t.same(await core.core.identity.accounts.find(bob), before, 'nothing was done')
  const asked = await olga.post(`${desk}/do/user.deactivate`, { token, user: bob })
  const done = await olga.post(`${desk}/do/user.deactivate`, formOf(asked.text).fields)
  t.equal(done.status, 303)
  t.equal((await core.core.identity.accounts.find(bob))?.status, 'deactivated')
})

async function hold({ core: { identity } }: OpenHouse, id: string): Promise<void> {
  const account = await identity.accounts.find(id)
  if (account === undefined) throw new Error('there is no account')
  await identity.approvals.hold(account, { method: 'totp', name: 'App', enrolment: null })
}

t.test('a file of users is looked at first, and added when that was seen', async (t) => {
  const { core, clock, seated } = await open(t)
  await core.addUser('olga', { role: 'owner' })
  await core.addUser('sam', { role: 'support' })
  const olga = await seated('olga')
  const upload = async (visitor: Visitor, fields: Readonly<Record<string, string | Blob>>, name = 'users.csv') => {
    const page = await visitor.get(`${desk}/data`)
    const form = new FormData()
    form.set('token', /name="token" value="([^"]*)"/.exec(page.text)?.[1] ?? '')
    for (const [field, value] of Object.entries(fields)) {
      if (typeof value === 'string') form.set(field, value)
      else form.set(field, value, name)
    }
    const { body, type } = await encoded(form)
    return visitor.send('POST', `${desk}/do/users.import`, {
      body,
      headers: { 'content-type': type, 'sec-fetch-site': 'same-origin', accept: 'text/html' },
    })
  }
  const file = (text: string) => new Blob([text], { type: 'text/csv' })
  const csv = 'username,email\nann,ann@example.com\n"o""hara <b>",\nolga,\n'
  const looked = await upload(olga, { file: file(csv), dryRun: 'yes', format: '' })
  t.match(looked, { status: 200, text: /Would be added<\/dt><dd>2</ })
  t.same(await core.core.directory.find({ username: 'ann' }), [])
  const form = /<form[^>]*users\.import[\s\S]*?<\/form>/.exec(looked.text)?.[0] ?? ''
  const kept = /name="file" value="([^"]*)"/.exec(form)?.[1] ?? ''
  const again = kept.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&')
  t.equal(again, csv, 'the form brings it along')
  const added = await upload(olga, { file: again, format: 'csv' })
  t.match([added.status, added.location], [303, /data\?added=2&there=1&done=users\.import$/])
  t.match((await olga.get(added.location ?? '')).text, /2 added, 1 there already/)
  t.match(await core.core.directory.find({ username: 'ann' }), [{ email: 'ann@example.com' }])

  const wrong = await upload(olga, { file: file('username\nbob\nBOB\n'), dryRun: 'yes' })
  t.match(wrong.text, /Line 3<\/strong>[\s\S]*stands in line 2[\s\S]*skipWrong/)
  t.match(await upload(olga, { file: file('x'), dryRun: 'yes' }, 'users.txt'), { status: 422, text: /does not say/ })
  t.match(await upload(olga, { file: file('x'.repeat(1024 * 1024 + 1)) }), { status: 413, text: /too large/ })
  t.match(
    await olga.send('POST', `${desk}/do/users.import`, {
      body: '--x\r\nnonsense',
      headers: { 'content-type': 'multipart/form-data; boundary=x', 'sec-fetch-site': 'same-origin' },
    }),
    { status: 400 },
  )
  const sam = await seated('sam')
  t.equal((await upload(sam, { file: file(csv) })).status, 400, 'support has no page with a token for it')
  t.match(await send(olga, 'users.export', { format: 'csv' }, '/data'), {
    status: 200,
    text: /\nann,ann@example\.com,/,
  })
  t.match(await send(olga, 'store.backup', {}, '/data'), { status: 200, text: /^\{"format":"gatelodge-backup",/ })
  clock.pass(16 * 60_000)
  t.match((await olga.get(`${desk}/data`)).location, /account\/prove\?return=/, 'the proof comes before the file')
})

async function encoded(form: FormData): Promise<{ readonly body: Buffer; readonly type: string }> {
  const request = new Response(form)
  return { body: Buffer.from(await request.arrayBuffer()), type: request.headers.get('content-type') ?? '' }
}

t.test(
  'what is sensitive asks for the password again when it is a while ago, and is done with that proof',
  async (t) => {
    const { core, clock } = await open(t)
    await core.addUser('olga', { role: 'owner' })
    await core.addUser('bob')
    const at = await seat(core, 'olga', clock)
    const olga = at.visitor
    const bob = await idOf(core, 'bob')
    clock.pass(16 * 60_000)
    const asked = await send(olga, 'user.deactivate', { user: bob })
    t.match(asked, { status: 303, location: /account\/prove\?return=/ })
    t.match(await core.core.identity.accounts.find(bob), { status: 'active' })
    const page = await olga.get(asked.location ?? '')
    t.match(page.text, 'Nothing of this user opens anything', 'it says what the proof is for')
    t.match(page.text, 'It is a while since you showed that it is you')
    const proven = await prove(at, asked)
    t.match(proven, { status: 303, location: /done=user.deactivate/ }, 'and does it')
    t.match(await core.core.identity.accounts.find(bob), { status: 'deactivated' })
    t.match(await send(olga, 'user.deactivate', { user: await idOf(core, 'olga') }), { status: 403 })
  },
)

t.test('a setting that would lock everybody out is refused; the preview says whom a change touches', async (t) => {
  const core = await startHouse(t, { yaml: `${yaml}administration: { secondFactor: when-enabled }\n` })
  await core.addUser('olga', { role: 'owner' })
  const olga = core.visitor()
  await signIn(olga, 'olga')
  const set = (key: string, value: string) => send(olga, 'settings.set', { key, value })
  t.match(await set('networks', '[{ range: [127.0.0.0/8, "::1/128"], access: deny }]'), {
    status: 409,
    text: /lock you out/,
  })
  t.match(await set('networks', '[{ range: [192.0.2.0/24], access: allow }]'), { status: 409, text: /lock you out/ })
  t.equal((await set('secondFactor.unenrolled', 'recovery-code')).status, 303)
  t.match(await set('secondFactor.required', 'everyone'), { status: 409, text: /no owner has a second factor/ })
  t.match(await olga.get(`${desk}/settings?key=secondFactor.required&value=everyone`), { text: /It affects 1 of 1/ })
})

t.test('a setting that is refused stands at its field, with what was typed', async (t) => {
  const { core, seated } = await open(t)
  await core.addUser('olga', { role: 'owner' })
  const olga = await seated('olga')
  const wrong = await olga.get(`${desk}/settings?key=session.duration&value=12+hours`)
  t.equal(wrong.status, 422)
  t.match(
    wrong.text,
    /<title>Error: [\s\S]*How long a session lasts<\/h2>[\s\S]*class="fault" id="fault-2"[\s\S]*value="12 hours"/,
  )
  t.notMatch(wrong.text, '12 hours\n', 'no line of a file with a caret')
  t.match(await send(olga, 'settings.set', { key: 'session.idle', value: 'ever' }), {
    status: 422,
    text: /How long a session lasts unused<\/h2>[\s\S]*class="fault"[\s\S]*value="ever"/,
  })
  t.equal((await olga.get(`${desk}/settings?key=no.such.key&value=1`)).status, 409)
})

t.test(
  'networks are edited as rows: one is put before another, one is removed, and a wrong one is kept as typed',
  async (t) => {
    const { core, seated } = await open(t)
    await core.addUser('olga', { role: 'owner' })
    const olga = await seated('olga')
    const check = async (fields: Readonly<Record<string, string>>) => {
      const { text } = await olga.get(`${desk}/settings`)
      const form = formOf(text, '/settings/networks')
      const filled = [...text.matchAll(/<input[^>]* name="((?:range|place)-\d+)" value="([^"]*)"/g)]
      const chosen = [
        ...text.matchAll(/<select[^>]* name="((?:access|factor)-\d+)">.*?<option value="([^"]*)" selected>/g),
      ]
      const there = Object.fromEntries([...filled, ...chosen].map(([, name, value]) => [name, value]))
      return olga.post(form.action ?? '', { ...form.fields, ...there, ...fields })
    }
    const first = await check({ 'range-0': '10.0.0.0/8, fd00::/8', 'factor-0': 'not-required' })
    t.match(first.text, /fd00::\/8<\/bdi>: let in; second factor: do not ask/)
    const set = await olga.post(`${desk}/do/settings.set`, formOf(first.text, '/settings.set').fields)
    t.equal(set.status, 303)
    const two = await check({ 'range-1': '192.0.2.0/24', 'access-1': 'deny', 'place-1': '0.5' })
    t.match(two.text, /<ol><li><bdi dir="ltr">192\.0\.2\.0\/24<\/bdi>: refuse<\/li><li><bdi dir="ltr">10\.0\.0\.0\/8/)
    await olga.post(`${desk}/do/settings.set`, formOf(two.text, '/settings.set').fields)
    const value = () => core.core.identity.settings.describe().find(({ key }) => key === 'networks')?.value
    t.same(value(), [
      { range: ['192.0.2.0/24'], access: 'deny' },
      { range: ['10.0.0.0/8', 'fd00::/8'], secondFactor: 'not-required' },
    ])
    const wrong = await check({ 'range-1': '10.0.0.1/8' })
    t.equal(wrong.status, 422)
    t.match(wrong.text, /class="fault"[\s\S]*name="range-1" value="10\.0\.0\.1\/8"/)
    t.match(await check({ 'range-0': '127.0.0.0/8 ::1', 'access-0': 'deny' }), { status: 200 })
    const removed = await check({ 'range-0': '' })
    await olga.post(`${desk}/do/settings.set`, formOf(removed.text, '/settings.set').fields)
    t.match(value(), [{ range: ['10.0.0.0/8', 'fd00::/8'] }])
  },
)

t.test(
  'a form of a user that is refused is shown again, open, with what was typed and the fault at its field',
  async (t) => {
    const { core, seated } = await open(t)
    await core.addUser('olga', { role: 'owner' })
    await core.addUser('bob', { email: 'bob@example.com' })
    const olga = await seated('olga')
    const user = await idOf(core, 'bob')
    const exempt = await send(olga, 'user.exempt', { user, reason: 'a phone in the sea', networks: '10.0.0.1/8' })
    t.equal(exempt.status, 422)
    t.match(exempt.text, /<title>Error: [\s\S]*<details open><summary>Exempt from/)
    t.match(
      exempt.text,
      /name="reason" value="a phone in the sea"[\s\S]*id="networks-fault"[\s\S]*value="10\.0\.0\.1\/8"/,
    )
    const addresses = await send(olga, 'user.addresses', { user, addresses: 'home' })
    t.match(addresses.text, /id="addresses-fault"[\s\S]*value="home"/)
    const changed = await send(olga, 'user.change', { user, email: 'nobody at all' })
    t.match(changed.text, /id="email-fault"[\s\S]*value="nobody at all"/)
  },
)

t.test('users are sorted and paged by links', async (t) => {
  const { core, seated } = await open(t)
  await core.addUser('olga', { role: 'owner' })
  for (let n = 10; n < 65; n += 1) await core.addUser(`u${n}`, n === 40 ? { role: 'support' } : {})
  const olga = await seated('olga')
  const names = (text: string) => [...text.matchAll(/scope="row"><a href="[^"]*">([^<]*)</g)].map(([, name]) => name)
  const all = (await olga.get(`${desk}/users`)).text
  t.equal(names(all).length, 50)
  t.notMatch(all, /[?;]sort=/, 'no order but one where there are more than a page')
  const second = await olga.get(/href="([^"]*after=[^"]*)">Next page/.exec(all)?.[1] ?? '')
  t.same(names(second.text), ['u59', 'u60', 'u61', 'u62', 'u63', 'u64'])
  t.same(names((await olga.get(/href="([^"]*)">First page/.exec(second.text)?.[1] ?? '')).text), names(all))
  const some = (await olga.get(`${desk}/users?search=u4`)).text
  t.match(some, /aria-sort="ascending"><a href="[^"]*search=u4[^"]*sort=-name">User/)
  t.equal(names((await olga.get(`${desk}/users?search=u4&sort=-name`)).text)[0], 'u49')
  t.equal(names((await olga.get(`${desk}/users?search=u4&sort=role`)).text)[0], 'u40', 'support before user')
  t.equal(names((await olga.get(`${desk}/users?search=u4&sort=__proto__`)).text)[0], 'u40')
})

t.test('what happened stands there in sentences, with the entry itself and the time in UTC beside it', async (t) => {
  const { core, seated } = await open(t)
  await core.addUser('olga', { role: 'owner' })
  await core.addUser('bob', { email: 'bob@example.com' })
  const olga = await seated('olga')
  const bob = await idOf(core, 'bob')
  const bobs = core.visitor()
  const browser = { 'user-agent': 'Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0' }
  const form = formOf((await bobs.get('/.gatelodge/sign-in')).text, '/sign-in')
  const fields = { ...form.fields, username: 'bob', password: housePassword }
  await bobs.post('/.gatelodge/sign-in', fields, { headers: browser })
  await send(olga, 'user.exempt', { user: bob, reason: 'a <b>phone</b> in the sea' }, `/users/${bob}`)
  const { text } = await olga.get(`${desk}/users/${bob}`)
  t.match(text, /bob<\/strong> signed in with the password from <bdi dir="ltr">Firefox on Windows, 127\.0\.0\.1</)
  t.match(
    text,
    /<strong>bob<\/strong> was exempted from the second factor by olga: a &lt;b&gt;phone&lt;\/b&gt; in the sea/,
  )
  t.match(text, /<time datetime="\d{4}-[^"]*Z" title="\d+ \w+ \d{4} at \d\d:\d\d UTC" data-local="after">just now</)
  t.match(text, /<details class="raw"><summary>All of this entry<[\s\S]*&quot;event&quot;: &quot;session\.opened&quot;/)
  t.match((await olga.get(`${desk}/audit?event=policy.changed`)).text, `/admin/users/${bob}">bob</a> was exempted`)
  t.match(text, /href="#in"[\s\S]*id="in"[\s\S]*id="lost"[\s\S]*id="left"[\s\S]*id="rights"[\s\S]*id="activity"/)
  t.notMatch(text, '/admin/do/lock.end"', 'what is not locked is not unlocked')
  for (let n = 0; n < 5; n += 1) await core.core.identity.attempts.spendSecondStep(bob)
  t.match(
    (await olga.get(`${desk}/users/${bob}`)).text,
    /Codes of bob are not judged for another 15 minutes[\s\S]*do\/lock\.end"/,
  )
})

t.test('a form of the desk sent as it is shown limits nothing', async (t) => {
  const { core, seated } = await open(t)
  await core.addUser('olga', { role: 'owner', email: 'olga@example.com' })
  await core.addUser('bob', { email: 'bob@example.com' })
  const olga = await seated('olga')
  const bob = await idOf(core, 'bob')
  const issued = await send(olga, 'token.issue', { user: bob, name: 'nightly', sites: '', networks: ' ', admin: 'yes' })
  const token = /glt_\w{61}/.exec(issued.text)?.[0] ?? ''
  const asked = await fetch(`${core.url}/.gatelodge/api/v1/users`, { headers: { authorization: `Bearer ${token}` } })
  t.equal(asked.status, 200, 'from anywhere')
  await send(olga, 'user.exempt', { user: bob, reason: 'a kiosk', sites: '', networks: '', until: '' })
  const { exemption } = (await core.core.identity.accounts.find(bob)) ?? {}
  t.strictSame(exemption, { reason: 'a kiosk' })
  await send(olga, 'user.addresses', { user: bob, addresses: '' })
  t.equal((await core.core.identity.accounts.find(bob))?.addresses, undefined)
})

t.test('the desk does not open by a password alone: owners and support set a second factor up first', async (t) => {
  const { core, seated } = await open(t)
  for (const role of ['owner', 'support'] as const) {
    await core.addUser(role, { role, email: `${role}@example.com` })
    const visitor = core.visitor()
    await signIn(visitor, role)
    t.ok(visitor.cookies.has('gatelodge'), 'the password is enough elsewhere')
    for (const page of ['', '/users']) {
      const led = await visitor.get(desk + page)
      t.match([led.status, led.location], [303, /^\/\.gatelodge\/enrol\?return=/], `${role}: ${page}`)
    }
    t.match((await visitor.post(`${desk}/do/session.end`, { user: 'x' })).location, /\/enrol\?/)
    t.equal((await visitor.get('/.gatelodge/account')).status, 200)
  }
  await core.addUser('olga', { role: 'owner' })
  t.equal((await (await seated('olga')).get(desk)).status, 200)
})

t.test('where a network asks for no second factor, the desk asks for it all the same', async (t) => {
  const clock = new AheadClock()
  const network = 'networks: [{ range: [127.0.0.0/8, "::1/128"], secondFactor: not-required }]\n'
  const core = await startHouse(t, { yaml: yaml + network, now: clock.now })
  await core.addUser('olga', { role: 'owner' })
  await enrolApp(core, 'olga')
  const visitor = core.visitor()
  await signIn(visitor, 'olga')
  const led = await visitor.get(desk)
  t.match([led.status, led.location], [303, /^\/\.gatelodge\/verify\?return=/])
  t.match((await visitor.get(led.location ?? '')).text, /name="code"/, 'and does not send them round in a circle')
})

t.test('what is wrong in a form of the desk stands at its field, with what was typed kept', async (t) => {
  const { core, seated } = await open(t)
  await core.addUser('olga', { role: 'owner', email: 'olga@example.com' })
  const bob = await core.addUser('bob', { email: 'bob@example.com' })
  const olga = await seated('olga')
  const message = { user: bob, title: 'Hello', text: 'Good <b>morning', copies: 'ada@example.com bob' }
  const wrong = await send(olga, 'user.message', message, `/users/${bob}/message`)
  t.equal(wrong.status, 422)
  t.match(wrong.text, /<title>Error: /)
  t.match(
    wrong.text,
    /id="copies-fault"[\s\S]*?&quot;bob&quot; is not one mail address\.[\s\S]*?<input id="copies"[^>]*value="ada@example\.com bob"[^>]*aria-invalid="true"/,
  )
  t.match(wrong.text, /id="title" name="title" value="Hello"/)
  t.match(wrong.text, /Good &lt;b&gt;morning<\/textarea>/)
  t.notMatch(wrong.text, /copies\.1|title-fault/)
  const again = formOf(wrong.text, 'user.message')
  t.match(await olga.post(again.action ?? '', { ...again.fields, ...message, copies: '' }), { status: 303 })

  const token = {
    user: bob,
    name: '',
    sites: 'not a host/',
    networks: '10.0.0.0/8',
    admin: 'yes',
    adminScopes: 'owners',
  }
  const refused = await send(olga, 'token.issue', token, `/users/${bob}/token`)
  t.equal(refused.status, 422)
  t.match(refused.text, /id="name-fault"[\s\S]*id="sites-fault"[\s\S]*value="10\.0\.0\.0\/8"/)
  t.match(refused.text, /id="admin"[^>]* checked [\s\S]*id="admin-owners"[^>]* checked /)
  t.notMatch(refused.text, /id="admin-backup"[^>]* checked /)

  const taken = { username: 'bob', email: 'x@example.com', role: 'support' }
  const user = await send(olga, 'user.add', taken)
  t.equal(user.status, 409)
  t.match(user.text, /class="fault"[\s\S]*value="bob"[\s\S]*value="x@example\.com"[\s\S]*<option selected>support/)
  t.notMatch(user.text, /id="invite"[^>]* checked/)
})
