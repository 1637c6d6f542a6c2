import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, openSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { open } from 'lmdb'
import t, { type Test } from 'tap'
import { Entries } from '../../../plugins/stores/embedded/entries.js'
import { KeyvAdapter } from '../../../plugins/stores/embedded/keyv-adapter.js'
import embedded from '../../../plugins/stores/embedded.js'
import type { Host, Logger } from '../../../src/contracts.js'
import { PluginHost } from '../../../src/plugin-host/plugin-host.js'
import { keyvContract } from '../../contracts/keyv.js'

const root = fileURLToPath(new URL('../../../../', import.meta.url))
const built = (file: string) => new URL(`../../../plugins/stores/${file}`, import.meta.url).href
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

interface Lent {
  readonly now?: () => number
  readonly log?: Logger
}

const openStore = async (
  options: { path: string; [option: string]: unknown },
  { now = Date.now, log = silent }: Lent = {},
) => embedded.create(embedded.options.parse(options), { now, log } as Host)

const openForTest = async (t: Test, options: { path: string; [option: string]: unknown }, lent?: Lent) => {
  const store = await openStore(options, lent)
  t.teardown(() => store.close())
  return store
}

/** Every entry and every line of the expiry index, expired or not. */
const inTheFile = (path: string) => {
  const file = open({ path: join(path, 'gatelodge.mdb'), noSubdir: true, overlappingSync: false, maxDbs: 4 })
  const [entries, expiries] = ['entries', 'expiries'].map((name) => file.openDB({ name, keyEncoding: 'binary' }))
  const start = Buffer.alloc(0)
  return {
    count: () => {
      file.resetReadTxn()
      return { entries: entries?.getKeysCount({ start }), expiries: expiries?.getKeysCount({ start }) }
    },
    close: () => file.close(),
  }
}

const until = async (condition: () => boolean | Promise<boolean>) => {
  while (!(await condition())) await pause(5)
}

t.test("Keyv's own suite passes on the adapter", async (t) => {
  const now = () => Date.now()
  const entries = await Entries.open({ directory: t.testdir(), now, deadline: 5000, mapBytes: 2 ** 30 })
  t.after(() => entries.close())
  keyvContract(t, () => new KeyvAdapter(entries, now))
})

t.test('the data directory is for this user alone', async (t) => {
  const modeOf = (path: string) => statSync(path).mode & 0o777
  const warnings: string[] = []
  const log = { ...silent, warn: (_fields: object, message: string) => warnings.push(message) }

  t.test('it is made, with what is above it', async (t) => {
    const path = join(t.testdir(), 'a/b/data')
    await openForTest(t, { path }, { log })
    t.equal(modeOf(path), 0o700)
    t.equal(modeOf(join(path, 'gatelodge.mdb')), 0o600)
    t.equal(modeOf(join(path, 'gatelodge.mdb-lock')), 0o600)
    t.same(warnings, [])
  })

  t.test('one that others may read is closed to them, and the operator is told', async (t) => {
    const path = t.testdir()
    chmodSync(path, 0o755)
    await openForTest(t, { path }, { log })
    t.equal(modeOf(path), 0o700)
    t.match(warnings, [/could be read by others/])
  })

  t.test('one that everybody may write to is refused', async (t) => {
    const path = t.testdir()
    chmodSync(path, 0o777)
    await t.rejects(openStore({ path }), /Everybody can write to the data directory .*chmod 700/)
  })

  t.test('one of another user is refused', { skip: process.getuid?.() !== 0 && 'needs to run as root' }, async (t) => {
    const path = t.testdir()
    chownSync(path, 12_345, 12_345)
    await t.rejects(openStore({ path }), /belongs to the user with id 12345, but this process runs as 0.*chown -R 0/)
  })

  t.test('what cannot be one is refused', async (t) => {
    const path = t.testdir({ file: 'text' })
    await t.rejects(openStore({ path: join(path, 'file') }), /is not a directory/)
    await t.rejects(openStore({ path: join(path, 'file/below') }), /cannot be opened or made/)
    if (process.platform === 'linux') await t.rejects(openStore({ path: '/proc/data' }), /cannot be opened or made/)
    mkdirSync(join(path, 'gatelodge.mdb'))
    await t.rejects(openStore({ path }), /it is not a file/)
  })
})

