import t from 'tap'
import type { Store, WatchedKey } from '../../src/contracts.js'
import { drawToken, hashOf } from '../../src/identity/store/random-token.js'
import { add, client, open, type Rooms, services } from '../support/core.js'
import { until } from '../support/poll.js'

const DAY = 24 * 3600

/** Counts what the store is asked to do, and can be told to be away. */
function watched() {
  const calls: string[] = []
  let away = false
  /** A look at a key that needs no waiting is a read like any other. */
  const look = (key: string, { current }: WatchedKey): WatchedKey => ({
    current: () => {
      if (away) throw new Error('the store is away')
      calls.push(`get ${key}`)
      return current()
    },
  })
  const wrap = (store: Store): Store =>
    new Proxy(store, {
      get(target, name) {
        const method = Reflect.get(target, name)
        if (typeof method !== 'function') return method
        return (...input: unknown[]) => {
          if (away && name !== 'close') return Promise.reject(new Error('the store is away'))
          if (name === 'watch') return look(String(input[0]), method.apply(target, input))
          calls.push(`${String(name)} ${input[0]}`)
          return method.apply(target, input)
        }
      },
    })
  return { calls, wrap, leave: () => (away = true) }
}

t.test('a session that is known costs one read and no write', async (t) => {
  const { calls, wrap } = watched()
  const r = await services(t, { wrap })
  await add(r, 'ada')
  const token = await open(r, 'ada')
  const first = await r.sessions.find(token)
  calls.length = 0
  t.equal(await r.sessions.find(token), first, 'the very same record')
  t.same(calls, ['get epoch'])
  calls.length = 0
  t.equal(r.sessions.known(token), first, 'nothing is waited for')
  t.same(calls, ['get epoch'])
})

t.test('a session that was ended elsewhere is not known any more', async (t) => {
  const here = await services(t)
  const there = await here.beside()
  await add(here, 'ada')
  const token = await open(here, 'ada')
  t.equal(here.sessions.known(token), undefined, 'never looked for')
  await here.sessions.find(token)
  t.ok(here.sessions.known(token))
  await there.sessions.end(token)
  t.equal(here.sessions.known(token), undefined)
  t.equal(await here.sessions.find(token), undefined)
})

t.test('what is no token is answered without asking the store', async (t) => {
  const { calls, wrap } = watched()
  const r = await services(t, { wrap })
  calls.length = 0
  for (const token of [undefined, '', 'x', 'x'.repeat(42), 'é'.repeat(43), `${'x'.repeat(42)}=`, 'x'.repeat(100_000)]) {
    t.equal(await r.sessions.find(token), undefined)
    t.equal(await r.sessions.end(token), false)
  }
  t.same(calls, [])
  t.equal(await r.sessions.find(drawToken()), undefined)
  t.ok(calls.length > 0 && calls.every((call) => call.startsWith('get ')))
})

t.test('the id of a session opens nothing', async (t) => {
  const r = await services(t)
  await add(r, 'ada')
  const token = await open(r, 'ada')
  const id = (await r.sessions.find(token))?.session.id ?? ''
  t.equal(id, hashOf(token))
  t.equal(await r.sessions.find(id), undefined)
})

t.test('a store that is away ends in an error, never in an old answer', async (t) => {
  const { wrap, leave } = watched()
  const r = await services(t, { wrap })
  await add(r, 'ada')
  const token = await open(r, 'ada')
  await r.sessions.find(token)
  leave()
  await t.rejects(r.sessions.find(token), /away/)
  t.throws(() => r.sessions.known(token), /away/)
})

t.test('when a revocation returns, no gateway opens anything with the old cookie', async (t) => {
  const here = await services(t)
  const there = await here.beside()
  const { id } = await add(here, 'ada')
  await add(here, 'bob')
  const revocations: Record<string, (r: Rooms, token: string) => Promise<unknown>> = {
    'sign out': (r, token) => r.sessions.end(token),
    'end one': (r, token) => r.sessions.endOne(hashOf(token), 'signed-out-elsewhere'),
    'end all': (r) => r.sessions.endAll(id),
    clear: (r) => r.sessions.clear(),
    deactivate: (r) => r.accounts.deactivate(id),
    'made an API account': (r) => r.accounts.change(id, (account) => ({ ...account, role: 'api' })),
    'reset of the second factor': (r) => r.enrolments.reset(id),
  }
  for (const [name, revoke] of Object.entries(revocations)) {
    await here.accounts.change(id, (account) => ({ ...account, role: 'user', status: 'active' }))
    const token = await open(here, 'ada')
    const bobs = await open(here, 'bob')
    for (const r of [here, there]) t.ok(await r.sessions.find(token), `${name}: known everywhere before`)
    await revoke(there, token)
    for (const r of [here, there]) t.equal(r.sessions.known(token), undefined, `${name}: known nowhere`)
    for (const r of [here, there]) t.equal(await r.sessions.find(token), undefined, `${name}: gone everywhere`)
    t.equal((await here.sessions.find(bobs)) === undefined, name === 'clear', `${name}: others stay unless cleared`)
    await there.accounts.activate(id)
    t.equal(await here.sessions.find(token), undefined, `${name}: and does not come back`)
  }
})

