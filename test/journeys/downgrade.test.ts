import t, { type Test } from 'tap'
import { application } from '../support/front-door.js'
import { type OpenHouse, signIn, startHouse } from '../support/house.js'
import { MailServer } from '../support/mail-server.js'
import { until } from '../support/poll.js'
import { accepted, SmsProvider, status } from '../support/sms-provider.js'
import { type Answer, formOf, type Visitor } from '../support/visitor.js'

t.setTimeout(300_000)

/**
 * Somebody has the password and the mailbox and not the phone. Whatever they do, a code by mail must not become the proof
 * that a rule, a network or the account asks the phone for.
 */

interface Ways {
  readonly gateway: OpenHouse
  readonly provider: SmsProvider
  readonly mail: MailServer
  readonly clock: { now: number }
  readonly id: string
}

async function openWays(t: Test, more = ''): Promise<Ways> {
  const [app, provider, mail] = await Promise.all([application(t), SmsProvider.start(), MailServer.start()])
  t.teardown(async () => {
    await Promise.all([provider.stop(), mail.stop()])
  })
  const clock = { now: Date.now() }
  const gateway = await startHouse(t, {
    now: () => clock.now,
    yaml: `
publicUrl: http://localhost
sites:
  - upstream: "${app.url}"
    rules:
      - { path: /staff/**, access: second-factor }
secondFactor:
  methods:
    - { use: sms, countries: [US], transport: { use: webhook, url: "${provider.url}/sms", timeoutSeconds: 2 } }
    - { use: email }
mail: { use: smtp, url: "${mail.url}", from: "Sign-in <no-reply@example.com>" }
${more}
`,
  })
  const id = await gateway.addUser('ana', { email: 'ana@example.com', mobile: '+12025550143' })
  const { accounts, enrolments } = gateway.core.identity
  const account = await accounts.find(id)
  if (account === undefined) throw new Error('there is an account')
  await enrolments.activate(account, { method: 'sms', name: 'sms', enrolment: null })
  return { gateway, provider, mail, clock, id }
}

