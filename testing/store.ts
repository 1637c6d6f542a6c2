import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Json, Store, StoredEntry } from '../src/contracts.js'
import type { SuiteTest } from './runner.js'
import type { StoreProcessSettings } from './store-process.js'

/** What the suite needs to know of the store it is run on. */
export interface StoreUnderTest {
  /** Opens an empty store, and closes it and leaves nothing behind when the test ends. */
  open(t: SuiteTest, now: () => number): Promise<Store>
  /** How another process opens the store that was opened last. */
  elsewhere(): StoreProcessSettings
}

const program = fileURLToPath(new URL('./store-process.js', import.meta.url))

/** What every store promises. Run on each plugin of `plugins/stores`. */
export function storeContract(t: SuiteTest, store: StoreUnderTest): void {
  const start = 1_763_000_000_000

  t.test('keeps JSON as it is', async (t) => {
    const s = await store.open(t, () => start)
    const values: Json[] = [
      null,
      true,
      false,
      0,
      -1.5,
      1e300,
      '',
      'a:b',
      ':',
      '"',
      'ключ 🔑 \u0000 \ud800',
      [],
      [[1, [null]]],
      {},
      { b: 1, a: { '': [] } },
      JSON.parse('{"__proto__":{"x":1},"constructor":2}'),
      'x'.repeat(200_000),
    ]
    for (const value of values) {
      await s.set('value', value)
      t.same(JSON.stringify(await s.get('value')), JSON.stringify(value))
    }
    await t.rejects(s.set('value', undefined as unknown as Json), /JSON/)
  })

  t.test('a key that was never set, or was deleted, is not there', async (t) => {
    const s = await store.open(t, () => start)
    t.equal(await s.get('nobody'), undefined)
    await s.set('somebody', 1)
    t.equal(await s.delete('somebody'), true)
    t.equal(await s.delete('somebody'), false)
    t.equal(await s.get('somebody'), undefined)
  })

  t.test('keys may be any well-formed text, and are not confused', async (t) => {
    const s = await store.open(t, () => start)
    const keys = [
      'a',
      'A',
      'a ',
      'ä',
      'a\u0308',
      '\u0000',
      '\u0001',
      '*',
      '?',
      '[a]',
      'a:b',
      '🔑',
      '__proto__',
      '\uffff',
    ]
    for (const [index, key] of keys.entries()) await s.set(key, index)
    for (const [index, key] of keys.entries()) t.equal(await s.get(key), index, JSON.stringify(key))
    t.equal((await s.list('')).length, keys.length)
  })

  t.test('a key that cannot be kept exactly is refused, by every method', async (t) => {
    const s = await store.open(t, () => start)
    const longest = 'é'.repeat(985)
    await s.set(longest, 1, 60)
    t.equal(await s.get(longest), 1)
    for (const key of ['', `${longest}x`, 'x'.repeat(1971), '\ud800', 'a\udc00b']) {
      await t.rejects(s.get(key), /A key of the store/)
      await t.rejects(s.set(key, 1), /A key of the store/)
      await t.rejects(s.add(key, 1), /A key of the store/)
      await t.rejects(s.replace(key, 1, 2), /A key of the store/)
      await t.rejects(s.delete(key), /A key of the store/)
      await t.rejects(s.increment(key, 1), /A key of the store/)
    }
  })

  t.test('a key that has expired is a key that is not there, for every method', async (t) => {
    let now = start
    const s = await store.open(t, () => now)
    const expired = async (key: string) => {
      now = start
      await s.set(key, 'old', 10)
      now = start + 9_999
      t.equal(await s.get(key), 'old', 'it lives to its last millisecond')
      now = start + 10_000
    }
    await expired('get')
    t.equal(await s.get('get'), undefined)
    await expired('add')
    t.equal(await s.add('add', 'new'), true)
    t.equal(await s.get('add'), 'new')
    await expired('replace')
    t.equal(await s.replace('replace', 'old', 'new'), false)
    await expired('delete')
    t.equal(await s.delete('delete'), false)
    await expired('increment')
    t.equal(await s.increment('increment', 10), 1)
    await expired('list')
    t.same(await s.list('list'), [])
  })

  t.test('the lifetime is the last one given', async (t) => {
    let now = start
    const s = await store.open(t, () => now)
    await s.set('shorter', 1, 100)
    await s.set('shorter', 2, 10)
    await s.set('longer', 1, 10)
    await s.set('longer', 2, 100)
    await s.set('for ever', 1, 10)
    await s.set('for ever', 2)
    await s.set('endless', 1, Number.POSITIVE_INFINITY)
    now += 10_000
    t.equal(await s.get('shorter'), undefined)
    t.equal(await s.get('longer'), 2)
    now += 1e12
    t.equal(await s.get('longer'), undefined)
    t.equal(await s.get('for ever'), 2)
    t.equal(await s.get('endless'), 1)
    for (const ttl of [0, -1, Number.NaN]) await t.rejects(s.set('x', 1, ttl), /lifetime/)
    for (const ttl of [0, -1, Number.NaN]) await t.rejects(s.increment('x', ttl), /lifetime/)
  })

  t.test('add creates, and leaves what is there', async (t) => {
    let now = start
    const s = await store.open(t, () => now)
    t.equal(await s.add('key', { first: true }, 10), true)
    t.equal(await s.add('key', { second: true }, 1000), false)
    t.same(await s.get('key'), { first: true })
    now += 10_000
    t.equal(await s.add('key', { third: true }), true)
    now += 1e9
    t.same(await s.get('key'), { third: true })
  })

  t.test('replace compares by JSON value and keeps the lifetime unless a new one is given', async (t) => {
    let now = start
    const s = await store.open(t, () => now)
    await s.set('key', { a: 1, b: { c: [1, 2], d: null } }, 10)
    t.equal(await s.replace('key', { a: 1 }, 'wrong'), false)
    t.equal(await s.replace('key', { a: 1, b: { c: [2, 1], d: null } }, 'wrong'), false)
    t.equal(await s.replace('key', { a: 1, b: { c: [1, 2] } }, 'wrong'), false)
    t.equal(
      await s.replace('key', { b: { d: null, c: [1, 2] }, a: 1 }, 'two'),
      true,
      'the order of names is no difference',
    )
    now += 9_999
    t.equal(await s.get('key'), 'two')
    t.equal(await s.replace('key', 'two', 'three', 10), true)
    now += 9_999
    t.equal(await s.get('key'), 'three')
    now += 1
    t.equal(await s.replace('key', 'three', 'four'), false, 'gone')
    t.equal(await s.replace('never', 'x', 'y'), false)
    t.equal(await s.get('never'), undefined)
    for (const [a, b] of [
      [1, '1'],
      [0, false],
      [null, 0],
      [[], {}],
      [{}, []],
      [{ 0: 'a' }, ['a']],
      ['', null],
    ] as Array<[Json, Json]>) {
      await s.set('typed', a)
      t.equal(await s.replace('typed', b, 'wrong'), false, `${JSON.stringify(a)} is not ${JSON.stringify(b)}`)
      t.equal(await s.replace('typed', a, 'right'), true, `${JSON.stringify(a)} is itself`)
    }
  })

  t.test('increment counts from 1, and the first call starts the clock', async (t) => {
    let now = start
    const s = await store.open(t, () => now)
    t.equal(await s.increment('count', 10), 1)
    now += 6_000
    t.equal(await s.increment('count', 10), 2)
    t.equal(await s.get('count'), 2)
    now += 4_000
    t.equal(await s.get('count'), undefined)
    t.equal(await s.increment('count', 10), 1)
    await s.set('kept', 41)
    t.equal(await s.increment('kept', 10), 42)
    now += 1e9
    t.equal(await s.increment('kept', 10), 43, 'what has no end gets none')
    await s.set('text', 'x')
    await t.rejects(s.increment('text', 10), /no whole number/)
    t.equal(await s.get('text'), 'x')
  })

  t.test('list gives keys in order of their UTF-8 bytes, page by page', async (t) => {
    let now = start
    const s = await store.open(t, () => now)
    // In UTF-16 order the two last ones would change places.
    const names = ['', '\u0000', '1', '10', '2', 'A', 'a', 'aa', 'é', '\uffee', '🔑']
    await Promise.all([...names].reverse().map((name) => s.set(`p:${name}`, name)))
    await s.set('p', 'before')
    await s.set('p;', 'after')
    await s.set('p:gone', 1, 1)
    now += 1000
    const all = names.map((name) => [`p:${name}`, name])
    t.same(await s.list('p:'), all)
    t.same(await s.list('p:', { limit: 3 }), all.slice(0, 3))
    t.same(await s.list('p:', { after: 'p:10', limit: 3 }), all.slice(4, 7))
    t.same(await s.list('p:', { after: 'p:11' }), all.slice(4), 'after a key that is not there')
    t.same(await s.list('p:', { after: 'p:🔑' }), [])
    t.same(await s.list('p:', { after: 'a' }), all, 'after a key before all of them')
    t.same(await s.list('p:', { after: 'z' }), [], 'after a key behind all of them')
    t.same(await s.list('p:', { limit: 0 }), [])
    t.same(await s.list('q'), [])
    const pages: unknown[] = []
    for (let after: string | undefined; ; ) {
      const page = await s.list('p:', after === undefined ? { limit: 2 } : { after, limit: 2 })
      pages.push(...page)
      if (page.length < 2) break
      after = page.at(-1)?.[0]
    }
    t.same(pages, all)
  })

  t.test('list gives 100 entries unless told otherwise, and finds the living behind many expired', async (t) => {
    let now = start
    const s = await store.open(t, () => now)
    const three = (index: number) => String(index).padStart(4, '0')
    await Promise.all(
      Array.from({ length: 2500 }, (_, index) => s.set(`k${three(index)}`, index, index < 2300 ? 1 : 100)),
    )
    t.equal((await s.list('k')).length, 100)
    t.equal((await s.list('k', { limit: 2400 })).length, 2400)
    now += 1000
    const living = await s.list('k')
    t.equal(living.length, 100)
    t.same(living[0], ['k2300', 2300])
    t.equal((await s.list('k', { limit: 1000 })).length, 200)
  })

  t.test('of fifty at once, one wins', async (t) => {
    const s = await store.open(t, () => start)
    const fifty = <Answer>(act: (index: number) => Promise<Answer>) =>
      Promise.all(Array.from({ length: 50 }, (_, index) => act(index)))
    const won = (answers: boolean[]) => answers.filter(Boolean).length

    t.equal(won(await fifty((index) => s.add('add', index))), 1)
    t.equal(won(await fifty(() => s.delete('add'))), 1)
    await s.set('replace', 0)
    t.equal(won(await fifty((index) => s.replace('replace', 0, index + 1))), 1)
    const counts = await fifty(() => s.increment('count', 60))
    t.same(
      [...counts].sort((a, b) => a - b),
      Array.from({ length: 50 }, (_, index) => index + 1),
    )
  })

  t.test('of many at once in four processes, one wins', { timeout: 400_000 }, async (t) => {
    const s = await store.open(t, Date.now)
    const others = await Promise.all([1, 2, 3].map(() => elsewhere(t, store.elsewhere())))
    const rounds = 20
    const everybody = async (method: 'add' | 'delete' | 'replace' | 'increment', args: (round: number) => Json[]) => {
      const calls = Array.from({ length: rounds }, (_, round) => ({ method, args: args(round) }))
      const here = calls.map(({ method, args }) => (s[method] as (...args: Json[]) => Promise<Json>)(...args))
      const answers = await Promise.all([Promise.all(here), ...others.map((other) => other.call(calls))])
      return calls.map((_, round) => answers.map((answer) => answer[round]))
    }
    const winners = (answers: Json[][]) => answers.map((round) => round.filter((answer) => answer === true).length)
    const oneEach = Array.from({ length: rounds }, () => 1)

    t.same(winners((await everybody('add', (round) => [`k${round}`, 'mine', 60])) as Json[][]), oneEach, 'add')
    t.same(
      winners((await everybody('replace', (round) => [`k${round}`, 'mine', 'won'])) as Json[][]),
      oneEach,
      'replace',
    )
    t.same(winners((await everybody('delete', (round) => [`k${round}`])) as Json[][]), oneEach, 'delete')
    const counted = (await everybody('increment', () => ['count', 60])).flat() as number[]
    t.same(
      counted.sort((a, b) => a - b),
      counted.map((_, index) => index + 1),
      'every increment counts',
    )
    t.equal(await s.get('count'), counted.length)
  })

  t.test('a write acknowledged in another process is seen by the next get here', async (t) => {
    const s = await store.open(t, Date.now)
    const other = await elsewhere(t, store.elsewhere())
    for (let epoch = 1; epoch <= 100; epoch++) {
      await s.get('epoch')
      await other.call([{ method: 'set', args: ['epoch', epoch] }])
      const seen = await s.get('epoch')
      if (seen !== epoch) t.equal(seen, epoch)
    }
    t.equal(await s.get('epoch'), 100)
  })

  t.test(
    'after kill -9 nothing acknowledged is lost and nothing is redeemed twice',
    { timeout: 400_000 },
    async (t) => {
      const s = await store.open(t, Date.now)
      const tokens = 1500
      await Promise.all(Array.from({ length: tokens }, (_, index) => s.set(`token:${index}`, index, 600)))
      const redeemed: number[] = []
      const written: number[] = []
      const live = async (victim: Awaited<ReturnType<typeof elsewhere>>, lines: number) => {
        let said = 0
        const told = createInterface({ input: victim.output })
        const enough = new Promise<void>((resolve) => {
          told.on('line', (line) => {
            const [what, index] = line.split(' ')
            const list = what === 'redeemed' ? redeemed : written
            list.push(Number(index))
            if (++said === lines) resolve()
          })
        })
        victim.redeem(tokens)
        await enough
        const closed = once(told, 'close')
        await victim.kill()
        await closed
      }
      // Three at the same tokens at once, killed one after the other, then one that finds what they left.
      const victims = await Promise.all([1, 2, 3, 4].map(() => elsewhere(t, store.elsewhere())))
      await Promise.all(victims.slice(0, 3).map((victim, index) => live(victim, 40 * (index + 1))))
      await Promise.all(victims.slice(3).map((victim) => live(victim, 60)))
      t.ok(redeemed.length > 50, `${redeemed.length} redeemed, ${written.length} written`)
      t.equal(new Set(redeemed).size, redeemed.length, 'no token twice')
      for (const index of redeemed) {
        if ((await s.get(`token:${index}`)) !== undefined) t.fail(`token ${index} was redeemed and is still there`)
        if (await s.delete(`token:${index}`)) t.fail(`token ${index} was redeemed and could be once more`)
      }
      for (const index of written) {
        if ((await s.get(`written:${index}`)) !== index) t.fail(`write ${index} was acknowledged and is lost`)
      }
    },
  )

  t.test('can be copied with every lifetime, and a copy takes the place of what was there', async (t) => {
    let now = start
    const from = await store.open(t, () => now)
    await from.set('for ever', { a: [1, 'ключ'] })
    await from.set('for a minute', 'm', 60)
    await from.set('gone', 'g', 5)
    for (let index = 0; index < 450; index++) await from.set(`many/${String(index).padStart(3, '0')}`, index)
    now += 10_000
    const copy: StoredEntry[] = []
    for await (const entry of from.snapshot?.() ?? []) copy.push(entry)
    t.equal(copy.length, 452)
    t.same(copy[0], { key: 'for a minute', value: 'm', expiresAt: start + 60_000 })
    t.same(copy[1], { key: 'for ever', value: { a: [1, 'ключ'] } })

    const to = await store.open(t, () => now)
    await to.set('before', 1)
    await to.set('before, for a while', 1, 30)
    now += 55_000
    t.equal(await to.replaceAll?.(copy), 451, 'what has expired since is left out')
    t.equal(await to.get('before'), undefined)
    t.equal((await to.list('', { limit: 1000 })).length, 451)
    t.same(await to.get('for ever'), { a: [1, 'ключ'] })
    t.equal(await to.get('for a minute'), undefined)
    await to.replaceAll?.([{ key: 'short', value: 1, expiresAt: now + 1000 }])
    t.equal(await to.get('short'), 1)
    now += 1000
    t.equal(await to.get('short'), undefined)
    t.same(await to.list(''), [])
  })

  t.test('after close every call is refused, and closing again is nothing', async (t) => {
    const s = await store.open(t, () => start)
    const last = s.set('last', 1)
    await Promise.all([last, s.close(), s.close()])
    await s.close()
    await t.rejects(s.get('last'), /closed/)
    await t.rejects(s.set('last', 1), /closed/)
    await t.rejects(s.add('last', 1), /closed/)
    await t.rejects(s.replace('last', 1, 2), /closed/)
    await t.rejects(s.delete('last'), /closed/)
    await t.rejects(s.increment('last', 1), /closed/)
    await t.rejects(s.list('last'), /closed/)
  })
}

