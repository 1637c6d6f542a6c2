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
import { build, lentHost } from '../support/lent-host.js'
import { until } from '../support/poll.js'
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
} from './rooms.js'

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
  const house = await overStore(t, store, clock, {
    factors,
    mail,
    messages,
    ...(patience === undefined ? {} : { patience }),
  })
  const phones: Phones = {
    ...house,
    post,
    async addUser(username, more = { mobile: '+12025550143', email: `${username}@example.com` }) {
      const user = await house.directory.writable?.create({ username, groups: [], ...more }, PASSWORD)
      if (user === undefined) throw new Error(`${username} is taken`)
      await house.accounts.open(user)
      return user.id
    },
    async enrol(username, method) {
      const half = await begin(phones, username, 'enrol')
      await house.signIn.beginEnrolment(half, method)
      await house.signIn.send(half, client())
      await house.settled()
      const code = method === 'sms' ? codeIn(post.texts.at(-1)?.text) : codeIn(post.mails.at(-1)?.text)
      t.match(await house.signIn.confirmEnrolment(half, code, client()), { outcome: 'session' })
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
function begin(house: Rooms, username: string, ask: 'second-factor' | 'enrol' = 'second-factor'): Promise<string> {
  return halfWay(house, username, { ask })
}

async function events(phones: Phones, id: string): Promise<readonly string[]> {
  return (await phones.audit.recent(id)).map(({ event, outcome, reason }) => [event, outcome, reason].join(' ').trim())
}

t.test('a code is sent by itself when the password was right, and opens a session once', async (t) => {
  const house = await phones(t)
  const { post } = house
  const id = await house.addUser('ada')
  await house.enrol('ada', 'sms')
  house.later()
  t.same(await tryPassword(house, 'ada', { password: 'wrong', ask: 'second-factor' }), { outcome: 'refused' })
  t.equal(post.texts.length, 1, 'a wrong password sends nothing')
  const half = await begin(house, 'ada')
  t.equal(post.texts.length, 2)
  t.equal(post.texts[1]?.to, '+12025550143')
  t.match(post.texts[1]?.text, /^\d{6} is your code[\s\S]*\n\n@crm\.example\.com #\d{6}$/)
  const view = await house.signIn.pending(half)
  t.match(view, {
    mode: 'verify',
    methods: [{ use: 'sms', label: 'Text message', to: '...143', sends: 'code' }],
    triesLeft: 5,
    sent: { code: { via: 'sms', to: '...143', state: 'sent', secondsLeft: 300 }, waitSeconds: 60 },
  })
  const code = codeIn(post.texts[1]?.text)
  t.match(await house.signIn.answer(half, other(code), client()), { outcome: 'wrong', triesLeft: 4 })
  t.match(await house.signIn.answer(half, `${code.slice(0, 3)} ${code.slice(3)}`, client()), {
    outcome: 'session',
    returnTo: '/wanted',
    session: { via: ['password', 'sms'] },
  })
  t.same(await house.signIn.answer(half, code, client()), { outcome: 'expired' }, 'once')
  t.ok((await events(house, id)).includes('code.sent success'))
  t.ok((await events(house, id)).includes('factor.enrolled success'))
})

t.test('the store alone does not tell the code: a million tries with everything in it find nothing', async (t) => {
  const house = await phones(t)
  await house.addUser('ada')
  await house.enrol('ada', 'sms')
  house.later()
  const half = await begin(house, 'ada')
  const code = codeIn(house.post.texts.at(-1)?.text)
  const rows = await house.store.list('', { limit: 1000 })
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
  const house = await phones(t)
  for (const [method, seconds] of [
    ['sms', 300],
    ['email', 600],
  ] as const) {
    const name = `${method}-user`
    await house.addUser(name, {
      mobile: method === 'sms' ? '+12025550143' : '+12025550144',
      email: `${name}@example.com`,
    })
    await house.enrol(name, method)
    house.later()
    const newest = () => codeIn(method === 'sms' ? house.post.texts.at(-1)?.text : house.post.mails.at(-1)?.text)
    const late = await begin(house, name)
    const code = newest()
    house.clock.forward(seconds - 1)
    t.match((await house.signIn.pending(late))?.sent?.code?.secondsLeft, 1, `${method}: still good`)
    house.clock.forward(1)
    if (method === 'sms') {
      t.same(await house.signIn.answer(late, code, client()), { outcome: 'no-code' })
      t.match((await house.signIn.pending(late))?.sent, { isOver: true, waitSeconds: 0 })
      t.equal((await house.signIn.pending(late))?.triesLeft, 5, 'what is not judged is no guess')
    } else {
      t.same(await house.signIn.answer(late, code, client()), { outcome: 'expired' }, 'as long as the sign-in itself')
    }
    house.later()
    const timely = await begin(house, name)
    house.clock.forward(seconds - 1)
    t.match(await house.signIn.answer(timely, newest(), client()), { outcome: 'session' })
  }
})

t.test('a new code kills the old one, and the server decides when there is one', async (t) => {
  const house = await phones(t)
  await house.addUser('ada')
  await house.enrol('ada', 'sms')
  house.later()
  const half = await begin(house, 'ada')
  const first = codeIn(house.post.texts.at(-1)?.text)
  house.clock.forward(20)
  t.same(await house.signIn.send(half, client()), { outcome: 'wait', retryAfterSeconds: 40 })
  t.match(
    await house.signIn.pending(half),
    { sent: { waitSeconds: 40, code: { state: 'sent' } } },
    'the first still counts',
  )
  house.clock.forward(40)
  t.match(await house.signIn.send(half, client()), { outcome: 'sent', via: 'sms', to: '...143' })
  const second = codeIn(house.post.texts.at(-1)?.text)
  if (first !== second) t.match(await house.signIn.answer(half, first, client()), { outcome: 'wrong' })
  t.match(await house.signIn.answer(half, second, client()), { outcome: 'session' })
})

t.test('a code that was asked for late lives its whole life: the sign-in waits for it, but not for ever', async (t) => {
  const house = await phones(t, { limits: { ...generous } })
  await house.addUser('ada')
  await house.enrol('ada', 'email')
  house.later()
  const half = await begin(house, 'ada')
  house.clock.forward(9 * 60)
  t.match(await house.signIn.send(half, client()), { outcome: 'sent', lifetimeSeconds: 600 })
  house.clock.forward(9 * 60)
  t.match(await house.signIn.pending(half), { sent: { code: { secondsLeft: 60 } } })
  for (const minutes of [0, 9]) {
    house.clock.forward(minutes * 60)
    await house.signIn.send(half, client())
  }
  house.clock.forward(3 * 60)
  t.equal(await house.signIn.pending(half), undefined, 'half an hour after the password it is over')
})

t.test('a code is worth nothing in another browser, for another purpose, or after a revocation', async (t) => {
  const house = await phones(t, { limits: { ...generous, waitSeconds: 1 } })
  const { post } = house
  const id = await house.addUser('ada')
  // Taking over: the code of the enrolment, sent in one browser, tried in another one's sign-in after enrolling there.
  const one = await begin(house, 'ada', 'enrol')
  await house.signIn.beginEnrolment(one, 'sms')
  await house.signIn.send(one, client())
  const enrolmentCode = codeIn(post.texts.at(-1)?.text)
  house.clock.forward(2)
  const another = await begin(house, 'ada', 'enrol')
  await house.signIn.beginEnrolment(another, 'sms')
  t.same(await house.signIn.confirmEnrolment(another, enrolmentCode, client()), { outcome: 'no-code' })
  await house.signIn.send(another, client())
  t.match(await house.signIn.confirmEnrolment(another, enrolmentCode, client()), { outcome: 'wrong' })
  t.match(await house.signIn.confirmEnrolment(another, codeIn(post.texts.at(-1)?.text), client()), {
    outcome: 'session',
  })
  t.same(await house.signIn.confirmEnrolment(one, enrolmentCode, client()), { outcome: 'expired' })

  house.clock.forward(2)
  const mine = await begin(house, 'ada')
  const code = codeIn(post.texts.at(-1)?.text)
  house.clock.forward(2)
  const theirs = await begin(house, 'ada')
  if (enrolmentCode !== code) t.match(await house.signIn.answer(mine, enrolmentCode, client()), { outcome: 'wrong' })
  t.match(await house.signIn.answer(theirs, code, client()), { outcome: 'wrong' })
  await house.accounts.endAll(id)
  t.same(await house.signIn.answer(mine, code, client()), { outcome: 'expired' })
  house.later()
  const last = await begin(house, 'ada')
  await house.accounts.deactivate(id)
  t.same(await house.signIn.answer(last, codeIn(post.texts.at(-1)?.text), client()), { outcome: 'expired' })
})

t.test('five wrong answers, by whatever method, and no further one is judged', async (t) => {
  const house = await phones(t)
  const id = await house.addUser('ada')
  await house.enrol('ada', 'sms')
  house.later()
  const half = await begin(house, 'ada')
  const code = codeIn(house.post.texts.at(-1)?.text)
  for (const triesLeft of [4, 3, 2, 1]) {
    t.match(await house.signIn.answer(half, other(code), client()), { outcome: 'wrong', triesLeft })
  }
  await house.signIn.answer(half, other(code), client())
  t.match(await house.signIn.answer(half, code, client()), { outcome: 'throttled', retryAfterSeconds: 900 })
  t.ok((await events(house, id)).includes('throttle.on success'))
  house.clock.forward(61)
  const texts = house.post.texts.length
  t.match(await house.signIn.send(half, client()), { outcome: 'throttled' })
  await begin(house, 'ada')
  t.equal(house.post.texts.length, texts, 'a code that nobody could use is not paid for')
  house.clock.forward(15 * 60)
  const next = await begin(house, 'ada')
  const fresh = codeIn(house.post.texts.at(-1)?.text)
  t.match(await house.signIn.answer(next, fresh, client()), { outcome: 'session' })
})

t.test('fifty right answers at once over two gateways open one session', async (t) => {
  const house = await phones(t)
  const beside = await house.beside()
  await house.addUser('ada')
  await house.enrol('ada', 'sms')
  house.later()
  const half = await begin(house, 'ada')
  const code = codeIn(house.post.texts.at(-1)?.text)
  const gates = [house.signIn, beside.signIn]
  const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => gates[i % 2]?.answer(half, code, client())))
  t.equal(answers.filter((answer) => answer?.outcome === 'session').length, 1)
})

t.test('the user picks: the preferred method first, the others by choice, one budget of guesses', async (t) => {
  const house = await phones(t, { limits: { ...generous, waitSeconds: 60 } })
  const { post } = house
  const id = await house.addUser('ada')
  await house.enrol('ada', 'sms')
  const account = await house.accounts.find(id)
  if (account === undefined) return
  const add = async (method: string, enrolment: null | { secret: string; lastStep: number }) => {
    const now = await house.accounts.find(id)
    return now && (await house.enrolments.activate(now, { method, name: method, enrolment }))
  }
  const secret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'
  const app = await add('totp', { secret, lastStep: -1 })
  const mail = await add('email', null)
  await house.accounts.change(id, (now) => ({ ...now, preferred: mail?.id ?? '' }))
  house.later()
  const mails = post.mails.length
  const half = await begin(house, 'ada')
  t.equal(post.mails.length, mails + 1, 'the preferred one is asked first')
  t.match((await house.signIn.pending(half))?.methods, [
    { use: 'email', to: 'a…@e…' },
    { use: 'sms', to: '...143' },
    { use: 'totp' },
  ])
  t.match(await house.signIn.answer(half, '000000', client()), { triesLeft: 4 })
  t.same(await house.signIn.choose(half, app?.id ?? '', client()), { outcome: 'chosen' })
  t.match(await house.signIn.answer(half, '000000', client()), { triesLeft: 3 })
  const texting = account.enrolled[0]?.id ?? ''
  const held = await house.signIn.choose(half, texting, client())
  t.match(held, { outcome: 'chosen', sending: { outcome: 'wait', retryAfterSeconds: 60 } })
  const view = await house.signIn.pending(half)
  t.match(view, { method: texting, sent: { code: { via: 'email' }, waitSeconds: 60 } }, 'the mailed code is still good')
  house.clock.forward(60)
  t.match(await house.signIn.send(half, client()), { outcome: 'sent', via: 'sms' })
  const texts = post.texts.length
  t.same(await house.signIn.choose(half, texting, client()), { outcome: 'chosen' }, 'a good code is not sent twice')
  t.equal(post.texts.length, texts)
  t.match(await house.signIn.answer(half, codeIn(post.texts.at(-1)?.text), client()), {
    outcome: 'session',
    session: { via: ['password', 'sms'] },
  })
  t.same(await house.signIn.choose(half, texting, client()), { outcome: 'expired' })

  house.later()
  const again = await begin(house, 'ada')
  await house.signIn.choose(again, app?.id ?? '', client())
  t.match(await house.signIn.answer(again, codeAt(secret, house.clock.ms), client()), { outcome: 'session' })
})

t.test('a text message that fails goes by mail, which says where and why', async (t) => {
  const failures = [
    new TransportError('refused', 'no'),
    new TransportError('unavailable', 'busy', { retryAfterSeconds: 60 }),
    new TransportError('unknown', 'silence'),
    new Error('nonsense'),
  ]
  for (const failure of failures) {
    const house = await phones(t)
    const id = await house.addUser('ada')
    await house.enrol('ada', 'sms')
    house.later()
    house.post.onText = async () => {
      throw failure
    }
    const half = await begin(house, 'ada')
    const view = await house.signIn.pending(half)
    const reason = failure instanceof TransportError ? failure.reason : 'unknown'
    t.match(view?.sent?.code, { via: 'email', to: 'a…@e…', state: 'sent', fellBack: reason, secondsLeft: 600 })
    t.ok((await events(house, id)).includes(`code.fallback success ${reason}`))
    house.clock.forward(599)
    const code = codeIn(house.post.mails.at(-1)?.text)
    t.match(await house.signIn.answer(half, code, client()), { outcome: 'session' }, 'it lives as long as a mail')
  }
})

t.test('without the way round by mail the page knows that nothing was sent', async (t) => {
  const cases = [
    { settings: { fallback: false }, person: ada },
    { settings: {}, person: { mobile: '+12025550143' } },
  ]
  for (const { settings, person } of cases) {
    const house = await phones(t, settings)
    await house.addUser('ada', person)
    await house.enrol('ada', 'sms')
    house.later()
    house.post.onText = async () => {
      throw new TransportError('refused', 'no')
    }
    const half = await begin(house, 'ada')
    t.match(await house.signIn.pending(half), { sent: { trouble: { outcome: 'failed' }, waitSeconds: 60 } })
    t.equal((await house.signIn.pending(half))?.sent?.code, undefined)
    t.same(await house.signIn.answer(half, '123456', client()), { outcome: 'no-code' })
    house.post.onText = async () => undefined
    house.clock.forward(60)
    t.match(await house.signIn.send(half, client()), { outcome: 'sent', via: 'sms' })
    t.equal((await house.signIn.pending(half))?.sent?.trouble, undefined)
    const code = codeIn(house.post.texts.at(-1)?.text)
    t.match(await house.signIn.answer(half, code, client()), { outcome: 'session' })
  }
})

t.test('a provider that may have taken the message: the code is good if it arrives', async (t) => {
  const house = await phones(t, { fallback: false })
  await house.addUser('ada')
  await house.enrol('ada', 'sms')
  house.later()
  let text = ''
  house.post.onText = async (message) => {
    text = message.text
    throw new TransportError('unknown', 'the line broke')
  }
  const half = await begin(house, 'ada')
  t.match((await house.signIn.pending(half))?.sent?.code, { state: 'unsure', via: 'sms' })
  t.match(await house.signIn.answer(half, codeIn(text), client()), { outcome: 'session' })
})

t.test('over the limits of the number the code goes by mail, and over those of the account nothing does', async (t) => {
  const house = await phones(t, { limits: { ...generous, numberPerHour: 1, accountPerHour: 2 } })
  const id = await house.addUser('ada')
  await house.enrol('ada', 'sms')
  house.clock.forward(61)
  const half = await begin(house, 'ada')
  t.match((await house.signIn.pending(half))?.sent?.code, { via: 'email', fellBack: 'over-budget' })
  t.ok((await events(house, id)).includes('code.fallback success over-budget'))
  const code = codeIn(house.post.mails.at(-1)?.text)
  house.clock.forward(61)
  t.match(await house.signIn.send(half, client()), { outcome: 'sent', via: 'email' })
  house.clock.forward(61)
  t.match(await house.signIn.send(half, client()), { outcome: 'limited', limit: 'account' })
  const view = await house.signIn.pending(half)
  t.match(view?.sent, { trouble: { outcome: 'limited', limit: 'account' }, code: { via: 'email' } })
  const newest = codeIn(house.post.mails.at(-1)?.text)
  if (code !== newest) t.match(await house.signIn.answer(half, code, client()), { outcome: 'wrong' })
  t.match(await house.signIn.answer(half, newest, client()), { outcome: 'session' }, 'the last that was sent is good')
})

t.test(
  'enrolling by text message: only with a number that is served, never by way of mail, active when it came back',
  async (t) => {
    const house = await phones(t, { limits: { ...generous } })
    const people = [
      ['no number', {}, []],
      ['a mail address', { email: 'a@example.com' }, ['email']],
      ['a fixed line elsewhere', { mobile: '+442071838750' }, []],
      ['+1 is the Caribbean as well', { mobile: '+18765550143' }, []],
      ['a mobile in the US', { mobile: '+12025550143' }, ['sms']],
    ] as const
    for (const [name, person, uses] of people) {
      await house.addUser(name, person)
      const half = await begin(house, name, 'enrol')
      const view = await house.signIn.pending(half)
      t.same(
        view?.methods.map(({ use }) => use),
        ['totp', ...uses],
        name,
      )
      if (!uses.some((use) => use === 'sms')) t.equal(await house.signIn.beginEnrolment(half, 'sms'), undefined)
    }
    const id = await house.addUser('ada')
    const half = await begin(house, 'ada', 'enrol')
    t.same(await house.signIn.send(half, client()), { outcome: 'expired' }, 'nothing is chosen')
    t.match(await house.signIn.beginEnrolment(half, 'sms'), { show: null, sent: { isOver: false, waitSeconds: 0 } })
    t.equal(house.post.texts.length, 0, 'looking at the page sends nothing')
    house.post.onText = async () => {
      throw new TransportError('refused', 'no')
    }
    t.match(await house.signIn.send(half, client()), { outcome: 'failed', reason: 'refused' })
    t.equal(house.post.mails.length, 0, 'a mail proves nothing about the number')
    house.post.onText = async () => undefined
    house.clock.forward(61)
    t.match(await house.signIn.send(half, client()), { outcome: 'sent', via: 'sms' })
    t.match(house.post.texts.at(-1)?.text, /^\d{6} confirms this number/)
    const code = codeIn(house.post.texts.at(-1)?.text)
    t.match(await house.signIn.confirmEnrolment(half, other(code), client()), { outcome: 'wrong' })
    t.same((await house.accounts.find(id))?.enrolled, [])
    // A code to the phone must not take over the mail address.
    await house.signIn.beginEnrolment(half, 'email')
    t.same(await house.signIn.confirmEnrolment(half, code, client()), { outcome: 'no-code' })
    await house.signIn.beginEnrolment(half, 'sms')
    t.match(await house.signIn.confirmEnrolment(half, code, client()), { outcome: 'session' })
    t.match((await house.accounts.find(id))?.enrolled, [{ method: 'sms' }])

    const now = await begin(house, 'ada')
    t.match(
      (await house.signIn.pending(now))?.sent?.code,
      { state: 'sent' },
      'the code of the enrolment does not hold it up',
    )
    const next = await begin(house, 'ada')
    t.match((await house.signIn.pending(next))?.sent, { waitSeconds: 60 }, 'the one after that it does')
  },
)

t.test('a slow provider holds the page for a while only, and the page hears of it later', async (t) => {
  const house = await phones(t, { patience: 100 })
  await house.addUser('ada')
  await house.enrol('ada', 'sms')
  house.later()
  let arrive: (() => void) | undefined
  house.post.onText = () =>
    new Promise((resolve) => {
      arrive = resolve
    })
  const half = await begin(house, 'ada')
  await until('the text message to be handed over', () => arrive !== undefined)
  t.match((await house.signIn.pending(half))?.sent?.code, { state: 'sending' })
  arrive?.()
  await until('the code to be sent', async () => (await house.signIn.pending(half))?.sent?.code?.state === 'sent')
  await house.settled()
  const code = codeIn(house.post.texts.at(-1)?.text)
  t.match(await house.signIn.answer(half, code, client()), { outcome: 'session' })

  house.later()
  const before = arrive
  const lost = await begin(house, 'ada')
  await until('the next one to be handed over', () => arrive !== before)
  house.clock.forward(61)
  t.match((await house.signIn.pending(lost))?.sent?.code, { state: 'unsure' }, 'nobody waits for ever')
  arrive?.()
  await house.settled()
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
}
