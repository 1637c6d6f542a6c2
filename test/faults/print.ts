import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isLate, rowOf, type Seen, tableVariable } from './table.js'

/**
 * `npm run faults`: the tests of this folder, and then everything users saw, one line for each fault. Answers that came
 * later than is promised are judged here and not in the tests, which run on machines that have other things to do.
 */

const here = fileURLToPath(new URL('.', import.meta.url))
const tapPackage = createRequire(import.meta.url).resolve('tap/package.json')
const tap = join(dirname(tapPackage), JSON.parse(readFileSync(tapPackage, 'utf8')).bin.tap)
const folder = mkdtempSync(join(tmpdir(), 'gatelodge-faults-'))
const file = join(folder, 'table')
try {
  const tests = readdirSync(here).filter((name) => name.endsWith('.test.js'))
  const { status } = spawnSync(process.execPath, [tap, '--reporter=terse', ...tests.map((name) => join(here, name))], {
    env: { ...process.env, [tableVariable]: file },
    stdio: 'inherit',
  })
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
  const rows = lines.map((line) => JSON.parse(line) as Seen)
  for (const row of rows) console.log(rowOf(row))
  process.exitCode = rows.some(isLate) ? 1 : (status ?? 1)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
