import t from 'tap'
import { operations } from '../../../src/operations/catalog.js'
import { samples, table } from '../../operations/table.js'
import { housePassword, type OpenHouse, signIn, startHouse } from '../../support/house.js'
import type { Visitor } from '../../support/visitor.js'

const yaml = `
publicUrl: http://localhost:8080
sites: [{ upstream: "http://127.0.0.1:1" }]
secondFactor: { methods: [{ use: totp }, { use: email }] }
mail: { use: outbox }
`

const desk = '/.gatelodge/admin'
const pages = [
  '',
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
const forSupport = ['', '/users', '/locks', '/sending', '/sites', '/sites?url=http://localhost/', '/approvals']

async function seated(house: OpenHouse, name: string): Promise<Visitor> {
  const visitor = house.visitor()
  await signIn(visitor, name)
  return visitor
}

const idOf = async (house: OpenHouse, username: string) => (await house.house.directory.find({ username }))[0]?.id ?? ''

/** A form of the desk with the token of any of its pages. */
async function send(visitor: Visitor, name: string, fields: Readonly<Record<string, string>>, from = '/users/new') {
  const page = await visitor.get(`${desk}${from}`)
  const token = /name="token" value="([^"]*)"/.exec(page.text)?.[1] ?? ''
  return visitor.post(`${desk}/do/${name}`, { token, ...fields })
}

function words(input: object): Record<string, string> {
  return Object.fromEntries(Object.entries(input).map(([name, value]) => [name, [value].flat().join(' ')]))
}

t.test('to users there is nothing; to whoever is nobody, a sign-in; to support, what support does', async (t) => {
  const house = await startHouse(t, { yaml })
  for (const [name, role] of [
    ['olga', 'owner'],
    ['sam', 'support'],
    ['uma', 'user'],
    ['bob', 'user'],
  ] as const) {
    await house.addUser(name, { role, email: `${name}@example.com` })
  }
  const [olga, sam, uma, nobody] = [
    await seated(house, 'olga'),
    await seated(house, 'sam'),
    await seated(house, 'uma'),
    house.visitor(),
  ]
  // An owner whose second factor is still outstanding: a pending sign-in opens nothing.
  await house.addUser('pam', { role: 'owner' })
  await house.house.identity.accounts.require(await idOf(house, 'pam'), true)
  const half = await seated(house, 'pam')
  t.same([...half.cookies.keys()], ['gatelodge-pending'])
  for (const page of [...pages, `/users/${await idOf(house, 'bob')}`]) {
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
  const bob = await idOf(house, 'bob')
  const kept = async () => JSON.stringify(await house.house.store.list('account/'))
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

t.test('every operation with a page has its form there, and it works', async (t) => {
  const house = await startHouse(t, { yaml })
  await house.addUser('olga', { role: 'owner' })
  await house.addUser('bob', { email: 'bob@example.com' })
  const olga = await seated(house, 'olga')
  const bob = await idOf(house, 'bob')
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
    'user.activate': () => house.house.identity.accounts.deactivate(bob),
    'user.end-exemption': () => house.house.identity.accounts.exempt(bob, { reason: 'x' }),
    'token.revoke': () => house.house.identity.tokens.issue({ accountId: bob, name: 'x' }, 'test'),
    'lock.end-network': async () => {
      const { attempts } = house.house.identity
      for (let n = 0; n < 20; n += 1) await attempts.spendPassword({ nameHash: `${n}`, network: '192.0.2.77' })
    },
    'user.approve': () => hold(house, bob),
    'user.refuse': () => hold(house, bob),
    'settings.set': async () => undefined,
    'settings.unset': () => house.house.identity.settings.set('session.duration', '70d', { name: 'test' }),
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
    await house.house.identity.accounts.activate(bob)
  }
  const code = await send(olga, 'user.recovery-code', { user: bob }, `/users/${bob}`)
  t.match(code, { status: 200, text: /[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}/ })
})

async function hold({ house: { identity } }: OpenHouse, id: string): Promise<void> {
  const account = await identity.accounts.find(id)
  if (account === undefined) throw new Error('there is no account')
  await identity.approvals.hold(account, { method: 'totp', name: 'App', enrolment: null })
}

t.test('a file of users is looked at first, and added when that was seen', async (t) => {
  let ahead = 0
  const house = await startHouse(t, { yaml, now: () => Date.now() + ahead })
  await house.addUser('olga', { role: 'owner' })
  await house.addUser('sam', { role: 'support' })
  const olga = await seated(house, 'olga')
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
  t.same(await house.house.directory.find({ username: 'ann' }), [])
  const form = /<form[^>]*users\.import[\s\S]*?<\/form>/.exec(looked.text)?.[0] ?? ''
  const kept = /name="file" value="([^"]*)"/.exec(form)?.[1] ?? ''
  const again = kept.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&')
  t.equal(again, csv, 'the form brings it along')
  const added = await upload(olga, { file: again, format: 'csv' })
  t.match([added.status, added.location], [303, /data\?added=2&there=1&done=users\.import$/])
  t.match((await olga.get(added.location ?? '')).text, /2 added, 1 there already/)
  t.match(await house.house.directory.find({ username: 'ann' }), [{ email: 'ann@example.com' }])

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
  const sam = await seated(house, 'sam')
  t.equal((await upload(sam, { file: file(csv) })).status, 400, 'support has no page with a token for it')
  t.match(await send(olga, 'users.export', { format: 'csv' }, '/data'), {
    status: 200,
    text: /\nann,ann@example\.com,/,
  })
  t.match(await send(olga, 'store.backup', {}, '/data'), { status: 200, text: /"sha256":"[0-9a-f]{64}"\}\n$/ })
  ahead = 16 * 60_000
  t.match((await olga.get(`${desk}/data`)).location, /account\/prove\?return=/, 'the proof comes before the file')
})

