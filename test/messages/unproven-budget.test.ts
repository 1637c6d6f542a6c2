import t, { type Test } from 'tap'
import embedded from '../../plugins/stores/embedded.js'
import { UnprovenBudget, type UnprovenLimits } from '../../src/messages/unproven-budget.js'
import { build, lentHost } from '../support/lent-host.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const hour = 3_600_000

async function open(t: Test, limits: UnprovenLimits) {
  const clock = { now: Date.UTC(2026, 10, 21, 9) }
  const host = lentHost({ now: () => clock.now })
  const store = await build(embedded, { path: await temporaryDirectory(t) }, host)
  t.teardown(() => store.close())
  const audited: object[] = []
  const audit = { record: async (entry: object) => void audited.push(entry) }
  const parts = { store, audit, log: host.log, now: host.now, limits }
  const budget = new UnprovenBudget(parts)
  /** As the door does it. */
  const ask = async (network: string, ageSeconds = 3600) =>
    (await budget.look(network, ageSeconds)) ?? (await budget.take(network))
  const served = async (networks: readonly string[]) => {
    let count = 0
    for (const network of networks) if ((await ask(network)) === undefined) count += 1
    return count
  }
  return { budget, beside: () => new UnprovenBudget(parts), clock, audited, host, ask, served }
}

const networks = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => `198.51.${Math.floor((i + from) / 250)}.${(i + from) % 250}`)

t.test('one network alone never uses up what others may ask for', async (t) => {
  const { served, ask } = await open(t, { networkPerHour: 20, perDay: 1000 })
  t.ok((await served(Array.from({ length: 500 }, () => '198.51.100.1'))) <= 20)
  t.equal(await ask('203.0.113.1'), undefined)
})

t.test('the more is used up, the fewer a network gets, and a flood leaves the rest to the others', async (t) => {
  const { served, clock, ask } = await open(t, { networkPerHour: 20, perDay: 1000 })
  const flood = networks(100)
  let sent = 0
  for (let round = 0; round < 20; round += 1) sent += await served(flood)
  t.ok(sent < 500, `${sent} of 2,000 while a day may have 1,000`)
  t.equal(await served(networks(20, 1000)), 20, 'whoever has not asked yet is heard')
  for (let hours = 0; hours < 20; hours += 1) {
    clock.now += hour
    sent += await served([...flood, ...flood])
  }
  t.ok(sent <= 1000)
  clock.now += hour
  t.equal(await ask('203.0.113.1'), undefined, 'hours into it as well')
})

t.test('never more than a day may have in any 24 hours, over parallel requests and two gateways', async (t) => {
  const { budget, beside, clock } = await open(t, { networkPerHour: 100, perDay: 60 })
  const other = beside()
  const times: number[] = []
  for (let hours = 0; hours < 60; hours += 1) {
    const tries = networks(40, hours * 40).map((network, i) => (i % 2 === 0 ? budget : other).take(network))
    for (const held of await Promise.all(tries)) if (held === undefined) times.push(clock.now)
    clock.now += hour
  }
  const most = Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + 24 * hour).length))
  t.ok(most <= 60, `${most}`)
  t.ok(times.length > 60, 'and it goes on')
})

t.test('when all is used up the next one is told, and it is minutes away and not at midnight', async (t) => {
  const { ask, served, clock, audited, host } = await open(t, { networkPerHour: 20, perDay: 1000 })
  t.equal(await served(networks(700)), 500)
  const held = await ask('203.0.113.1')
  t.same(held, { limit: 'day', retryAfterSeconds: 173 })
  clock.now += 174_000
  t.equal(await ask('203.0.113.1'), undefined)
  t.match(audited, [{ event: 'throttle.on', reason: 'budget of what is asked for without a proof' }])
  t.equal(audited.length, 1, 'told once a day')
  t.equal(host.lines.filter(({ level }) => level === 'error').length, 1)
  t.match(
    await (await open(t, { networkPerHour: 20, perDay: 0 })).ask('203.0.113.1'),
    { limit: 'day' },
    'nought is never',
  )
})

t.test('a form must have been open for some time, the longer the more is used up', async (t) => {
  const { ask, served } = await open(t, { networkPerHour: 1000, perDay: 200 })
  t.equal(await ask('203.0.113.1', 0), undefined)
  await served(networks(30))
  t.same(await ask('203.0.113.2', 1.5), { limit: 'early', retryAfterSeconds: 4 })
  t.equal(await ask('203.0.113.2', 5), undefined)
  await served(networks(25, 1000))
  t.same(await ask('203.0.113.3', 5), { limit: 'early', retryAfterSeconds: 15 })
  await served(networks(25, 2000))
  t.same(await ask('203.0.113.4', 20), { limit: 'early', retryAfterSeconds: 40 })
  t.equal(await ask('203.0.113.4', 60), undefined)
})

t.test('whoever has an IPv6 /48 has ten times as much as a /64, and a /56 three times', async (t) => {
  const { served } = await open(t, { networkPerHour: 4, perDay: 100_000 })
  const of = (count: number, address: (i: number) => string) => Array.from({ length: count }, (_, i) => address(i))
  t.equal(await served(of(100, (i) => `2001:db8:1:1${String(i % 50).padStart(2, '0')}::/64`)), 12)
  t.equal(await served(of(100, (i) => `2001:db8:1:${(0x2000 + i * 0x100).toString(16)}::/64`)), 28)
  t.equal(await served(of(3, () => '2001:db8:2:1::/64')), 3)
})
