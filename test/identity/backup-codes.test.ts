import t, { type Test } from 'tap'
import outbox from '../../plugins/mail-transports/outbox.js'
import { PasswordPool } from '../../src/identity/passwords/password-pool.js'
import { add, client, codeAt, enrolApp, halfWay, type Rooms, type RoomsSettings, services } from '../support/core.js'
import { build, lentHost } from '../support/lent-host.js'

/** A user with an authenticator app and ten codes. */
async function withCodes(t: Test, more: RoomsSettings = {}) {
  const r = await services(t, more)
  await add(r, 'ada', { email: 'ada@example.com' })
  const { key, token } = await enrolApp(r, 'ada')
  return { r, key, token, ...(await make(r, 'ada')) }
}

async function make(r: Rooms, username: string, why: 'first' | 'renewed' = 'first') {
  const [user] = await r.directory.find({ username })
  const account = user && (await r.accounts.find(user.id))
  if (user === undefined || account === undefined) throw new Error('no such user')
  return { user, account, codes: await r.backupCodes.make(account, user, client(), why) }
}

const give = async (r: Rooms, code: string, token?: string) =>
  r.signIn.wayBack('backup-code', token ?? (await halfWay(r, 'ada')), code, client())

t.test('ten codes, each opens one session in place of the second factor', async (t) => {
  const { r, codes, account } = await withCodes(t)
  t.equal(new Set(codes).size, 10)
  for (const code of codes) t.match(code, /^[0-9A-HJKMNP-TV-Z]{6}-[0-9A-HJKMNP-TV-Z]{6}$/)
  t.equal(await r.backupCodes.left(account), 10)

  const [first = '', second = ''] = codes
  const done = await give(r, first)
  t.match(done, { outcome: 'session', session: { via: ['password', 'backup-code'], secondFactorAt: r.clock.ms } })
  t.equal((await r.sessions.find('token' in done ? done.token : ''))?.account.id, account.id)
  t.equal(await r.backupCodes.left(account), 9)
  t.match(await give(r, first), { outcome: 'wrong', triesLeft: 4 }, 'used up')
  t.match(await give(r, second.toLowerCase().replaceAll('-', ' ').replaceAll('0', 'o').replaceAll('1', 'l')), {
    outcome: 'session',
  })
})

t.test('codes of twenty characters, as they were made before, work until they are replaced', async (t) => {
  const { r, account, user } = await withCodes(t)
  const hash = await new PasswordPool().hash('9F3K71ZQ0A2BXX4D')
  await r.store.set(`backup-codes/${account.id}`, { codes: [{ selector: '88ME', hash }], madeAt: r.clock.ms })
  t.match(await give(r, '88ME-9F3K-71ZQ-0A2B-XX4E'), { outcome: 'wrong' })
  t.match(await give(r, '88ME9F-3K71ZQ'), { outcome: 'wrong' }, 'no part of it is enough')
  t.match(await give(r, '88me 9f3k 71zq 0a2b xx4d'), { outcome: 'session' })
  t.equal(await r.backupCodes.left(account), 0)
  const [code = ''] = await r.backupCodes.make(account, user, client(), 'renewed')
  t.match(await give(r, code), { outcome: 'session' })
})

t.test('a code is used up once, by fifty tries at once over two gateways', async (t) => {
  const { r, codes, account } = await withCodes(t)
  const other = await r.beside()
  const [code = ''] = codes
  const pending: string[] = []
  for (let i = 0; i < 10; i += 1) pending.push(await halfWay(i % 2 ? r : other, 'ada'))
  const verdicts = await Promise.all(
    Array.from({ length: 50 }, (_, i) => {
      const at = i % 2 ? r : other
      return at.signIn.wayBack('backup-code', pending[i % 10], code, client()).catch((error) => error)
    }),
  )
  t.equal(verdicts.filter(({ outcome }) => outcome === 'session').length, 1)
  t.equal(await r.backupCodes.left(account), 9)
})

t.test('the guesses are those of the authenticator app: one budget', async (t) => {
  const { r, codes, key } = await withCodes(t)
  r.clock.forward(60)
  const token = await halfWay(r, 'ada')
  for (const wrong of ['', '123456', codes[0]?.slice(0, 9), `${codes[0]?.slice(0, -1)}?`]) {
    t.match(await give(r, wrong ?? '', token), { outcome: 'wrong' })
  }
  t.match(await r.signIn.answer(token, '000000', client()), { outcome: 'wrong', triesLeft: 1 })
  t.match(await give(r, '000000-000000', token), { outcome: 'wrong', triesLeft: 0 })
  t.match(await give(r, codes[0] ?? '', token), { outcome: 'throttled', retryAfterSeconds: 900 })
  t.match(await r.signIn.answer(token, codeAt(key, r.clock.ms), client()), { outcome: 'throttled' })
  r.clock.forward(900)
  t.match(await give(r, codes[0] ?? ''), { outcome: 'session' })
})

