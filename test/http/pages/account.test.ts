import t, { type Test } from 'tap'
import email from '../../../plugins/second-factors/email.js'
import totp from '../../../plugins/second-factors/totp.js'
import type { Mail, SecondFactor } from '../../../src/contracts.js'
import { codeAt } from '../../support/authenticator-app.js'
import { PASSWORD, START } from '../../support/core.js'
import { build, lentHost } from '../../support/lent-host.js'
import { type Answer, formOf, type Visitor } from '../../support/visitor.js'
import { type Lodge, lodge, prefix } from './lodge.js'

const at = (page: string) => `${prefix}${page}`
const NEW = 'quite another lamp at the gate'
const session = (visitor: Visitor) => visitor.cookies.get('gatelodge')
const titleOf = ({ text }: Answer) => /<title>([^<]*) – /.exec(text)?.[1]

/** A lodge that sends mail, and what it sent. */
async function lodgeWithMail(t: Test, more: Parameters<typeof lodge>[1] = {}) {
  const mails: Mail[] = []
  const core = await lodge(t, { mail: { send: async (mail) => void mails.push(mail) }, ...more })
  const told = async () => {
    await core.settled()
    await core.messages.settled()
    return mails
  }
  return { core, mails, told }
}

async function signIn(visitor: Visitor, username: string, password = PASSWORD, to = at('/account')): Promise<Answer> {
  return visitor.fillIn(`${at('/sign-in')}?return=${encodeURIComponent(to)}`, { username, password })
}

/** Follows redirects by hand, as a browser does. */
async function follow(visitor: Visitor, answer: Answer): Promise<Answer> {
  let next = answer
  for (let step = 0; next.location !== undefined && step < 10; step += 1) next = await visitor.get(next.location)
  return next
}

/** Sets an authenticator app up from the account page. @returns its key */
async function enrol(core: Lodge, visitor: Visitor): Promise<string> {
  const page = await follow(visitor, await visitor.get(at('/account/methods/add/totp')))
  const key = /data-copy="([A-Z2-7]+)"/.exec(page.text)?.[1] ?? ''
  const { action = '', fields } = formOf(page.text, '/enrol/totp')
  const done = await visitor.post(action, { ...fields, code: codeAt(key, core.clock.ms) })
  if (done.status !== 303) throw new Error(`${done.status} ${done.text}`)
  core.clock.forward(30)
  return key
}

/** Signs in with password and app. */
async function signInFully(core: Lodge, visitor: Visitor, username: string, key: string): Promise<void> {
  const half = await signIn(visitor, username)
  if (!half.location?.startsWith(at('/verify'))) throw new Error(`${half.status} ${half.location}`)
  const done = await visitor.fillIn(half.location, { code: codeAt(key, core.clock.ms) }, '/verify')
  if (done.status !== 303) throw new Error(`${done.status} ${done.text}`)
  core.clock.forward(30)
}

t.test('the account page leads to everything there is', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  const visitor = core.visitor()
  const pages = ['', '/password', '/methods', '/contact', '/sessions', '/activity']
  for (const page of pages) {
    const { location } = await visitor.get(at(`/account${page}`))
    t.match(location, /\/sign-in\?return=/, `${page} asks a stranger to sign in`)
  }
  await signIn(visitor, 'ada')
  const overview = await visitor.get(at('/account'))
  const links = [...overview.text.matchAll(/href="(\/\.gatelodge\/account\/[^"]*)"/g)].map(([, link]) => link ?? '')
  for (const page of pages.slice(1)) t.ok(links.includes(at(`/account${page}`)), page)
  for (const link of links) t.equal((await follow(visitor, await visitor.get(link))).status, 200, link)
})

