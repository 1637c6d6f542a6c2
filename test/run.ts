/**
 * Runs the compiled tests under tap and closes with one plain line made from tap's own count.
 * `npm test` runs all of them; `npm test -- access http/pages` those whose path contains one of the words;
 * `npm test -- '!http/pages'` those whose path does not.
 *
 * What fails is printed with its place and reason, and its file is run again with the machine to itself. A file that
 * passes then is named as unsteady, so that it gets mended, and is counted as it came out the last time.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const testDirectory = dirname(fileURLToPath(import.meta.url))
const root = join(testDirectory, '../..')
const reports = join(root, '.tap')
const [leftOut, words] = [true, false].map((isLeftOut) =>
  process.argv
    .slice(2)
    .filter((word) => word.startsWith('!') === isLeftOut)
    .map((word) => word.replace(/^!/, '')),
) as [string[], string[]]

/** How often what failed is run again: the machine may have been taken away once more meanwhile. */
const TURNS_AGAIN = 2

/** Lines shown of what tap says about one failure. */
const LONGEST = 60

const files = readdirSync(testDirectory, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.js'))
  .filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
  .filter((name) => !leftOut.some((word) => name.includes(word)))
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

mkdirSync(reports, { recursive: true })
const first = runTests('report.tap', files)
let last = first
for (let turn = 1; turn <= TURNS_AGAIN && last.failedFiles.length > 0; turn += 1) {
  for (const { name, diagnostics } of last.failures) console.log(`To be run again: ${name}\n${diagnostics.join('\n')}`)
  const before = last.failedFiles
  last = runTests(`again-${turn}.tap`, before, '--jobs=1')
  const unsteady = before.filter((file) => !last.failedFiles.includes(file))
  for (const file of unsteady) console.log(`Unsteady: ${file} failed, and passed when it was run again by itself.`)
}
for (const { name, diagnostics } of last.failures) console.log(`\nFAILED ${[name, ...diagnostics].join('\n')}`)

// Where every file that failed passed in the end, what failed in the first run has passed by now.
const passed = last.failed === 0 ? first.passed + first.failed : first.passed
const { failed } = last
const skipFails = process.env['CI'] === 'true' && first.skipped > 0

if (skipFails) console.log('In CI a skipped test is a failure: install what the lines above name.')
// On a line of its own: tap's last word is an escape sequence for terminals, without a line end.
console.log(`\n${passed} passed, ${failed} failed${first.skipped > 0 ? `, ${first.skipped} skipped` : ''}`)
process.exitCode = last.status !== 0 || failed > 0 || passed === 0 || skipFails ? 1 : 0

interface Failure {
  /** With the names of the tests it stands in. */
  readonly name: string
  /** What tap says about it. */
  readonly diagnostics: readonly string[]
}

interface Outcome {
  readonly status: number | null
  readonly passed: number
  /** At least 1 when tap failed, even where it counted none. */
  readonly failed: number
  readonly skipped: number
  readonly failures: readonly Failure[]
  readonly failedFiles: readonly string[]
}

function runTests(name: string, files: readonly string[], ...options: string[]): Outcome {
  const report = join(reports, name)
  rmSync(report, { force: true })
  const { status } = tap('--reporter=terse', ...options, `--output-file=${report}`, ...files)
  const text = existsSync(report) ? readFileSync(report, 'utf8') : ''
  const closing = text.match(/^# \{ total: .*\}$/gm)?.at(-1) ?? ''
  const count = (word: string) => Number(new RegExp(`\\b${word}: (\\d+)`).exec(closing)?.[1] ?? 0)
  return {
    status,
    passed: count('pass'),
    failed: Math.max(count('fail'), status === 0 && closing !== '' ? 0 : 1),
    skipped: count('skip') + count('todo'),
    failures: failuresOf(text),
    failedFiles: [...text.matchAll(/^not ok \d+ - (\S+\.test\.js)/gm)].map((match) => match[1] ?? ''),
  }
}

function failuresOf(report: string): readonly Failure[] {
  const failures: Failure[] = []
  const within: string[] = []
  const lines = report.split('\n')
  for (const [at, line] of lines.entries()) {
    const depth = (line.length - line.trimStart().length) / 4
    const subtest = /^ *# Subtest: (.*)/.exec(line)
    if (subtest !== null) within.splice(depth, within.length, subtest[1] ?? '')
    const failure = /^ *not ok \d+ - (?!.*# (?:TODO|SKIP))(.*)/.exec(line)
    if (failure === null) continue
    const name = [...within.slice(0, depth), failure[1]?.replace(/ # time=.*/, '')].join(' > ')
    // What stands around a failure fails with it, and says nothing new.
    if (failures.some((inner) => inner.name.startsWith(`${name} > `))) continue
    const end = lines.findIndex((other, index) => index > at && other.trim() === '...')
    const diagnostics = lines[at + 1]?.trim() === '---' ? lines.slice(at + 1, Math.min(end, at + LONGEST)) : []
    failures.push({ name, diagnostics })
  }
  return failures
}