t.test("another user's code, an old one and one without a sign-in open nothing", async (t) => {
  const { r, codes, account } = await withCodes(t)
  await add(r, 'bob')
  await enrolApp(r, 'bob')
  await make(r, 'bob')
  const bob = await halfWay(r, 'bob')
  t.match(await r.signIn.wayBack('backup-code', bob, codes[0] ?? '', client()), { outcome: 'wrong' })
  t.match(await r.signIn.wayBack('backup-code', undefined, codes[0] ?? '', client()), { outcome: 'expired' })
  t.match(await r.signIn.wayBack('recovery-code', await halfWay(r, 'ada'), codes[0] ?? '', client()), {
    outcome: 'wrong',
  })

  const { codes: fresh } = await make(r, 'ada', 'renewed')
  t.match(await give(r, codes[1] ?? ''), { outcome: 'wrong' }, 'the old ten are dead')
  t.match(await give(r, fresh[1] ?? ''), { outcome: 'session' })
  t.equal(await r.backupCodes.left(account), 9)
})

t.test('with the last factor the codes go, and do not come back with the next one', async (t) => {
  const { r, codes, account } = await withCodes(t)
  const before = await halfWay(r, 'ada')
  await r.enrolments.reset(account.id)
  t.match(await give(r, codes[0] ?? '', before), { outcome: 'expired' })
  const now = await r.accounts.find(account.id)
  t.equal(now && (await r.backupCodes.left(now)), undefined)
  r.clock.forward(60)
  await enrolApp(r, 'ada')
  t.match(await give(r, codes[0] ?? ''), { outcome: 'wrong' })
})

t.test('the store has no code, the log none either; the user hears of each that is used', async (t) => {
  const mail = await build(outbox, {}, lentHost())
  const kept: string[] = []
  const { r, codes } = await withCodes(t, {
    mail,
    wrap: (store) =>
      new Proxy(store, {
        get(target, name) {
          const method = Reflect.get(target, name)
          if (typeof method !== 'function') return method
          return (...input: unknown[]) => {
            kept.push(JSON.stringify(input))
            return method.apply(target, input)
          }
        },
      }),
  })
  for (const code of codes.slice(0, 7)) t.match(await give(r, code), { outcome: 'session' })
  await make(r, 'ada', 'renewed')
  await r.settled()
  await r.messages.settled()
  const all = kept.join('\n') + JSON.stringify(r.lines)
  for (const code of codes) {
    t.notOk(all.includes(code), 'as shown')
    t.notOk(all.includes(code.replaceAll('-', '')), 'as typed')
    t.notOk(all.includes(code.replaceAll('-', '').slice(4)), 'the secret part')
  }
  const mails = (await mail.kept?.()) ?? []
  t.equal(mails.filter(({ subject }) => /backup code was used/.test(subject ?? '')).length, 7)
  t.match(mails.find(({ text }) => /Codes left: 3/.test(text))?.text, /Make new ones/)
  t.notMatch(mails.find(({ text }) => /Codes left: 4/.test(text))?.text, /Make new ones/)
  t.ok(mails.some(({ subject }) => /New backup codes/.test(subject ?? '')))
  const events = r.lines.map(({ message }) => message)
  t.equal(events.filter((event) => event === 'backup-code.used').length, 7)
  t.equal(events.filter((event) => event === 'backup-code.renewed').length, 2)
})

t.test('an unknown selector costs one hash, as a known one does', async (t) => {
  const { r, codes, account } = await withCodes(t)
  const time = async (code: string) => {
    const times: number[] = []
    for (let round = 0; round < 7; round += 1) {
      const start = process.cpuUsage()
      await r.backupCodes.spend(account, code)
      const { user, system } = process.cpuUsage(start)
      times.push(user + system)
    }
    return times.sort((a, b) => a - b)[3] ?? 0
  }
  const known = await time(`${codes[0]?.slice(0, 2)}0000-000000`)
  const unknown = await time('??0000-000000')
  const short = await time('1234')
  t.ok(unknown > known / 2 && unknown < known * 2, `${unknown} like ${known}`)
  t.ok(short > known / 2 && short < known * 2, `${short} like ${known}`)
})

t.test('shown again to the browser it was made in, for ten minutes, and to nobody else', async (t) => {
  const { r, codes, token } = await withCodes(t)
  await r.sealed.keep(token, codes)
  t.same(await (await r.beside()).sealed.open(token), codes)
  t.equal(await r.sealed.open(undefined), undefined)
  t.equal(await r.sealed.open('nonsense'), undefined)
  t.equal(await r.sealed.open('x'.repeat(43)), undefined)
  r.clock.forward(10 * 60)
  t.equal(await r.sealed.open(token), undefined)
  await r.sealed.keep(token, codes)
  await r.sealed.forget(token)
  t.equal(await r.sealed.open(token), undefined)
})
