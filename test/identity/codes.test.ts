import { createHmac } from 'node:crypto'
import t, { type Test } from 'tap'
import email from '../../plugins/second-factors/email.js'
import sms from '../../plugins/second-factors/sms.js'
import totp from '../../plugins/second-factors/totp.js'
import {
  type Mail,
  type MailTransport,
  type SecondFactor,
  type SmsTransport,
  TransportError,
} from '../../src/contracts.js'
import type { MessagesSettings } from '../../src/messages/messages.js'
import {
  Clock,
  client,
  codeAt,
  emptyStore,
  halfWay,
  identityHost,
  overStore,
  PASSWORD,
  type Rooms,
  tryPassword,
} from '../support/core.js'
import { build, lentHost } from '../support/lent-host.js'
import { until } from '../support/poll.js'

interface Text {
  readonly to: string
  readonly text: string
}

/** Transports that take every message, unless told otherwise. */
interface Post {
  readonly texts: Text[]
  readonly mails: Mail[]
  /** What the next text messages and mails meet. */
  onText: (message: Text) => Promise<void>
  onMail: (message: Mail) => Promise<void>
}

interface Phones extends Rooms {
  readonly post: Post
  addUser(username: string, more?: { mobile?: string; email?: string }): Promise<string>
  /** Enrols by the way people do: password, code to the address, code back. */
  enrol(username: string, method: 'sms' | 'email'): Promise<void>
  /** As a person who comes back later: every limit has room again. */
  later(): void
}

async function phones(t: Test, settings: Partial<MessagesSettings> & { patience?: number } = {}): Promise<Phones> {
  const { patience, ...messages } = settings
  const clock = new Clock()
  const store = await emptyStore(t, clock)
  const post: Post = { texts: [], mails: [], onText: async () => undefined, onMail: async () => undefined }
  const text: SmsTransport = {
    async send(message) {
      await post.onText(message)
      post.texts.push(message)
    },
  }
  const mail: MailTransport = {
    async send(message) {
      await post.onMail(message)
      post.mails.push(message)
    },
  }
  const host = lentHost({ now: clock.now, mail, load: async () => text as never })
  const factors = new Map<string, SecondFactor>([
    ['totp', await build(totp, {}, identityHost(store, clock))],
    ['sms', await build(sms, { countries: ['US'], transport: { use: 'outbox' } }, host)],
    ['email', await build(email, {}, host)],
  ])
  const core = await overStore(t, store, clock, {
    factors,
    mail,
    messages,
    ...(patience === undefined ? {} : { patience }),
  })
  const phones: Phones = {
    ...core,
    post,
    async addUser(username, more = { mobile: '+12025550143', email: `${username}@example.com` }) {
      const user = await core.directory.writable?.create({ username, groups: [], ...more }, PASSWORD)
      if (user === undefined) throw new Error(`${username} is taken`)
      await core.accounts.open(user)
      return user.id
    },
    async enrol(username, method) {
      const half = await begin(phones, username, 'enrol')
      await core.signIn.beginEnrolment(half, method)
      await core.signIn.send(half, client())
      await core.settled()
      const code = method === 'sms' ? codeIn(post.texts.at(-1)?.text) : codeIn(post.mails.at(-1)?.text)
      t.match(await core.signIn.confirmEnrolment(half, code, client()), { outcome: 'session' })
    },
    later: () => clock.forward(24 * 3600 + 1),
  }
  return phones
}

const ada = { mobile: '+12025550143', email: 'ada@example.com' }

/** The first six digits that stand alone. */
function codeIn(text = ''): string {
  return /\b\d{6}\b/.exec(text)?.[0] ?? ''
}

function other(code: string): string {
  return String((Number(code) + 1) % 1_000_000).padStart(6, '0')
}

/** The right password; the token of what is pending. */
function begin(core: Rooms, username: string, ask: 'second-factor' | 'enrol' = 'second-factor'): Promise<string> {
  return halfWay(core, username, { ask })
}

async function events(phones: Phones, id: string): Promise<readonly string[]> {
  return (await phones.audit.recent(id)).map(({ event, outcome, reason }) => [event, outcome, reason].join(' ').trim())
}

