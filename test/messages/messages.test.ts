import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import smtp from '../../plugins/mail-transports/smtp.js'
import email from '../../plugins/second-factors/email.js'
import magicLink from '../../plugins/second-factors/magic-link.js'
import sms from '../../plugins/second-factors/sms.js'
import twilio from '../../plugins/sms-transports/twilio.js'
import embedded from '../../plugins/stores/embedded.js'
import type { Host, MailTransport, SecondFactor, User } from '../../src/contracts.js'
import { Messages, type MessagesSettings } from '../../src/messages/messages.js'
import { build, lentHost } from '../support/lent-host.js'
import { MailServer, reply } from '../support/mail-server.js'
import { usualLimits } from '../support/sending-limits.js'
import { accepted, reset, SmsProvider, silence, status } from '../support/sms-provider.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const ada: User = { id: 'u1', username: 'ada', email: 'ada@example.org', mobile: '+12025550143', groups: [] }
const client = {
  address: '203.0.113.9',
  network: '203.0.113.9',
  userAgent: 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0 canary-agent',
  requestId: 'r1',
}
const defaults: MessagesSettings = {
  service: 'CRM',
  publicUrl: 'https://crm.example.com',
  prefix: '/.gatelodge',
  fallback: true,
  limits: usualLimits,
}

/** Messages over real servers and a real store, with a clock of its own. */
async function open(t: Test, change: Partial<MessagesSettings> & { noMail?: boolean; timeoutSeconds?: number } = {}) {
  const { noMail = false, timeoutSeconds = 30, ...settings } = change
  const clock = { now: Date.UTC(2026, 10, 21, 9) }
  const now = () => clock.now
  const [provider, server] = await Promise.all([SmsProvider.start(), MailServer.start()])
  const mail = await build(
    smtp,
    { url: server.url, from: 'CRM <no-reply@example.com>', timeoutSeconds: 30 },
    lentHost({ now }),
  )
  const text = await build(twilio, {
    accountSid: 'AC1',
    authToken: 'canary-token',
    from: '+12025550100',
    apiBaseUrl: provider.url,
    timeoutSeconds,
  })
  const load: Host['load'] = async (kind) => {
    const transports: Record<string, unknown> = { 'sms-transports': text, 'mail-transports': mail }
    return transports[kind] as never
  }
  const host = lentHost({ now, load, ...(noMail ? {} : { mail: mail as MailTransport }) })
  const factors = new Map<string, SecondFactor>([
    ['sms', await build(sms, { countries: ['US'], transport: { use: 'twilio' } }, host)],
  ])
  if (!noMail) {
    factors.set('email', await build(email, {}, host))
    factors.set('magic-link', await build(magicLink, {}, host))
  }
  const store = await build(embedded, { path: await temporaryDirectory(t) }, host)
  const audited: Array<{ event: string; [field: string]: unknown }> = []
  const messages = new Messages({
    factors,
    mail: noMail ? undefined : mail,
    store,
    audit: { record: async (entry) => void audited.push({ ...entry }) },
    log: host.log,
    now,
    settings: { ...defaults, ...settings },
    wait: async (ms) => {
      clock.now += ms
    },
  })
  t.teardown(async () => {
    await messages.settled()
    await Promise.all([store.close(), mail.close?.(), text.close?.()])
    await Promise.all([provider.stop(), server.stop()])
  })
  /** Everything the operator gets to read. */
  const told = () => inspect([host.lines, audited], { depth: 9 })
  const code = (more: object = {}) =>
    messages.send({ user: ada, method: 'sms', code: '314159', purpose: 'sign-in', client, mayFallBack: true, ...more })
  const texts = () => provider.requests.map(({ body }) => new URLSearchParams(body).get('Body') ?? '')
  return { messages, clock, provider, server, audited, told, code, texts, host }
}

t.test(
  'a code goes by text message: once, in words, masked on the page, without a trace in log and audit',
  async (t) => {
    const { code, texts, audited, told, server, messages } = await open(t)
    t.same(await code(), { outcome: 'sent', via: 'sms', to: '...143', lifetimeSeconds: 300 })
    t.same(texts(), ['314159 is your code for CRM. Never share it.\n\n@crm.example.com #314159'])
    t.equal(server.received, 0)
    t.match(audited, [
      { event: 'code.sent', outcome: 'success', accountId: 'u1', method: 'sms', details: { via: 'sms' } },
    ])
    t.notMatch(told(), /314159|2025550143|canary-token|ada@/)
    t.equal(messages.destination('sms', ada), '...143')
    t.equal(messages.destination('email', ada), 'a…@e…')
    t.equal(messages.destination('sms', { ...ada, mobile: '+18765550143' }), undefined, '+1 is Jamaica as well')
  },
)