t.test('a damaged file is refused in words; lmdb itself would end the process', async (t) => {
  const fill = async (path: string) => {
    const store = await openStore({ path })
    await Promise.all(Array.from({ length: 3000 }, (_, index) => store.set(`key:${index}`, 'x'.repeat(300))))
    await store.close()
    return join(path, 'gatelodge.mdb')
  }
  const damages: Record<string, [damage: (file: string) => void, complaint: RegExp]> = {
    'not a data file': [(file) => writeFileSync(file, 'A'.repeat(20_000)), /damaged: it is not a data file/],
    'a short text': [(file) => writeFileSync(file, 'hello'), /damaged: it is not a data file/],
    'cut off in its first page': [(file) => truncateSync(file, 3000), /damaged: its first pages are not complete/],
    'cut off after its first pages': [(file) => truncateSync(file, 8192), /damaged: it ends after 8192 of \d+ bytes/],
    'cut in half': [(file) => truncateSync(file, statSync(file).size >> 1), /damaged: it ends after \d+ of \d+ bytes/],
    'overwritten behind its first pages': [
      (file) => writeSync(openSync(file, 'r+'), Buffer.alloc(statSync(file).size - 8192, 0x5a), 0, undefined, 8192),
      /damaged: its contents were overwritten/,
    ],
  }
  for (const [name, [damage, complaint]] of Object.entries(damages)) {
    t.test(name, async (t) => {
      const path = t.testdir()
      damage(await fill(path))
      await t.rejects(openStore({ path }), complaint)
    })
  }

  t.test('an empty file, and one whose free pages at the end are missing, are no damage', async (t) => {
    const path = t.testdir({ 'gatelodge.mdb': '' })
    const file = await fill(path)
    const store = await openStore({ path })
    const all = await store.list('key:', { limit: 3000 })
    const others = all.map(([key]) => key).filter((key) => key !== 'key:7')
    while (others.length > 0) await Promise.all(others.splice(0, 100).map((key) => store.delete(key)))
    await store.close()
    truncateSync(file, statSync(file).size >> 1)
    const again = await openStore({ path })
    t.same(await again.list(''), [['key:7', 'x'.repeat(300)]])
    await again.close()
  })
})

t.test('a full disk fails the write in words, and ends neither the process nor the reads', async (t) => {
  const path = t.testdir()
  const program = `
    const { default: embedded } = await import(${JSON.stringify(built('embedded.js'))})
    const store = await embedded.create(embedded.options.parse({ path: ${JSON.stringify(path)} }),
      { now: Date.now, log: console })
    let kept = 0
    const failed = await (async () => {
      for (;; kept++) await store.set('key:' + kept, 'x'.repeat(20000))
    })().catch((error) => error.message)
    const all = await Promise.all(Array.from({ length: kept }, (_, index) => store.get('key:' + index)))
    await new Promise((resolve) => setTimeout(resolve, 50))
    const deleted = await store.delete('key:0')
    await store.close()
    console.log(JSON.stringify({ failed, kept, readable: all.filter(Boolean).length, deleted }))`
  // The limit on the size of a file stands for the size of the disk: 2 MB.
  const child = spawn(
    'sh',
    ['-c', 'ulimit -f 4096; exec "$0" --input-type=module -e "$1"', process.execPath, program],
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  )
  const [output, [code]] = await Promise.all([child.stdout.toArray(), once(child, 'exit')])
  t.equal(code, 0)
  const { failed, kept, readable, deleted } = JSON.parse(Buffer.concat(output).toString())
  t.match(failed, /^The store could not write: Input\/output error|^The store could not write: .*large/)
  t.ok(kept > 50, `${kept} kept`)
  t.equal(readable, kept)
  t.equal(deleted, true)
})

