import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import embedded from '../../plugins/stores/embedded.js'
import { SendingBudget, type SendingLimits, type Spending } from '../../src/messages/sending-budget.js'
import { build, lentHost } from '../support/lent-host.js'
import { usualLimits as limits } from '../support/sending-limits.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import type { Race } from './budget-process.js'

const wide: SendingLimits = {
  waitSeconds: 60,
  accountPerHour: 1_000,
  accountPerDay: 1_000,
  numberPerHour: 1_000,
  networkPerHour: 1_000,
  linksPerHour: 1_000,
  smsPerDay: 1_000,
  mailPerDay: 1_000,
  unproven: { networkPerHour: 1_000, perDay: 10_000 },
}
const minute = 60_000
const hour = 60 * minute

const sms = (number: number, more: Partial<Spending> = {}): Spending => ({
  channel: 'sms',
  purpose: 'code',
  accountId: `account-${number}`,
  to: `+1202555${String(number).padStart(4, '0')}`,
  network: '192.0.2.1',
  ...more,
})
const mail = (number: number, more: Partial<Spending> = {}): Spending =>
  sms(number, { channel: 'email', to: `user${number}@example.org`, ...more })

/** A budget over a real store, with a clock of its own. */
async function open(t: Test, change: Partial<SendingLimits> = {}) {
  const clock = { now: Date.UTC(2026, 10, 21, 9) }
  const host = lentHost({ now: () => clock.now })
  const store = await build(embedded, { path: await temporaryDirectory(t) }, host)
  t.teardown(() => store.close())
  const audited: object[] = []
  const audit = { record: async (entry: object) => void audited.push(entry) }
  const budget = new SendingBudget({ store, audit, log: host.log, now: host.now, limits: { ...limits, ...change } })
  return { budget, clock, host, audited, store }
}

t.test('one code a minute and account, whatever it travels by; the wait is told exactly', async (t) => {
  const { budget, clock } = await open(t)
  t.equal(await budget.takeTurn('ada', 'code'), undefined)
  clock.now += 18_000
  t.same(await budget.takeTurn('ada', 'code'), { limit: 'wait', retryAfterSeconds: 42 })
  t.equal(await budget.takeTurn('grace', 'code'), undefined, 'another account has its own')
  t.equal(await budget.takeTurn('ada', 'link'), undefined, 'what a stranger can ask for holds no code up')
  clock.now += 42_000
  t.equal(await budget.takeTurn('ada', 'code'), undefined)
})

t.test('the first code of a sign-in after an enrolment is not held up, the second is', async (t) => {
  const { budget, clock } = await open(t)
  await budget.takeTurn('ada', 'code')
  clock.now += 1_000
  t.equal(await budget.takeTurn('ada', 'code', true), undefined)
  t.match(await budget.takeTurn('ada', 'code', true), { limit: 'wait' })
  t.match(await budget.takeTurn('ada', 'code'), { limit: 'wait', retryAfterSeconds: 60 })
})

t.test('five an hour and ten a day for an account, in any stretch of that length', async (t) => {
  const { budget, clock } = await open(t, { numberPerHour: 100 })
  const begun = clock.now
  const times: number[] = []
  for (; clock.now < begun + 30 * hour; clock.now += 5 * minute) {
    if ((await budget.spend(sms(1))) === undefined) times.push(clock.now)
  }
  const most = (span: number) =>
    Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + span).length))
  t.equal(most(hour), 5)
  t.equal(most(24 * hour), 10)
  t.equal(times.length, 20, 'and the full amount is given')
})

t.test('three an hour for a number, whoever asks; mail is not a number', async (t) => {
  const { budget, clock } = await open(t)
  const to = '+12025550143'
  for (let i = 0; i < 3; i++) t.equal(await budget.spend(sms(i, { to, network: `192.0.2.${i}` })), undefined)
  t.match(await budget.spend(sms(9, { to })), { limit: 'number', retryAfterSeconds: 3600 })
  t.equal(await budget.spend(mail(9)), undefined)
  clock.now += hour
  t.equal(await budget.spend(sms(9, { to })), undefined)
})

