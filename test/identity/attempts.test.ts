import t from 'tap'
import { Attempts, type PasswordSpend } from '../../src/identity/attempts/attempts.js'
import { add, Clock, emptyStore, type Rooms, services, tryPassword } from '../support/core.js'

const waitOf = (spend: PasswordSpend) => (spend.allowed ? 0 : (spend.retryAfterSeconds ?? -1))

t.test('from the fifth failure on a delay that doubles from 1 s to 15 min, for known and unknown names', async (t) => {
  const waits: number[][] = []
  for (const name of ['ada', 'nobody']) {
    const r = await services(t)
    await add(r, 'ada')
    const seen: number[] = []
    for (let failure = 1; failure <= 17; failure += 1) {
      t.same(await tryPassword(r, name, { password: 'not the one', from: `net ${failure}` }), { outcome: 'refused' })
      const next = await tryPassword(r, name, { password: 'not the one', from: 'another' })
      const wait = next.outcome === 'refused' ? (next.retryAfterSeconds ?? 0) : -1
      seen.push(wait)
      // The one that was let through to look counted: only a try that is turned away costs nothing.
      if (wait === 0) failure += 1
      if (wait > 0) {
        r.clock.forward(wait - 1)
        t.match(await tryPassword(r, name, { from: 'early' }), { retryAfterSeconds: 1 })
        r.clock.forward(1)
      }
    }
    waits.push(seen)
  }
  t.same(waits[0], [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900])
  t.same(waits[1], waits[0])
})

t.test('whoever has an IPv6 /48 has 200 tries a minute and not 65,536 times 20; a /56 has 60', async (t) => {
  const clock = new Clock()
  const attempts = new Attempts({ store: await emptyStore(t, clock), now: clock.now })
  let number = 0
  /** How many are judged of so many from networks that are drawn one after the other. */
  const judged = async (count: number, network: (index: number) => string) => {
    let allowed = 0
    for (let index = 0; index < count; index += 1) {
      number += 1
      const spend = await attempts.spendPassword({ nameHash: `name ${number}`, network: network(index) })
      if (spend.allowed) allowed += 1
      else t.ok((spend.retryAfterSeconds ?? Number.POSITIVE_INFINITY) <= 60)
    }
    return allowed
  }
  t.equal(await judged(25, () => '2001:db8:1:100::/64'), 20)
  t.equal(await judged(70, (index) => `2001:db8:1:1${String(index % 30).padStart(2, '0')}::/64`), 40, 'the same /56')
  const elsewhere = (index: number) => `2001:db8:1:${(0x2000 + index * 0x100).toString(16)}::/64`
  t.equal(await judged(160, elsewhere), 140, 'the same /48')
  t.equal(await judged(5, () => '2001:db8:2::/64'), 5, 'the neighbour is not slowed')
  clock.forward(61)
  t.equal(await judged(5, elsewhere), 5)
})

t.test('the right password is not judged while the delay runs, and ends it when it is', async (t) => {
  const r = await services(t)
  await add(r, 'ada')
  for (let n = 0; n < 5; n += 1) await tryPassword(r, 'ada', { password: 'not the one' })
  t.same(await tryPassword(r, 'ada'), { outcome: 'refused', retryAfterSeconds: 1 })
  r.clock.forward(1)
  t.match(await tryPassword(r, 'ada'), { outcome: 'session' })
  for (let n = 0; n < 4; n += 1) await tryPassword(r, 'ada', { password: 'not the one' })
  t.match(await tryPassword(r, 'ADA'), { outcome: 'session' }, 'it starts anew')
  const events = (await r.audit.since(0, 1000)).map(({ event }) => event)
  t.equal(events.filter((event) => event === 'throttle.on').length, 1)
  t.equal(events.filter((event) => event === 'throttle.off').length, 1)
})

t.test('fifty passwords at once over two gateways: five are judged', async (t) => {
  const r = await services(t)
  const gateways = [r, await r.beside()]
  await add(r, 'ada')
  const judged = countJudged(gateways)
  await Promise.all(
    Array.from({ length: 50 }, (_, n) =>
      tryPassword(gateways[n % 2] ?? r, 'ada', { password: `guess number ${n}`, from: `net ${n}` }),
    ),
  )
  t.equal(judged(), 5)
})

