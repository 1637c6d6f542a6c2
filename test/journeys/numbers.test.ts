import t, { type Test } from 'tap'
import { Adoption } from '../../src/operations/dashboard/adoption.js'
import { DailyCounts } from '../../src/operations/dashboard/daily-counts.js'
import { showDashboard } from '../../src/operations/dashboard/dashboard.js'
import { type Actor, Refusal } from '../../src/operations/operation.js'
import { AheadClock, seat } from '../support/at-desk.js'
import { axeViolations } from '../support/axe.js'
import { launchChromium, openWindow, skipWithoutChromium } from '../support/chromium.js'
import { type OpenHouse, signIn, startHouse } from '../support/house.js'
import { until } from '../support/poll.js'
import { skipWithoutRedis, startRedis } from '../support/redis-server.js'
import { inEveryView, isTooWide } from '../support/screenshots.js'

t.setTimeout(300_000)

/** The first page of the desk: what happened, by the day, the week and the month, beside what was before. */

const shell: Actor = { door: 'command-line', role: 'owner', isFresh: true }
const WEEK_MS = 7 * 24 * 60 * 60_000

const yaml = `
sites: [{ upstream: "http://127.0.0.1:1", rules: [{ path: /secret/**, access: deny }] }]
secondFactor: { methods: [{ use: totp }, { use: email }] }
mail: { use: outbox }
sending: { price: { currency: EUR, sms: 0.075, mail: 0.001 } }
`

async function day({ core }: OpenHouse, period: 'day' | 'week' | 'month') {
  const done = await core.desk.run(showDashboard, { period }, shell)
  if (done instanceof Refusal) throw new Error(done.sentence)
  return done
}

async function aFewWeeks(t: Test, store: string): Promise<{ house: OpenHouse; clock: AheadClock }> {
  const clock = new AheadClock()
  const house = await startHouse(t, { yaml: `${yaml}${store}`, now: clock.now })
  await house.addUser('olga', { role: 'owner', email: 'olga@example.com' })
  await house.addUser('bob', { email: 'bob@example.com' })
  const { visitor: olga } = await seat(house, 'olga', clock)
  const bob = house.visitor()
  const wrong = { username: 'bob', password: 'not the one' }
  await bob.fillIn('/.gatelodge/sign-in', wrong, '/sign-in')
  await signIn(bob, 'bob')
  clock.pass(WEEK_MS)
  await signIn(house.visitor(), 'bob')
  await signIn(house.visitor(), 'bob')
  await olga.get('/secret/plans')
  await house.core.messages.budget.spend({
    channel: 'email',
    purpose: 'code',
    to: 'bob@example.com',
    network: '192.0.2.1',
  })
  await house.core.refusals.settled()
  await house.core.audit.settled()
  return { house, clock }
}

async function tells(t: Test, { house, clock }: Awaited<ReturnType<typeof aFewWeeks>>): Promise<void> {
  const week = await day(house, 'week')
  t.match(week.total, { signIns: 2 })
  t.match(week.signIns, [
    { name: 'password', count: 2, before: 1 },
    { name: 'password+totp', count: 0, before: 2 },
  ])
  t.same(week.wrong, [{ name: 'password', count: 0, before: 1 }])
  t.match(week.rules, [{ name: /^\*\/ line [23]$/, count: 1, before: 0 }])
  t.match(week.factors.added, [{ name: 'totp', count: 0, before: 1 }])
  t.equal(week.days.length, 7)
  t.match(week.messages.email, { sent: 1, before: 0, cost: { amount: 0.001, currency: 'EUR' } })
  const month = await day(house, 'month')
  t.equal(month.days.length, 30)
  t.ok(month.total.signIns >= 4, 'both weeks')
  t.same(month.before, { signIns: 0, refusals: 0, codes: 0, locks: 0 })
  const today = await day(house, 'day')
  t.match(today.total, { signIns: 2 })
  t.ok(today.before.signIns >= 2, 'the same hours a week before')

  const { store, identity } = house.core
  const counting = () => new Adoption({ store, accounts: identity.accounts, now: clock.now }).countToday()
  await Promise.all([counting(), counting(), counting()])
  t.match((await day(house, 'week')).factors, {
    days: [{ users: 2, withFactor: 1, methods: { totp: 1 } }],
    now: { users: 2, withFactor: 1 },
    missing: ['bob'],
  })
}

t.test('the embedded store', async (t) => tells(t, await aFewWeeks(t, '')))

t.test('redis', { skip: skipWithoutRedis() }, async (t) => {
  const { url } = await startRedis(t)
  await tells(t, await aFewWeeks(t, `store: { use: redis, url: "${url}" }\n`))
})

t.test('a flood of rules that refuse makes no flood of numbers', async (t) => {
  const { house } = await aFewWeeks(t, '')
  const { store } = house.core
  const counts = new DailyCounts({ store, now: () => Date.now() + 40 * WEEK_MS })
  for (let line = 0; line < 500; line += 1) {
    const details = { site: 'crm.example.com/', line }
    counts.note({ time: '', event: 'access.denied', outcome: 'refused', details })
  }
  const look = async () => (await counts.last(7)).counts
  await until('all of them to be counted', async () => (await look()).reduce((sum, one) => sum + one.count, 0) === 1000)
  const found = await look()
  t.ok(found.length <= 102, `${found.length} names`)
  t.match(
    found.find(({ name }) => name === 'others'),
    { kind: 'rule', count: 401 },
  )
})

t.test('as it is seen', { skip: skipWithoutChromium() }, async (t) => {
  const { house, clock } = await aFewWeeks(t, '')
  const { store, identity } = house.core
  await new Adoption({ store, accounts: identity.accounts, now: clock.now }).countToday()
  await house.addUser('otto', { role: 'owner' })
  const { visitor: otto } = await seat(house, 'otto', clock)
  const browser = await launchChromium(t)
  const { page, complaints } = await openWindow(browser)
  const value = otto.cookies.get('gatelodge') ?? ''
  await page.context().addCookies([{ name: 'gatelodge', value, url: house.url }])
  for (const period of ['day', 'week', 'month']) {
    await page.goto(`${house.url}/.gatelodge/admin?period=${period}`)
    await inEveryView(page, `desk-numbers-${period}`, async (view) => {
      t.same(await axeViolations(page), [], `${period}, ${view}: axe`)
      t.notOk(await isTooWide(page), `${period}, ${view}: fits`)
    })
  }
  await page.getByRole('link', { name: 'Show them all' }).click()
  await page.getByRole('link', { name: 'bob' }).waitFor()
  t.same(complaints, [])
})