t.test('a code is sent by itself when the password was right, and opens a session once', async (t) => {
  const core = await phones(t)
  const { post } = core
  const id = await core.addUser('ada')
  await core.enrol('ada', 'sms')
  core.later()
  t.same(await tryPassword(core, 'ada', { password: 'wrong', ask: 'second-factor' }), { outcome: 'refused' })
  t.equal(post.texts.length, 1, 'a wrong password sends nothing')
  const half = await begin(core, 'ada')
  t.equal(post.texts.length, 2)
  t.equal(post.texts[1]?.to, '+12025550143')
  t.match(post.texts[1]?.text, /^\d{6} is your code[\s\S]*\n\n@crm\.example\.com #\d{6}$/)
  const view = await core.signIn.pending(half)
  t.match(view, {
    mode: 'verify',
    methods: [{ use: 'sms', label: 'Text message', to: '...143', sends: 'code' }],
    triesLeft: 5,
    sent: { code: { via: 'sms', to: '...143', state: 'sent', secondsLeft: 300 }, waitSeconds: 60 },
  })
  const code = codeIn(post.texts[1]?.text)
  t.match(await core.signIn.answer(half, other(code), client()), { outcome: 'wrong', triesLeft: 4 })
  t.match(await core.signIn.answer(half, `${code.slice(0, 3)} ${code.slice(3)}`, client()), {
    outcome: 'session',
    returnTo: '/wanted',
    session: { via: ['password', 'sms'] },
  })
  t.same(await core.signIn.answer(half, code, client()), { outcome: 'expired' }, 'once')
  t.ok((await events(core, id)).includes('code.sent success'))
  t.ok((await events(core, id)).includes('factor.enrolled success'))
})

t.test('the store alone does not tell the code: a million tries with everything in it find nothing', async (t) => {
  const core = await phones(t)
  await core.addUser('ada')
  await core.enrol('ada', 'sms')
  core.later()
  const half = await begin(core, 'ada')
  const code = codeIn(core.post.texts.at(-1)?.text)
  const rows = await core.store.list('', { limit: 1000 })
  const all = JSON.stringify(rows)
  t.notOk(all.includes(`"${code}"`) || all.includes(` ${code}`), 'the code is not in the store')
  t.notOk(all.includes(half), 'nor is the token its hash is made with')
  const kept = rows.find(([key]) => key.startsWith('code/'))?.[1] as { code: { hash: string; id: string } }
  const known = rows.flatMap(([key, value]) => [...key.split('/'), ...JSON.stringify(value).split('"')])
  const isFound = [...new Set(known)].some((secret) => {
    const hash = createHmac('sha256', secret).update(`sign-in\n${kept.code.id}\n${code}`).digest('base64url')
    return hash === kept.code.hash
  })
  t.notOk(isFound, 'no text of the store is the key')
})

t.test('a text message is good for five minutes, a mail for ten', async (t) => {
  const core = await phones(t)
  for (const [method, seconds] of [
    ['sms', 300],
    ['email', 600],
  ] as const) {
    const name = `${method}-user`
    await core.addUser(name, {
      mobile: method === 'sms' ? '+12025550143' : '+12025550144',
      email: `${name}@example.com`,
    })
    await core.enrol(name, method)
    core.later()
    const newest = () => codeIn(method === 'sms' ? core.post.texts.at(-1)?.text : core.post.mails.at(-1)?.text)
    const late = await begin(core, name)
    const code = newest()
    core.clock.forward(seconds - 1)
    t.match((await core.signIn.pending(late))?.sent?.code?.secondsLeft, 1, `${method}: still good`)
    core.clock.forward(1)
    if (method === 'sms') {
      t.same(await core.signIn.answer(late, code, client()), { outcome: 'no-code' })
      t.match((await core.signIn.pending(late))?.sent, { isOver: true, waitSeconds: 0 })
      t.equal((await core.signIn.pending(late))?.triesLeft, 5, 'what is not judged is no guess')
    } else {
      t.same(await core.signIn.answer(late, code, client()), { outcome: 'expired' }, 'as long as the sign-in itself')
    }
    core.later()
    const timely = await begin(core, name)
    core.clock.forward(seconds - 1)
    t.match(await core.signIn.answer(timely, newest(), client()), { outcome: 'session' })
  }
})

t.test('a new code kills the old one, and the server decides when there is one', async (t) => {
  const core = await phones(t)
  await core.addUser('ada')
  await core.enrol('ada', 'sms')
  core.later()
  const half = await begin(core, 'ada')
  const first = codeIn(core.post.texts.at(-1)?.text)
  core.clock.forward(20)
  t.same(await core.signIn.send(half, client()), { outcome: 'wait', retryAfterSeconds: 40 })
  t.match(
    await core.signIn.pending(half),
    { sent: { waitSeconds: 40, code: { state: 'sent' } } },
    'the first still counts',
  )
  core.clock.forward(40)
  t.match(await core.signIn.send(half, client()), { outcome: 'sent', via: 'sms', to: '...143' })
  const second = codeIn(core.post.texts.at(-1)?.text)
  if (first !== second) t.match(await core.signIn.answer(half, first, client()), { outcome: 'wrong' })
  t.match(await core.signIn.answer(half, second, client()), { outcome: 'session' })
})

t.test('a code that was asked for late lives its whole life: the sign-in waits for it, but not for ever', async (t) => {
  const core = await phones(t, { limits: { ...generous } })
  await core.addUser('ada')
  await core.enrol('ada', 'email')
  core.later()
  const half = await begin(core, 'ada')
  core.clock.forward(9 * 60)
  t.match(await core.signIn.send(half, client()), { outcome: 'sent', lifetimeSeconds: 600 })
  core.clock.forward(9 * 60)
  t.match(await core.signIn.pending(half), { sent: { code: { secondsLeft: 60 } } })
  for (const minutes of [0, 9]) {
    core.clock.forward(minutes * 60)
    await core.signIn.send(half, client())
  }
  core.clock.forward(3 * 60)
  t.equal(await core.signIn.pending(half), undefined, 'half an hour after the password it is over')
})

t.test('a code is worth nothing in another browser, for another purpose, or after a revocation', async (t) => {
  const core = await phones(t, { limits: { ...generous, waitSeconds: 1 } })
  const { post } = core
  const id = await core.addUser('ada')
  // Taking over: the code of the enrolment, sent in one browser, tried in another one's sign-in after enrolling there.
  const one = await begin(core, 'ada', 'enrol')
  await core.signIn.beginEnrolment(one, 'sms')
  await core.signIn.send(one, client())
  const enrolmentCode = codeIn(post.texts.at(-1)?.text)
  core.clock.forward(2)
  const another = await begin(core, 'ada', 'enrol')
  await core.signIn.beginEnrolment(another, 'sms')
  t.same(await core.signIn.confirmEnrolment(another, enrolmentCode, client()), { outcome: 'no-code' })
  await core.signIn.send(another, client())
  t.match(await core.signIn.confirmEnrolment(another, enrolmentCode, client()), { outcome: 'wrong' })
  t.match(await core.signIn.confirmEnrolment(another, codeIn(post.texts.at(-1)?.text), client()), {
    outcome: 'session',
  })
  t.same(await core.signIn.confirmEnrolment(one, enrolmentCode, client()), { outcome: 'expired' })

  core.clock.forward(2)
  const mine = await begin(core, 'ada')
  const code = codeIn(post.texts.at(-1)?.text)
  core.clock.forward(2)
  const theirs = await begin(core, 'ada')
  if (enrolmentCode !== code) t.match(await core.signIn.answer(mine, enrolmentCode, client()), { outcome: 'wrong' })
  t.match(await core.signIn.answer(theirs, code, client()), { outcome: 'wrong' })
  await core.accounts.endAll(id)
  t.same(await core.signIn.answer(mine, code, client()), { outcome: 'expired' })
  core.later()
  const last = await begin(core, 'ada')
  await core.accounts.deactivate(id)
  t.same(await core.signIn.answer(last, codeIn(post.texts.at(-1)?.text), client()), { outcome: 'expired' })
})

t.test('five wrong answers, by whatever method, and no further one is judged', async (t) => {
  const core = await phones(t)
  const id = await core.addUser('ada')
  await core.enrol('ada', 'sms')
  core.later()
  const half = await begin(core, 'ada')
  const code = codeIn(core.post.texts.at(-1)?.text)
  for (const triesLeft of [4, 3, 2, 1]) {
    t.match(await core.signIn.answer(half, other(code), client()), { outcome: 'wrong', triesLeft })
  }
  await core.signIn.answer(half, other(code), client())
  t.match(await core.signIn.answer(half, code, client()), { outcome: 'throttled', retryAfterSeconds: 900 })
  t.ok((await events(core, id)).includes('throttle.on success'))
  core.clock.forward(61)
  const texts = core.post.texts.length
  t.match(await core.signIn.send(half, client()), { outcome: 'throttled' })
  await begin(core, 'ada')
  t.equal(core.post.texts.length, texts, 'a code that nobody could use is not paid for')
  core.clock.forward(15 * 60)
  const next = await begin(core, 'ada')
  const fresh = codeIn(core.post.texts.at(-1)?.text)
  t.match(await core.signIn.answer(next, fresh, client()), { outcome: 'session' })
})

t.test('fifty right answers at once over two gateways open one session', async (t) => {
  const core = await phones(t)
  const beside = await core.beside()
  await core.addUser('ada')
  await core.enrol('ada', 'sms')
  core.later()
  const half = await begin(core, 'ada')
  const code = codeIn(core.post.texts.at(-1)?.text)
  const gates = [core.signIn, beside.signIn]
  const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => gates[i % 2]?.answer(half, code, client())))
  t.equal(answers.filter((answer) => answer?.outcome === 'session').length, 1)
})