t.test('one network: twenty failures in any minute, whatever the names; right passwords do not count', async (t) => {
  const r = await services(t)
  const gateways = [r, await r.beside()]
  await add(r, 'ada')
  for (let n = 0; n < 30; n += 1) t.equal((await tryPassword(r, 'ada')).outcome, 'session')
  const judged = countJudged(gateways)
  for (let n = 0; n < 10; n += 1) await tryPassword(r, `name ${n}`)
  r.clock.forward(59)
  await Promise.all(Array.from({ length: 50 }, (_, n) => tryPassword(gateways[n % 2] ?? r, `other ${n}`)))
  t.equal(judged(), 20)
  t.same(await tryPassword(r, 'ada'), { outcome: 'refused', retryAfterSeconds: 1 })
  t.match(await tryPassword(r, 'ada', { from: '198.51.100.1' }), { outcome: 'session' }, 'others are not held up')
  r.clock.forward(1)
  await Promise.all(Array.from({ length: 50 }, (_, n) => tryPassword(r, `third ${n}`)))
  t.equal(judged(), 20 + 1 + 10, 'no twenty at the end of one minute and twenty at the start of the next')
})

t.test('right passwords do not count, however long the store takes to write a try down', async (t) => {
  const clock = new Clock()
  const now = () => {
    clock.ms += 1
    return clock.ms
  }
  const attempts = new Attempts({ store: await emptyStore(t, clock), now })
  const attempt = { nameHash: 'name', network: 'net' }
  for (let n = 0; n < 30; n += 1) {
    const spend = await attempts.spendPassword(attempt)
    t.equal(waitOf(spend), 0)
    if (spend.allowed) await attempts.passwordWasRight(attempt, spend.receipt)
  }
})

t.test('a remembered device has a budget of its own', async (t) => {
  const clock = new Clock()
  const attempts = new Attempts({ store: await emptyStore(t, clock), now: clock.now })
  const stranger = { nameHash: 'name', network: 'far' }
  for (let n = 0; n < 5; n += 1) await attempts.spendPassword(stranger)
  t.equal(waitOf(await attempts.spendPassword(stranger)), 1)
  t.equal(waitOf(await attempts.spendPassword({ ...stranger, network: 'near', deviceId: 'device' })), 0)
})

t.test('failures are forgotten after a day without one', async (t) => {
  const clock = new Clock()
  const attempts = new Attempts({ store: await emptyStore(t, clock), now: clock.now })
  const attempt = { nameHash: 'name', network: 'net' }
  for (let n = 0; n < 4; n += 1) await attempts.spendPassword(attempt)
  clock.forward(24 * 3600)
  await attempts.spendPassword(attempt)
  t.equal(waitOf(await attempts.spendPassword(attempt)), 0)
})

t.test('second step: the window slides, and a wait is what it says', async (t) => {
  const clock = new Clock()
  const attempts = new Attempts({ store: await emptyStore(t, clock), now: clock.now })
  for (let n = 0; n < 4; n += 1) {
    t.equal(waitOf(await attempts.spendSecondStep('ada')), 0)
    clock.forward(200)
  }
  t.same(await attempts.secondStepLeft('ada'), { tries: 1 })
  clock.forward(300)
  t.same(await attempts.secondStepLeft('ada'), { tries: 3 }, 'the first two are longer ago than 15 minutes')
  for (let n = 0; n < 3; n += 1) await attempts.spendSecondStep('ada')
  t.same(await attempts.secondStepLeft('ada'), { tries: 0, retryAfterSeconds: 900 })
  clock.forward(899)
  t.equal(waitOf(await attempts.spendSecondStep('ada')), 1)
  clock.forward(1)
  t.same(await attempts.secondStepLeft('ada'), { tries: 5 })
  t.same(await attempts.secondStepLeft('bob'), { tries: 5 }, 'each account by itself')
})

t.test('second step: two right answers of five at once give two tries back and end the block', async (t) => {
  const clock = new Clock()
  const attempts = new Attempts({ store: await emptyStore(t, clock), now: clock.now })
  const spends = await Promise.all(Array.from({ length: 50 }, () => attempts.spendSecondStep('ada')))
  const allowed = spends.filter((spend) => spend.allowed)
  t.equal(allowed.length, 5)
  const ordered = allowed.sort((a, b) => (a.blocksSeconds ?? 0) - (b.blocksSeconds ?? 0))
  const [first, , , , last] = ordered
  if (first === undefined || last === undefined) throw new Error('five are allowed')
  await attempts.secondStepWasRight('ada', first.receipt)
  t.match(await attempts.secondStepLeft('ada'), { tries: 0 }, 'the block that another try began stays')
  await attempts.secondStepWasRight('ada', last.receipt)
  t.same(await attempts.secondStepLeft('ada'), { tries: 2 })
  await attempts.secondStepWasRight('nobody', last.receipt)
})

function countJudged(gateways: readonly Rooms[]): () => number {
  let judged = 0
  for (const { directory } of gateways) {
    const verify = directory.verifyPassword.bind(directory)
    directory.verifyPassword = (username, password) => {
      judged += 1
      return verify(username, password)
    }
  }
  return () => judged
}