t.test('twenty an hour for a network; the operator is told once a day', async (t) => {
  const { budget, clock, audited, host } = await open(t)
  for (let i = 0; i < 20; i++) t.equal(await budget.spend(sms(i)), undefined)
  for (let i = 20; i < 25; i++) t.match(await budget.spend(sms(i)), { limit: 'network' })
  t.equal(await budget.spend(sms(30, { network: '2001:db8::/64' })), undefined)
  t.match(audited, [
    { event: 'throttle.on', reason: 'network limit', details: { channel: 'sms', network: '192.0.2.1' } },
  ])
  t.equal(host.lines.filter(({ level }) => level === 'error').length, 1)
  t.equal(budget.refusals.network, 5)
  clock.now += 24 * hour
  for (let i = 0; i < 21; i++) await budget.spend(sms(i))
  t.equal(audited.length, 2)
})

t.test('what one limit stops spends nothing of the others', async (t) => {
  const { budget } = await open(t)
  for (let i = 0; i < 100; i++) await budget.spend(sms(1))
  t.equal(budget.refusals.number, 97, 'three went out')
  for (let i = 2; i < 19; i++) t.equal(await budget.spend(sms(i)), undefined, 'the network has seventeen left')
  t.match(await budget.spend(sms(19)), { limit: 'network' })
})

t.test('a whole-day budget for each channel: over at midnight UTC, told once', async (t) => {
  const { budget, clock, audited, host } = await open(t, { smsPerDay: 4, networkPerHour: 100 })
  for (let i = 0; i < 4; i++) t.equal(await budget.spend(sms(i)), undefined)
  for (let i = 4; i < 9; i++) t.same(await budget.spend(sms(i)), { limit: 'day', retryAfterSeconds: 15 * 3600 })
  t.equal(await budget.spend(mail(5)), undefined, 'mail goes on')
  t.match(audited, [{ event: 'throttle.on', reason: 'whole-day budget', details: { channel: 'sms' } }])
  t.equal(host.lines.filter(({ level }) => level === 'error').length, 1)
  clock.now += 15 * hour
  t.equal(await budget.spend(sms(9)), undefined)
  const none = await open(t, { smsPerDay: 0 })
  t.match(await none.budget.spend(sms(1)), { limit: 'day' }, 'nought is never')
})

t.test('what a day costs, by the country of the number, at the prices of now', async (t) => {
  const price = { currency: 'EUR', sms: 0.075, countries: { US: 0.0083, GB: 0.04 }, mail: 0.001 }
  const { budget, clock, store } = await open(t, { price, smsPerDay: 4, networkPerHour: 100 })
  t.same(await budget.today(), {
    sms: { sent: 0, perDay: 4, cost: { amount: 0, currency: 'EUR' } },
    email: { sent: 0, perDay: limits.mailPerDay, cost: { amount: 0, currency: 'EUR' } },
  })
  for (const to of ['+12025550101', '+12025550102', '+447400123456', '+4915112345678', '+12025550103']) {
    await budget.spend(sms(1, { to, accountId: to }))
  }
  await budget.spend(mail(2))
  const { sms: texts, email } = await budget.today()
  t.same(
    texts.cost,
    { amount: 0.1316, currency: 'EUR' },
    'two to the US, one to GB, one elsewhere; the fifth was not sent',
  )
  t.same(email.cost, { amount: 0.001, currency: 'EUR' })
  t.notMatch(JSON.stringify(await store.list('sending/country/')), '2025550101')
  clock.now += 24 * hour
  t.equal((await budget.today()).sms.cost?.amount, 0)
  const counted = await open(t)
  t.notOk('cost' in (await counted.budget.today()).sms, 'without a price the counts stay')
})

t.test('three links an hour for an account, three helping mails for an address', async (t) => {
  const { budget } = await open(t)
  for (let i = 0; i < 3; i++) t.equal(await budget.spend(mail(1, { purpose: 'link' })), undefined)
  t.match(await budget.spend(mail(1, { purpose: 'link' })), { limit: 'account' })
  for (const to of ['ada@example.org', 'Ada@Example.org', 'ADA@example.org']) {
    t.equal(await budget.spend(mail(1, { purpose: 'help', to })), undefined)
  }
  t.match(await budget.spend(mail(2, { purpose: 'help', to: 'ada@EXAMPLE.org' })), { limit: 'account' })
  t.equal(await budget.spend(mail(1)), undefined, 'codes have their own')
})

