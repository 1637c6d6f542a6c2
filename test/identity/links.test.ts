import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import email from '../../plugins/second-factors/email.js'
import magicLink from '../../plugins/second-factors/magic-link.js'
import sms from '../../plugins/second-factors/sms.js'
import totp from '../../plugins/second-factors/totp.js'
import embedded from '../../plugins/stores/embedded.js'
import {
  type Json,
  type Mail,
  type MailTransport,
  type SecondFactor,
  type Store,
  TransportError,
} from '../../src/contracts.js'
import type { Account } from '../../src/identity/accounts/account.js'
import type { LinkOutcome, Redemption } from '../../src/identity/sign-in/link-sign-in.js'
import type { Ask } from '../../src/identity/sign-in/sign-in.js'
import {
  add,
  Clock,
  client,
  codeAt,
  enrolApp,
  halfWay,
  identityHost,
  overStore,
  type Rooms,
  tryPassword,
} from '../support/core.js'
import { build, lentHost } from '../support/lent-host.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import type { LinkRace } from './links-process.js'

interface Post extends Rooms {
  /** Where the store is. */
  readonly path: string
  readonly mails: Mail[]
  /** What the mail server does with the next mails. */
  onMail: () => Promise<void>
}

interface Settings {
  readonly countsAs?: 'password' | 'second-factor' | 'both'
  readonly signIn?: boolean
}

/** The rooms with every method, a mailbox, and a provider of text messages that is down. */
async function post(t: Test, magic: Settings = {}): Promise<Post> {
  const clock = new Clock()
  const path = await temporaryDirectory(t)
  const store = await build(embedded, { path }, lentHost({ now: clock.now }))
  t.teardown(() => store.close())
  const box = { path, mails: [] as Mail[], onMail: async () => {} }
  const mail: MailTransport = {
    async send(message) {
      await box.onMail()
      box.mails.push(message)
    },
  }
  const broken = { send: async () => Promise.reject(new TransportError('refused', 'no such number')) }
  const host = lentHost({ now: clock.now, mail, load: async () => broken as never })
  const factors = new Map<string, SecondFactor>([
    ['totp', await build(totp, {}, identityHost(store, clock))],
    ['sms', await build(sms, { countries: ['US'], transport: { use: 'outbox' } }, host)],
    ['email', await build(email, {}, host)],
    ['magic-link', await build(magicLink, magic, host)],
  ])
  return Object.assign(box, await overStore(t, store, clock, { factors, mail }))
}

/** The token of the link in the newest mail. */
function tokenIn(mail: Mail | undefined): string {
  return /\/link\?token=([\w-]{43})\s/.exec(mail?.text ?? '')?.[1] ?? 'there is no link in it'
}

const HERE = 'a'.repeat(43)
const ELSEWHERE = 'b'.repeat(43)

function redemption(more: Partial<Redemption> & { ask?: Ask } = {}): Redemption {
  const { ask = 'none', ...rest } = more
  return { pendingToken: HERE, isConfirmed: false, returnTo: '/', policy: () => ask, client: client(), ...rest }
}

function redeem(p: Post, token: string, more?: Partial<Redemption> & { ask?: Ask }): Promise<LinkOutcome> {
  return p.linkSignIn.redeem(token, redemption(more))
}

/** Asks the login helper by username, and gives back the link that came. */
async function helped(p: Post, username: string, pendingToken = HERE): Promise<string> {
  p.helpDesk.askForLink(username, { client: client(), pendingToken })
  await p.settled()
  return tokenIn(p.mails.at(-1))
}

/** Takes a method over by the code in its mail. */
async function enrolByMail(p: Post, username: string, method: 'email' | 'magic-link'): Promise<void> {
  const pendingToken = await halfWay(p, username, { ask: 'enrol' })
  await p.signIn.beginEnrolment(pendingToken, method)
  await p.signIn.send(pendingToken, client())
  const done = await p.signIn.confirmEnrolment(pendingToken, codeIn(p.mails.at(-1)), client())
  if (done.outcome !== 'session') throw new Error(`the enrolment ended with ${done.outcome}`)
  p.clock.forward(3600)
}