t.test('a new password: this browser goes on with a new session, all others have ended', async (t) => {
  const { core, told } = await lodgeWithMail(t)
  await core.addUser('ada')
  const [here, elsewhere] = [core.visitor(), core.visitor()]
  await signIn(here, 'ada')
  await signIn(elsewhere, 'ada')
  const before = session(here)

  const page = await here.get(at('/account/password'))
  t.equal(titleOf(page), 'Change your password')
  t.match(page.text, /autocomplete="new-password"/)
  t.match(page.text, /name="username" value="ada" autocomplete="username" hidden/)
  const faults = [
    ['', '', /Enter the new password/],
    [NEW, 'something else', /The two are not the same/],
    ['short', 'short', /at least 8 characters/],
    ['password', 'password', /tried first/],
  ] as const
  for (const [password, repeated, words] of faults) {
    const refused = await here.fillIn(at('/account/password'), { password, repeated })
    t.equal(refused.status, 422)
    t.match(refused.text, words)
    t.match(titleOf(refused), 'Error: Change your password')
    t.notMatch(refused.text, `value="${NEW}"`)
  }
  t.ok(await core.sessions.find(before))

  const done = await here.fillIn(at('/account/password'), { password: NEW, repeated: NEW })
  t.same([done.status, done.location], [303, at('/account?done=password')])
  t.not(session(here), before)
  t.equal(await core.sessions.find(before), undefined, 'the old session id opens nothing')
  t.match((await follow(here, done)).text, /Your password was changed/)
  t.match((await elsewhere.get(at('/account'))).location, /\/sign-in/)
  t.equal((await signIn(elsewhere, 'ada')).status, 422)
  t.equal((await signIn(elsewhere, 'ada', NEW)).status, 303)
  t.match(await told(), [{ subject: 'Your password was changed at Riverside CRM' }])
})

t.test('nothing is changed without a proof from the last quarter of an hour', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  const visitor = core.visitor()
  await signIn(visitor, 'ada')
  const form = formOf((await visitor.get(at('/account/password'))).text).fields
  const sessions = formOf((await visitor.get(at('/account/sessions'))).text, '/end-others').fields
  const before = session(visitor)
  core.clock.forward(15 * 60)

  const late = await visitor.post(at('/account/password'), { ...form, password: NEW, repeated: NEW })
  t.same([late.status, late.location], [303, at('/account/prove?return=%2F.gatelodge%2Faccount%2Fpassword')])
  const ended = await visitor.post(at('/account/sessions/end-others'), sessions)
  t.match(ended.location, at('/account/prove'))
  t.equal((await core.directory.verifyPassword('ada', NEW)) ?? 'unchanged', 'unchanged')
  t.equal((await visitor.get(at('/account/password'))).location, late.location)
  t.equal((await visitor.get(at('/account/sessions'))).status, 200, 'looking is free')

  const prove = late.location ?? ''
  const wrong = await visitor.fillIn(prove, { password: 'wrong' })
  t.equal(wrong.status, 422)
  t.match(wrong.text, /The password is not right/)
  t.equal((await visitor.fillIn(prove, { password: '' })).status, 422)
  const right = await visitor.fillIn(prove, { password: PASSWORD })
  t.same([right.status, right.location], [303, at('/account/password')])
  t.not(session(visitor), before, 'a new session id')
  t.equal(await core.sessions.find(before), undefined)
  t.equal((await visitor.fillIn(at('/account/password'), { password: NEW, repeated: NEW })).status, 303)
  t.equal((await visitor.get(prove)).location, at('/account/password'), 'a fresh proof is not asked for again')
  const onward = await visitor.get(at('/account/prove?return=https%3A%2F%2Fevil.example%2F'))
  t.equal(onward.location, at('/account'), 'nor a way to somewhere else')
})

t.test('the proof is within the budget of passwords', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  const visitor = core.visitor()
  await signIn(visitor, 'ada')
  core.clock.forward(15 * 60)
  const prove = at('/account/prove')
  for (let round = 0; round < 5; round += 1) t.equal((await visitor.fillIn(prove, { password: 'wrong' })).status, 422)
  const throttled = await visitor.fillIn(prove, { password: PASSWORD })
  t.equal(throttled.status, 429)
  t.equal(throttled.headers['retry-after'], '1')
})

