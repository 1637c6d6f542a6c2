/**
 * Runs the compiled tests under tap and closes with one plain line made from tap's own count.
 * `npm test` runs all of them; `npm test -- access http/pages` those whose path contains one of the words.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const testDirectory = dirname(fileURLToPath(import.meta.url))
const root = join(testDirectory, '../..')
const report = join(root, '.tap/report.tap')
const words = process.argv.slice(2)

const files = readdirSync(testDirectory, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.js'))
  .filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
  .map((name) => relative(root, join(testDirectory, name)))
  .sort()

const require = createRequire(import.meta.url)
const tapPackage = require.resolve('tap/package.json')
const tapBin = join(dirname(tapPackage), JSON.parse(readFileSync(tapPackage, 'utf8')).bin.tap)
const tap = (...args: string[]) => spawnSync(process.execPath, [tapBin, ...args], { cwd: root, stdio: 'inherit' })

// `.taprc` turns a plugin off, which tap does by a build of its own; a run that finds it undone does it too late for itself.
const tapBuilt = require.resolve('@tapjs/test/package.json', { paths: [tapPackage] })
const builtPlugins = readFileSync(join(dirname(tapBuilt), 'test-built/dist/esm/index.js'), 'utf8')
if (builtPlugins.includes('@tapjs/typescript')) tap('build')

mkdirSync(dirname(report), { recursive: true })
rmSync(report, { force: true })
const run = tap('--reporter=terse', `--output-file=${report}`, ...files)

const total = /^# \{ total: .*\}$/gm
const closing = readReport().match(total)?.at(-1) ?? ''
const count = (name: string) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(closing)?.[1] ?? 0)
const passed = count('pass')
const failed = count('fail') + (closing === '' ? 1 : 0)
const skipped = count('skip') + count('todo')
const skipFails = process.env['CI'] === 'true' && skipped > 0

if (skipFails) console.log('In CI a skipped test is a failure: install what the lines above name.')
// On a line of its own: tap's last word is an escape sequence for terminals, without a line end.
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = run.status !== 0 || failed > 0 || passed === 0 || skipFails ? 1 : 0

function readReport(): string {
  try {
    return readFileSync(report, 'utf8')
  } catch {
    return ''
  }
}
