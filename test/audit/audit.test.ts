import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import embedded from '../../plugins/stores/embedded.js'
import redis from '../../plugins/stores/redis.js'
import { Audit, type AuditEntry, type AuditParts, type AuditQuery, type KeptRecord } from '../../src/audit/audit.js'
import { chainKey } from '../../src/audit/chain-hash.js'
import type { Json, Store } from '../../src/contracts.js'
import { watchedStore } from '../../src/health/watched-store.js'
import { build, lentHost } from '../support/lent-host.js'
import { until } from '../support/poll.js'
import { skipWithoutRedis, startRedis } from '../support/redis-server.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import type { AuditProcessSettings } from './audit-process.js'

const START = 1_763_000_000_000
const program = fileURLToPath(new URL('./audit-process.js', import.meta.url))
const pluginFile = (name: string) => new URL(`../../plugins/stores/${name}.js`, import.meta.url).href

interface Opened {
  readonly store: Store
  readonly elsewhere: Pick<AuditProcessSettings, 'plugin' | 'options'>
}
type Open = (t: Test, now: () => number) => Promise<Opened>

const openEmbedded: Open = async (t, now) => {
  const options = { path: await temporaryDirectory(t), timeoutSeconds: 30 }
  const store = await build(embedded, options, lentHost({ now }))
  t.teardown(() => store.close())
  return { store, elsewhere: { plugin: pluginFile('embedded'), options } }
}

t.test('embedded', async (t) => contract(t, openEmbedded))

const skip = skipWithoutRedis() && 'skipped: redis-server is not installed (apt-get install redis-server)'
t.test('redis', { skip }, async (t) => {
  const { url } = await startRedis(t)
  let opened = 0
  contract(t, async (t, now) => {
    opened++
    const options = { url, keyPrefix: `${opened}:`, timeoutSeconds: 30 }
    const store = await build(redis, options, lentHost({ now }))
    t.teardown(() => store.close())
    return { store, elsewhere: { plugin: pluginFile('redis'), options } }
  })
})