function codeIn(mail: Mail | undefined): string {
  return /^ {2}(\d{6})$/m.exec(mail?.text ?? '')?.[1] ?? 'there is no code in it'
}

async function everything(store: Store): Promise<string> {
  const rows: Array<readonly [string, Json]> = []
  for (let after: string | undefined; ; ) {
    const page = await store.list('', after === undefined ? {} : { after })
    rows.push(...page)
    if (page.length === 0) return JSON.stringify(rows)
    after = page.at(-1)?.[0]
  }
}

t.test('a link signs in once, and its token is kept nowhere', async (t) => {
  const p = await post(t)
  await add(p, 'ada', { email: 'ada@example.com' })
  const token = await helped(p, 'Ada')
  t.equal(p.mails[0]?.to, 'ada@example.com')
  t.match(p.mails[0]?.text, `https://crm.example.com/.gatelodge/link?token=${token}`)
  t.notMatch(await everything(p.store), token, 'the store knows its hash alone')
  for (let looked = 0; looked < 3; looked++) {
    t.match(await p.linkSignIn.look(token, HERE), { state: /^here$/, kind: 'login', username: 'ada' })
  }
  const result = await redeem(p, token)
  t.equal(result.outcome, 'session')
  t.match(result, { session: { via: ['login-link'], passwordAt: p.clock.ms, secondFactorAt: undefined } })
  t.same(await redeem(p, token), { outcome: 'over' })
  t.same(await p.linkSignIn.look(token, HERE), { state: 'over' })
  t.notMatch(JSON.stringify(p.lines), token, 'nor in any line of the log')
  const events = (await p.audit.recent(p.mails.length > 0 ? await idOf(p, 'ada') : '')).map(
    ({ event, outcome, method }) => [event, outcome, method].join(' '),
  )
  t.ok(events.includes('sign-in.link success login-link'), String(events))
})

async function idOf(p: Rooms, username: string): Promise<string> {
  return (await p.directory.find({ username }))[0]?.id ?? ''
}

t.test('fifty tries at once over two processes: one wins', async (t) => {
  const p = await post(t)
  await add(p, 'ada', { email: 'ada@example.com' })
  const token = await helped(p, 'ada')
  const script = fileURLToPath(new URL('./links-process.js', import.meta.url))
  const race: LinkRace = { path: p.path, token, tries: 25, at: p.clock.ms }
  const processes = [fork(script), fork(script)]
  t.teardown(() => processes.map((each) => each.kill('SIGKILL')))
  const answer = async (message: LinkRace | 'go') => {
    const answers = processes.map((each) => once(each, 'message'))
    for (const each of processes) each.send(message)
    return (await Promise.all(answers)).map(([said]) => said as number | 'ready')
  }
  await answer(race)
  const won = (await answer('go')) as number[]
  t.equal(
    won.reduce((sum, each) => sum + each),
    1,
    `${won}`,
  )
  t.same(await redeem(p, token), { outcome: 'over' })
})

t.test('a link is over when its time is', async (t) => {
  const p = await post(t)
  const account = await add(p, 'ada', { email: 'ada@example.com' })
  const short = await helped(p, 'ada')
  p.clock.forward(10 * 60 - 1)
  t.match(await p.linkSignIn.look(short, HERE), { state: /^here$/ })
  p.clock.forward(1)
  t.same(await redeem(p, short), { outcome: 'over' })
  const [user] = await p.directory.find({ username: 'ada' })
  t.same(user && (await p.support.sendLoginLink({ user, account })), { outcome: 'sent' })
  const long = tokenIn(p.mails.at(-1))
  t.match(p.mails.at(-1)?.text, 'for 24 hours')
  p.clock.forward(24 * 3600 - 1)
  t.match(await p.linkSignIn.look(long, HERE), { state: 'elsewhere' }, 'nobody asked for it by a browser')
  p.clock.forward(1)
  t.same(await redeem(p, long, { isConfirmed: true }), { outcome: 'over' })
})