t.test('the user picks: the preferred method first, the others by choice, one budget of guesses', async (t) => {
  const core = await phones(t, { limits: { ...generous, waitSeconds: 60 } })
  const { post } = core
  const id = await core.addUser('ada')
  await core.enrol('ada', 'sms')
  const account = await core.accounts.find(id)
  if (account === undefined) return
  const add = async (method: string, enrolment: null | { secret: string; lastStep: number }) => {
    const now = await core.accounts.find(id)
    return now && (await core.enrolments.activate(now, { method, name: method, enrolment }))
  }
  const secret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'
  const app = await add('totp', { secret, lastStep: -1 })
  const mail = await add('email', null)
  await core.accounts.change(id, (now) => ({ ...now, preferred: mail?.id ?? '' }))
  core.later()
  const mails = post.mails.length
  const half = await begin(core, 'ada')
  t.equal(post.mails.length, mails + 1, 'the preferred one is asked first')
  t.match((await core.signIn.pending(half))?.methods, [
    { use: 'email', to: 'a…@e…' },
    { use: 'sms', to: '...143' },
    { use: 'totp' },
  ])
  t.match(await core.signIn.answer(half, '000000', client()), { triesLeft: 4 })
  t.same(await core.signIn.choose(half, app?.id ?? '', client()), { outcome: 'chosen' })
  t.match(await core.signIn.answer(half, '000000', client()), { triesLeft: 3 })
  const texting = account.enrolled[0]?.id ?? ''
  const held = await core.signIn.choose(half, texting, client())
  t.match(held, { outcome: 'chosen', sending: { outcome: 'wait', retryAfterSeconds: 60 } })
  const view = await core.signIn.pending(half)
  t.match(view, { method: texting, sent: { code: { via: 'email' }, waitSeconds: 60 } }, 'the mailed code is still good')
  core.clock.forward(60)
  t.match(await core.signIn.send(half, client()), { outcome: 'sent', via: 'sms' })
  const texts = post.texts.length
  t.same(await core.signIn.choose(half, texting, client()), { outcome: 'chosen' }, 'a good code is not sent twice')
  t.equal(post.texts.length, texts)
  t.match(await core.signIn.answer(half, codeIn(post.texts.at(-1)?.text), client()), {
    outcome: 'session',
    session: { via: ['password', 'sms'] },
  })
  t.same(await core.signIn.choose(half, texting, client()), { outcome: 'expired' })

  core.later()
  const again = await begin(core, 'ada')
  await core.signIn.choose(again, app?.id ?? '', client())
  t.match(await core.signIn.answer(again, codeAt(secret, core.clock.ms), client()), { outcome: 'session' })
})

