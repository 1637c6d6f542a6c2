import t, { type Test } from 'tap'
import sms from '../../plugins/second-factors/sms.js'
import type { Mail, SmsTransport, User } from '../../src/contracts.js'
import type { Account } from '../../src/identity/accounts/account.js'
import { FRESH_MS, missingProof } from '../../src/identity/sessions/fresh-proof.js'
import type { OpenSession } from '../../src/identity/sessions/sessions.js'
import {
  add,
  Clock,
  client,
  emptyStore,
  halfWay,
  open,
  overStore,
  PASSWORD,
  type Rooms,
  services,
  tryPassword,
} from '../support/core.js'
import { build, lentHost } from '../support/lent-host.js'

const NEW = 'quite another lamp at the gate'

/** A house that sends mail, and what it sent. */
async function withMail(
  t: Parameters<typeof services>[0],
): Promise<{ r: Rooms; mails: Mail[]; told(): Promise<Mail[]> }> {
  const mails: Mail[] = []
  const r = await services(t, { mail: { send: async (mail) => void mails.push(mail) } })
  const told = async () => {
    await r.settled()
    await r.messages.settled()
    return mails
  }
  return { r, mails, told }
}

async function userOf(r: Rooms, username: string): Promise<User> {
  const [user] = await r.directory.find({ username })
  if (user === undefined) throw new Error(`there is no ${username}`)
  return user
}

const linkIn = (mail: Mail | undefined) => /\/not-me\?token=([\w-]{43})/.exec(mail?.text ?? '')?.[1] ?? ''

t.test('a new password ends whatever the old one opened', async (t) => {
  const { r, told } = await withMail(t)
  const account = await add(r, 'ada', { email: 'ada@example.com' })
  const user = await userOf(r, 'ada')
  const session = await open(r, 'ada')
  const pending = await halfWay(r, 'ada')
  const wanted = { user, account, client: client(), method: 'account-page' }

  const weak = await r.changePassword.change({ ...wanted, password: 'password' })
  t.match(weak, { outcome: 'refused', fault: { code: 'common' } })
  t.ok(await r.sessions.find(session), 'what is refused changes nothing')

  const changed = await r.changePassword.change({ ...wanted, password: NEW })
  t.match(changed, { outcome: 'changed', account: { generation: account.generation + 1 } })
  t.equal(await r.sessions.find(session), undefined)
  t.equal(await r.signIn.pending(pending), undefined)
  t.equal((await tryPassword(r, 'ada')).outcome, 'refused')
  t.equal((await tryPassword(r, 'ada', { password: NEW })).outcome, 'session')

  const late = await r.changePassword.change({ ...wanted, password: 'a third lamp somewhere else' })
  t.equal(late.outcome, 'expired', 'a right to change that was revoked changes nothing')
  t.equal((await tryPassword(r, 'ada', { password: NEW })).outcome, 'session')

  const mails = await told()
  t.match(mails, [{ to: 'ada@example.com', subject: 'Your password was changed at Riverside CRM' }])
  t.match(linkIn(mails[0]), /^[\w-]{43}$/)
  const audit = await r.audit.recent(account.id)
  t.match(
    audit.filter(({ event }) => event === 'password.changed'),
    [{ outcome: 'success', method: 'account-page' }],
  )
  t.notMatch(JSON.stringify([audit, r.lines]), /lamp/)
})

t.test('of many changes at once one wins, in any process', async (t) => {
  const r = await services(t)
  const other = await r.beside()
  const account = await add(r, 'ada')
  const user = await userOf(r, 'ada')
  const passwords = Array.from({ length: 6 }, (_, i) => `the lamp with number ${i}`)
  const results = await Promise.all(
    passwords.map((password, i) =>
      (i % 2 === 0 ? r : other).changePassword.change({ user, account, password, client: client(), method: 'test' }),
    ),
  )
  const winners = results.flatMap(({ outcome }, i) => (outcome === 'changed' ? [i] : []))
  t.equal(winners.length, 1)
  t.equal((await r.accounts.find(account.id))?.generation, account.generation + 1)
  for (const [i, password] of passwords.entries()) {
    const user = await r.directory.verifyPassword('ada', password)
    t.equal(user?.username, i === winners[0] ? 'ada' : undefined)
  }
})