const revocations: ReadonlyArray<readonly [string, (p: Post, account: Account) => Promise<unknown>]> = [
  ['deactivation', (p, { id }) => p.accounts.deactivate(id)],
  [
    'deactivation that was taken back',
    async (p, { id }) => [await p.accounts.deactivate(id), await p.accounts.activate(id)],
  ],
  ['the end of all sessions of the account', (p, { id }) => p.sessions.endAll(id)],
  ['the end of all sessions of everybody', (p) => p.sessions.clear()],
  ['the account becoming a program', (p, { id }) => p.accounts.change(id, (now) => ({ ...now, role: 'api' }))],
  ['a reset of the second factor', (p, { id }) => p.enrolments.reset(id)],
]
for (const [what, revoke] of revocations) {
  t.test(`a link dies with ${what}`, async (t) => {
    const p = await post(t)
    const account = await add(p, 'ada', { email: 'ada@example.com' })
    const token = await helped(p, 'ada')
    t.match(await p.linkSignIn.look(token, HERE), { state: /^here$/ })
    await revoke(p, account)
    t.same(await p.linkSignIn.look(token, HERE), { state: 'over' })
    t.same(await redeem(p, token), { outcome: 'over' })
  })
}

t.test('a new link replaces the one before from the same browser, and a stranger’s does not', async (t) => {
  const p = await post(t)
  await add(p, 'ada', { email: 'ada@example.com' })
  const first = await helped(p, 'ada')
  const strangers = await helped(p, 'ada', ELSEWHERE)
  t.match(await p.linkSignIn.look(first, HERE), { state: /^here$/ })
  const second = await helped(p, 'ada')
  t.same(await p.linkSignIn.look(first, HERE), { state: 'over' })
  t.equal((await redeem(p, second)).outcome, 'session')
  t.same(
    await p.linkSignIn.look(strangers, ELSEWHERE),
    { state: 'over' },
    'what could be used in its place dies with it',
  )
})

t.test('three an hour go to one mailbox, and a fourth that is not sent voids nothing', async (t) => {
  const p = await post(t)
  await add(p, 'ada', { email: 'ada@example.com' })
  for (let asked = 0; asked < 6; asked++) await helped(p, 'ada')
  t.equal(p.mails.length, 3)
  t.match(await p.linkSignIn.look(tokenIn(p.mails.at(-1)), HERE), { state: /^here$/ })
  p.helpDesk.askForUsernames('ada@example.com', client('198.51.100.9'))
  await p.settled()
  t.equal(p.mails.length, 3, 'whatever is asked for, and from wherever')
  p.clock.forward(3600)
  await helped(p, 'ada')
  t.equal(p.mails.length, 4)
})

t.test('the helper writes to people who can sign in, and says to an address that it has no account', async (t) => {
  const p = await post(t)
  await add(p, 'ada', { email: 'both@example.com' })
  await add(p, 'grace', { email: 'Both@example.com' })
  const gone = await add(p, 'gone', { email: 'gone@example.com' })
  await p.accounts.deactivate(gone.id)
  await add(p, 'robot', { email: 'robot@example.com', role: 'api' })
  await add(p, 'mute')
  const asks = {
    both: 'BOTH@example.com',
    none: 'nobody@example.com',
    gone: 'gone@example.com',
    robot: 'robot@example.com',
  }
  for (const address of Object.values(asks)) p.helpDesk.askForUsernames(address, client())
  await p.settled()
  const told = p.mails.map(({ to, subject }) => `${to}: ${subject}`).sort()
  t.same(told, [
    'Both@example.com: Your username for Riverside CRM',
    'both@example.com: Your username for Riverside CRM',
    'nobody@example.com: No account for this address at Riverside CRM',
  ])
  t.match(p.mails.find(({ to }) => to === 'both@example.com')?.text, '  ada\n')
  t.notMatch(p.mails.find(({ to }) => to === 'both@example.com')?.text, 'grace', 'each address hears of its own')
  for (const name of ['gone', 'robot', 'mute', 'nobody', '']) await helped(p, name)
  t.equal(p.mails.length, 3)
  t.notMatch(JSON.stringify([p.lines, await everything(p.store)]), /nobody@example/, 'what strangers type is not kept')
})

