import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { backupText, checkBackup, entriesOf, writeBackup } from '../../src/backup/backup-file.js'
import type { StoredEntry } from '../../src/contracts.js'

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
  t.equal(await writeBackup(file, backupText(given(entries), createdAt)), 4)
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
