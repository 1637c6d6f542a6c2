import t from 'tap'
import outbox from '../../plugins/mail-transports/outbox.js'
import {
  add,
  client,
  codeAt,
  enrolApp,
  halfWay,
  open,
  type Rooms,
  type RoomsSettings,
  services,
  tryPassword,
} from '../support/core.js'
import { build, lentHost } from '../support/lent-host.js'

async function issue(r: Rooms, username: string) {
  const [user] = await r.directory.find({ username })
  const account = user && (await r.accounts.find(user.id))
  if (user === undefined || account === undefined) throw new Error('no such user')
  return r.recoveryCodes.issue(account, user, 'command-line')
}

const give = async (r: Rooms, code: string, token?: string) =>
  r.signIn.wayBack('recovery-code', token ?? (await halfWay(r, 'ada')), code, client())

const strict: RoomsSettings = { settings: { unenrolled: 'recovery-code' } }

t.test('a code opens one session, after the password, for an hour', async (t) => {
  const r = await services(t)
  const account = await add(r, 'ada')
  await enrolApp(r, 'ada')
  const { code, expiresAt } = await issue(r, 'ada')
  t.match(code, /^(?:[0-9A-HJKMNP-TV-Z]{4}-){2}[0-9A-HJKMNP-TV-Z]{4}$/)
  t.equal(expiresAt, r.clock.ms + 3600_000)
  t.match(await give(r, code, 'x'.repeat(43)), { outcome: 'expired' }, 'the password is still asked')
  const done = await give(r, ` ${code.toLowerCase()} `)
  t.match(done, { outcome: 'session', session: { via: ['password', 'recovery-code'], secondFactorAt: r.clock.ms } })
  t.match(await give(r, code), { outcome: 'wrong' }, 'once')
  t.equal((await r.accounts.find(account.id))?.enrolled.length, 1, 'what was set up stays')

  const late = await issue(r, 'ada')
  r.clock.forward(3600)
  t.match(await give(r, late.code), { outcome: 'wrong' })
  t.match(await give(r, late.code), { outcome: 'wrong' })
  const events = (await r.audit.recent(account.id, 100)).map(({ event, reason }) => [event, reason])
  t.same(events.filter(([event]) => event?.startsWith('recovery-code.')).reverse(), [
    ['recovery-code.issued', 'command-line'],
    ['recovery-code.used', undefined],
    ['recovery-code.issued', 'command-line'],
    ['recovery-code.expired', 'too-old'],
  ])
})

t.test(
  "a newer code kills the older one; another user's is worth nothing; neither is one after a revocation",
  async (t) => {
    const r = await services(t)
    const ada = await add(r, 'ada')
    await enrolApp(r, 'ada')
    await add(r, 'bob')
    const first = await issue(r, 'ada')
    const second = await issue(r, 'ada')
    t.match(await give(r, first.code), { outcome: 'wrong' })
    await enrolApp(r, 'bob')
    const bob = await halfWay(r, 'bob')
    t.match(await r.signIn.wayBack('recovery-code', bob, second.code, client()), { outcome: 'wrong' })
    await r.sessions.endAll(ada.id)
    t.match(await give(r, second.code), { outcome: 'wrong' })
    const third = await issue(r, 'ada')
    t.match(await give(r, third.code), { outcome: 'session' })
  },
)

t.test('five tries, of which none comes back, and the budget of the account besides', async (t) => {
  const r = await services(t)
  await add(r, 'ada')
  const { key } = await enrolApp(r, 'ada')
  const { code } = await issue(r, 'ada')
  r.clock.forward(60)
  const token = await halfWay(r, 'ada')
  for (let round = 0; round < 4; round += 1) t.match(await give(r, '0000-0000-0000', token), { outcome: 'wrong' })
  t.match(await r.signIn.answer(token, codeAt(key, r.clock.ms), client()), { outcome: 'session' })
  t.match(await give(r, '0000-0000-0000'), { outcome: 'wrong', triesLeft: 0 })
  t.match(await give(r, code), { outcome: 'throttled' })
  r.clock.forward(900)
  t.match(await give(r, code), { outcome: 'wrong' }, 'its own five are spent')
  const events = r.lines.map(({ fields }) => (fields as { audit?: { event: string; reason?: string } }).audit)
  t.match(
    events.filter((entry) => entry?.event === 'recovery-code.expired'),
    [{ reason: 'too-many-tries' }],
  )
})