/** What the audit promises on every store. */
function contract(t: Test, open: Open): void {
  t.test('entries of four processes at once are all there, in one chain', async (t) => {
    const { store, elsewhere } = await open(t, Date.now)
    const names = ['a', 'b', 'c', 'd']
    const children = await Promise.all(names.map((name) => startProcess(t, { ...elsewhere, name })))
    const written = children.map((child) => once(child, 'message'))
    for (const child of children) child.send({ entries: 100 })
    await Promise.all(written)
    const { audit } = auditOver(store, Date.now)
    t.match(await audit.verify(), { intact: true, entries: 400, head: { number: 400 } })
    const all = await everything(audit)
    for (const name of names) {
      const own = all.flatMap((one) => (one.nameHash === name ? [one.requestId] : []))
      t.same(
        own,
        own.map((_, index) => `${name}-${index}`),
        'each in its own order',
      )
      t.equal(own.length, 100)
      // What finds them is written behind the entries, by whichever process comes to it.
      await until('all of them to be found', async () => (await pages(audit, { whose: [name] })).length === 100, 60_000)
    }
  })

  t.test(
    'a process that is killed while it writes leaves a chain that holds, and nothing acknowledged is lost',
    async (t) => {
      const { store, elsewhere } = await open(t, Date.now)
      const { audit } = auditOver(store, Date.now)
      let before = 0
      for (const name of ['first', 'second']) {
        const child = await startProcess(t, { ...elsewhere, name })
        const said: string[] = []
        const enough = new Promise<void>((resolve) => {
          if (child.stdout) createInterface(child.stdout).on('line', (line) => said.push(line) === 60 && resolve())
        })
        child.send({ endless: true })
        await enough
        const gone = once(child, 'close')
        child.kill('SIGKILL')
        await gone
        await audit.record({ event: 'admin.after', outcome: 'success' })
        const verdict = await audit.verify()
        t.match(verdict, { intact: true, breaks: [] })
        t.ok(verdict.entries > before + said.length)
        before = verdict.entries
        const found = new Set((await pages(audit, { whose: [name] })).map(({ requestId }) => requestId))
        t.same(
          said.filter((index) => !found.has(`${name}-${index}`)),
          [],
          'search finds what the dead process did not finish',
        )
      }
    },
  )

  t.test('is searched by user, event, time and address, newest first, page by page', async (t) => {
    const clock = { ms: START }
    const { store } = await open(t, () => clock.ms)
    const { audit } = auditOver(store, () => clock.ms)
    const entries: AuditEntry[] = []
    for (let index = 0; index < 240; index++) {
      const event = index % 40 === 0 ? 'policy.changed' : index % 3 === 0 ? 'session.opened' : 'sign-in.password'
      const client = { address: `192.0.2.${index % 4}`, userAgent: 'test', requestId: String(index) }
      entries.push({ event, outcome: index % 5 === 0 ? 'refused' : 'success', accountId: `user-${index % 7}`, client })
    }
    for (let from = 0; from < entries.length; from += 20) {
      clock.ms = START + from * 60_000
      await Promise.all(entries.slice(from, from + 20).map((entry) => audit.record(entry)))
    }
    const kept = (await everything(audit)).toReversed()
    t.equal(kept.length, 240)
    const time = (index: number) => START + index * 60_000
    const queries: AuditQuery[] = [
      {},
      { whose: ['user-3'] },
      { whose: ['user-3', 'user-5', 'nobody'] },
      { event: 'policy.changed' },
      { event: 'policy.*' },
      { event: 's*' },
      { event: 'session.opened', address: '192.0.2.1' },
      { address: '192.0.2.3', whose: ['user-1'] },
      { since: time(100) },
      { until: time(100) },
      { since: time(60), until: time(120), outcome: 'refused' },
      { whose: ['user-2'], since: time(60), until: time(120), event: 'sign-in.password' },
      { fits: ({ requestId }) => Number(requestId) % 11 === 0 },
      { whose: ['nobody'] },
      { since: time(10_000) },
      { until: 0 },
    ]
    for (const query of queries) {
      const wanted = kept.filter((record) => fits(record, query)).map(({ number }) => number)
      for (const limit of [7, 1000]) {
        t.same(
          (await pages(audit, query, limit)).map(({ number }) => number),
          wanted,
          JSON.stringify(query),
        )
      }
    }
    t.same(
      (await audit.since(time(220), 5)).map(({ requestId }) => requestId),
      ['220', '221', '222', '223', '224'],
    )
    t.match(await audit.recent('user-1', 2), [{ requestId: '239' }, { requestId: '232' }])
  })

  t.test('a chain that was tampered with in any way does not hold', async (t) => {
    const { store } = await open(t, () => START)
    const { audit } = auditOver(store, () => START, { keys: [chainKey('a key of the operator')] })
    for (let batch = 0; batch < 12; batch++) await recordSome(audit, 1 + (batch % 4))
    await audit.settled()
    t.match(await audit.verify(), { intact: true, entries: 30, keyedFrom: 1 })
    const whole = await contents(store)
    const places = whole.filter(([key]) => key.startsWith('audit-chain/')).length
    const index = fc.integer({ min: 0, max: places - 1 })
    const tampering = fc.record({ kind: fc.constantFrom(...Object.keys(tamperings)), at: index, other: index })
    await fc.assert(
      fc.asyncProperty(tampering, async ({ kind, at, other }) => {
        const blocks = (await contents(store)).filter(([key]) => key.startsWith('audit-chain/'))
        const isDone = await tamperings[kind]?.(store, blocks, at, other)
        const verdict = await audit.verify()
        await restore(store, whole)
        return isDone === false ? verdict.intact : !verdict.intact && verdict.breaks.length > 0
      }),
      { numRuns: 40 },
    )
    t.match(await audit.verify(), { intact: true }, 'put back as it was, it holds again')
  })

  t.test('the head that was printed shows a chain that was written anew', async (t) => {
    const { store } = await open(t, () => START)
    const { audit } = auditOver(store, () => START)
    await recordSome(audit, 5)
    const { head } = await audit.verify()
    await recordSome(audit, 3)
    t.match(await audit.verify(head.hash), { intact: true, anchor: 5 })
    for (const [key] of await contents(store)) await store.delete(key)
    const { audit: forged } = auditOver(store, () => START)
    await recordSome(forged, 8)
    t.match(await forged.verify(), { intact: true }, 'without a key, who can write the store can write all of it')
    t.match(await forged.verify(head.hash), { intact: false })
  })

  t.test('entries from before the chain are shown, and said to be unprotected', async (t) => {
    const { store } = await open(t, () => START)
    const { audit } = auditOver(store, () => START)
    const old = {
      time: new Date(START - 5000).toISOString(),
      event: 'password.changed',
      outcome: 'success',
      accountId: 'ada',
    }
    const sortable = String(START - 5000).padStart(16, '0')
    await store.set(`audit/${sortable}-0000001-abcdef01`, old, 60)
    await store.set(`audit-of/ada/${sortable}-0000001-abcdef01`, old, 60)
    t.match(await audit.recent('ada'), [old])
    await audit.record({ event: 'session.opened', outcome: 'success', accountId: 'ada' })
    t.match(await audit.recent('ada'), [{ event: 'session.opened' }, old])
    t.match(await audit.since(0), [old, { event: 'session.opened' }])
    t.match(await audit.verify(), { intact: true, entries: 1, startedAt: new Date(START).toISOString() })
  })

  t.test('a key that comes later protects from there on, and one that is left out is missed', async (t) => {
    const { store } = await open(t, () => START)
    const [old, today] = [chainKey('the key of last year'), chainKey('the key of this year')]
    await recordSome(auditOver(store, () => START).audit, 3)
    await recordSome(auditOver(store, () => START, { keys: [old] }).audit, 3)
    const { audit } = auditOver(store, () => START, { keys: [today, old] })
    await recordSome(audit, 3)
    t.match(await audit.verify(), { intact: true, entries: 9, keyedFrom: 4 })
    const { audit: without } = auditOver(store, () => START, { keys: [today] })
    t.match(await without.verify(), {
      intact: false,
      breaks: [{ number: 4, sentence: /written with a key \(\w{8}\)/ }],
    })
    await recordSome(auditOver(store, () => START).audit, 1)
    t.match(await audit.verify(), { intact: false, breaks: [{ number: 10, sentence: /without a key/ }] })
  })
}