t.test('a text message that fails goes by mail, which says where and why', async (t) => {
  const failures = [
    new TransportError('refused', 'no'),
    new TransportError('unavailable', 'busy', { retryAfterSeconds: 60 }),
    new TransportError('unknown', 'silence'),
    new Error('nonsense'),
  ]
  for (const failure of failures) {
    const core = await phones(t)
    const id = await core.addUser('ada')
    await core.enrol('ada', 'sms')
    core.later()
    core.post.onText = async () => {
      throw failure
    }
    const half = await begin(core, 'ada')
    const view = await core.signIn.pending(half)
    const reason = failure instanceof TransportError ? failure.reason : 'unknown'
    t.match(view?.sent?.code, { via: 'email', to: 'a…@e…', state: 'sent', fellBack: reason, secondsLeft: 600 })
    t.ok((await events(core, id)).includes(`code.fallback success ${reason}`))
    core.clock.forward(599)
    const code = codeIn(core.post.mails.at(-1)?.text)
    t.match(await core.signIn.answer(half, code, client()), { outcome: 'session' }, 'it lives as long as a mail')
  }
})

t.test('without the way round by mail the page knows that nothing was sent', async (t) => {
  const cases = [
    { settings: { fallback: false }, person: ada },
    { settings: {}, person: { mobile: '+12025550143' } },
  ]
  for (const { settings, person } of cases) {
    const core = await phones(t, settings)
    await core.addUser('ada', person)
    await core.enrol('ada', 'sms')
    core.later()
    core.post.onText = async () => {
      throw new TransportError('refused', 'no')
    }
    const half = await begin(core, 'ada')
    t.match(await core.signIn.pending(half), { sent: { trouble: { outcome: 'failed' }, waitSeconds: 60 } })
    t.equal((await core.signIn.pending(half))?.sent?.code, undefined)
    t.same(await core.signIn.answer(half, '123456', client()), { outcome: 'no-code' })
    core.post.onText = async () => undefined
    core.clock.forward(60)
    t.match(await core.signIn.send(half, client()), { outcome: 'sent', via: 'sms' })
    t.equal((await core.signIn.pending(half))?.sent?.trouble, undefined)
    const code = codeIn(core.post.texts.at(-1)?.text)
    t.match(await core.signIn.answer(half, code, client()), { outcome: 'session' })
  }
})