const troubles = [
  { what: 'is refused', answer: status(400), fellBack: 'refused', asked: 1 },
  { what: 'fails half-way', answer: status(500), fellBack: 'unknown', asked: 1 },
  { what: 'meets silence', answer: silence, fellBack: 'unknown', asked: 1 },
  { what: 'meets a broken connection', answer: reset, fellBack: 'unknown', asked: 1 },
  { what: 'meets 503', answer: status(503), fellBack: 'unavailable', asked: 3 },
]
for (const { what, answer, fellBack, asked } of troubles) {
  t.test(`a text message that ${what} is followed by a mail with the same code`, async (t) => {
    const { code, provider, server, audited, told } = await open(t, answer === silence ? { timeoutSeconds: 2 } : {})
    provider.answer = answer
    t.same(await code(), { outcome: 'sent', via: 'email', to: 'a…@e…', lifetimeSeconds: 600, fellBack })
    t.equal(provider.requests.length, asked, 'and the provider was asked no more than that')
    t.equal(server.arrived.length, 1)
    t.match(server.arrived[0]?.email.text, '314159')
    t.match(server.arrived[0]?.email.subject, 'Your sign-in code for CRM')
    t.match(audited, [
      { event: 'code.fallback', outcome: 'success', accountId: 'u1', method: 'sms', reason: fellBack },
      { event: 'code.sent', outcome: 'success', details: { via: 'email' } },
    ])
    t.notMatch(told(), /314159|2025550143|ada@/)
  })
}

t.test('a provider that is busy for a moment is asked again, and the user notices nothing', async (t) => {
  const { code, provider, server } = await open(t)
  provider.answer = (response, request) => {
    status(429, { 'retry-after': '2' })(response, request)
    provider.answer = accepted
  }
  t.match(await code(), { outcome: 'sent', via: 'sms' })
  t.equal(provider.requests.length, 2)
  t.equal(server.received, 0)
})

t.test('asking until a limit says no brings no code by mail: number, country, no number, day, network', async (t) => {
  const { code, provider, server, clock, audited } = await open(t)
  for (let i = 0; i < 3; i++) {
    t.match(await code({ user: { ...ada, id: `other-${i}` } }), { via: 'sms' })
  }
  t.match(await code(), { outcome: 'limited', limit: 'number' })
  clock.now += 60_000
  t.same(await code({ user: { ...ada, mobile: '+447911123456' } }), { outcome: 'failed', reason: 'no-address' })
  clock.now += 60_000
  const { mobile: _, ...without } = ada
  t.same(await code({ user: without }), { outcome: 'failed', reason: 'no-address' })
  t.equal(provider.requests.length, 3)
  for (const limits of [{ smsPerDay: 1 }, { networkPerHour: 1 }, { accountPerHour: 1 }]) {
    const small = await open(t, { limits: { ...defaults.limits, ...limits } })
    t.match(await small.code(), { via: 'sms' })
    small.clock.now += 60_000
    t.match(await small.code(), { outcome: 'limited' }, JSON.stringify(limits))
    t.equal(small.server.received, 0)
  }
  t.equal(server.received, 0)
  t.notOk(audited.some(({ event }) => event === 'code.fallback'))
})

t.test('a provider that says it was asked too much brings no code by mail, also while it is left alone', async (t) => {
  const { code, provider, server, audited, clock } = await open(t)
  provider.answer = status(429, { 'retry-after': '60' })
  // After five in a row the provider is left alone: it is the limit that holds then, too.
  for (let i = 0; i < 8; i++) {
    t.same(await code({ user: { ...ada, id: `u${i}` }, client: { ...client, network: `192.0.2.${i}` } }), {
      outcome: i < 3 ? 'failed' : 'limited',
      ...(i < 3 ? { reason: 'provider-quota' } : { limit: 'number', retryAfterSeconds: 3600 }),
    })
  }
  for (let i = 0; i < 5; i++) {
    const user = { ...ada, id: `v${i}`, mobile: `+1202555017${i}` }
    t.same(await code({ user, client: { ...client, network: `192.0.3.${i}` } }), {
      outcome: 'failed',
      reason: 'provider-quota',
    })
  }
  t.equal(provider.requests.length, 5)
  t.equal(server.received, 0)
  t.match(audited[0], { event: 'code.sent', outcome: 'refused', reason: 'provider-quota' })
  clock.now += 31_000
  provider.answer = accepted
  t.match(await code({ user: { ...ada, id: 'w', mobile: '+12025550190' } }), { via: 'sms' })
  provider.answer = status(500)
  t.match(await code({ user: { ...ada, id: 'x', mobile: '+12025550191' } }), { via: 'email', fellBack: 'unknown' })
})