t.test('in a browser that did not ask, a link wants to be confirmed', async (t) => {
  const p = await post(t)
  await add(p, 'ada', { email: 'ada@example.com' })
  const token = await helped(p, 'ada')
  t.match(await p.linkSignIn.look(token, ELSEWHERE), { state: 'elsewhere', username: 'ada' })
  t.match(await p.linkSignIn.look(token, undefined), { state: 'elsewhere' })
  t.same(await redeem(p, token, { pendingToken: ELSEWHERE }), { outcome: 'unconfirmed' })
  t.equal((await redeem(p, token, { pendingToken: ELSEWHERE, isConfirmed: true })).outcome, 'session')
})

t.test('a place that may not sign in uses nothing up', async (t) => {
  const p = await post(t)
  await add(p, 'ada', { email: 'ada@example.com' })
  const token = await helped(p, 'ada')
  t.same(await redeem(p, token, { ask: 'deny' }), { outcome: 'over' })
  t.equal((await redeem(p, token)).outcome, 'session')
})

t.test('the session this browser had ends, and a revocation between mail and button leaves nothing open', async (t) => {
  const p = await post(t)
  const account = await add(p, 'ada', { email: 'ada@example.com' })
  const before = await tryPassword(p, 'ada')
  const sessionToken = before.outcome === 'session' ? before.token : ''
  const result = await redeem(p, await helped(p, 'ada'), { sessionToken })
  t.equal(await p.sessions.find(sessionToken), undefined)
  t.ok(result.outcome === 'session' && (await p.sessions.find(result.token)))
  const token = await helped(p, 'ada')
  const proven = p.linkSignIn.redeem(token, redemption())
  await p.sessions.endAll(account.id)
  const raced = await proven
  t.notOk(raced.outcome === 'session' && (await p.sessions.find(raced.token)), 'whichever came first')
})

t.test('after a login link an app is asked for, and mail is not: it would prove the same mailbox twice', async (t) => {
  const p = await post(t)
  await add(p, 'app', { email: 'app@example.com' })
  const { key } = await enrolApp(p, 'app')
  await add(p, 'mail', { email: 'mail@example.com' })
  await enrolByMail(p, 'mail', 'email')
  await enrolByMail(p, 'app', 'magic-link').catch(() => undefined)
  p.clock.forward(60)

  const half = await redeem(p, await helped(p, 'app'), { ask: 'second-factor' })
  const appToken = 'pendingToken' in half ? half.pendingToken : ''
  t.equal(half.outcome, 'verify')
  const answered = await p.signIn.answer(appToken, codeAt(key, p.clock.ms), client())
  t.match(answered, { outcome: 'session', session: { via: ['login-link', 'totp'] } })

  const sent = p.mails.length
  const stuck = await redeem(p, await helped(p, 'mail'), { ask: 'second-factor' })
  const view = await p.signIn.pending('pendingToken' in stuck ? stuck.pendingToken : '')
  t.match(view, { mode: 'verify', mailProvesNothing: true })
  t.same(view?.methods, [])
  t.equal(p.mails.length, sent + 1, 'the link and no code')
  const id = (await p.accounts.find(await idOf(p, 'mail')))?.enrolled[0]?.id ?? ''
  const chosen = await p.signIn.choose('pendingToken' in stuck ? stuck.pendingToken : '', id, client())
  t.same(chosen, { outcome: 'expired' }, 'nor by asking for it')

  const typed = await halfWay(p, 'mail')
  t.equal((await p.signIn.pending(typed))?.methods.length, 1, 'after the password it is another proof')
})