t.test('a provider that may have taken the message: the code is good if it arrives', async (t) => {
  const core = await phones(t, { fallback: false })
  await core.addUser('ada')
  await core.enrol('ada', 'sms')
  core.later()
  let text = ''
  core.post.onText = async (message) => {
    text = message.text
    throw new TransportError('unknown', 'the line broke')
  }
  const half = await begin(core, 'ada')
  t.match((await core.signIn.pending(half))?.sent?.code, { state: 'unsure', via: 'sms' })
  t.match(await core.signIn.answer(half, codeIn(text), client()), { outcome: 'session' })
})

t.test('over the limits of the number or of the account nothing goes out, and the last code stays good', async (t) => {
  for (const [limit, limits] of [
    ['number', { numberPerHour: 2 }],
    ['account', { accountPerHour: 2 }],
  ] as const) {
    const core = await phones(t, { limits: { ...generous, ...limits } })
    const id = await core.addUser('ada')
    await core.enrol('ada', 'sms')
    core.clock.forward(61)
    const half = await begin(core, 'ada')
    t.match((await core.signIn.pending(half))?.sent?.code, { via: 'sms' })
    core.clock.forward(61)
    const mails = core.post.mails.length
    t.match(await core.signIn.send(half, client()), { outcome: 'limited', limit })
    t.equal(core.post.mails.length, mails, 'a limit that is used up is no failure of the provider')
    t.notOk((await events(core, id)).some((event) => event.startsWith('code.fallback')))
    const view = await core.signIn.pending(half)
    t.match(view?.sent, { trouble: { outcome: 'limited', limit }, code: { via: 'sms' } })
    const code = codeIn(core.post.texts.at(-1)?.text)
    t.match(await core.signIn.answer(half, code, client()), { outcome: 'session' }, 'the last that was sent is good')
  }
})