t.test('requests on their way while a revocation runs: none passes after it returned', async (t) => {
  const here = await services(t)
  const there = await here.beside()
  const { id } = await add(here, 'ada')
  for (let round = 0; round < 8; round += 1) {
    const token = await open(here, 'ada', { from: `192.0.2.${round}` })
    let ended = false
    const asking = Promise.all(
      Array.from({ length: 50 }, async () => {
        for (let n = 0; n < 10; n += 1) {
          const after = ended
          const found = await here.sessions.find(token)
          if (after && found !== undefined) t.fail('a request that began after the revocation passed')
        }
      }),
    )
    await there.sessions.endAll(id)
    ended = true
    await asking
    t.equal(await here.sessions.find(token), undefined)
  }
})

t.test('sessions that exist follow when the duration changes', async (t) => {
  const r = await services(t)
  await add(r, 'ada')
  const token = await open(r, 'ada')
  r.clock.forward(89 * DAY)
  t.ok(await r.sessions.find(token))
  r.settings.durationSeconds = 120 * DAY
  r.clock.forward(30 * DAY)
  t.ok(await r.sessions.find(token), 'longer')
  r.settings.durationSeconds = DAY
  t.equal(await r.sessions.find(token), undefined, 'shorter, also for a copy in memory')
  r.settings.durationSeconds = 120 * DAY
  t.equal(await r.sessions.find(token), undefined, 'what was found expired stays ended')
})

t.test('sessions end by being idle, where that is set, with few writes', async (t) => {
  const { calls, wrap } = watched()
  const here = await services(t, { wrap })
  const there = await here.beside()
  await add(here, 'ada')
  const token = await open(here, 'ada')
  await here.settled()
  for (const r of [here, there]) r.settings.idleSeconds = 3600
  calls.length = 0
  for (let minute = 0; minute < 120; minute += 1) {
    t.ok(await here.sessions.find(token))
    here.clock.forward(60)
  }
  const writes = calls.filter((call) => !call.startsWith('get '))
  t.ok(writes.length <= 20 && writes.every((call) => call.startsWith('replace session/')), `${writes.length} writes`)
  t.ok(await there.sessions.find(token), 'the other gateway knows it was used here')
  here.clock.forward(3600)
  t.equal(await here.sessions.find(token), undefined)
})

t.test('a touch does not bring back a session that ends at the same moment', async (t) => {
  const r = await services(t)
  await add(r, 'ada')
  r.settings.idleSeconds = 600
  for (let round = 0; round < 20; round += 1) {
    const token = await open(r, 'ada', { from: `192.0.2.${round}` })
    r.clock.forward(120)
    await Promise.all([r.sessions.find(token), r.sessions.end(token), r.sessions.find(token)])
    t.equal(await r.sessions.find(token), undefined)
  }
})

t.test('a copy lives no longer than half a minute, should a process die before it told of a change', async (t) => {
  const r = await services(t)
  const { id } = await add(r, 'ada')
  const token = await open(r, 'ada')
  await r.sessions.find(token)
  const account = await r.accounts.find(id)
  // What a process leaves behind that is killed between the change and the new epoch.
  await r.store.set(`account/${id}`, { ...account, generation: 99 } as never)
  r.clock.forward(30)
  t.equal(await r.sessions.find(token), undefined)
})

t.test('what hangs on a session is told in every gateway, without a request', async (t) => {
  const here = await services(t)
  const there = await here.beside()
  const { id } = await add(here, 'ada')
  const token = await open(here, 'ada')
  await there.sessions.find(token)
  let found: unknown = 'not told yet'
  const end = there.sessions.onEnded(async () => {
    found = await there.sessions.find(token)
  })
  await here.accounts.deactivate(id)
  await until('the other gateway is told', () => found === undefined)
  end()
})

t.test('lists what is open, of one user or of all', async (t) => {
  const r = await services(t)
  const ada = await add(r, 'ada')
  await add(r, 'bob')
  await open(r, 'ada')
  await open(r, 'ada')
  const bobs = await open(r, 'bob')
  const names = async (id?: string) => {
    const found: string[] = []
    for await (const { account } of r.sessions.list(id)) found.push(account.username)
    return found.sort()
  }
  t.same(await names(), ['ada', 'ada', 'bob'])
  t.same(await names(ada.id), ['ada', 'ada'])
  await r.sessions.endAll(ada.id)
  t.same(await names(), ['bob'])
  t.equal((await r.store.list(`session-of/${ada.id}/`)).length, 0, 'nothing of hers is left lying about')
  t.equal(await r.sessions.end(bobs, client()), true)
  t.equal(await r.sessions.end(bobs, client()), false, 'only once')
  t.same(await names(), [])
  t.equal(await r.sessions.endAll('nobody'), undefined)
})

t.test('the installation has one key and one generation, whoever comes first', async (t) => {
  const here = await services(t)
  const [a, b] = await Promise.all([here.beside(), here.beside()])
  t.equal(here.installation.formKey.symmetricKeySize, 32)
  t.ok(here.installation.formKey.equals(a.installation.formKey))
  t.ok(a.installation.formKey.equals(b.installation.formKey))
  const before = await a.installation.generation()
  await Promise.all([a.sessions.clear(), b.sessions.clear()])
  t.equal(await here.installation.generation(), before + 2)
})
