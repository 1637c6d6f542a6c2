import t from 'tap'
import type { Mail, User } from '../../src/contracts.js'
import { add, client, halfWay, open, PASSWORD, type Rooms, rooms, tryPassword } from './rooms.js'

const NEW = 'quite another lamp at the gate'

/** A house that sends mail, and what it sent. */
async function withMail(t: Parameters<typeof rooms>[0]): Promise<{ r: Rooms; mails: Mail[]; told(): Promise<Mail[]> }> {
  const mails: Mail[] = []
  const r = await rooms(t, { mail: { send: async (mail) => void mails.push(mail) } })
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
  const r = await rooms(t)
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
  const r = await rooms(t)
  await add(r, 'ada', { email: 'ada@example.com' })
  const user = await userOf(r, 'ada')
  r.notices.tell('password-changed', { user, values: {} })
  await r.settled()
  t.match(r.lines.filter(({ message }) => message === 'A mail was not sent').length, 1)
})
