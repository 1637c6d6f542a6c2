import t, { type Test } from 'tap'
import { operations } from '../../../src/operations/catalog.js'
import { samples } from '../../operations/table.js'
import { AheadClock, prove, type Seated, seat } from '../../support/at-desk.js'
import { type OpenHouse, startHouse } from '../../support/house.js'

/** The portal and an application on one host: its scripts send any form with the visitor's cookies, and know no code. */
const yaml = `
publicUrl: http://localhost:8080
sites: [{ upstream: "http://127.0.0.1:1" }]
secondFactor: { methods: [{ use: totp }, { use: email }] }
mail: { use: outbox }
`

const own = '/.gatelodge'
const desk = `${own}/admin`

async function shared(t: Test): Promise<{ core: OpenHouse; clock: AheadClock; olga: Seated; bob: string }> {
  const clock = new AheadClock()
  const core = await startHouse(t, { yaml, now: clock.now })
  await core.addUser('olga', { role: 'owner', email: 'olga@example.com' })
  const bob = await core.addUser('bob', { email: 'bob@example.com' })
  return { core, clock, olga: await seat(core, 'olga', clock), bob }
}

/** What a script does: reads a page of ours and sends a form of it. */
async function script(
  { visitor }: Seated,
  name: string,
  fields: Readonly<Record<string, string>>,
  from = '/users/new',
) {
  const page = await visitor.get(desk + from)
  const token = /name="token" value="([^"]*)"/.exec(page.text)?.[1] ?? ''
  return visitor.post(`${desk}/do/${name}`, { token, ...fields })
}

const words = (input: object) =>
  Object.fromEntries(Object.entries(input).map(([name, value]) => [name, [value].flat().join(' ')]))

t.test('a script with the cookies of an owner who proved a moment ago changes nothing', async (t) => {
  const { core, olga, bob } = await shared(t)
  const kept = async () =>
    JSON.stringify(
      await Promise.all(['account/', 'token/', 'setting', 'user/'].map((under) => core.core.store.list(under))),
    )
  const before = await kept()
  for (const { name, event, doors } of operations) {
    if (event === undefined || typeof doors.page !== 'string') continue
    const answer = await script(olga, name, words(samples(bob)[name] ?? {}))
    t.match([answer.status, answer.location], [303, /^\/\.gatelodge\/verify\?return=/], name)
    const { location = '' } = answer
    const again = await olga.visitor.get(decodeURIComponent(location.split('return=')[1] ?? ''))
    t.match(again.location, /\/verify\?return=/, `${name}: what waits is not done by looking at it`)
  }
  t.equal(await kept(), before)
})

t.test('the code does what it was asked for, once, and nothing else', async (t) => {
  const { core, clock, olga, bob } = await shared(t)
  const asked = await script(olga, 'user.role', { user: bob, role: 'owner' })
  const page = await olga.visitor.get(asked.location ?? '')
  t.match(page.text, /Confirm this change[\s\S]*<strong>Make a user an owner[\s\S]*<dd>bob<\/dd>[\s\S]*<dd>owner<\/dd>/)
  const done = await prove(olga, asked)
  t.match([done.status, done.location], [303, /done=user\.role$/])
  t.equal((await core.core.identity.accounts.find(bob))?.role, 'owner')

  // The proof is used up: the session it opened, as fresh as can be, changes nothing by itself.
  t.match((await script(olga, 'user.role', { user: bob, role: 'user' })).location, /\/verify\?/)
  const other = await script(olga, 'user.deactivate', { user: bob })
  t.equal((await core.core.identity.accounts.find(bob))?.status, 'active')

  // One waits at a time: the answer to a question about what was replaced since does neither.
  const first = await olga.visitor.get(other.location ?? '')
  const form = /name="token" value="([^"]*)"/.exec(first.text)?.[1] ?? ''
  await script(olga, 'user.role', { user: bob, role: 'user' })
  const lost = await olga.visitor.post(`${own}/verify`, { token: form, code: olga.code() })
  t.notMatch(lost.location ?? '', /done=/)
  t.match(await core.core.identity.accounts.find(bob), { status: 'active', role: 'owner' })

  // Five minutes.
  const late = await script(olga, 'user.deactivate', { user: bob })
  clock.pass(5 * 60_000)
  const nothing = await prove(olga, late)
  t.notMatch(nothing.location ?? '', /done=/)
  t.match(await core.core.identity.accounts.find(bob), { status: 'active' })
})