t.test('what cannot be written down is not done', { skip }, async (t) => {
  const server = await startRedis(t)
  const store = await build(redis, { url: server.url, timeoutSeconds: 1 }, lentHost({ now: Date.now }))
  t.teardown(() => store.close())
  const { audit, lines } = auditOver(store, Date.now)
  let runs = 0
  const run = async () => ++runs
  const entry = { event: 'admin.user-deactivated', accountId: 'ada', username: 'ada', by: 'command-line' } as const
  t.equal(await audit.around(entry, run), 1)
  t.same(outcomes(await everything(audit)), ['intended', 'success'])
  t.same(outcomes(await audit.recent('ada')), ['success'], 'the user is shown what was done')

  await t.rejects(
    audit.around(entry, () => Promise.reject(new Error('no'))),
    /no/,
  )
  t.same(outcomes(await everything(audit)), ['intended', 'success', 'intended', 'failed'])
  await audit.around(entry, run, (count) => ({ outcome: 'refused', reason: 'last-owner', details: { count } }))
  t.match((await everything(audit)).at(-1), { outcome: 'refused', reason: 'last-owner', details: { count: 2 } })

  await server.stop()
  await t.rejects(audit.around(entry, run))
  t.equal(runs, 2, 'it was not run')
  await server.start()
  await t.test('and what fails afterwards does not take back what was done', async (t) => {
    const stopping = async () => {
      await server.stop()
      return 'done'
    }
    const result = await until(
      'redis to be there again',
      () => audit.around(entry, stopping).catch(() => undefined),
      30_000,
    )
    t.equal(result, 'done')
    t.match(lines.at(-1)?.message, /could not be written/)
  })
})

function auditOver(store: Store, now: () => number, more: Partial<AuditParts> = {}) {
  const { log, lines } = lentHost()
  return { audit: new Audit({ store, log, now, ...more }), lines }
}

async function startProcess(t: Test, settings: AuditProcessSettings): Promise<ChildProcess> {
  const child = fork(program, [JSON.stringify(settings)], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child, 'message')
  return child
}

async function recordSome(audit: Audit, count: number): Promise<void> {
  const entry: AuditEntry = { event: 'session.opened', outcome: 'success', accountId: 'ada', details: { count } }
  await Promise.all(Array.from({ length: count }, () => audit.record(entry)))
}

/** Oldest first. */
async function everything(audit: Audit): Promise<KeptRecord[]> {
  const all: KeptRecord[] = []
  for await (const { number, line } of audit.entries(0)) all.push({ ...JSON.parse(line), number })
  return all
}

async function pages(audit: Audit, query: AuditQuery, limit = 100): Promise<KeptRecord[]> {
  const found: KeptRecord[] = []
  for (let after: string | undefined; ; ) {
    const page = await audit.search(query, { limit, after })
    found.push(...page.entries)
    after = page.next
    if (after === undefined) return found
  }
}

function fits(record: KeptRecord, query: AuditQuery): boolean {
  const { whose, event, outcome, address, since = 0, until = Number.POSITIVE_INFINITY } = query
  const time = Date.parse(record.time)
  const isEvent = event?.endsWith('*') ? record.event.startsWith(event.slice(0, -1)) : record.event === event
  return (
    (whose === undefined || whose.includes(record.accountId ?? '')) &&
    (event === undefined || isEvent) &&
    (outcome === undefined || record.outcome === outcome) &&
    (address === undefined || record.address === address) &&
    time >= since &&
    time <= until &&
    query.fits?.(record) !== false
  )
}

function outcomes(records: readonly { readonly outcome: string }[]): string[] {
  return records.map(({ outcome }) => outcome)
}

type Row = readonly [key: string, value: Json]

async function contents(store: Store): Promise<readonly Row[]> {
  return store.list('audit-', { limit: 10_000 })
}