async function encoded(form: FormData): Promise<{ readonly body: Buffer; readonly type: string }> {
  const request = new Response(form)
  return { body: Buffer.from(await request.arrayBuffer()), type: request.headers.get('content-type') ?? '' }
}

t.test('what is sensitive asks for the password again when it is a while ago, and leads back', async (t) => {
  let ahead = 0
  const house = await startHouse(t, { yaml, now: () => Date.now() + ahead })
  await house.addUser('olga', { role: 'owner' })
  await house.addUser('bob')
  const olga = await seated(house, 'olga')
  const bob = await idOf(house, 'bob')
  ahead = 16 * 60_000
  const asked = await send(olga, 'user.deactivate', { user: bob })
  t.match(asked, { status: 303, location: /account\/prove\?return=/ })
  t.match(await house.house.identity.accounts.find(bob), { status: 'active' })
  const proven = await olga.fillIn(asked.location ?? '', { password: housePassword }, '/account/prove')
  t.match(proven, { status: 303, location: new RegExp(`/admin/users/${bob}\\?done=proven$`) })
  t.match(await send(olga, 'user.deactivate', { user: bob }), { status: 303, location: /done=user.deactivate/ })
  t.match(await house.house.identity.accounts.find(bob), { status: 'deactivated' })
  t.match(await send(olga, 'user.deactivate', { user: await idOf(house, 'olga') }), { status: 403 })
})

t.test('a setting that would lock everybody out is refused; the preview says whom a change touches', async (t) => {
  const house = await startHouse(t, { yaml })
  await house.addUser('olga', { role: 'owner' })
  const olga = await seated(house, 'olga')
  const set = (key: string, value: string) => send(olga, 'settings.set', { key, value })
  t.match(await set('networks', '[{ range: [127.0.0.0/8, "::1/128"], access: deny }]'), {
    status: 409,
    text: /lock you out/,
  })
  t.match(await set('networks', '[{ range: [192.0.2.0/24], access: allow }]'), { status: 409, text: /lock you out/ })
  t.equal((await set('secondFactor.unenrolled', 'recovery-code')).status, 303)
  t.match(await set('secondFactor.required', 'everyone'), { status: 409, text: /no owner has a second factor/ })
  t.match(await olga.get(`${desk}/settings?key=secondFactor.required&value=everyone`), { text: /It touches 1 of 1/ })
})