t.test('who has a second factor proves both, and a session without it changes nothing', async (t) => {
  // Where policy lets the password alone in, as from the office.
  const office = { networks: [{ range: ['127.0.0.0/8', '::1/128'], secondFactor: 'not-required' as const, line: 1 }] }
  const core = await lodge(t, { policy: office })
  const id = await core.addUser('ada')
  const visitor = core.visitor()
  await signIn(visitor, 'ada')
  const key = await enrol(core, visitor)
  t.equal((await visitor.get(at('/account/password'))).status, 200, 'enrolled a moment ago: both are fresh')

  const thief = core.visitor()
  await signIn(thief, 'ada')
  t.equal((await thief.get(at('/account'))).status, 200, 'policy lets the password alone look')
  const sessions = formOf((await thief.get(at('/account/sessions'))).text, '/end-others').fields
  const [factor] = (await core.accounts.find(id))?.enrolled ?? []
  const verify = (page: string) => at(`/verify?return=${encodeURIComponent(at(page))}`)
  for (const page of [
    '/account/password',
    '/account/contact',
    '/account/methods/add/totp',
    `/account/methods/${factor?.id}`,
  ]) {
    t.equal((await thief.get(at(page))).location, verify(page), page)
  }
  const ended = await thief.post(at('/account/sessions/end-others'), sessions)
  t.equal(ended.location, verify('/account/sessions'))
  t.match((await thief.get(at('/enrol/totp'))).location, at('/verify'), 'nor is there a way round over the page itself')
  for (const purpose of ['password', 'factors', 'contact'] as const) {
    const token = sessions['token'] ?? ''
    const page = { password: '/password', factors: `/methods/${factor?.id}/remove`, contact: '/contact/email' }[purpose]
    const forged = await thief.post(at(`/account${page}`), {
      token,
      password: NEW,
      repeated: NEW,
      email: 'x@example.net',
    })
    t.equal(forged.status, 400, "one page's token is worth nothing on another")
  }

  core.clock.forward(16 * 60)
  t.match((await visitor.get(at('/account/password'))).location, at('/account/prove'))
  const half = await visitor.fillIn(at('/account/prove?return=%2F.gatelodge%2Faccount%2Fpassword'), {
    password: PASSWORD,
  })
  t.equal(half.location, verify('/account/password'), 'the password, then the code, whatever policy says')
  const done = await visitor.fillIn(half.location ?? '', { code: codeAt(key, core.clock.ms) }, '/verify')
  t.equal(done.location, at('/account/password'), done.text)
  t.equal((await visitor.get(at('/account/password'))).status, 200)
})

t.test('another factor is added only by a session that proved the one there is, and while that lives', async (t) => {
  const { core, told } = await lodgeWithMail(t)
  const id = await core.addUser('ada')
  const factorsOf = async () => (await core.accounts.find(id))?.enrolled.length
  const visitor = core.visitor()
  await signIn(visitor, 'ada')
  const key = await enrol(core, visitor)
  const second = await enrol(core, visitor)
  t.not(second, key)
  t.equal(await factorsOf(), 2)
  const list = await visitor.get(at('/account/methods?done=enrolled'))
  t.equal(list.text.match(/Set up on/g)?.length, 2)
  t.match(await told(), [{ subject: /sign-in method was added/ }, { subject: /sign-in method was added/ }])

  // Begun in a session that is signed out meanwhile: what was begun ends with it.
  const page = await follow(visitor, await visitor.get(at('/account/methods/add/totp')))
  const third = /data-copy="([A-Z2-7]+)"/.exec(page.text)?.[1] ?? ''
  const { fields } = formOf(page.text, '/enrol/totp')
  await core.sessions.end(session(visitor))
  const late = await visitor.post(at('/enrol/totp'), { ...fields, code: codeAt(third, core.clock.ms) })
  t.equal(late.status, 400)
  t.equal(await factorsOf(), 2)

  // Begun with the password alone: the second step is asked for, whatever address is opened.
  const thief = core.visitor()
  await signIn(thief, 'ada')
  t.match((await thief.get(at('/enrol/totp'))).location, at('/verify'))
  t.match((await thief.get(at('/account/methods/add/totp'))).location, at('/sign-in'))
  t.equal(await factorsOf(), 2)
})

