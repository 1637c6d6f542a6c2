import t, { type Test } from 'tap'
import { freePort } from '../support/free-port.js'
import { application } from '../support/front-door.js'
import { type OpenHouse, signIn, startHouse } from '../support/house.js'
import { MailServer, reply } from '../support/mail-server.js'
import { until } from '../support/poll.js'
import { accepted, nonsense, reset, SmsProvider, silence, status } from '../support/sms-provider.js'
import { tell, timed } from './table.js'

t.setTimeout(400_000)

/** What users see of a provider of text messages or a mail server that is in trouble, in the middle of signing in. */

interface Ways {
  readonly gateway: OpenHouse
  readonly provider: SmsProvider
  readonly mail: MailServer
}

async function openWays(t: Test, { smsUrl, mailUrl }: { smsUrl?: string; mailUrl?: string } = {}): Promise<Ways> {
  const [app, provider, mail] = await Promise.all([application(t), SmsProvider.start(), MailServer.start()])
  t.teardown(async () => {
    await Promise.all([provider.stop(), mail.stop()])
  })
  const gateway = await startHouse(t, {
    yaml: `
publicUrl: http://localhost
sites: [{ upstream: "${app.url}" }]
secondFactor:
  methods:
    - use: sms
      countries: [US]
      transport: { use: webhook, url: "${smsUrl ?? provider.url}/sms", timeoutSeconds: 1 }
    - { use: email }
sending: { networkPerHour: 1000 }
mail: { use: smtp, url: "${mailUrl ?? mail.url}", from: "Sign-in <no-reply@example.com>" }
`,
  })
  return { gateway, provider, mail }
}

/** A new user with this method: nobody else's limits are touched. */
async function newUser({ core, addUser }: OpenHouse, method: 'sms' | 'email', number: number): Promise<string> {
  const name = `user-${method}-${number}`
  const id = await addUser(name, {
    email: `${name}@example.com`,
    mobile: `+1202555${String(100 + number).padStart(4, '0')}`,
  })
  const { accounts, enrolments } = core.identity
  const account = await accounts.find(id)
  if (account === undefined) throw new Error('there is an account')
  await enrolments.activate(account, { method, name: method, enrolment: null })
  return name
}

/** The password, and the page it leads to: what it says, without its marks. */
async function pageAfterPassword(gateway: OpenHouse, name: string) {
  const visitor = gateway.visitor()
  const answer = await signIn(visitor, name)
  const page = await visitor.get(answer.location ?? '/')
  const words = page.text.replace(/<head>[\s\S]*?<\/head>|<[^>]*>/g, ' ').replace(/\s+/g, ' ')
  return { status: answer.status, words, signedIn: visitor.cookies.has('gatelodge') }
}

const smsTroubles = {
  'the provider of text messages says nothing': silence,
  'the provider of text messages refuses': status(400),
  'the provider of text messages fails': status(500),
  'the provider of text messages resets': reset,
}

t.test('text messages do not go: the code comes by mail, and the page says so', async (t) => {
  const { gateway, provider, mail } = await openWays(t)
  let number = 0
  for (const [fault, answer] of Object.entries(smsTroubles)) {
    provider.answer = answer
    number += 1
    const name = await newUser(gateway, 'sms', number)
    const seen = await timed(() => pageAfterPassword(gateway, name))
    t.match(seen.value, { status: 303, words: /by e-mail/i, signedIn: false }, fault)
    await until('the mail', () => mail.arrived.some(({ envelope }) => envelope.to.includes(`${name}@example.com`)))
    provider.answer = accepted
    number += 1
    const next = await newUser(gateway, 'sms', number)
    const before = provider.requests.length
    const back = await timed(() => pageAfterPassword(gateway, next))
    t.match(back.value.words, /by text message/, 'as before')
    t.ok(provider.requests.length > before)
    tell(t, { fault, saw: 'the code comes by mail', answerMs: seen.ms, promisedMs: 10_000, recoverMs: back.ms })
  }
  provider.answer = nonsense
  const taken = await pageAfterPassword(gateway, await newUser(gateway, 'sms', number + 1))
  t.match(taken.words, /by text message/, 'whatever is said with 200 is a message that was taken')
})

t.test('the provider of text messages is down', async (t) => {
  const { gateway } = await openWays(t, { smsUrl: `http://127.0.0.1:${await freePort()}` })
  const seen = await timed(async () => pageAfterPassword(gateway, await newUser(gateway, 'sms', 1)))
  t.match(seen.value, { status: 303, words: /by e-mail/i, signedIn: false })
  tell(t, {
    fault: 'the provider of text messages is down',
    saw: 'the code comes by mail',
    answerMs: seen.ms,
    promisedMs: 10_000,
  })
})

t.test('mail does not go: the page says that nothing was sent, and offers the ways that are left', async (t) => {
  const { gateway, mail } = await openWays(t)
  const notSent = /could not be sent|was not sent/i
  const troubles = [
    ['the mail server refuses', () => reply(550), notSent, 'the page says that nothing was sent'],
    ['the mail server is full', () => reply(452), notSent, 'the page says that nothing was sent'],
    ['the mail server drops the connection', () => 'drop' as const, /cannot tell/, 'the page says that it cannot tell'],
    ['the mail server says nothing', () => 'silence' as const, /on its way/, 'the page says that it takes long'],
  ] as const
  let number = 0
  for (const [fault, verdict, words, saw] of troubles) {
    mail.verdict = verdict
    number += 1
    const name = await newUser(gateway, 'email', number)
    const seen = await timed(() => pageAfterPassword(gateway, name))
    t.match(seen.value, { status: 303, words, signedIn: false }, fault)
    t.match(seen.value.words, /backup code|recovery code/i, 'and offers what is left')
    tell(t, { fault, saw, answerMs: seen.ms, promisedMs: 10_000 })
  }
  mail.verdict = () => undefined
})

t.test('the mail server is down', async (t) => {
  const { gateway } = await openWays(t, { mailUrl: `smtp://127.0.0.1:${await freePort()}` })
  const seen = await timed(async () => pageAfterPassword(gateway, await newUser(gateway, 'email', 1)))
  t.match(seen.value, { status: 303, signedIn: false })
  t.match(seen.value.words, /backup code|recovery code/i)
  tell(t, {
    fault: 'the mail server is down',
    saw: 'the page says that nothing was sent',
    answerMs: seen.ms,
    promisedMs: 10_000,
  })
})