t.test(
  'no fallback: switched off, while a number is being proved, without mail, without an address, with mail down',
  async (t) => {
    const off = await open(t, { fallback: false })
    off.provider.answer = status(400)
    t.same(await off.code(), { outcome: 'failed', reason: 'refused' })
    t.equal(off.server.received, 0)
    t.match(off.audited, [{ event: 'code.sent', outcome: 'refused', reason: 'refused' }])

    const on = await open(t)
    on.provider.answer = status(400)
    const elsewhere = { ...ada, id: 'u0', mobile: '+12025550144' }
    t.same(await on.code({ user: elsewhere, mayFallBack: false }), { outcome: 'failed', reason: 'refused' })
    t.same(await on.code({ purpose: 'enrolment' }), { outcome: 'failed', reason: 'refused' })
    const { email: _, ...without } = ada
    t.same(await on.code({ user: { ...without, id: 'u2' } }), { outcome: 'failed', reason: 'no-address' })
    t.equal(on.server.received, 0)
    on.server.verdict = () => reply(554)
    t.same(await on.code({ user: { ...ada, id: 'u3' } }), { outcome: 'failed', reason: 'refused' })

    const mailless = await open(t, { noMail: true })
    mailless.provider.answer = status(400)
    t.same(await mailless.code(), { outcome: 'failed', reason: 'refused' })
  },
)