t.test('factors are renamed, preferred and removed, each once', async (t) => {
  const { core, told } = await lodgeWithMail(t)
  const id = await core.addUser('ada')
  const enrolled = async () => (await core.accounts.find(id))?.enrolled.map((each) => each.id) ?? []
  const visitor = core.visitor()
  await signIn(visitor, 'ada')
  await enrol(core, visitor)
  await enrol(core, visitor)
  const [first = '', second = ''] = await enrolled()
  const page = at(`/account/methods/${second}`)

  const renamed = await visitor.fillIn(page, { name: '  Work   phone <b> ' }, '/rename')
  t.equal(renamed.location, at('/account/methods?done=renamed'))
  t.match((await visitor.get(at('/account/methods'))).text, /<strong>Work phone &lt;b&gt;<\/strong>/)
  for (const name of ['', ' ', 'x'.repeat(41), 'a\u202eb']) {
    const refused = await visitor.fillIn(page, { name }, '/rename')
    t.equal(refused.status, 422, JSON.stringify(name))
    t.match(refused.text, /Enter a name/)
  }

  t.equal((await visitor.fillIn(page, {}, '/prefer')).location, at('/account/methods?done=preferred'))
  t.equal((await core.accounts.find(id))?.preferred, second)
  t.notMatch((await visitor.get(page)).text, /Ask for this one first/)

  const { fields, action = '' } = formOf((await visitor.get(page)).text, '/remove')
  const twice = await Promise.all([visitor.post(action, fields), visitor.post(action, fields)])
  t.same(twice.map(({ location }) => location).sort(), [at('/account/methods'), at('/account/methods?done=removed')])
  t.same(await enrolled(), [first])
  t.equal((await core.accounts.find(id))?.preferred, undefined)
  t.equal((await visitor.get(page)).status, 404)
  const removed = (await told()).filter(({ subject }) => /was removed/.test(subject))
  t.equal(removed.length, 1, 'one mail for one removal')
  const audit = await core.audit.recent(id)
  t.match(
    audit.filter(({ event }) => event === 'factor.removed'),
    [{ outcome: 'success', method: 'totp' }],
  )

  await visitor.fillIn(at(`/account/methods/${first}`), {}, '/remove')
  t.same(await enrolled(), [], 'the last one, where nobody asks for it')
  t.equal((await visitor.get(at('/account'))).status, 200)
})

t.test('while policy asks for a second factor the last one stays, also when all are removed at once', async (t) => {
  const core = await lodge(t, {
    policy: { secondFactor: { required: 'everyone', unenrolled: 'enrol' } },
  })
  const id = await core.addUser('ada')
  const visitor = core.visitor()
  await signIn(visitor, 'ada')
  const start = await follow(visitor, await visitor.get(at('/enrol/totp')))
  const key = /data-copy="([A-Z2-7]+)"/.exec(start.text)?.[1] ?? ''
  const enrolForm = formOf(start.text, '/enrol/totp')
  await visitor.post(enrolForm.action ?? '', { ...enrolForm.fields, code: codeAt(key, core.clock.ms) })
  core.clock.forward(30)
  await enrol(core, visitor)
  await enrol(core, visitor)
  const ids = (await core.accounts.find(id))?.enrolled.map((each) => each.id) ?? []
  t.equal(ids.length, 3)
  const forms = await Promise.all(
    ids.map(async (id) => formOf((await visitor.get(at(`/account/methods/${id}`))).text, '/remove')),
  )
  const answers = await Promise.all(forms.map(({ action = '', fields }) => visitor.post(action, fields)))
  t.same(answers.map(({ status }) => status).sort(), [303, 303, 422])
  t.match(answers.find(({ status }) => status === 422)?.text, /the only one you have/)
  const left = (await core.accounts.find(id))?.enrolled ?? []
  t.equal(left.length, 1)
  const page = await visitor.get(at(`/account/methods/${left[0]?.id}`))
  t.equal(formOf(page.text, '/remove').action, undefined, 'there is no button for it')
})