t.test('a wrong code does nothing, and a secret is shown in the answer to the right one', async (t) => {
  const { core, olga, bob } = await shared(t)
  const asked = await script(olga, 'token.issue', { user: bob, name: 'nightly', admin: 'yes', sites: '', networks: '' })
  const page = await olga.visitor.get(asked.location ?? '')
  const form = /name="token" value="([^"]*)"/.exec(page.text)?.[1] ?? ''
  const wrong = await olga.visitor.post(`${own}/verify`, { token: form, code: '000000' })
  t.match(wrong, { status: 422, text: /Confirm this change/ })
  t.same(await core.core.identity.tokens.list(), [])
  const issued = await prove(olga, asked)
  t.match(issued, { status: 200, text: /glt_/ })
  const copy = await prove(olga, await script(olga, 'store.backup', {}, '/data'))
  t.match(copy.headers['content-disposition'], /attachment/)
  const kept = JSON.stringify(await core.core.store.list('waiting-form/'))
  t.equal(kept, '[]')
})

t.test('what would give the account to somebody else asks for a proof of its own as well', async (t) => {
  const { core, olga } = await shared(t)
  const { visitor } = olga
  const tokenOn = async (page: string) =>
    /name="token" value="([^"]*)"/.exec((await visitor.get(own + page)).text)?.[1] ?? ''
  const password = 'another lamp over the gate'
  const change = await visitor.post(`${own}/account/password`, {
    token: await tokenOn('/account/password'),
    password,
    repeated: password,
  })
  t.match(change.location, /\/verify\?return=/)
  const kept = JSON.stringify(await core.core.store.list('waiting-form/'))
  t.notMatch(kept, /another lamp/, 'what waits is sealed')
  const contact = await visitor.post(`${own}/account/contact/email`, {
    token: await tokenOn('/account/contact'),
    email: 'eve@example.net',
  })
  t.match(contact.location, /\/verify\?return=/)
  t.match((await visitor.get(`${own}/account/methods/add/email`)).location, /\/verify\?return=/)
  t.match((await visitor.get(`${own}/enrol/totp?return=/.gatelodge/account`)).location, /\/verify\?return=/)
  t.match((await visitor.get(`${own}/enrol`)).location, /\/verify\?return=/)
  const codes = await visitor.post(`${own}/account/backup-codes`, { token: await tokenOn('/account/backup-codes') })
  t.match(codes.location, /\/verify\?return=/)

  const added = await prove(olga, await visitor.get(`${own}/account/methods/add/email`))
  t.match(added.location, /\/enrol\/email\?return=/)
  t.equal((await visitor.get(added.location ?? '')).status, 200)
  const again = await visitor.post(`${own}/account/password`, {
    token: await tokenOn('/account/password'),
    password,
    repeated: password,
  })
  const done = await prove(olga, again)
  t.match(done.location, /\/account\?done=password$/)
})

t.test('whoever has no second factor confirms by the password', async (t) => {
  const clock = new AheadClock()
  const core = await startHouse(t, { yaml: `${yaml}administration: { secondFactor: when-enabled }\n`, now: clock.now })
  await core.addUser('olga', { role: 'owner' })
  const bob = await core.addUser('bob')
  const visitor = core.visitor()
  await visitor.fillIn(`${own}/sign-in`, { username: 'olga', password: 'a lamp over the lodge gate' }, '/sign-in')
  const olga = { visitor, code: () => '' }
  const asked = await script(olga, 'user.deactivate', { user: bob })
  t.match(asked.location, /\/account\/prove\?return=/)
  t.match((await visitor.get(asked.location ?? '')).text, /Confirm this change/)
  t.match((await prove(olga, asked)).location, /done=user\.deactivate$/)
  t.equal((await core.core.identity.accounts.find(bob))?.status, 'deactivated')
})
