import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { StoredEntry } from '../../../src/contracts.js'
import {
  backupText,
  checkBackup,
  entriesOf,
  sealedBackup,
  writeBackup,
} from '../../../src/operations/transfer/backup-file.js'
import { KeyRing } from '../../../src/secrets/key-ring.js'

const createdAt = '2026-01-01T00:00:00.000Z'

async function* given(entries: readonly StoredEntry[]) {
  yield* entries
}

t.test('what was written is read, byte for byte, over the edges of what is read at once', async (t) => {
  const file = join(t.testdir(), 'backup')
  const entries: StoredEntry[] = [
    { key: '"entries":', value: { sha256: 'a key may look like the last line' } },
    { key: 'ключ', value: 'line\nend \u2028 🔑', expiresAt: 1.5e12 },
    { key: 'large', value: 'ü'.repeat(400_000) },
    { key: 'null', value: null },
  ]
  await writeBackup(file, backupText(given(entries), createdAt))
  t.same(checkBackup(file), { createdAt, entries: 4 })
  t.same([...entriesOf(file)], entries)
  t.equal(statSync(file).mode & 0o777, 0o600)
})

t.test('what was cut off, changed or made by something else is told from a whole one', async (t) => {
  const file = join(t.testdir(), 'backup')
  const entries = ['ana', 'bob', 'cleo'].map((username) => ({ key: `user/${username}`, value: { username } }))
  await writeBackup(file, backupText(given(entries), createdAt))
  const whole = readFileSync(file, 'utf8')
  const lines = whole.trimEnd().split('\n')
  const damaged = {
    'cut off in a line': whole.slice(0, -20),
    'cut off before the end of the last line': whole.slice(0, -1),
    'without its last line': `${lines.slice(0, -1).join('\n')}\n`,
    'with a line changed': whole.replace('"username":"ana"', '"username":"eve"'),
    'with a line less': `${lines.toSpliced(2, 1).join('\n')}\n`,
    'with two lines exchanged': `${lines.toSpliced(1, 2, lines[2] ?? '', lines[1] ?? '').join('\n')}\n`,
    'with something after its end': `${whole}{"key":"x","value":1}\n`,
    'with a line that is no entry': whole.replace('"key":"user/bob"', '"name":"user/bob"'),
    'of something else': '{"users":[]}\n',
    'of no JSON': 'PK\u0003\u0004\n',
    empty: '',
  }
  for (const [what, text] of Object.entries(damaged)) {
    writeFileSync(file, text)
    t.throws(() => checkBackup(file), /not a whole backup/, what)
  }
})

t.test('a sealed backup shows nothing of what is in it, and is read with its key alone', async (t) => {
  const file = join(t.testdir(), 'backup')
  const ring = KeyRing.random()
  const { kid } = ring.current
  const users = Array.from({ length: 2000 }, (_, at) => ({
    key: `user/ana-${at}`,
    value: { email: 'ana@example.com' },
  }))
  // Sizes around the edges of a piece, and one that ends with it.
  for (const length of [0, 1, 65_400, 65_536, 131_072, ...Array.from({ length: 40 }, (_, at) => 65_330 + at * 7)]) {
    const entries = length === 0 ? [] : [{ key: 'one', value: 'x'.repeat(length) }]
    const whole = join(t.testdir(), `backup-${length}`)
    await writeBackup(whole, sealedBackup(given(entries), createdAt, ring.current))
    t.same(checkBackup(whole, ring), { createdAt, kid, entries: entries.length })
    t.same([...entriesOf(whole, ring)], entries)
  }
  await writeBackup(file, sealedBackup(given(users), createdAt, ring.current))
  const seen: string[] = []
  t.same(
    checkBackup(file, ring, ({ key }) => seen.push(key)),
    { createdAt, kid, entries: 2000 },
  )
  t.equal(seen.length, 2000)
  t.same([...entriesOf(file, ring)], users)
  const bytes = readFileSync(file, 'latin1')
  t.notMatch(bytes, /ana@example|user\/ana-/)
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.throws(() => checkBackup(file, KeyRing.random()), { code: 'secrets.key-missing', message: kid })
  t.throws(() => checkBackup(file), { code: 'secrets.key-missing' })
})

t.test('pieces of a sealed backup are cut off, exchanged, doubled or changed: nothing of it is taken', async (t) => {
  const directory = t.testdir()
  const file = join(directory, 'backup')
  const ring = KeyRing.random()
  const users = Array.from({ length: 8 }, (_, at) => ({ key: `user/${at}`, value: 'x'.repeat(30_000) }))
  const write = () => sealedBackup(given(users), createdAt, ring.current)
  await writeBackup(file, write())
  const whole = readFileSync(file)
  const start = whole.indexOf(10) + 1
  const piece = 65_536 + 16
  const [heading, one, two, rest] = [
    whole.subarray(0, start),
    whole.subarray(start, start + piece),
    whole.subarray(start + piece, start + 2 * piece),
    whole.subarray(start + 2 * piece),
  ]
  const bit = Buffer.from(whole)
  bit[start + 70_000] = (bit[start + 70_000] ?? 0) ^ 1
  await writeBackup(join(directory, 'other'), write())
  const other = readFileSync(join(directory, 'other'))
  const damaged: Record<string, Buffer> = {
    'cut off at a piece': whole.subarray(0, start + 2 * piece),
    'cut off in a piece': whole.subarray(0, -5),
    'nothing but its heading': heading,
    'two pieces exchanged': Buffer.concat([heading, two, one, rest]),
    'a piece doubled': Buffer.concat([heading, one, one, two, rest]),
    'a piece less': Buffer.concat([heading, two, rest]),
    'something after its end': Buffer.concat([whole, Buffer.from('x')]),
    'one bit changed': bit,
    'another day in its heading': Buffer.from(whole.toString('latin1').replace('2026-01-01', '2027-01-01'), 'latin1'),
    'pieces of another backup': Buffer.concat([heading, other.subarray(start)]),
  }
  for (const [what, bytes] of Object.entries(damaged)) {
    writeFileSync(file, bytes)
    t.throws(() => checkBackup(file, ring), /not a whole backup/, what)
  }
})

t.test('a copy that fails in the middle leaves no file, and no file is written over', async (t) => {
  const directory = t.testdir({ there: 'mine' })
  async function* failing() {
    yield { key: 'a', value: 1 }
    throw new Error('the store went away')
  }
  await t.rejects(writeBackup(join(directory, 'new'), backupText(failing(), createdAt)), /went away/)
  t.throws(() => statSync(join(directory, 'new')))
  t.throws(() => statSync(join(directory, 'new.part')))
  await t.rejects(writeBackup(join(directory, 'there'), backupText(given([]), createdAt)), /already/)
  t.equal(readFileSync(join(directory, 'there'), 'utf8'), 'mine')
})