t.test("nobody reaches another user's factors, sessions or devices", async (t) => {
  const core = await lodge(t)
  const [adaId, bobId] = [await core.addUser('ada'), await core.addUser('bob')]
  const [ada, bob] = [core.visitor(), core.visitor()]
  await signIn(ada, 'ada')
  await signIn(bob, 'bob')
  await enrol(core, ada)
  await enrol(core, bob)
  const [adas] = (await core.accounts.find(adaId))?.enrolled ?? []
  const [bobs] = (await core.accounts.find(bobId))?.enrolled ?? []
  t.equal((await bob.get(at(`/account/methods/${adas?.id}`))).status, 404)
  const { fields } = formOf((await bob.get(at(`/account/methods/${bobs?.id}`))).text, '/remove')
  for (const action of ['remove', 'rename', 'prefer']) {
    const path = at(`/account/methods/${adas?.id}/${action}`)
    t.equal((await bob.post(path, { ...fields, name: 'Mine now' })).location, at('/account/methods'), action)
  }
  t.match((await core.accounts.find(adaId))?.enrolled, [{ id: adas?.id }])
  t.notMatch((await ada.get(at('/account/methods'))).text, /Mine now/)

  const open = await core.sessions.find(session(ada))
  const sessions = formOf((await bob.get(at('/account/sessions'))).text, '/end-others').fields
  t.notMatch((await bob.get(at('/account/sessions'))).text, open?.session.id ?? '')
  for (const id of [open?.session.id ?? '', session(ada) ?? '', 'x', '']) {
    const answer = await bob.post(at('/account/sessions/end'), { ...sessions, session: id })
    t.same([answer.status, answer.location], [303, at('/account/sessions')])
    await bob.post(at('/account/devices/forget'), { ...sessions, device: id })
  }
  t.ok(await core.sessions.find(session(ada)))
  const adasToken = formOf((await ada.get(at('/account/sessions'))).text, '/end-others').fields
  t.equal((await bob.post(at('/account/sessions/end-others'), adasToken)).status, 400, "nor with another's form")
})

t.test('sessions are listed and ended, one or all others', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  const [here, phone, office] = [core.visitor(), core.visitor(), core.visitor()]
  for (const each of [here, phone, office]) await signIn(each, 'ada')
  const list = await here.get(at('/account/sessions'))
  t.equal(list.text.match(/This browser/g)?.length, 1)
  t.match(list.text, /An unknown browser on Linux/)
  t.match(list.text, /<bdi dir="ltr">(127\.0\.0\.1|::1)<\/bdi>/)
  const id = (await core.sessions.find(session(phone)))?.session.id ?? ''
  const one = formOf(list.text, '/sessions/end').fields
  const done = await here.post(at('/account/sessions/end'), { ...one, session: id })
  t.equal(done.location, at('/account/sessions?done=ended'))
  t.equal(await core.sessions.find(session(phone)), undefined)
  t.ok(await core.sessions.find(session(office)))

  const before = session(here)
  const form = formOf((await here.get(at('/account/sessions'))).text, '/end-others')
  const all = await here.post(form.action ?? '', form.fields)
  t.equal(all.location, at('/account/sessions?done=ended-others'))
  t.equal(await core.sessions.find(session(office)), undefined)
  t.equal(await core.sessions.find(before), undefined)
  t.ok(await core.sessions.find(session(here)), 'this one goes on under a new id')
  t.match((await follow(here, all)).text, /You stay signed in here/)
})

t.test('a form that another site made, or that is old, changes nothing', async (t) => {
  const core = await lodge(t)
  const id = await core.addUser('ada')
  const visitor = core.visitor()
  await signIn(visitor, 'ada')
  await enrol(core, visitor)
  const [factor] = (await core.accounts.find(id))?.enrolled ?? []
  const posts: Array<readonly [string, Record<string, string>]> = [
    ['/account/prove', { password: PASSWORD }],
    ['/account/password', { password: NEW, repeated: NEW }],
    [`/account/methods/${factor?.id}/remove`, {}],
    [`/account/methods/${factor?.id}/rename`, { name: 'x' }],
    [`/account/methods/${factor?.id}/prefer`, {}],
    ['/account/sessions/end', { session: 'x' }],
    ['/account/sessions/end-others', {}],
    ['/account/devices/forget', { device: 'x' }],
    ['/account/contact/email', { email: 'x@example.net' }],
    ['/account/contact/mobile', { mobile: '+447700900123' }],
    ['/account/contact/confirm', { code: '123456' }],
  ]
  for (const [page, fields] of posts) {
    t.equal((await visitor.post(at(page), fields)).status, 400, `${page} without a token`)
    t.equal((await visitor.post(at(page), { ...fields, token: 'x.y' })).status, 400, `${page} with a made-up token`)
    const cross = await visitor.post(at(page), fields, { headers: { 'sec-fetch-site': 'cross-site' } })
    t.equal(cross.status, 403, `${page} from another site`)
    t.not((await visitor.get(at(page))).status, 405)
  }
  t.ok(await core.sessions.find(session(visitor)))
  t.match((await core.accounts.find(id))?.enrolled, [{ id: factor?.id }])
  t.equal((await core.directory.verifyPassword('ada', PASSWORD))?.email, 'ada@example.com')
})