t.test('"this was not me" ends everything once, and opens nothing', async (t) => {
  const { r, told } = await withMail(t)
  const ada = await add(r, 'ada', { email: 'ada@example.com' })
  await add(r, 'bob')
  const bobs = await open(r, 'bob')
  const user = await userOf(r, 'ada')
  r.notices.tell('password-changed', { user, values: {}, client: client() })
  const token = linkIn((await told())[0])
  const session = await open(r, 'ada')
  const pending = await halfWay(r, 'ada')

  t.match(await r.notMe.look(token), { username: 'ada', notice: 'password-changed' })
  t.ok(await r.sessions.find(session), 'looking changes nothing')
  for (const wrong of ['', 'x', 'A'.repeat(43), `${token}=`, session, pending]) {
    t.equal(await r.notMe.redeem(wrong, client()), undefined)
  }
  t.ok(await r.sessions.find(session))

  const tries = await Promise.all(Array.from({ length: 10 }, () => r.notMe.redeem(token, client())))
  const done = tries.filter((each) => each !== undefined)
  t.match(done, [{ account: { id: ada.id } }])
  t.equal(await r.sessions.find(session), undefined)
  t.equal(await r.signIn.pending(pending), undefined)
  t.ok(await r.sessions.find(bobs), 'nobody else is concerned')

  const next = await open(r, 'ada')
  t.equal(await r.notMe.redeem(token, client()), undefined, 'a used link is used up')
  t.ok(await r.sessions.find(next), 'and ends nothing any more')
  t.equal(await r.directory.verifyPassword('ada', PASSWORD).then((found) => found?.id), ada.id)
  const stored = JSON.stringify(await r.store.list('', { limit: 1000 }))
  t.notMatch(stored, token, 'the store never sees the token')
})

t.test(
  'a link for "this was not me" is good for seven days, and recovers only over the address it was sent to',
  async (t) => {
    const { r, told } = await withMail(t)
    const ada = await add(r, 'ada', { email: 'ada@example.com' })
    const user = await userOf(r, 'ada')
    r.notices.tell('contact-changed', { user, values: { what: 'e-mail address' }, to: 'Ada@Example.com' })
    r.notices.tell('password-changed', { user, values: {} })
    const [first, second] = (await told()).map(linkIn)
    await r.directory.writable?.update(ada.id, { email: 'thief@example.net' })
    const done = await r.notMe.redeem(first ?? '', client())
    t.equal(done?.isRecovering, false, 'whoever changed the address does not get a way in')
    r.clock.forward(7 * 24 * 3600)
    t.equal(await r.notMe.look(second ?? ''), undefined)
    t.equal(await r.notMe.redeem(second ?? '', client()), undefined)
  },
)

t.test('a notice that cannot be sent is for the operator to know, and stops nobody', async (t) => {
  const r = await services(t)
  await add(r, 'ada', { email: 'ada@example.com' })
  const user = await userOf(r, 'ada')
  r.notices.tell('password-changed', { user, values: {} })
  await r.settled()
  t.match(r.lines.filter(({ message }) => message === 'A mail was not sent').length, 1)
})

/** A house with text messages, a user whose phone gets codes, and a session with both proofs. */
async function withPhone(t: Test) {
  const clock = new Clock()
  const store = await emptyStore(t, clock)
  const texts: Array<{ to: string; text: string }> = []
  const text: SmsTransport = { send: async (message) => void texts.push(message) }
  const host = lentHost({ now: clock.now, load: async () => text as never })
  const sender = await build(sms, { countries: ['US'], transport: { use: 'outbox' } }, host)
  const r = await overStore(t, store, clock, { factors: new Map([['sms', sender]]) })
  const account = await add(r, 'ada', { mobile: '+12025550143' })
  const half = await halfWay(r, 'ada', { ask: 'enrol' })
  await r.signIn.beginEnrolment(half, 'sms')
  await r.signIn.send(half, client())
  await r.settled()
  const code = () => /\b(\d{6})\b/.exec(texts.at(-1)?.text ?? '')?.[1] ?? ''
  const done = await r.signIn.confirmEnrolment(half, code(), client())
  if (done.outcome !== 'session') throw new Error(done.outcome)
  const openNow = async (token: string) => {
    const found = await r.sessions.find(token)
    if (found === undefined) throw new Error('the session has ended')
    return found
  }
  clock.forward(61)
  const mobile = async () => (await r.directory.find({ id: account.id }))[0]?.mobile
  return { r, texts, token: done.token, code, openNow, mobile, clock }
}

