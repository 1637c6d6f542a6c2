import t from 'tap'
import { TransportError } from '../../src/contracts.js'
import { Delivery } from '../../src/messages/delivery.js'
import { failure } from '../support/failure.js'

/** A transport that does as told, and a clock that runs only when somebody waits. */
function stage(...script: ReadonlyArray<Error | undefined>) {
  const rest = [...script]
  const seen = { now: 0, waits: [] as number[], sends: 0, states: [] as string[] }
  const delivery = new Delivery<string>({
    transport: async () => {
      seen.sends += 1
      const next = rest.shift()
      if (next) throw next
    },
    now: () => seen.now,
    wait: async (ms) => {
      seen.waits.push(ms)
      seen.now += ms
    },
    changed: (state) => seen.states.push(state),
  })
  return { delivery, seen, next: (...more: ReadonlyArray<Error | undefined>) => rest.push(...more) }
}

const unavailable = (retryAfterSeconds?: number) => new TransportError('unavailable', 'busy', { retryAfterSeconds })
const refused = new TransportError('refused', 'no')
const unknown = new TransportError('unknown', 'perhaps')

t.test('what was certainly not taken is tried again, three times in all', async (t) => {
  const once = stage(unavailable(), undefined)
  await once.delivery.send('hello')
  t.match(once.seen, { sends: 2, waits: [200] })
  const never = stage(unavailable(), unavailable(), unavailable())
  t.equal((await failure(never.delivery.send('hello'))).reason, 'unavailable')
  t.match(never.seen, { sends: 3, waits: [200, 600] })
})

t.test('what was refused, or may have been taken, is never sent again', async (t) => {
  for (const error of [refused, unknown, new Error('a careless transport quotes hello')]) {
    const { delivery, seen } = stage(error)
    const met = await failure(delivery.send('hello'))
    t.equal(seen.sends, 1)
    t.notMatch(met.stack, /hello/)
  }
  t.equal((await failure(stage(new Error('x')).delivery.send('hello'))).reason, 'unknown')
})

t.test('a provider that says when is waited for, but nobody waits for ever', async (t) => {
  const soon = stage(unavailable(3), undefined)
  await soon.delivery.send('hello')
  t.same(soon.seen.waits, [3_000])
  const late = stage(unavailable(60))
  t.match(await failure(late.delivery.send('hello')), { reason: 'unavailable', retryAfterSeconds: 60 })
  t.match(late.seen, { sends: 1, waits: [] })
})

t.test('a way that fails five times in a row is closed, probed by one message, and opened again', async (t) => {
  const { delivery, seen, next } = stage(unknown, unknown, unknown, unknown, unknown)
  for (let i = 0; i < 5; i++) await failure(delivery.send('hello'))
  t.match(seen, { sends: 5, states: ['down'] })
  t.match(await failure(delivery.send('hello')), { reason: 'unavailable', retryAfterSeconds: 30 })
  t.equal(seen.sends, 5, 'the transport is left alone')
  seen.now += 30_000
  next(unknown)
  await failure(delivery.send('hello'))
  t.equal(seen.sends, 6, 'one probe')
  await failure(delivery.send('hello'))
  t.equal(seen.sends, 6, 'which failed, so it is closed again')
  seen.now += 30_000
  const all = await Promise.allSettled([delivery.send('a'), delivery.send('b'), delivery.send('c')])
  t.same(
    all.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected'],
    'of many at once one probes',
  )
  await delivery.send('hello')
  t.match(seen, { sends: 8, states: ['down', 'up'] })
})

t.test('refusals never close a way: the provider is well', async (t) => {
  const { delivery, seen } = stage(...Array.from({ length: 20 }, () => refused))
  for (let i = 0; i < 20; i++) await failure(delivery.send('hello'))
  t.match(seen, { sends: 20, states: [] })
})

t.test('a transport that never comes to an end is given up', async (t) => {
  const delivery = new Delivery<string>({
    transport: () => new Promise(() => undefined),
    now: () => 0,
    settings: { silence: 20 },
  })
  t.equal((await failure(delivery.send('hello'))).reason, 'unknown')
})