t.test('after a login link a text message that fails does not become a mail', async (t) => {
  const p = await post(t)
  const account = await add(p, 'ada', { email: 'ada@example.com', mobile: '+12025550123' })
  await p.enrolments.activate(account, { method: 'sms', name: 'SMS', enrolment: null })
  const typed = await halfWay(p, 'ada')
  t.equal(p.mails.length, 1, 'after the password it does')
  t.match(await p.signIn.pending(typed), { sent: { code: { via: 'email' } } })
  p.clock.forward(3600)
  const half = await redeem(p, await helped(p, 'ada'), { ask: 'second-factor' })
  t.equal(p.mails.length, 2, 'the link alone')
  const view = await p.signIn.pending('pendingToken' in half ? half.pendingToken : '')
  t.match(view?.sent, { trouble: { outcome: 'failed' }, code: undefined })
})

t.test(
  'a link is the second step in the browser that gave the password, and the code beside it the same',
  async (t) => {
    const p = await post(t)
    await add(p, 'ada', { email: 'ada@example.com' })
    await enrolByMail(p, 'ada', 'magic-link')
    const pendingToken = await halfWay(p, 'ada')
    const token = tokenIn(p.mails.at(-1))
    t.match(await p.signIn.pending(pendingToken), { methods: [{ use: 'magic-link', sends: 'link' }] })
    t.match(await p.linkSignIn.look(token, pendingToken), { state: /^here$/, purpose: 'second-factor' })
    t.same(await p.linkSignIn.look(token, ELSEWHERE), { state: 'other-browser' })
    t.same(
      await redeem(p, token, { pendingToken: ELSEWHERE, isConfirmed: true }),
      { outcome: 'over' },
      'and no confirming',
    )
    t.match(await p.signIn.answer(pendingToken, token, client()), { outcome: 'wrong' }, 'a link is no code')
    const code = codeIn(p.mails.at(-1))
    t.same(await redeem(p, code, { pendingToken }), { outcome: 'over' }, 'a code is no link')
    const result = await redeem(p, token, { pendingToken })
    t.match(result, { outcome: 'session', returnTo: '/wanted', session: { via: ['password', 'magic-link'] } })
    t.ok(result.outcome === 'session' && result.session.secondFactorAt)
    t.match(await p.signIn.answer(pendingToken, code, client()), { outcome: 'expired' }, 'the code went with it')
    t.same(await redeem(p, token, { pendingToken }), { outcome: 'over' })

    p.clock.forward(3600)
    const again = await halfWay(p, 'ada')
    const other = tokenIn(p.mails.at(-1))
    t.match(await p.signIn.answer(again, codeIn(p.mails.at(-1)), client()), { outcome: 'session' })
    t.same(await p.linkSignIn.look(other, again), { state: 'over' }, 'and the link goes with the code')
    t.same(await redeem(p, other, { pendingToken: again }), { outcome: 'over' })
  },
)

t.test('a new link for the second step voids the one before', async (t) => {
  const p = await post(t)
  await add(p, 'ada', { email: 'ada@example.com' })
  await enrolByMail(p, 'ada', 'magic-link')
  const pendingToken = await halfWay(p, 'ada')
  const first = tokenIn(p.mails.at(-1))
  t.match(await p.signIn.send(pendingToken, client()), { outcome: 'wait' })
  t.match(await p.linkSignIn.look(first, pendingToken), { state: /^here$/ }, 'not while nothing is sent')
  p.clock.forward(60)
  t.match(await p.signIn.send(pendingToken, client()), { outcome: 'sent' })
  t.same(await p.linkSignIn.look(first, pendingToken), { state: 'over' })
  t.match(await p.linkSignIn.look(tokenIn(p.mails.at(-1)), pendingToken), { state: /^here$/ })
})