t.test('the number that sign-in codes go to changes when a code came back from the new one', async (t) => {
  const { r, texts, token, code, openNow, mobile } = await withPhone(t)
  const other = await r.sessions.open({ ...(await openNow(token)).session, client: client() })
  const to = (typed: string) => ({ what: 'mobile', typed, client: client() }) as const
  const open = await openNow(token)
  const { contact } = r.own
  t.match(await contact.change(open, token, to('+442079460000')), { outcome: 'refused', fault: 'needed' })
  t.match(await contact.change(open, token, to('+1 202 555 0143')), { outcome: 'refused', fault: 'unchanged' })
  t.same(await contact.change(open, token, to('+1 202 555 0178')), { outcome: 'code' })
  t.equal(texts.at(-1)?.to, '+12025550178')
  t.equal(await mobile(), '+12025550143')

  const sent = code()
  const elsewhere = await openNow(other.token)
  t.same(
    await contact.confirm(elsewhere, other.token, sent, client()),
    { outcome: 'expired' },
    'not in another browser',
  )
  const wrong = await contact.confirm(open, other.token, sent, client())
  t.match(wrong, { outcome: 'wrong', triesLeft: 4 }, 'nor with the store alone: the browser has the key to its hash')
  const half = await halfWay(r, 'ada')
  t.not((await r.signIn.answer(half, sent, client())).outcome, 'session', 'nor does it sign in')

  const done = await contact.confirm(open, token, sent, client())
  t.equal(done.outcome, 'done')
  t.equal(await mobile(), '+12025550178')
  t.equal(await r.sessions.find(token), undefined)
  t.equal(await r.sessions.find(other.token), undefined)
  const renewed = 'renewed' in done ? done.renewed : undefined
  t.match(await r.sessions.find(renewed?.token), { session: { user: { mobile: '+12025550178' } } })
  t.equal(await r.signIn.pending(half), undefined, 'a sign-in that waits for a code to the old number has ended')
})

t.test('what was begun in a session that is signed out ends with it', async (t) => {
  const r = await services(t)
  await add(r, 'ada')
  const token = await open(r, 'ada')
  const step = await r.signIn.stepUp(token, '/', 'enrol')
  const pendingToken = 'pendingToken' in step ? step.pendingToken : ''
  t.ok(await r.signIn.beginEnrolment(pendingToken, 'totp'))
  await r.sessions.end(token)
  t.equal(await r.signIn.pending(pendingToken), undefined)
  t.equal(await r.signIn.beginEnrolment(pendingToken, 'totp'), undefined)
})

t.test('a proof is fresh for a quarter of an hour, and a remembered device is none', async (t) => {
  const account = { enrolled: [] } as unknown as Account
  const both = { enrolled: [{ id: 'a', method: 'totp' }] } as unknown as Account
  const at = (session: object, account: Account) =>
    missingProof({ session, account } as unknown as OpenSession, FRESH_MS + 1000)
  t.equal(at({ passwordAt: 1001 }, account), undefined)
  t.equal(at({ passwordAt: 1000 }, account), 'password')
  t.equal(at({}, account), 'password')
  t.equal(at({ passwordAt: 1001 }, both), 'second-factor')
  t.equal(at({ passwordAt: 1001, deviceAt: 1001 }, both), 'second-factor')
  t.equal(at({ passwordAt: 1001, secondFactorAt: 1000 }, both), 'second-factor')
  t.equal(at({ passwordAt: 1000, secondFactorAt: 1001 }, both), 'password')
  t.equal(at({ passwordAt: 1001, secondFactorAt: 1001 }, both), undefined)
})