t.test(
  'enrolling by text message: only with a number that is served, never by way of mail, active when it came back',
  async (t) => {
    const core = await phones(t, { limits: { ...generous } })
    const people = [
      ['no number', {}, []],
      ['a mail address', { email: 'a@example.com' }, ['email']],
      ['a fixed line elsewhere', { mobile: '+442071838750' }, []],
      ['+1 is the Caribbean as well', { mobile: '+18765550143' }, []],
      ['a mobile in the US', { mobile: '+12025550143' }, ['sms']],
    ] as const
    for (const [name, person, uses] of people) {
      await core.addUser(name, person)
      const half = await begin(core, name, 'enrol')
      const view = await core.signIn.pending(half)
      t.same(
        view?.methods.map(({ use }) => use),
        ['totp', ...uses],
        name,
      )
      if (!uses.some((use) => use === 'sms')) t.equal(await core.signIn.beginEnrolment(half, 'sms'), undefined)
    }
    const id = await core.addUser('ada')
    const half = await begin(core, 'ada', 'enrol')
    t.same(await core.signIn.send(half, client()), { outcome: 'expired' }, 'nothing is chosen')
    t.match(await core.signIn.beginEnrolment(half, 'sms'), { show: null, sent: { isOver: false, waitSeconds: 0 } })
    t.equal(core.post.texts.length, 0, 'looking at the page sends nothing')
    core.post.onText = async () => {
      throw new TransportError('refused', 'no')
    }
    t.match(await core.signIn.send(half, client()), { outcome: 'failed', reason: 'refused' })
    t.equal(core.post.mails.length, 0, 'a mail proves nothing about the number')
    core.post.onText = async () => undefined
    core.clock.forward(61)
    t.match(await core.signIn.send(half, client()), { outcome: 'sent', via: 'sms' })
    t.match(core.post.texts.at(-1)?.text, /^\d{6} confirms this number/)
    const code = codeIn(core.post.texts.at(-1)?.text)
    t.match(await core.signIn.confirmEnrolment(half, other(code), client()), { outcome: 'wrong' })
    t.same((await core.accounts.find(id))?.enrolled, [])
    // A code to the phone must not take over the mail address.
    await core.signIn.beginEnrolment(half, 'email')
    t.same(await core.signIn.confirmEnrolment(half, code, client()), { outcome: 'no-code' })
    await core.signIn.beginEnrolment(half, 'sms')
    t.match(await core.signIn.confirmEnrolment(half, code, client()), { outcome: 'session' })
    t.match((await core.accounts.find(id))?.enrolled, [{ method: 'sms' }])

    const now = await begin(core, 'ada')
    t.match(
      (await core.signIn.pending(now))?.sent?.code,
      { state: 'sent' },
      'the code of the enrolment does not hold it up',
    )
    const next = await begin(core, 'ada')
    t.match((await core.signIn.pending(next))?.sent, { waitSeconds: 60 }, 'the one after that it does')
  },
)

t.test('a slow provider holds the page for a while only, and the page hears of it later', async (t) => {
  const core = await phones(t, { patience: 100 })
  await core.addUser('ada')
  await core.enrol('ada', 'sms')
  core.later()
  let arrive: (() => void) | undefined
  core.post.onText = () =>
    new Promise((resolve) => {
      arrive = resolve
    })
  const half = await begin(core, 'ada')
  await until('the text message to be handed over', () => arrive !== undefined)
  t.match((await core.signIn.pending(half))?.sent?.code, { state: 'sending' })
  arrive?.()
  await until('the code to be sent', async () => (await core.signIn.pending(half))?.sent?.code?.state === 'sent')
  await core.settled()
  const code = codeIn(core.post.texts.at(-1)?.text)
  t.match(await core.signIn.answer(half, code, client()), { outcome: 'session' })

  core.later()
  const before = arrive
  const lost = await begin(core, 'ada')
  await until('the next one to be handed over', () => arrive !== before)
  core.clock.forward(61)
  t.match((await core.signIn.pending(lost))?.sent?.code, { state: 'unsure' }, 'nobody waits for ever')
  arrive?.()
  await core.settled()
})

const generous = {
  waitSeconds: 60,
  accountPerHour: 50,
  accountPerDay: 100,
  numberPerHour: 50,
  networkPerHour: 1000,
  linksPerHour: 3,
  smsPerDay: 500,
  mailPerDay: 500,
  unproven: { networkPerHour: 1000, perDay: 1000 },
}

t.test(
  'five wrong codes after the right password: the mail says that somebody knows it, and leads on at once',
  async (t) => {
    const core = await phones(t, { limits: generous })
    await core.addUser('ada')
    await core.enrol('ada', 'sms')
    core.clock.forward(61)
    const half = await begin(core, 'ada')
    const code = codeIn(core.post.texts.at(-1)?.text)
    const wrong = String((Number(code) + 1) % 1_000_000).padStart(6, '0')
    for (let guess = 0; guess < 5; guess += 1) await core.signIn.answer(half, wrong, client())
    await core.settled()
    const mail = core.post.mails.at(-1)
    t.match(mail?.subject, /^Somebody knows your password/)
    t.match(mail?.text, /5 wrong codes.*next 15 minutes/s)
    const link = /\/not-me\?token=(\S+)/.exec(mail?.text ?? '')?.[1] ?? ''
    t.match(await core.notMe.redeem(link, client()), { isRecovering: true }, 'while no code is judged')
    await core.settled()
    t.match(core.post.mails.at(-1)?.text, /works for 60 minutes/, 'until after the lock')
  },
)
