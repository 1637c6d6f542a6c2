import t from 'tap'
import type { Json, Store } from '../../src/contracts.js'
import { markComplete } from '../../src/secrets/marker.js'
import { keepSealing } from '../../src/secrets/open-secrets.js'
import { countSealed, resealAll } from '../../src/secrets/reseal.js'
import { Sealer } from '../../src/secrets/sealer.js'
import { SealingStore } from '../../src/secrets/sealing-store.js'
import {
  add,
  Clock,
  client,
  codeAt,
  emptyStore,
  enrolApp,
  halfWay,
  overStore,
  type Rooms,
  services,
  shownKey,
} from '../support/core.js'
import { lentHost } from '../support/lent-host.js'
import { ringOf, testKey, testSealer } from '../support/sealer.js'

/** Secrets that the store has to give back, and whoever reads or writes the store behind the gateway's back. */

type Kept = { readonly [name: string]: Json }

const everything = async (store: Store) => JSON.stringify(await store.list('', { limit: 10_000 }))

async function enrolmentOf(r: Rooms, accountId: string): Promise<readonly [key: string, value: Kept]> {
  const [row] = await r.store.list(`enrolment/${accountId}/`)
  if (row === undefined) throw new Error('no enrolment')
  return row as unknown as readonly [string, Kept]
}

const answer = (r: Rooms, token: string, key: string) => r.signIn.answer(token, codeAt(key, r.clock.ms), client())
const audited = async ({ audit }: Rooms) => (await audit.since(0, 1000)).map(({ event }) => event)

t.test(
  'whoever copies the store finds no seed, neither of an app that is set up nor of one that is about to be',
  async (t) => {
    const r = await services(t)
    await add(r, 'ana')
    const pending = await halfWay(r, 'ana', { ask: 'enrol' })
    const shown = await shownKey(r, pending)
    t.notMatch(await everything(r.store), shown, 'while it is shown')
    t.match(await r.signIn.confirmEnrolment(pending, codeAt(shown, r.clock.ms), client()), { outcome: 'session' })
    const { key } = await enrolApp(r, await add(r, 'bob').then(() => 'bob'))
    const all = await everything(r.store)
    for (const secret of [shown, key, r.installation.formKey.export().toString('base64url')]) t.notMatch(all, secret)
  },
)

t.test('two users’ seeds are exchanged in the store: neither gets in, with whichever app', async (t) => {
  const r = await services(t)
  const people = ['ana', 'bob']
  const accounts = await Promise.all(people.map((name) => add(r, name)))
  const [ana = '', bob = ''] = [(await enrolApp(r, 'ana')).key, (await enrolApp(r, 'bob')).key]
  const [one, other] = await Promise.all(accounts.map(({ id }) => enrolmentOf(r, id)))
  if (one === undefined || other === undefined) throw new Error('no enrolments')
  await r.store.set(one[0], { ...one[1], sealed: other[1]['sealed'] ?? '' })
  await r.store.set(other[0], { ...other[1], sealed: one[1]['sealed'] ?? '' })
  r.clock.forward(60)
  for (const [name, keys] of [
    ['ana', [ana, bob]],
    ['bob', [bob, ana]],
  ] as const) {
    const pending = await halfWay(r, name)
    t.match(
      await r.signIn.pending(pending),
      { mode: 'verify', methods: [{ use: 'totp' }], recoveryCodeOnly: false },
      name,
    )
    for (const key of keys) t.notMatch(await answer(r, pending, key), { outcome: 'session' }, name)
  }
  t.ok((await audited(r)).includes('factor.unreadable'))
  t.ok(r.lines.some(({ message }) => /could not be opened/.test(message)))
})

t.test(
  'a seed that was damaged asks for a second factor all the same, and another one of the user works',
  async (t) => {
    const r = await services(t)
    const { id } = await add(r, 'ana')
    const { key } = await enrolApp(r, 'ana')
    const [where, kept] = await enrolmentOf(r, id)
    r.clock.forward(60)
    for (const damage of [{ sealed: `${kept['sealed']}A` }, { sealed: 'v1.x' }, { sealed: 7 }, { sealed: undefined }]) {
      await r.store.set(where, JSON.parse(JSON.stringify({ ...kept, ...damage })))
      const pending = await halfWay(r, 'ana')
      const outcome = await answer(r, pending, key)
      t.notMatch(outcome, { outcome: 'session' })
      t.match(await r.signIn.pending(pending), { mode: 'verify' }, 'never: set one up')
    }
    await r.store.set(where, kept)
    t.match(await answer(r, await halfWay(r, 'ana'), key), { outcome: 'session' })
  },
)

t.test('a seed in the clear, written by somebody after all were sealed, lets nobody in', async (t) => {
  const r = await services(t, { sealer: strict() })
  const { id } = await add(r, 'ana')
  const { key } = await enrolApp(r, 'ana')
  const [where, { sealed: _, ...rest }] = await enrolmentOf(r, id)
  await r.store.set(where, { ...rest, enrolment: { secret: key, lastStep: -1 } })
  r.clock.forward(60)
  t.notMatch(await answer(r, await halfWay(r, 'ana'), key), { outcome: 'session' })
  t.match(await resealAll(r.store, strict(), { all: true }), { clear: 1, changed: 0 }, 'nor is it sealed by rotating')
})