type Call = { readonly method: string; readonly args: readonly Json[] }

/** The store that was opened last, in a process of its own; it ends with the test. */
export async function elsewhere(t: SuiteTest, settings: StoreProcessSettings) {
  const child: ChildProcess = fork(program, [JSON.stringify(settings)], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    // Without what tap loads into its own processes, it starts in a third of the time.
    execArgv: [],
    env: { PATH: process.env['PATH'] ?? '' },
  })
  const ended = once(child, 'exit')
  const kill = async () => {
    child.kill('SIGKILL')
    await ended
  }
  t.teardown(kill)
  const [greeting] = await Promise.race([once(child, 'message'), ended])
  if (greeting !== 'ready') throw new Error('the other process did not start')
  if (!child.stdout) throw new Error('the other process has no output')
  return {
    output: child.stdout,
    kill,
    /** All at once, answers in order. */
    async call(calls: readonly Call[]): Promise<Json[]> {
      const answer = once(child, 'message')
      child.send({ calls })
      const [answers] = await Promise.race([answer, ended])
      if (!Array.isArray(answers)) throw new Error(`the other process answered ${JSON.stringify(answers)}`)
      return answers
    },
    /** Redeems tokens and writes, one after the other, and reports each on its output. */
    redeem: (tokens: number) => child.send({ redeem: tokens }),
  }
}