t.test('a link in place of the password goes only where the operator says so, and proves what he says', async (t) => {
  const off = await post(t)
  await add(off, 'ada', { email: 'ada@example.com' })
  t.equal(off.linkSignIn.isOffered, false)
  off.linkSignIn.askFor('ada', { client: client(), pendingToken: HERE, returnTo: '/wanted' })
  await off.settled()
  t.equal(off.mails.length, 0)

  for (const countsAs of ['password', 'both'] as const) {
    const p = await post(t, { signIn: true, countsAs })
    await add(p, 'ada', { email: 'ada@example.com' })
    await enrolApp(p, 'ada')
    for (const name of ['ada', 'nobody', 'ada']) {
      p.linkSignIn.askFor(name, { client: client(), pendingToken: HERE, returnTo: '/wanted' })
      await p.settled()
    }
    const links = () => p.mails.filter(({ subject }) => subject === 'Your sign-in link for Riverside CRM')
    t.equal(links().length, 1, 'one a minute')
    const token = tokenIn(links()[0])
    t.match(await p.linkSignIn.look(token, HERE), { kind: 'magic', purpose: 'sign-in', returnTo: '/wanted' })
    const result = await redeem(p, token, { ask: 'second-factor' })
    if (countsAs === 'password') t.equal(result.outcome, 'verify')
    else t.match(result, { outcome: 'session', session: { via: ['magic-link'], secondFactorAt: p.clock.ms } })
    await add(p, 'eve', { email: 'eve@example.com' })
    p.linkSignIn.askFor('eve', { client: client(), pendingToken: HERE, returnTo: '/' })
    await p.settled()
    const bare = await redeem(p, tokenIn(links().at(-1)), { ask: 'enrol' })
    t.equal(bare.outcome, 'enrol', 'it is no enrolment')
  }
})

t.test('support’s message: a link for the user, gone when the mail could not be sent', async (t) => {
  const p = await post(t)
  const account = await add(p, 'ada', { email: 'ada@example.com' })
  const [user] = await p.directory.find({ username: 'ada' })
  if (user === undefined) return
  const to = { user, account }
  const message = { title: 'Your access', text: 'Hello,\nhere: [loginLink]\n', copies: ['boss@example.com'] }
  t.same(await p.support.sendMessage(to, message), { outcome: 'sent', link: true, copies: 1 })
  const [mine, copy] = ['ada@example.com', 'boss@example.com'].map((to) => p.mails.find((mail) => mail.to === to))
  t.match(copy?.text, '[loginLink]')
  t.notMatch(copy?.text, 'token=')
  const first = tokenIn(mine)
  t.same(await p.support.sendMessage(to, { ...message, text: 'No link.' }), { outcome: 'sent', link: false, copies: 1 })
  t.match(await p.linkSignIn.look(first, HERE), { state: 'elsewhere' })
  p.onMail = async () => Promise.reject(new TransportError('refused', 'no'))
  t.match(await p.support.sendMessage(to, message), { outcome: 'refused', reason: 'not-sent', copies: 0 })
  t.match(await p.support.sendLoginLink(to), { outcome: 'refused', reason: 'not-sent' })
  p.onMail = async () => {}
  await p.accounts.deactivate(account.id)
  const closed = { ...to, account: { ...account, status: 'deactivated' as const } }
  t.match(await p.support.sendLoginLink(closed), { outcome: 'refused', reason: 'inactive' })
  t.match(await p.support.sendMessage(closed, message), { outcome: 'refused', reason: 'inactive' })
  t.match(await p.support.sendMessage({ ...to, user: { ...user, email: undefined as never } }, message), {
    reason: 'no-address',
  })
  const kept = await everything(p.store)
  t.notMatch(kept, /"link\//, 'no link is left')
})

t.test('the helper goes on when the mail server is down or silent, and the house waits for it', async (t) => {
  const p = await post(t)
  await add(p, 'ada', { email: 'ada@example.com' })
  p.onMail = async () => Promise.reject(new TransportError('refused', 'no'))
  await helped(p, 'ada')
  t.equal(p.mails.length, 0)
  let letGo = () => {}
  const arrived = new Promise<void>((hear) => {
    p.onMail = () => {
      hear()
      return new Promise((resolve) => {
        letGo = resolve
      })
    }
  })
  p.helpDesk.askForLink('ada', { client: client(), pendingToken: HERE })
  let isSettled = false
  const settled = p.settled().then(() => {
    isSettled = true
  })
  await arrived
  t.equal(isSettled, false)
  letGo()
  await settled
  t.equal(p.mails.length, 1)
})