t.test('a mail address counts when its code has come back', async (t) => {
  const { core, mails, told } = await lodgeWithMail(t)
  const id = await core.addUser('ada')
  const emailOf = async () => (await core.directory.find({ id }))[0]?.email
  const [visitor, other] = [core.visitor(), core.visitor()]
  await signIn(visitor, 'ada')
  await signIn(other, 'ada')
  for (const email of ['', 'x', 'a@b@c', 'a b@example.com', 'a@example.com,b@example.com', 'Ada <a@example.com>']) {
    const refused = await visitor.fillIn(at('/account/contact'), { email }, '/contact/email')
    t.same([refused.status, /Enter an address like/.test(refused.text)], [422, true], email)
  }
  const same = await visitor.fillIn(at('/account/contact'), { email: 'ada@example.com' }, '/contact/email')
  t.match(same.text, /on file already/)
  t.equal((await told()).length, 0)

  const sent = await visitor.fillIn(at('/account/contact'), { email: 'new@example.net' }, '/contact/email')
  t.equal(sent.location, at('/account/contact/confirm'))
  t.match(mails, [{ to: 'new@example.net' }])
  const code = /\b(\d{6})\b/.exec(mails[0]?.text ?? '')?.[1] ?? ''
  t.equal(await emailOf(), 'ada@example.com')
  const again = await visitor.fillIn(at('/account/contact'), { email: 'second@example.net' }, '/contact/email')
  t.match(again.text, /Too many codes/, 'one a minute, as for every code')
  t.equal(
    (await other.get(at('/account/contact/confirm'))).location,
    at('/account/contact'),
    'it belongs to one session',
  )

  const wrong = await visitor.fillIn(at('/account/contact/confirm'), { code: code === '000000' ? '1' : '000000' })
  t.match(wrong.text, /You have 4 tries left/)
  const stored = JSON.stringify(await core.store.list('contact/', { limit: 10 }))
  t.notMatch(stored, code)
  const form = formOf((await visitor.get(at('/account/contact/confirm'))).text)
  const typed = { ...form.fields, code: `${code.slice(0, 3)} ${code.slice(3)}` }
  const both = await Promise.all([1, 2].map(() => visitor.post(form.action ?? '', typed)))
  t.ok(both.some(({ location }) => location === at('/account?done=contact')))
  t.equal(await emailOf(), 'new@example.net')
  t.equal(await core.sessions.find(session(other)), undefined, 'links that went to the old address are worth nothing')
  const notices = (await told()).filter(({ subject }) => /contact details/.test(subject))
  t.same(notices.map(({ to }) => to).sort(), ['ada@example.com', 'new@example.net'])
  t.match(
    (await core.audit.recent(id)).find(({ event }) => event === 'account.changed'),
    {
      details: { what: 'e-mail address' },
    },
  )
})

t.test('of a code that was sent to a new address five guesses are judged', async (t) => {
  const { core, mails } = await lodgeWithMail(t)
  const id = await core.addUser('ada')
  const visitor = core.visitor()
  await signIn(visitor, 'ada')
  await visitor.fillIn(at('/account/contact'), { email: 'new@example.net' }, '/contact/email')
  const code = /\b(\d{6})\b/.exec(mails[0]?.text ?? '')?.[1] ?? ''
  const form = formOf((await visitor.get(at('/account/contact/confirm'))).text)
  const guesses = Array.from({ length: 20 }, (_, i) => String((Number(code) + 1 + i) % 1_000_000).padStart(6, '0'))
  const answers = await Promise.all(guesses.map((code) => visitor.post(form.action ?? '', { ...form.fields, code })))
  t.equal(answers.filter(({ status }) => status === 422).length, 4, 'four may go on, the fifth ends it')
  const late = await visitor.post(form.action ?? '', { ...form.fields, code })
  t.not(late.status, 303)
  t.equal((await core.directory.find({ id }))[0]?.email, 'ada@example.com')
})