t.test('the file grows past what was set aside, in two processes at once', async (t) => {
  const path = t.testdir()
  const store = await openForTest(t, { path, mapBytes: 131_072 })
  const program = `
    const { default: embedded } = await import(${JSON.stringify(built('embedded.js'))})
    const store = await embedded.create(embedded.options.parse({ path: ${JSON.stringify(path)}, mapBytes: 131072 }),
      { now: Date.now, log: console })
    for (let index = 0; index < 100; index++) await store.set('there:' + index, 'x'.repeat(20000))
    await store.close()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { cwd: root, stdio: 'ignore' })
  const ended = once(child, 'exit')
  for (let index = 0; index < 100; index++) await store.set(`here:${index}`, 'x'.repeat(20_000))
  t.same(await ended, [0, null])
  t.equal((await store.list('here:', { limit: 1000 })).length, 100)
  t.equal((await store.list('there:', { limit: 1000 })).length, 100)
})

t.test('a process that stops in the middle of a write holds nobody up for longer than the deadline', async (t) => {
  const path = t.testdir()
  const store = await openForTest(t, { path, timeoutSeconds: 0.25 })
  await store.set('before', 1)
  const program = `
    import { open } from 'lmdb'
    const file = open({ path: ${JSON.stringify(join(path, 'gatelodge.mdb'))}, noSubdir: true, overlappingSync: false })
    file.transactionSync(() => {
      process.stdout.write('inside')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { cwd: root })
  const ended = once(child, 'exit')
  await once(child.stdout, 'data')
  const late = /The store could not write: not done within 250 ms; it may still be done later/
  await Promise.all([
    t.rejects(store.set('during', 1), late),
    t.rejects(store.add('during', 1), late),
    t.rejects(store.replace('before', 1, 2), late),
    t.rejects(store.delete('nobody'), late),
    t.rejects(store.increment('count', 1), late),
  ])
  t.equal(await store.get('before'), 1, 'reading goes on')
  child.kill('SIGKILL')
  await ended
  await store.set('after', 1)
  t.equal(await store.get('after'), 1)
})

t.test('what has expired is swept out of the file, and its index stays as small as what can expire', async (t) => {
  let now = 1_763_000_000_000
  const path = t.testdir()
  const store = await openForTest(t, { path, sweepSeconds: 0.01 }, { now: () => now })
  const file = inTheFile(path)
  t.teardown(() => file.close())
  const fill = (ttl: (index: number) => number | undefined) =>
    Promise.all(Array.from({ length: 2000 }, (_, index) => store.set(`key:${index}`, index, ttl(index))))

  await fill(() => 10)
  await fill((index) => (index < 1500 ? 20 + index / 1000 : undefined))
  t.same(file.count(), { entries: 2000, expiries: 1500 }, 'a new lifetime takes the place of the old one')
  await store.delete('key:0')
  await store.add('key:0', 1, 30)
  await store.replace('key:1', 1, 1, 30)
  t.same(file.count(), { entries: 2000, expiries: 1500 })
  now += 25_000
  await until(() => file.count().expiries === 2)
  t.same(file.count(), { entries: 502, expiries: 2 }, 'more than one turn holds')
  t.equal(await store.get('key:1'), 1)
  now += 1e9
  await until(() => file.count().expiries === 0)
  t.equal((await store.list('', { limit: 1000 })).length, 500)
})

t.test('one process may open the directory twice', async (t) => {
  const path = t.testdir()
  const first = await openStore({ path })
  const second = await openForTest(t, { path })
  const counts = await Promise.all(
    Array.from({ length: 40 }, (_, index) => (index % 2 ? first : second).increment('c', 60)),
  )
  t.equal(new Set(counts).size, 40)
  await first.set('from', 'first')
  t.equal(await second.get('from'), 'first')
  await first.close()
  await first.close()
  await second.set('from', 'second')
  t.equal(await second.get('from'), 'second')
  // lmdb itself would wait for ever here: on this thread, for its own writer that waits for this thread.
  for (let round = 0; round < 20; round++) {
    const writing = Array.from({ length: 20 }, () => second.increment('busy', 60))
    const third = await openStore({ path })
    const closing = third.close()
    const fourth = await openStore({ path })
    await Promise.all([closing, ...writing])
    t.equal(await fourth.get('busy'), 20 * (round + 1))
    await fourth.close()
  }
})

t.test('a store that is opened keeps no process running', async (t) => {
  const program = `
    const { default: embedded } = await import(${JSON.stringify(built('embedded.js'))})
    const store = await embedded.create(embedded.options.parse({ path: ${JSON.stringify(t.testdir())} }),
      { now: Date.now, log: console })
    await store.set('key', 1)
    await store.get('key')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { cwd: root, stdio: 'ignore' })
  t.same(await once(child, 'exit'), [0, null])
})

t.test('the default is data beside the configuration, and an unknown option is refused', async (t) => {
  const baseDirectory = t.testdir()
  const passwords = {
    hash: async () => '',
    verify: async () => false,
    isOutdated: () => false,
    isKnown: () => true,
    costOf: () => undefined,
  }
  const plugins = new PluginHost({ baseDirectory, now: Date.now, log: silent, passwords })
  await plugins.load('stores', { use: 'embedded' })
  await plugins.close()
  t.ok(statSync(join(baseDirectory, 'data/gatelodge.mdb')).isFile())
  t.throws(() => embedded.options.parse({ pathh: 'x' }))
  t.equal(embedded.kind, 'stores')
})

t.test('a copy is of one moment, and a restore that fails in the middle changes nothing', async (t) => {
  const store = await openForTest(t, { path: t.testdir() })
  for (let index = 0; index < 30; index++) await store.set(`key/${index}`, 'before')
  const copying = store.snapshot?.()[Symbol.asyncIterator]()
  await copying?.next()
  for (let index = 0; index < 30; index++) await store.set(`key/${index}`, 'after')
  const seen = new Set<unknown>()
  for (let next = await copying?.next(); next && !next.done; next = await copying?.next()) seen.add(next.value.value)
  t.same([...seen], ['before'])

  function* broken() {
    yield { key: 'new', value: 1 }
    throw new Error('the file ends here')
  }
  const restored = store.replaceAll?.(broken())
  await t.rejects(async () => void (await restored), /left as it was.*the file ends here/)
  t.equal(await store.get('new'), undefined)
  t.equal((await store.list('key/')).length, 30)
  t.equal(await store.get('key/0'), 'after')
})