const words = ({ text }: Answer) =>
  text
    .replace(/<head>[\s\S]*?<\/head>|<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()

/** The password, and the page that takes the code. */
async function begin({ gateway }: Ways, path: string): Promise<{ visitor: Visitor; page: Answer; at: string }> {
  const visitor = gateway.visitor()
  const at = (await signIn(visitor, 'ana', path)).location ?? '/'
  return { visitor, page: await visitor.get(at), at }
}

async function sendAgain(visitor: Visitor, at: string): Promise<Answer> {
  const form = formOf((await visitor.get(at)).text, '/verify/send')
  return visitor.post('/.gatelodge/verify/send', form.fields)
}

/** Types the newest code that came by mail. */
async function typeMailed({ mail }: Ways, visitor: Visitor, page: Answer): Promise<Answer> {
  const code = await until('a code by mail', () => /\b\d{6}\b/.exec(mail.arrived.at(-1)?.email.text ?? '')?.[0])
  return visitor.post('/.gatelodge/verify', { ...formOf(page.text, '/verify').fields, code })
}

async function events({ gateway, id }: Ways): Promise<readonly string[]> {
  const found = await gateway.core.audit.recent(id)
  return found.map(({ event, outcome, reason, method }) =>
    [event, outcome, event === 'session.opened' ? method : reason].filter(Boolean).join(' '),
  )
}

t.test('pressing "send again" until the number has had its three brings no code by mail', async (t) => {
  for (const path of ['/staff/', '/']) {
    const ways = await openWays(t)
    const { visitor, at } = await begin(ways, path)
    let last: Answer | undefined
    for (let i = 0; i < 4; i++) {
      ways.clock.now += 61_000
      last = await sendAgain(visitor, at)
    }
    t.equal(ways.provider.requests.length, 3)
    t.equal(last?.status, 429)
    t.match(words(last as Answer), /Too many text messages went to this number, so no other one was sent/)
    t.match(last?.headers['retry-after'], /^\d+$/)
    t.equal(ways.mail.arrived.length, 0)
    t.ok((await events(ways)).includes('code.sent refused over-budget'))
    t.notOk((await events(ways)).some((event) => event.startsWith('code.fallback')))
  }
})

t.test(
  'neither do the budgets of the day and the network, nor a provider that says it was asked too much',
  async (t) => {
    for (const sending of ['{ smsPerDay: 0 }', '{ networkPerHour: 1 }']) {
      const ways = await openWays(t, `sending: ${sending}`)
      const { visitor, at } = await begin(ways, '/')
      ways.clock.now += 61_000
      t.equal((await sendAgain(visitor, at)).status, 429, sending)
      t.equal(ways.mail.arrived.length, 0, sending)
    }
    const ways = await openWays(t)
    ways.provider.answer = status(429, { 'retry-after': '60' })
    const { page } = await begin(ways, '/')
    t.match(words(page), 'No more messages can be sent at the moment, so no code was sent. This is not your fault.')
    t.equal(ways.mail.arrived.length, 0)
    t.ok((await events(ways)).includes('code.sent refused provider-quota'))
  },
)

t.test('a transport that fails sends the code by mail, and what asks for the phone asks again', async (t) => {
  const ways = await openWays(t)
  ways.provider.answer = status(400)
  const { visitor, page } = await begin(ways, '/')
  t.match(words(page), 'The text message could not be sent, so the code went by e-mail to a…@e…')
  t.equal((await typeMailed(ways, visitor, page)).status, 303)
  t.equal((await visitor.get('/')).status, 200, 'S04 keeps its word')
  t.ok((await events(ways)).includes('code.fallback success refused'))
  t.ok((await events(ways)).includes('session.opened success password+sms-by-mail'))

  t.match(await visitor.get('/staff/'), { status: 302, location: /\/verify/ })
  const stepUp = await visitor.get('/.gatelodge/verify?return=%2Fstaff%2F')
  ways.clock.now += 61_000
  const mails = ways.mail.arrived.length
  await visitor.post('/.gatelodge/verify/send', formOf(stepUp.text, '/verify/send').fields)
  t.match(words(await visitor.get('/.gatelodge/verify?return=%2Fstaff%2F')), 'The code could not be sent')
  t.equal(ways.mail.arrived.length, mails, 'a step up to the rule is no way round either')
  t.match(await visitor.get('/.gatelodge/enrol/email'), { location: /\/verify/ }, 'no other factor is set up by it')

  ways.clock.now += 61_000
  ways.provider.answer = accepted
  const again = await visitor.get('/.gatelodge/verify?return=%2Fstaff%2F')
  await visitor.post('/.gatelodge/verify/send', formOf(again.text, '/verify/send').fields)
  const code = /\b\d{6}\b/.exec(ways.provider.requests.at(-1)?.body ?? '')?.[0] ?? ''
  const form = formOf((await visitor.get('/.gatelodge/verify?return=%2Fstaff%2F')).text, '/verify')
  t.match(await visitor.post('/.gatelodge/verify', { ...form.fields, code }), { status: 303, location: '/staff/' })
  t.equal((await visitor.get('/staff/')).status, 200)
})

t.test('no code by mail where a rule, a network or the account requires the phone, or e-mail is off', async (t) => {
  const cases: ReadonlyArray<readonly [string, string, string, (ways: Ways) => Promise<unknown>]> = [
    ['a rule', '/staff/', '', async () => undefined],
    ['a network', '/', 'networks: [{ range: [0.0.0.0/0, "::/0"], secondFactor: required }]', async () => undefined],
    ['the account', '/', '', ({ gateway, id }) => gateway.core.identity.accounts.require(id, true)],
    ['off', '/', '', ({ gateway, id }) => gateway.core.identity.accounts.switchMethods(id, { off: ['email'] })],
  ]
  for (const [what, path, more, prepare] of cases) {
    const ways = await openWays(t, more)
    await prepare(ways)
    ways.provider.answer = status(400)
    const { page } = await begin(ways, path)
    t.match(words(page), 'The code could not be sent. This is not your fault.', what)
    t.match(words(page), 'Use a backup code', what)
    t.equal(ways.mail.arrived.length, 0, what)
  }
})
