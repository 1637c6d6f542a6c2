import t from 'tap'
import { type Expression, readExpressions } from './support/expressions.js'
import { worstTexts } from './support/worst-texts.js'

/**
 * The attack: a text on which an expression tries every beginning with every end. One `Cookie` header of 15 KB kept the
 * gateway busy for 87 seconds. So there is no expression here that takes more than a time in proportion to its text, and
 * this is looked at twice: by analysis, and with the clock.
 */

t.setTimeout(600_000)

// Without it, programs for the machine at hand are looked for.
process.env['RECHECK_BACKEND'] = 'pure'
const { check } = await import('recheck').then(({ checkSync }) => ({ check: checkSync }))

/** Expressions that may take longer, since what they read is never longer than this. */
const bounded: ReadonlyMap<string, { readonly characters: number; readonly since: string }> = new Map([
  ['/^(.{3,}?)\\1+$/u', { characters: 256, since: 'a password is refused for its length before (passwordFault)' }],
  [
    '/^(.{1,4}?)\\1+.{0,3}$/u',
    { characters: 256, since: 'a password is refused for its length before (passwordFault)' },
  ],
])

const { literals, built } = readExpressions()
const nameOf = ({ source, flags }: Expression) => `/${source}/${flags}`

t.test('the reader of sources sees the expressions', async (t) => {
  t.ok(literals.length > 200, `${literals.length} expressions`)
  t.same(built, [], 'expressions put together as text are seen by no analysis')
  const names = new Set(literals.map(nameOf))
  for (const name of bounded.keys()) t.ok(names.has(name), `${name} is still there`)
})

t.test('the analysis finds what took 87 seconds, and its kind', async (t) => {
  const slow = [
    /^[ \t]+|[ \t]+$/g,
    /[\s\x00-\x20\x7f-\xa0]+$/,
    /,.*:\s*[^"'\s]*\$/,
    /^(a+)+$/,
    /htpasswd[^/]*$/i,
    /\{[^}]+\}/,
  ]
  for (const one of slow) t.not(verdictOn({ file: '', source: one.source, flags: one.flags }), 'safe', `${one}`)
  t.equal(verdictOn({ file: '', source: '^[ \\t]+', flags: '' }), 'safe')
})

t.test('no expression takes more than a time in proportion to its text', async (t) => {
  for (const expression of literals.filter(hasRepetition)) {
    const name = nameOf(expression)
    if (!bounded.has(name)) t.equal(verdictOn(expression), 'safe', `${expression.file}: ${name}`)
  }
})

t.test('no expression needs half a second of processor time for 64 KB of its worst text', async (t) => {
  for (const expression of literals) {
    const name = nameOf(expression)
    const most = bounded.get(name)?.characters ?? 64 * 1024
    // Four times as much each time: what takes the square of it is seen long before it takes minutes.
    const slow = [most / 64, most / 16, most / 4, most].some((length) => worstMs(expression, length) > 500)
    t.notOk(slow, `${expression.file}: ${name}`)
  }
})

t.test('the clock finds the same', async (t) => {
  const slow = [64, 16, 4, 1].some((part) => worstMs({ file: '', source: '[ \\t]+$', flags: '' }, 65_536 / part) > 500)
  t.ok(slow)
})

function hasRepetition({ source }: Expression): boolean {
  return /[*+]|\{\d+,/.test(source)
}

/** By automata where these can say it; expressions that look back or around are tried with texts that are bred for it. */
function verdictOn({ source, flags }: Expression): string {
  const exact = check(source, flags, { checker: 'automaton', timeout: 120_000 })
  if (exact.status !== 'unknown') return exact.status
  return check(source, flags, { checker: 'fuzz', randomSeed: 1, timeout: 60_000, incubationTimeout: 20_000 }).status
}

/** Milliseconds of processor time for the worst of the texts of this length. */
function worstMs({ source, flags }: Expression, length: number): number {
  const expression = new RegExp(source, flags.includes('g') || flags.includes('y') ? flags : `${flags}g`)
  let worst = 0
  for (const text of worstTexts(source, flags, length)) {
    const before = process.cpuUsage()
    text.replace(expression, '')
    const { user } = process.cpuUsage(before)
    worst = Math.max(worst, user / 1000)
    if (worst > 500) break
  }
  return worst
}