async function restore(store: Store, rows: readonly Row[]): Promise<void> {
  const kept = new Set(rows.map(([key]) => key))
  const added = (await contents(store)).filter(([key]) => !kept.has(key))
  await Promise.all([
    ...added.map(([key]) => store.delete(key)),
    ...rows.filter(([key]) => !key.startsWith('audit-index/')).map(([key, value]) => store.set(key, value)),
  ])
}

interface Kept {
  readonly previous: string
  readonly lines: readonly string[]
  readonly hash: string
}

/** Each says `false` when it came out as nothing at all. */
const tamperings: Record<string, (store: Store, rows: readonly Row[], at: number, other: number) => Promise<unknown>> =
  {
    'an entry is changed': (store, rows, at) =>
      change(store, rows[at], ({ lines, ...rest }) => ({ ...rest, lines: lines.with(0, `${lines[0]} `) })),
    'a hash is changed': (store, rows, at) => change(store, rows[at], (block) => ({ ...block, hash: block.previous })),
    'an entry of several is left out': async (store, rows, at) => {
      const block = rows[at]?.[1] as unknown as Kept
      if (block.lines.length < 2) return false
      return change(store, rows[at], ({ lines, ...rest }) => ({ ...rest, lines: lines.slice(1) }))
    },
    'entries are removed, in the middle or at either end': (store, rows, at) => store.delete(rows[at]?.[0] ?? ''),
    'everything from one on is removed': (store, rows, at) =>
      Promise.all(rows.slice(at).map(([key]) => store.delete(key))),
    'everything from one on is removed, and an older end named': async (store, rows, at) => {
      if (at === 0) return false
      for (const [key] of rows.slice(at)) await store.delete(key)
      const [key = '', value] = rows[at - 1] ?? []
      const { hash, lines } = value as unknown as Kept
      const head = (await store.get('audit-head')) as { startedAt: number; key: string; seal: string }
      await store.set('audit-head', { ...head, hash, count: Number(key.slice(12)) + lines.length - 1 })
      return true
    },
    'everything up to one is removed, as retention would': async (store, rows, at) => {
      const [key = '', value] = rows[at] ?? []
      const { hash, lines } = value as unknown as Kept
      for (const [key] of rows.slice(0, at + 1)) await store.delete(key)
      await store.set('audit-checkpoint', { count: Number(key.slice(12)) + lines.length - 1, hash, at: START })
    },
    'two change places': async (store, rows, at, other) => {
      if (at === other) return false
      await store.set(rows[at]?.[0] ?? '', rows[other]?.[1] ?? null)
      await store.set(rows[other]?.[0] ?? '', rows[at]?.[1] ?? null)
      return true
    },
    'one is put in between': async (store, rows, at) => {
      const block = rows[at]?.[1] as unknown as Kept
      const first = Number(rows[at]?.[0].slice(12))
      const key = `audit-chain/${String(first + block.lines.length - 1).padStart(15, '0')}`
      if (block.lines.length < 2) return false
      await store.set(key, { previous: block.hash, lines: ['{}'], hash: block.hash })
      return true
    },
    'one is put at the end without the key': async (store) => {
      const { audit } = auditOver(store, () => START)
      await recordSome(audit, 1)
      await audit.settled()
      return true
    },
    'the record of the newest is removed': (store) => store.delete('audit-head'),
    'something else is put there': (store, rows, at) => store.set(rows[at]?.[0] ?? '', 'nothing'),
  }

async function change(store: Store, row: Row | undefined, how: (block: Kept) => Kept): Promise<unknown> {
  const [key = '', value] = row ?? []
  await store.set(key, how(value as unknown as Kept) as unknown as Json)
  return true
}

t.test('an entry asked for at the very end of a write is written, and found', async (t) => {
  const kept = await build(embedded, { path: await temporaryDirectory(t) }, lentHost())
  t.teardown(() => kept.close())
  for (let hops = 0; hops < 24; hops++) {
    let later: Promise<void> | undefined
    let audit: Audit | undefined
    const store: Store = {
      ...watchedStore(kept),
      add: async (key: string, value: Json, ttlSeconds?: number) => {
        const added = await kept.add(key, value, ttlSeconds)
        if (later === undefined && key.startsWith('audit-chain/')) {
          later = afterTurns(hops).then(() =>
            audit?.record({ event: 'session.ended', outcome: 'success', nameHash: `late-${hops}` }),
          )
        }
        return added
      },
    }
    audit = auditOver(store, Date.now).audit
    await audit.record({ event: 'session.opened', outcome: 'success', nameHash: 'first' })
    await later
    await audit.settled()
    t.equal((await pages(audit, { whose: [`late-${hops}`] })).length, 1, `${hops} turns later`)
  }
})

/** So many microtasks later. */
async function afterTurns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await undefined
}