t.test('neither numbers nor addresses are kept in the store, the log or the audit', async (t) => {
  const { budget, store, host, audited } = await open(t)
  for (let i = 0; i < 30; i++) await budget.spend(sms(7))
  for (let i = 0; i < 30; i++) await budget.spend(mail(i))
  const rows = await store.list('', { limit: 1_000 })
  const all = JSON.stringify([rows, host.lines, audited])
  t.ok(rows.length > 20)
  t.notMatch(all, /2025550007|@example\.org/)
})

t.test('fifty at once never pass a limit', async (t) => {
  const all = <T>(count: number, work: (i: number) => Promise<T>) =>
    Promise.all(Array.from({ length: count }, (_, i) => work(i)))
  const passed = (answers: readonly unknown[]) => answers.filter((answer) => answer === undefined).length
  const { budget } = await open(t, { smsPerDay: 25, accountPerHour: 5 })
  t.equal(passed(await all(50, () => budget.takeTurn('ada', 'code'))), 1)
  t.equal(passed(await all(50, (i) => budget.spend(sms(1, { to: `+1202555${1000 + i}` })))), 5, 'account')
  t.equal(passed(await all(50, (i) => budget.spend(sms(100 + i, { to: '+12025550143', network: 'n' })))), 3, 'number')
  t.ok(passed(await all(50, (i) => budget.spend(sms(200 + i)))) <= 15, 'network: five of twenty are spent')
  const rest = passed(await all(50, (i) => budget.spend(sms(300 + i, { network: `n${i}` }))))
  t.ok(rest >= 1 && rest <= 17, 'day')
  t.equal(budget.refusals.day, 50 - rest)
})

t.test('fifty at once in each of two processes never pass a limit, and one of them is told', async (t) => {
  const directory = await temporaryDirectory(t)
  const script = fileURLToPath(new URL('./budget-process.js', import.meta.url))
  const fifty = (make: (i: number) => Spending) => Array.from({ length: 50 }, (_, i) => make(i))
  const races: Array<{ what: string; most: number; alerts: number } & Omit<Race, 'path'>> = [
    { what: 'turn', most: 1, alerts: 0, limits: wide, turns: true, spendings: fifty(() => sms(1)) },
    {
      what: 'account',
      most: 5,
      alerts: 0,
      limits: { ...wide, accountPerHour: 5 },
      turns: false,
      spendings: fifty((i) => sms(1, { to: `+1202555${1000 + i}` })),
    },
    {
      what: 'number',
      most: 3,
      alerts: 0,
      limits: { ...wide, numberPerHour: 3 },
      turns: false,
      spendings: fifty((i) => sms(i, { to: '+12025550143' })),
    },
    {
      what: 'network',
      most: 20,
      alerts: 1,
      limits: { ...wide, networkPerHour: 20 },
      turns: false,
      spendings: fifty((i) => sms(i)),
    },
    {
      what: 'day',
      most: 30,
      alerts: 1,
      limits: { ...wide, smsPerDay: 30 },
      turns: false,
      spendings: fifty((i) => sms(i, { network: `n${i}` })),
    },
  ]
  const both = [fork(script), fork(script)]
  t.teardown(() => both.map((child) => child.kill()))
  const tell = (message: object | string) => Promise.all(both.map((child) => ask(child, message)))
  for (const { what, most, alerts, ...race } of races) {
    await tell({ ...race, path: join(directory, what) })
    const answers = await tell('go')
    t.equal(
      answers.reduce((sum, { sent }) => sum + sent, 0),
      most,
      what,
    )
    t.equal(
      answers.reduce((sum, answer) => sum + answer.alerts, 0),
      alerts,
      `${what}: told`,
    )
  }
})

async function ask(child: ChildProcess, message: object | string): Promise<{ sent: number; alerts: number }> {
  child.send(message)
  const [answer] = await once(child, 'message')
  return answer
}
