import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import type { Account } from '../../src/identity/accounts/account.js'
import { codeAt } from '../support/authenticator-app.js'
import { type OpenHouse, signIn, startHouse } from '../support/house.js'
import { type Answer, formOf, type Visitor } from '../support/visitor.js'

// Passwords are hashed for real, on machines that run other tests meanwhile.
t.setTimeout(300_000)

/** Who is asked for what (S02, S17 to S20, S26, S35 to S37, B15), through the door. */

const start = 1_763_000_000_000
const own = (path: string) => `/.gatelodge${path}`

async function application(t: Test): Promise<string> {
  const server = createServer((request, response) => response.end(`the application at ${request.headers.host}`))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function open(t: Test, more: string, settings: { host?: '::1'; directory?: string; rules?: string } = {}) {
  const clock = { ms: start }
  const { rules = '', ...rest } = settings
  const upstream = await application(t)
  const yaml = `
sites:
  - host: wiki.example.com
    upstream: ${upstream}
  - upstream: ${upstream}
    rules:
      - { path: /open/**, access: public }
${rules}
${more}
`
  const core = await startHouse(t, { yaml, now: () => clock.ms, ...rest })
  return { clock, core, identity: core.core.identity }
}

const from = (...addresses: string[]) => ({ headers: { 'x-forwarded-for': addresses } })

async function accountOf({ core }: OpenHouse, id: string): Promise<Account> {
  const account = await core.identity.accounts.find(id)
  if (account === undefined) throw new Error('no account')
  return account
}

/** Through the pages, from where a sign-in led. @returns the key of the app */
async function enrolApp(visitor: Visitor, clock: { ms: number }): Promise<string> {
  const page = await visitor.get(own('/enrol/totp'))
  const key = /data-copy="([A-Z2-7]+)"/.exec(page.text)?.[1] ?? ''
  clock.ms += 60_000
  const fields = { ...formOf(page.text, '/enrol/totp').fields, code: codeAt(key, clock.ms) }
  const done = await visitor.post(own('/enrol/totp'), fields)
  if (done.status !== 303) throw new Error(`not enrolled: ${done.status}`)
  return key
}

/** The code page's form, after a pause in which a new code has begun. */
async function giveCode(visitor: Visitor, key: string, clock: { ms: number }): Promise<Answer> {
  clock.ms += 60_000
  return visitor.fillIn(own('/verify'), { code: codeAt(key, clock.ms) }, '/verify')
}

async function submit(visitor: Visitor, page: string, action: string, fields: Record<string, string> = {}) {
  return visitor.fillIn(page, fields, action)
}

t.test('strict: a recovery code, then an offer to enrol, and another code where it was not taken (S17)', async (t) => {
  const { core, identity, clock } = await open(t, 'secondFactor: { required: everyone, unenrolled: recovery-code }')
  const id = await core.addUser('ann')
  const { user } = { user: { id, username: 'ann', groups: [] } }
  const issue = async () => (await identity.recoveryCodes.issue(await accountOf(core, id), user, 'test')).code

  const ann = core.visitor()
  t.match((await signIn(ann, 'ann')).location, '/.gatelodge/verify')
  t.equal((await ann.get('/')).status, 302, 'the password alone opens nothing')
  const code = await issue()
  const done = await submit(ann, own('/verify/recovery-code'), '/verify/recovery-code', { code })
  t.match(done.location, own('/verify/recovered'))
  t.match((await ann.get(done.location ?? '')).text, 'Set up a second step now', 'asked to enrol')
  t.equal((await ann.get('/')).status, 200, 'and in, without doing it')

  const again = core.visitor()
  await signIn(again, 'ann')
  const used = await submit(again, own('/verify/recovery-code'), '/verify/recovery-code', { code })
  t.equal(used.status, 422, 'the next sign-in needs another code')
  const second = await submit(again, own('/verify/recovery-code'), '/verify/recovery-code', { code: await issue() })
  t.equal(second.status, 303)
  const key = await enrolApp(again, clock)

  const third = core.visitor()
  await signIn(third, 'ann')
  t.match((await third.get(own('/verify'))).text, '<h1>Enter your code</h1>', 'enrolled: no recovery code any more')
  t.equal((await giveCode(third, key, clock)).location, '/')
  t.equal((await third.get('/')).status, 200)
})

const networks = `
networks:
  - { range: [10.0.0.0/8, "fd00::/8"], secondFactor: not-required }
  - { range: [0.0.0.0/0, "::/0"], secondFactor: required }
`

/** What a client may write to be taken for somebody in the office. */
const lies = [
  '10.0.0.1',
  'fd00::1',
  '::ffff:10.0.0.1',
  '127.0.0.1',
  '::1',
  '10.0.0.1, 127.0.0.1',
  '127.0.0.1, 10.0.0.1',
  '10.0.0.1:80',
  '[fd00::1]:80',
  '"10.0.0.1"',
  'for=10.0.0.1',
  '0x0a000001',
  '012.0.0.1',
  '10.1',
  '167772161',
  'unknown',
  '_hidden',
  ',',
  ', ,',
  '10.0.0.1,',
  `${'10.0.0.1, '.repeat(40)}10.0.0.1`,
]
const otherHeaders: Record<string, string> = {
  forwarded: 'for=10.0.0.1',
  'x-real-ip': '10.0.0.1',
  'x-client-ip': '10.0.0.1',
  'true-client-ip': '10.0.0.1',
  'cf-connecting-ip': '10.0.0.1',
  'x-cluster-client-ip': '10.0.0.1',
  'x-original-forwarded-for': '10.0.0.1',
  x_forwarded_for: '10.0.0.1',
}

t.test('certain networks need a second factor, on every request, whatever a client says (S18)', async (t) => {
  const { core } = await open(t, `trustedProxies: [127.0.0.1, 192.0.2.1]\n${networks}`)
  await core.addUser('ann')
  const ann = core.visitor()
  t.equal((await signIn(ann, 'ann')).location, own('/enrol'), 'from a peer that names nobody: it is the client itself')
  const inside = from('10.1.2.3')
  const page = await ann.get(own('/sign-in?notice=again'), inside)
  const form = formOf(page.text, '/sign-in')
  const fields = { ...form.fields, username: 'ann', password: 'a lamp over the lodge gate' }
  t.equal((await ann.post(own('/sign-in'), fields, inside)).location, '/', 'in the office the password is enough')

  const asked = { status: 302, location: own('/enrol?return=%2F') }
  for (const text of ['10.1.2.3', 'fd00::7', '::ffff:10.1.2.3', '203.0.113.9, 10.1.2.3', '10.1.2.3, 192.0.2.1']) {
    t.equal((await ann.get('/', from(text))).status, 200, `${text} is in the office`)
    t.match(await ann.get('/', from('203.0.113.9')), asked, 'the same session elsewhere is asked')
    t.match(await ann.get('/', from('2001:db8::9')), asked, 'by IPv6 as well')
  }
  for (const lie of lies) {
    for (const true_ of ['2001:db8::9', '203.0.113.9, 192.0.2.1']) {
      t.match(await ann.get('/', from(`${lie}, ${true_}`)), asked, `${lie} before ${true_}`)
      t.match(await ann.get('/', from(lie, true_)), asked, `${lie} in a line before ${true_}`)
    }
  }
  for (const text of ['no address', '', '10.1.2.3,', 'fe80::1%eth0', '010.1.2.3', '10.1.2.3.']) {
    t.match(await ann.get('/', from(text)), asked, `"${text}" cannot be read: the strictest network counts`)
  }
  for (const [name, value] of Object.entries(otherHeaders)) {
    const headers = { 'x-forwarded-for': '203.0.113.9', [name]: value }
    t.match(await ann.get('/', { headers }), asked, `${name} says nothing`)
  }
  const program = await ann.send('GET', '/', {
    headers: { accept: 'application/json', 'x-forwarded-for': '203.0.113.9' },
  })
  t.match(program, { status: 401, headers: { 'content-type': /problem\+json/ } })
  t.match(program.json(), { code: 'sign-in.enrolment-required' })
})

t.test('without a proxy that is trusted nobody is believed, over IPv4 and IPv6 (S18)', async (t) => {
  const office = (address: string) => `
networks:
  - { range: ["${address}"], secondFactor: required }
  - { range: [10.0.0.0/8, "fd00::/8"], secondFactor: not-required }
`
  const first = await open(t, office('127.0.0.0/8'))
  const { directory } = first.core
  await first.core.addUser('ann')
  const second = await open(t, office('::1'), { host: '::1', directory })
  for (const { core } of [first, second]) {
    const ann = core.visitor()
    t.equal((await signIn(ann, 'ann')).location, own('/enrol'), 'from the address of the connection')
    for (const lie of lies) {
      const page = await core.visitor().get(own('/sign-in'), from(lie))
      t.equal(page.status, 200)
    }
    const liar = core.visitor()
    const page = await liar.get(own('/sign-in'), from('10.0.0.1'))
    const fields = { ...formOf(page.text, '/sign-in').fields, username: 'ann', password: 'a lamp over the lodge gate' }
    t.equal((await liar.post(own('/sign-in'), fields, from('10.0.0.1'))).location, own('/enrol'), 'with a lie as well')
  }
})

t.test('allow and deny ranges for the installation, a site and a user (S19)', async (t) => {
  const { core, identity } = await open(
    t,
    `
trustedProxies: [127.0.0.1]
networks:
  - { range: [198.51.100.7, "2001:db8:bad::/48"], access: deny }
  - { range: [127.0.0.0/8, 198.51.100.0/24, 203.0.113.0/24, "2001:db8::/32"], access: allow }
`,
  )
  const id = await core.addUser('ann')
  const ann = core.visitor()
  t.equal((await signIn(ann, 'ann')).location, '/')
  const answers = async (path: string, ...addresses: string[]) => {
    const found: number[] = []
    for (const address of addresses) found.push((await ann.get(path, from(address))).status)
    return [...new Set(found)]
  }
  const denied = ['198.51.100.7', '2001:db8:bad::1', '192.0.2.9', '2a00::1', '::ffff:192.0.2.9', 'no address']
  const allowed = ['198.51.100.8', '203.0.113.9', '2001:db8::9', '::ffff:203.0.113.9']
  for (const path of ['/', '/open/x', own('/account'), own('/sign-in')]) {
    t.same(await answers(path, ...denied), [403], `${path} is denied`)
    t.notSame(await answers(path, ...allowed), [403], `${path} is not`)
  }
  for (const lie of lies) t.equal((await ann.get('/', from(`${lie}, 192.0.2.9`))).status, 403, lie)
  t.same(await answers(own('/healthz'), ...denied), [200], 'health is for everybody')
  t.match((await ann.send('GET', '/', from('192.0.2.9'))).json(), { code: 'access.denied' })

  await identity.accounts.limitAddresses(id, ['203.0.113.0/24', '2001:db8:1::/48'])
  t.same(await answers('/', '203.0.113.9', '2001:db8:1::9'), [200], 'the user from there')
  t.same(await answers('/', '198.51.100.8', '2001:db8:2::9', '127.0.0.1'), [403], 'and from nowhere else')
  t.same(await answers('/open/x', '198.51.100.8'), [200], 'which is about the user, not about what is public')
  await core.addUser('bob')
  const bob = core.visitor()
  t.equal((await signIn(bob, 'bob')).location, '/')
  t.equal((await bob.get('/', from('198.51.100.8'))).status, 200, 'nor about anybody else')
  await identity.accounts.limitAddresses(id, undefined)
  t.same(await answers('/', '198.51.100.8'), [200])
})

t.test('a site lets in and shuts out beside the installation (S19)', async (t) => {
  const upstream = await application(t)
  const yaml = `
trustedProxies: [127.0.0.1]
sites:
  - host: crm.example.com
    upstream: ${upstream}
    networks: [{ range: [10.0.0.0/8, "fd00::/8"], access: allow }]
    rules: [{ path: /**, access: public }]
  - upstream: ${upstream}
    networks: [{ range: [198.51.100.0/24], access: deny }]
    rules: [{ path: /**, access: public }]
networks: [{ range: [10.6.6.6], access: deny }]
`
  const core = await startHouse(t, { yaml })
  const visitor = core.visitor()
  const status = async (host: string, address: string, path = '/') =>
    (await visitor.get(path, { headers: { host, 'x-forwarded-for': address } })).status
  for (const address of ['10.0.0.1', 'fd00::1']) t.equal(await status('crm.example.com', address), 200, address)
  for (const address of ['192.0.2.9', '2001:db8::1', '10.6.6.6', 'no address']) {
    t.equal(await status('crm.example.com', address), 403, address)
  }
  t.equal(await status('crm.example.com', '192.0.2.9', own('/sign-in')), 403, 'nothing there to sign in to')
  t.equal(await status('crm.example.com', '10.0.0.1', own('/sign-in')), 200)
  t.equal(await status('other.example.com', '192.0.2.9'), 200, 'another site')
  t.equal(await status('other.example.com', '198.51.100.9'), 403)
  t.equal(await status('other.example.com', '10.6.6.6'), 403, 'the installation has its say everywhere')
})

t.test('where no policy asks, two factors are the choice of each user and concern that user alone (S26)', async (t) => {
  const { core, clock } = await open(t, '')
  await core.addUser('ann')
  await core.addUser('bob')
  const ann = core.visitor()
  t.equal((await signIn(ann, 'ann')).location, '/')
  const bob = core.visitor()
  await signIn(bob, 'bob')
  const key = await enrolApp(ann, clock)
  t.equal((await bob.get('/')).status, 200)
  const next = core.visitor()
  t.equal((await signIn(next, 'ann')).location, own('/verify'), 'who chose it is asked')
  t.equal((await giveCode(next, key, clock)).location, '/')
  t.equal((await signIn(core.visitor(), 'bob')).location, '/', 'the other is not')

  const methods = await next.get(own('/account/methods'))
  const one = /href="([^"]*\/account\/methods\/[^"/]+)"/.exec(methods.text)?.[1] ?? ''
  const asked = await submit(next, one, '/remove')
  clock.ms += 60_000
  const removed = await next.fillIn(asked.location ?? '', { code: codeAt(key, clock.ms) }, '/verify')
  t.match(removed.location, 'done=removed')
  t.equal((await signIn(core.visitor(), 'ann')).location, '/', 'and may take it back')
})

t.test('switched on, users are led to enrol after the password, and all stays locked until then (S35)', async (t) => {
  const { core, clock } = await open(
    t,
    'secondFactor: { required: everyone, methods: [{ use: totp }, { use: sms, countries: [US], transport: { use: outbox } }] }',
  )
  await core.addUser('ann', { mobile: '+12025550111' })
  await core.addUser('bob', { mobile: '+12025550112' })
  const ann = core.visitor()
  t.equal((await signIn(ann, 'ann', '/desk')).location, own('/enrol?return=%2Fdesk'))
  const page = await ann.get(own('/enrol?return=%2Fdesk'))
  t.match(page.text, 'Authenticator app')
  t.match(page.text, /Text message|SMS/i, 'SMS or app')
  const wiki = { headers: { host: 'wiki.example.com' } }
  const locked = async () => {
    for (const path of ['/', '/desk', '/desk/1?x', '/api/orders', own('/account'), own('/account/methods')]) {
      t.equal((await ann.get(path)).status >= 300, true, `${path} is locked`)
      t.equal((await ann.get(path, wiki)).status >= 300, true, `${path} of the other site is locked`)
    }
    t.equal((await ann.send('POST', '/desk', { body: 'x' })).status, 401)
    t.equal((await ann.send('GET', '/', { headers: { accept: 'application/json' } })).status, 401)
  }
  await locked()
  const begun = await ann.get(own('/enrol/totp?return=%2Fdesk'))
  await locked()
  const fields = formOf(begun.text, '/enrol/totp').fields
  t.equal((await ann.post(own('/enrol/totp'), { ...fields, code: '000000' })).status, 422)
  await locked()
  await enrolApp(ann, clock)
  t.match(await ann.get('/desk'), { status: 200, text: /^the application/ }, 'a method works: open')
  t.equal((await ann.get('/', wiki)).status, 200)

  const bob = core.visitor()
  await signIn(bob, 'bob', '/desk')
  await bob.get(own('/enrol/sms'))
  t.equal((await submit(bob, own('/enrol/sms'), '/enrol/sms/send')).status, 303)
  const texts = core.lines.map(({ fields }) => fields as { to?: string; text?: string })
  const code = /\b\d{6}\b/.exec(texts.findLast(({ to }) => to === '+12025550112')?.text ?? '')?.[0] ?? ''
  t.equal((await bob.get('/desk')).status, 302)
  const done = await submit(bob, own('/enrol/sms'), '/enrol/sms', { code })
  t.equal(done.status, 303, 'by SMS as well')
  t.equal((await bob.get('/desk')).status, 200)
})

t.test('required of one user while the global switch is off: the same for that user only (S37, S36)', async (t) => {
  const { core, identity, clock } = await open(t, '')
  const id = await core.addUser('ann')
  await core.addUser('bob')
  const [ann, bob] = [core.visitor(), core.visitor()]
  await signIn(ann, 'ann')
  await signIn(bob, 'bob')
  await identity.accounts.require(id, true)
  t.equal((await ann.get('/desk')).location, own('/enrol?return=%2Fdesk'), 'at the next request')
  t.equal((await ann.get(own('/account'))).status, 303)
  t.equal((await bob.get('/desk')).status, 200)
  t.equal((await signIn(core.visitor(), 'ann')).location, own('/enrol'))
  t.equal((await signIn(core.visitor(), 'bob')).location, '/')

  await identity.accounts.exempt(id, { reason: 'on the road', until: clock.ms + 60_000 })
  t.equal((await ann.get('/desk')).status, 200, 'an exemption, at the next request')
  clock.ms += 60_000
  t.equal((await ann.get('/desk')).status, 302, 'which is over when its time is')
  await identity.accounts.exempt(id, { reason: 'the wiki only', sites: ['wiki.example.com'] })
  t.equal((await ann.get('/desk')).status, 302)
  t.equal((await ann.get('/desk', { headers: { host: 'wiki.example.com' } })).status, 200)
  await identity.accounts.exempt(id, undefined)

  const key = await enrolApp(ann, clock)
  t.equal((await ann.get('/desk')).status, 200)
  await identity.enrolments.reset(id)
  t.match((await ann.get('/desk')).location, own('/sign-in'), 'reset: her sessions have ended')
  t.equal((await signIn(ann, 'ann', '/desk')).location, own('/enrol?return=%2Fdesk'), 'the next sign-in asks to enrol')
  t.equal((await bob.get('/desk')).status, 200, 'the others go on')
  t.not(await enrolApp(ann, clock), key)
  t.equal((await ann.get('/desk')).status, 200)

  await identity.accounts.require(id, false)
  t.equal((await signIn(core.visitor(), 'ann')).location, own('/verify'), 'her own choice stands')
})

t.test('the owner switches methods for one user, from that user’s next sign-in on (S02)', async (t) => {
  const { core, identity } = await open(
    t,
    `
mail: { use: outbox }
secondFactor:
  methods:
    - { use: totp }
    - { use: sms, countries: [US], transport: { use: outbox } }
    - { use: email }
`,
  )
  const id = await core.addUser('ann', { mobile: '+12025550111', email: 'ann@example.com' })
  for (const method of ['sms', 'email']) {
    const account = await accountOf(core, id)
    await identity.enrolments.activate(account, { method, name: method, enrolment: null })
  }
  const sent = (to: string) => core.lines.filter(({ fields }) => JSON.stringify(fields).includes(to)).length
  const ann = core.visitor()
  t.equal((await signIn(ann, 'ann')).location, own('/verify'))
  t.match((await ann.get(own('/verify'))).text, /Try another way: E-mail/i)
  const texted = sent('+12025550111')
  t.ok(texted > 0, 'the text message goes by itself')

  await identity.accounts.switchMethods(id, { off: ['sms'] })
  const next = core.visitor()
  t.equal((await signIn(next, 'ann')).location, own('/verify'))
  const page = (await next.get(own('/verify'))).text
  t.notMatch(page, /text message/i, 'neither asked nor offered')
  t.equal(sent('+12025550111'), texted, 'no text message')
  t.match(page, 'a…@e…')

  await identity.accounts.switchMethods(id, { off: ['email', 'totp'] })
  const third = core.visitor()
  t.equal((await signIn(third, 'ann')).location, '/', 'without a method there is no code step (S05)')
  t.equal((await third.get('/')).status, 200)
  await identity.accounts.require(id, true)
  const fourth = core.visitor()
  t.equal((await signIn(fourth, 'ann')).location, own('/enrol'))
  t.match((await fourth.get(own('/enrol'))).text, 'There is none that you could set up by yourself')
  t.equal((await fourth.get(own('/enrol/sms'))).status, 404, 'what is switched off is not taken over either')

  await identity.accounts.switchMethods(id, { on: ['sms', 'email', 'totp'] })
  const fifth = core.visitor()
  t.equal((await signIn(fifth, 'ann')).location, own('/verify'), 'what was enrolled is there again')
})

t.test('setting one up can be put off, for some days and sign-ins, and the page says how long (B15)', async (t) => {
  const { core, clock } = await open(t, 'secondFactor: { required: everyone, grace: { days: 14, signIns: 3 } }', {
    rules: '      - { path: /payments/**, access: second-factor }',
  })
  await core.addUser('ann')
  const day = 24 * 3_600_000
  const skipEnrolment = async (visitor: Visitor) => {
    const { location } = await signIn(visitor, 'ann', '/desk')
    t.equal(location, own('/enrol?return=%2Fdesk'), 'asked at each sign-in')
    const page = await visitor.get(own('/enrol/totp?return=%2Fdesk'))
    t.equal((await visitor.get('/desk')).status, 302, 'and locked until it is answered')
    return page
  }
  const ann = core.visitor()
  const page = await skipEnrolment(ann)
  t.match(page.text, 'You can put this off for 14 more days, and 3 more times.')
  const form = formOf(page.text, '/enrol/later')
  t.equal((await ann.post(own('/enrol/later'), { ...form.fields, token: 'x' })).status >= 400, true, 'not by a link')
  t.equal((await ann.post(own('/enrol/later'), form.fields)).location, '/desk')
  t.equal((await ann.get('/desk')).status, 200)
  t.not((await ann.post(own('/enrol/later'), form.fields)).location, '/desk', 'once')
  t.match((await ann.get('/payments/1')).location, own('/enrol'), 'a rule that asks for both means now')
  const direct = await ann.get(own('/enrol/totp?return=%2Fpayments%2F1'))
  t.notMatch(direct.text, '/enrol/later', 'so there is nothing to put off on the way there')
  t.equal((await ann.get(own('/account'))).status, 200)

  clock.ms += 13.5 * day
  t.equal((await ann.get('/desk')).status, 200)
  const second = core.visitor()
  const again = await skipEnrolment(second)
  t.match(again.text, 'for one more day, and 2 more times')
  await second.post(own('/enrol/later'), formOf(again.text, '/enrol/later').fields)
  t.equal((await second.get('/desk')).status, 200)
  clock.ms += day
  t.match((await second.get('/desk')).location, own('/enrol'), 'the time is over: the next request is led to enrol')
  const late = await skipEnrolment(core.visitor())
  t.notMatch(late.text, '/enrol/later')
  t.match(late.text, 'A second step is needed before you can go on')
})

t.test('the last time it can be put off is taken once (B15)', async (t) => {
  const { core, identity } = await open(t, 'secondFactor: { grace: { signIns: 2 } }')
  const id = await core.addUser('ann')
  const before = core.visitor()
  await signIn(before, 'ann', '/desk')
  await identity.accounts.require(id, true)
  t.match((await before.get('/desk')).location, own('/enrol'), 'a session from before is led there as well')
  const page = await before.get(own('/enrol/totp?return=%2Fdesk'))
  t.match(page.text, 'You can put this off 2 more times.')
  t.equal((await before.post(own('/enrol/later'), formOf(page.text, '/enrol/later').fields)).location, '/desk')
  t.equal((await before.get('/desk')).status, 200)

  const others = [core.visitor(), core.visitor(), core.visitor()]
  const forms: Record<string, string>[] = []
  for (const visitor of others) {
    await signIn(visitor, 'ann', '/desk')
    const { text } = await visitor.get(own('/enrol/totp?return=%2Fdesk'))
    t.match(text, 'You can put this off this one time.')
    forms.push(formOf(text, '/enrol/later').fields)
  }
  const answers = await Promise.all(others.map((visitor, at) => visitor.post(own('/enrol/later'), forms[at] ?? {})))
  t.equal(answers.filter(({ status }) => status === 303).length, 1, 'three at once: one of them')
  const last = core.visitor()
  await signIn(last, 'ann', '/desk')
  t.notMatch((await last.get(own('/enrol/totp'))).text, '/enrol/later')
  t.match((await last.get('/desk')).location, own('/sign-in'))
  const events = await core.core.audit.recent(id, 100)
  t.equal(events.filter(({ reason }) => reason === 'second-factor-put-off').length, 2)
  await identity.accounts.require(id, true)
  const anew = core.visitor()
  await signIn(anew, 'ann')
  t.match((await anew.get(own('/enrol/totp'))).text, '2 more times', 'a new requirement, new grace')
})

t.test('named API accounts keep working from named ranges while two factors are forced (S20)', async (t) => {
  const { core } = await open(
    t,
    `
trustedProxies: [127.0.0.1]
networks: [{ range: [0.0.0.0/0, "::/0"], secondFactor: required }]
secondFactor: { required: everyone }
`,
    {
      rules:
        '      - { path: /api/**, from: [203.0.113.0/24, "2001:db8::/32"], access: password, clients: api, users: [import] }',
    },
  )
  await core.addUser('import', { role: 'api' })
  await core.addUser('export', { role: 'api' })
  await core.addUser('ann')
  const ask = async (username: string, address: string, path = '/api/orders') => {
    const authorization = `Basic ${Buffer.from(`${username}:a lamp over the lodge gate`).toString('base64')}`
    const headers = { authorization, accept: 'application/json', 'x-forwarded-for': address }
    return core.visitor().send('POST', path, { headers, body: '{}' })
  }
  for (const address of ['203.0.113.9', '2001:db8::9', '::ffff:203.0.113.9', '192.0.2.1, 203.0.113.9']) {
    const answer = await ask('import', address)
    t.match(answer, { status: 200, text: /^the application/ }, `from ${address}`)
    t.equal(answer.headers['set-cookie'], undefined, 'and no session begins')
  }
  for (const address of ['192.0.2.1', '2a00::1', '203.0.113.9, 192.0.2.1', 'no address']) {
    const answer = await ask('import', address)
    t.ok(answer.status === 401 || answer.status === 403, `from ${address}`)
    t.match(answer.headers['content-type'], /problem\+json/)
  }
  t.equal((await ask('export', '203.0.113.9')).status, 403, 'an account that is not named')
  t.not((await ask('ann', '203.0.113.9')).status, 200, 'a person')
  t.not((await ask('import', '203.0.113.9', '/desk')).status, 200, 'another path')
  t.equal((await signIn(core.visitor(), 'ann')).location, own('/enrol'), 'people are asked for both meanwhile')
  t.not((await signIn(core.visitor(), 'import')).status, 303, 'and the account has no way in as a person')
})