function strict(): Sealer {
  const sealer = testSealer()
  sealer.takesClear = false
  return sealer
}

t.test(
  'what an earlier version kept in the clear works, and is sealed at its first use or beside everything else',
  async (t) => {
    const clock = new Clock()
    const store = await emptyStore(t, clock)
    const sealer = testSealer()
    const r = await overStore(t, store, clock, { sealer })
    const names = ['ana', 'bob', 'cleo']
    const keys = new Map<string, string>()
    const places: string[] = []
    for (const name of names) {
      const { id } = await add(r, name)
      keys.set(name, (await enrolApp(r, name)).key)
      const [where, { sealed, ...rest }] = await enrolmentOf(r, id)
      await store.set(where, { ...rest, enrolment: sealer.open(where, sealed)?.value ?? null })
      places.push(where)
    }
    const formKey = r.installation.formKey.export().toString('base64url')
    const { sealed: _, ...installation } = (await store.get('installation')) as Kept
    await store.set('installation', { ...installation, formKey })
    t.equal((await countSealed(store)).clear, 4)

    r.clock.forward(60)
    t.match(await answer(r, await halfWay(r, 'ana'), keys.get('ana') ?? ''), { outcome: 'session' })
    t.equal((await countSealed(store)).clear, 3, 'at its first use')

    const log = lentHost().log
    await keepSealing(store, sealer, log)()
    const left = (await countSealed(store)).clear
    t.ok(left > 0 && sealer.takesClear, 'one that is ended at once leaves the rest as it was')
    const end = keepSealing(store, sealer, log)
    while ((await countSealed(store)).clear > 0) await new Promise(setImmediate)
    await end()
    t.ok(sealer.takesClear, 'a pass that found some is not the last')
    const again = keepSealing(store, sealer, log)
    while (sealer.takesClear) await new Promise(setImmediate)
    await again()
    const all = await everything(store)
    for (const secret of [...keys.values(), formKey]) t.notMatch(all, secret)
    r.clock.forward(60)
    for (const name of names) {
      t.match(await answer(r, await halfWay(r, name), keys.get(name) ?? ''), { outcome: 'session' }, name)
    }
    t.equal((await r.beside()).installation.formKey.export().toString('base64url'), formKey)
  },
)

t.test(
  'keys are exchanged while two gateways sign people in: nobody is turned away, and only the new key is needed',
  async (t) => {
    const clock = new Clock()
    const store = await emptyStore(t, clock)
    const newKey = 'cd'.repeat(32)
    const [before, after] = [new Sealer(ringOf(testKey, newKey)), new Sealer(ringOf(newKey, testKey))]
    const one = await overStore(t, store, clock, { sealer: before })
    const two = await overStore(t, store, clock, { sealer: after })
    const names = ['ana', 'bob', 'cleo', 'dora']
    const keys = new Map<string, string>()
    for (const name of names) {
      await add(one, name)
      keys.set(name, (await enrolApp(one, name)).key)
    }
    clock.forward(60)
    const pending = new Map<string, string>()
    for (const name of names) pending.set(name, await halfWay(one, name))
    const [, ...outcomes] = await Promise.all([
      resealAll(store, after, { all: true }),
      ...names.map((name, at) => answer(at % 2 === 0 ? one : two, pending.get(name) ?? '', keys.get(name) ?? '')),
    ])
    for (const outcome of outcomes) t.match(outcome, { outcome: 'session' })
    t.match(await resealAll(store, after, { all: true }), { unreadable: 0 })
    t.same([...(await countSealed(store)).byKid.keys()], [after.ring.current.kid])
    const alone = await overStore(t, store, clock, { sealer: testSealer(newKey) })
    clock.forward(60)
    t.match(await answer(alone, await halfWay(alone, 'ana'), keys.get('ana') ?? ''), { outcome: 'session' })
  },
)

t.test('what plugins keep for themselves is sealed, and as atomic as it was', async (t) => {
  const store = await emptyStore(t, new Clock())
  const s = new SealingStore(store, testSealer())
  const key = 'plugin:second-factors:card:a'
  t.equal(await s.add(key, { token: 'canary' }), true)
  t.equal(await s.add(key, 1), false)
  t.notMatch(await everything(store), 'canary')
  t.same(await s.get(key), { token: 'canary' })
  t.same(await s.list('plugin:second-factors:card:'), [[key, { token: 'canary' }]])
  t.equal(await s.replace(key, { token: 'other' }, 1), false)
  const replaced = await Promise.all([2, 3, 4].map((next) => s.replace(key, { token: 'canary' }, next)))
  t.equal(replaced.filter(Boolean).length, 1, 'one of several wins')
  t.equal(await s.increment('plugin:second-factors:card:n', 60), 1)
  t.equal(await s.get('plugin:second-factors:card:n'), 1)
  await store.set('plugin:second-factors:card:b', { sealed: ((await store.get(key)) as { sealed: string }).sealed })
  await t.rejects(s.get('plugin:second-factors:card:b'), /could not be opened/, 'a value that was moved')
  await markComplete(store, testSealer())
})