t.test('a mobile number is kept in one form', async (t) => {
  const core = await lodge(t)
  const id = await core.addUser('ada')
  const visitor = core.visitor()
  await signIn(visitor, 'ada')
  for (const mobile of ['', '12345', '07700 900123', '+1', 'x']) {
    const refused = await visitor.fillIn(at('/account/contact'), { mobile }, '/contact/mobile')
    t.same([refused.status, /Enter a number with its country code/.test(refused.text)], [422, true], mobile)
  }
  const done = await visitor.fillIn(at('/account/contact'), { mobile: '0044 7911 123456' }, '/contact/mobile')
  t.equal(done.location, at('/account?done=contact'))
  t.equal((await core.directory.find({ id }))[0]?.mobile, '+447911123456')
  const refused = await visitor.fillIn(at('/account/contact'), { email: 'new@example.net' }, '/contact/email')
  t.match(refused.text, /No mail can be sent/, 'without mail nothing can be confirmed')
})

t.test('where users come from elsewhere, the page says so', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  const visitor = core.visitor()
  await signIn(visitor, 'ada')
  const fields = formOf((await visitor.get(at('/account/password'))).text).fields
  const contact = formOf((await visitor.get(at('/account/contact'))).text).fields
  Object.defineProperty(core.directory, 'writable', { value: undefined })
  t.match((await visitor.get(at('/account/password'))).text, /is not kept here/)
  t.match((await visitor.get(at('/account/contact'))).text, /are not kept here/)
  const password = await visitor.post(at('/account/password'), { ...fields, password: NEW, repeated: NEW })
  t.equal(password.location, at('/account/password'))
  t.equal((await visitor.post(at('/account/contact/email'), { ...contact, email: 'x@example.net' })).status, 422)
  t.ok(await core.directory.verifyPassword('ada', PASSWORD))
})

t.test('recent activity is told in plain words, without a word of the visitor', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  const stranger = core.visitor()
  await stranger.fillIn(at('/sign-in'), { username: 'ada', password: 'wrong' })
  const visitor = core.visitor()
  await signIn(visitor, 'ada')
  await enrol(core, visitor)
  await visitor.fillIn(at('/account/password'), { password: NEW, repeated: NEW })
  const { text } = await visitor.get(at('/account/activity'))
  const said = [...text.matchAll(/<li><div><p><strong>([^<]*)/g)].map(([, words]) => words)
  t.same(said, [
    'Signed in',
    'The password was changed',
    'Signed out everywhere',
    'New backup codes were made',
    'Signed in',
    'A sign-in method was set up',
    'Signed in',
    'Somebody entered a wrong password',
  ])
  t.match(text, /<time datetime="2025-11-13T/)
  t.notMatch(text, /Gatelodge-Test|Mozilla/)
})