t.test('fifty tries at once over two gateways: one wins', async (t) => {
  const r = await services(t)
  await add(r, 'ada')
  await enrolApp(r, 'ada')
  const other = await r.beside()
  const { code } = await issue(r, 'ada')
  const pending: string[] = []
  for (let i = 0; i < 10; i += 1) pending.push(await halfWay(i % 2 ? r : other, 'ada'))
  const verdicts = await Promise.all(
    Array.from({ length: 50 }, (_, i) => give(i % 2 ? r : other, code, pending[i % 10])),
  )
  t.equal(verdicts.filter(({ outcome }) => outcome === 'session').length, 1)
})

t.test('both sides are told, the store sees no code, and remembered devices die', async (t) => {
  const mail = await build(outbox, {}, lentHost())
  const r = await services(t, { mail })
  const ada = await add(r, 'ada', { email: 'ada@example.com' })
  await add(r, 'olga', { email: 'olga@example.com', role: 'owner' })
  await add(r, 'mute', { role: 'owner' })
  const { token } = await enrolApp(r, 'ada')
  const session = (await r.sessions.find(token))?.session
  const device = session && (await r.devices.remember(session, client()))
  t.ok(await r.devices.find(device))
  const { code } = await issue(r, 'ada')
  t.match(await give(r, code), { outcome: 'session' })
  t.equal(await r.devices.find(device), undefined)
  t.same(await r.devices.list(ada.id), [])
  await r.settled()
  await r.messages.settled()
  const mails = ((await mail.kept?.()) ?? []).map(({ to, subject, text }) => ({ to, subject, text }))
  const about = (words: RegExp) => mails.filter(({ subject }) => words.test(subject ?? ''))
  for (const words of [/recovery code was issued/, /recovery code was used/]) {
    t.same(
      about(words)
        .map(({ to }) => to)
        .sort(),
      ['ada@example.com', 'olga@example.com'],
    )
    t.match(about(words).find(({ to }) => to === 'ada@example.com')?.text, /\/not-me\?token=/)
    t.notMatch(about(words).find(({ to }) => to === 'olga@example.com')?.text, /not-me/)
  }
  const rows = JSON.stringify(await r.store.list('', { limit: 1000 })) + JSON.stringify([r.lines, mails])
  t.notOk(rows.includes(code))
  t.notOk(rows.includes(code.replaceAll('-', '')))
})

t.test('strict: the password alone leads nowhere but to the recovery code', async (t) => {
  const r = await services(t, strict)
  await add(r, 'ada')
  const token = await halfWay(r, 'ada')
  t.match(await r.signIn.pending(token), { mode: 'verify', recoveryCodeOnly: true, methods: [] })
  t.equal(await r.signIn.beginEnrolment(token, 'totp'), undefined)
  t.match(await r.signIn.wayBack('backup-code', token, '000000-000000', client()), { outcome: 'wrong' })

  const weak = await open(r, 'ada')
  const step = await r.signIn.stepUp(weak, '/')
  t.match(step, { outcome: 'verify' }, 'a session by the password alone cannot take a factor over')

  const { code } = await issue(r, 'ada')
  const done = await give(r, code)
  t.match(done, { outcome: 'session', session: { via: ['password', 'recovery-code'] } })
  const enrol = await r.signIn.stepUp('token' in done ? done.token : '', '/')
  t.match(enrol, { outcome: 'enrol' })
  t.match(await give(r, code), { outcome: 'wrong' }, 'the next sign-in takes another code')
  t.match(await tryPassword(r, 'ada', { ask: 'second-factor' }), { outcome: 'verify' })
  await enrolApp(r, 'ada').then(
    () => t.fail('enrolled by the password alone'),
    () => t.pass('enrolment is locked'),
  )
})