t.test('an enrolment asks for the number to be confirmed, and the sign-in after it is not held up', async (t) => {
  const { code, texts } = await open(t)
  t.match(await code({ purpose: 'enrolment' }), { via: 'sms' })
  t.match(await code(), { outcome: 'wait', retryAfterSeconds: 60 })
  t.match(await code({ afterEnrolment: true, host: 'shop.example.net' }), { via: 'sms' })
  t.match(texts()[0], /^314159 confirms this number for CRM/)
  t.match(texts()[1], /@shop\.example\.net #314159$/)
})

t.test('over every budget the answer says when to come back', async (t) => {
  const { code, clock } = await open(t, { limits: { ...defaults.limits, accountPerHour: 1 } })
  t.match(await code(), { via: 'sms' })
  clock.now += 60_000
  t.match(await code(), { outcome: 'limited', limit: 'account', retryAfterSeconds: 59 * 60 })
})

t.test('fifty askings at once send one message', async (t) => {
  const { code, provider, server } = await open(t)
  const answers = await Promise.all(Array.from({ length: 50 }, () => code()))
  t.equal(answers.filter(({ outcome }) => outcome === 'sent').length, 1)
  t.equal(answers.filter(({ outcome }) => outcome === 'wait').length, 49)
  t.equal(provider.requests.length, 1)
  t.equal(server.received, 0)
})

t.test('a provider that is down is left alone, which is written down, and comes back', async (t) => {
  const { code, provider, clock, audited, messages } = await open(t, {
    limits: { ...defaults.limits, networkPerHour: 100, numberPerHour: 100 },
  })
  provider.answer = status(500)
  for (let i = 0; i < 8; i++) t.match(await code({ user: { ...ada, id: `u${i}` } }), { via: 'email' })
  t.equal(provider.requests.length, 5)
  clock.now += 31_000
  provider.answer = accepted
  t.match(await code({ user: { ...ada, id: 'u9' } }), { via: 'sms' })
  await messages.settled()
  t.match(
    audited.filter(({ event }) => event.startsWith('dependency')),
    [
      { event: 'dependency.down', details: { dependency: 'sms' } },
      { event: 'dependency.up', details: { dependency: 'sms' } },
    ],
  )
})

t.test('a link begins with the public address, and has a code for another device beside it', async (t) => {
  const { messages, server, told, clock } = await open(t)
  const link = { user: ada, method: 'magic-link', path: '/link?token=canary', purpose: 'sign-in', client } as const
  t.match(await messages.send({ ...link, code: '271828' }), { outcome: 'sent', via: 'email', to: 'a…@e…' })
  const { text = '', html = '', headers = [] } = server.arrived[0]?.email ?? {}
  t.match(text, '\nhttps://crm.example.com/.gatelodge/link?token=canary\n')
  t.match(text, '271828')
  t.match(html, 'href="https://crm.example.com/.gatelodge/link?token=canary"')
  t.notMatch(JSON.stringify(headers), /canary|271828/, 'no secret in a header')
  t.notMatch(told(), /token=canary|271828/)
  for (let i = 0; i < 2; i++) {
    clock.now += 60_000
    t.match(await messages.send(link), { outcome: 'sent' })
  }
  clock.now += 60_000
  t.match(await messages.send(link), { outcome: 'limited', limit: 'account' })
})

t.test('notices tell the user, no more than ten of a kind an hour, and never fail', async (t) => {
  const { messages, server, told } = await open(t)
  const about = { user: ada, values: { method: 'Authenticator app' }, client, notMe: '/not-me?token=canary' }
  await Promise.all(Array.from({ length: 30 }, () => messages.notify('factor-added', about)))
  t.equal(server.arrived.length, 10)
  const [first] = server.arrived
  t.match(first?.email.text, 'Authenticator app')
  t.match(first?.email.text, 'https://crm.example.com/.gatelodge/not-me?token=canary')
  t.match(first?.email.text, 'Firefox on Linux, 203.0.113.9')
  t.notMatch(first?.raw, 'canary-agent')
  await messages.notify('password-changed', { user: ada, values: {}, to: 'old@example.org' })
  t.equal(server.arrived.at(-1)?.email.to?.[0]?.address, 'old@example.org')
  const { email: _, ...without } = ada
  await messages.notify('password-changed', { user: without, values: {} })
  server.verdict = () => reply(554, 'ada@example.org canary')
  await messages.notify('new-device', { user: ada, values: {}, client })
  t.match(told(), 'A mail was not sent')
  t.notMatch(told(), /canary|ada@/)
})

t.test('help is mailed within budget, and whatever happens the caller learns nothing', async (t) => {
  const { messages, server } = await open(t)
  const values = { usernames: ['ada', 'countess'], signIn: messages.link('/sign-in') }
  const answers: unknown[] = []
  for (let i = 0; i < 5; i++) answers.push(await messages.help('usernames', { to: 'ada@example.org', client, values }))
  t.equal(server.arrived.length, 3)
  t.match(server.arrived[0]?.email.text, /ada\n.*countess/)
  server.verdict = () => reply(451)
  answers.push(await messages.help('no-account', { to: 'eve@example.org', client, values: {} }))
  answers.push(await messages.help('no-account', { to: 'eve@example.org\r\nBcc: x@example.org', client, values: {} }))
  t.same(new Set(answers), new Set([undefined]))
})

t.test('support’s link works in the user’s mail only: copies keep the word', async (t) => {
  const { messages, server } = await open(t)
  const text = 'Hello Ada,\r\n\r\nuse [loginLink] or [loginLink]. <b>Bye</b>\n\n\n\n--\nGrace & Co'
  const message = { user: ada, title: 'Your\r\nBcc: x@example.org account', text, path: '/link?token=canary' }
  const copies = ['grace@example.org', 'ADA@example.org', 'desk@example.org']
  t.same(await messages.supportMessage({ ...message, copies }), { user: true, copies: 2 })
  const of = (to: string) => server.arrived.filter(({ envelope }) => envelope.to.includes(to))
  const [own, ...more] = of('ada@example.org')
  t.same(more, [], 'no copy to the user')
  t.equal(own?.email.text?.split('https://crm.example.com/.gatelodge/link?token=canary').length, 3)
  t.match(own?.email.html, '&lt;b&gt;Bye')
  t.match(own?.email.subject, /^Your Bcc: x@example\.org account$/)
  for (const to of ['grace@example.org', 'desk@example.org']) {
    const [copy] = of(to)
    t.notMatch(copy?.raw, /canary|link=3Ftoken/)
    t.equal(copy?.email.text?.split('[loginLink]').length, 3)
  }
})