t.test('"this was not me": the link opens a page, the button ends everything, once', async (t) => {
  const { core, mails, told } = await lodgeWithMail(t)
  await core.addUser('ada')
  await core.addUser('bob')
  const [thief, owner, bob] = [core.visitor(), core.visitor(), core.visitor()]
  await signIn(thief, 'ada')
  await signIn(bob, 'bob')
  await thief.fillIn(at('/account/password'), { password: NEW, repeated: NEW })
  const link = /https:\/\/crm\.example\.com(\/\.gatelodge\/not-me\?token=[\w-]{43})/.exec(
    (await told())[0]?.text ?? '',
  )?.[1]
  t.ok(link)

  for (let round = 0; round < 3; round += 1) t.equal((await owner.get(link ?? '')).status, 200)
  t.ok(await core.sessions.find(session(thief)), 'a scanner that follows links ends nothing')
  const head = await owner.send('HEAD', link ?? '')
  t.equal(head.status, 200)
  const page = await owner.get(link ?? '')
  const { fields, action = '' } = formOf(page.text)
  t.equal((await owner.post(action, { link: fields['link'] ?? '' })).status, 303, 'without a token: the page again')
  t.ok(await core.sessions.find(session(thief)))
  const cross = await owner.post(action, fields, { headers: { 'sec-fetch-site': 'cross-site' } })
  t.equal(cross.status, 403)

  const again = formOf((await owner.get(link ?? '')).text).fields
  const answers = await Promise.all([1, 2, 3].map(() => owner.post(action, again)))
  t.same(answers.map(({ location }) => location).filter(Boolean), [at('/not-me?done=link')])
  t.equal(await core.sessions.find(session(thief)), undefined)
  t.ok(await core.sessions.find(session(bob)))
  t.match(
    (await follow(owner, answers.find(({ status }) => status === 303) as Answer)).text,
    /A mail with a link is on its way/,
  )
  await told()
  t.match(mails.at(-1), { to: 'ada@example.com' })
  t.match(mails.at(-1)?.text, /\/\.gatelodge\/link\?token=/)

  const used = await owner.get(link ?? '')
  t.equal(used.status, 410)
  t.match(used.text, /does not work any more/)
  t.notMatch(used.text, /ada/, 'and says nothing of whom it was for')
  for (const token of ['', 'x', 'A'.repeat(43)]) t.equal((await owner.get(at(`/not-me?token=${token}`))).status, 410)
})

t.test('many failures and new browsers are told of', async (t) => {
  const { core, told } = await lodgeWithMail(t)
  await core.addUser('ada')
  const stranger = core.visitor()
  for (let round = 0; round < 5; round += 1) {
    await stranger.fillIn(at('/sign-in'), { username: 'ada', password: 'wrong' })
    await stranger.fillIn(at('/sign-in'), { username: 'nobody', password: 'wrong' })
  }
  t.match(await told(), [{ to: 'ada@example.com', subject: /Many failed sign-ins/ }])
  core.clock.forward(60)
  const visitor = core.visitor()
  await signIn(visitor, 'ada')
  await signIn(core.visitor(), 'ada')
  t.equal((await told()).length, 1, 'the first browser ever, and the same again')
  const firefox = {
    headers: { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0' },
  }
  const fresh = core.visitor()
  const page = await fresh.get(at('/sign-in'))
  await fresh.post(at('/sign-in'), { ...formOf(page.text).fields, username: 'ada', password: PASSWORD }, firefox)
  t.match((await told()).slice(1), [{ subject: /new device/, text: /Firefox on Linux/ }])
})

t.test('a method by mail is set up beside an app', async (t) => {
  const mails: Mail[] = []
  const mail = { send: async (each: Mail) => void mails.push(each) }
  const time = { now: () => START }
  const host = Object.defineProperty(lentHost({ now: () => time.now() }), 'mail', { value: mail })
  const factors = new Map<string, SecondFactor>([
    ['totp', await build(totp, {}, host)],
    ['email', await build(email, {}, host)],
  ])
  const { core } = await lodgeWithMail(t, { factors })
  time.now = core.clock.now
  await core.addUser('ada')
  const visitor = core.visitor()
  await signIn(visitor, 'ada')
  const key = await enrol(core, visitor)
  const page = await follow(visitor, await visitor.get(at('/account/methods/add/email')))
  t.equal(titleOf(page), 'Set up: E-mail')
  const send = formOf(page.text, '/send')
  await follow(visitor, await visitor.post(send.action ?? '', send.fields))
  const code = /\b(\d{6})\b/.exec(mails.at(-1)?.text ?? '')?.[1] ?? ''
  const done = await visitor.fillIn(
    at('/enrol/email?return=%2F.gatelodge%2Faccount%2Fmethods'),
    { code },
    '/enrol/email',
  )
  t.equal(done.location, at('/account/methods?done=enrolled'))
  const list = await visitor.get(at('/account/methods'))
  t.match(list.text, /<strong>Authenticator app<\/strong> <span class="badge">Asked first/)
  t.match(list.text, /<strong>E-mail<\/strong>/)
  t.match(list.text, /methods\/add\/totp/)
  t.notMatch(list.text, /methods\/add\/email/, 'codes go to one address: a second one would add nothing')
  await signInFully(core, core.visitor(), 'ada', key)
})
