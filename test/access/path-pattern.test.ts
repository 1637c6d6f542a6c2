import fc from 'fast-check'
import t from 'tap'
import type { RuleSettings } from '../../src/access/rule.js'
import { findPatternProblem, PathPattern, PathPatternError } from '../../src/access/targets/path-pattern.js'
import { readings } from '../../src/access/targets/path-readings.js'
import { covers, unreachableRules } from '../../src/access/unreachable-rules.js'
import { cpuMs } from '../support/cpu.js'

const fits: Record<string, { yes: string[]; no: string[] }> = {
  '/': { yes: ['/'], no: ['/a', '/a/'] },
  '/x': { yes: ['/x'], no: ['/', '/x/', '/x/y', '/X', '/xy'] },
  '/x/': { yes: ['/x', '/x/'], no: ['/x/y', '/x//', '/'] },
  '/x/**': { yes: ['/x', '/x/', '/x/y', '/x/y/z/'], no: ['/', '/xy', '/X/y', '/y/x'] },
  '/**': { yes: ['/', '/x', '/x/y/', '/x/y/z.html'], no: [] },
  '/x/*': { yes: ['/x/y', '/x/y.z'], no: ['/x', '/x/', '/x/y/', '/x/y/z'] },
  '/x/*/': { yes: ['/x/y', '/x/y/'], no: ['/x/', '/x'] },
  '/*/edit': { yes: ['/a/edit'], no: ['/edit', '/a/b/edit', '//edit'] },
  '/**/edit': { yes: ['/edit', '/a/edit', '/a/b/edit'], no: ['/a/edit/x', '/aedit'] },
  '/a/**/b/**/c': { yes: ['/a/b/c', '/a/b/b/c', '/a/x/b/y/z/c', '/a/b/c/c'], no: ['/a/c/b', '/a/b', '/a/b/c/d'] },
  '/img/*.png': { yes: ['/img/a.png', '/img/.png'], no: ['/img/a.PNG', '/img/a.png/x', '/img/png'] },
  '/a*b*c': { yes: ['/abc', '/a1b2c', '/abbbcc'], no: ['/ab', '/acb', '/abcd', '/a/b/c'] },
  '/aa*aa': { yes: ['/aaaa', '/aa-aa'], no: ['/aaa', '/aa'] },
  '/a b/é': { yes: ['/a b/é'], no: ['/a%20b/é'] },
}
for (const [pattern, { yes, no }] of Object.entries(fits)) {
  t.test(`${pattern} fits what it says`, async (t) => {
    const compiled = new PathPattern(pattern)
    for (const path of yes) t.ok(compiled.matches(path), `${path} fits`)
    for (const path of no) t.notOk(compiled.matches(path), `${path} does not`)
  })
}

t.test('ignoring case ignores every way to write it', async (t) => {
  const pattern = new PathPattern('/Admin/Straße/**', { ignoreCase: true })
  for (const path of ['/admin/straße', '/ADMIN/STRASSE/x', '/aDmIn/ſtraße']) t.ok(pattern.matches(path), path)
  t.ok(new PathPattern('/kelvin', { ignoreCase: true }).matches('/\u212Aelvin'))
})

t.test('a pattern that means nothing or something else is refused', async (t) => {
  for (const odd of [
    '',
    'x',
    '*',
    '/a//b',
    '//',
    '/a/../b',
    '/./a',
    '/a%2fb',
    '/a%20b',
    '/a?b',
    '/a#b',
    '/a\\b',
    '/a;b',
    '/a**',
    '/**b',
    '/a/***',
    '/{a,b}',
    '/[ab]',
    '/a\u0000',
  ]) {
    t.type(findPatternProblem(odd), 'string', JSON.stringify(odd))
    t.throws(() => new PathPattern(odd), PathPatternError)
  }
  for (const fine of ['/100%', '/a b', '/a+b', '/~user', '/a.b', '/...', '/@x', '/**/'])
    t.equal(findPatternProblem(fine), undefined, fine)
})

/** The obvious way: try everything. */
function matchesSlowly(pattern: readonly string[], names: readonly string[]): boolean {
  const [first, ...rest] = pattern
  if (first === undefined) return names.length === 0
  if (first === '**') return matchesSlowly(rest, names) || (names.length > 0 && matchesSlowly(pattern, names.slice(1)))
  const [name, ...others] = names
  if (name === undefined || !fitsSlowly(first, name)) return false
  return name !== '' || first === '' ? matchesSlowly(rest, others) : false
}
function fitsSlowly(pattern: string, name: string): boolean {
  if (pattern === '') return name === ''
  if (pattern[0] === '*')
    return fitsSlowly(pattern.slice(1), name) || (name !== '' && fitsSlowly(pattern, name.slice(1)))
  return pattern[0] === name[0] && fitsSlowly(pattern.slice(1), name.slice(1))
}

const letters = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 3 })
const part = fc.oneof(
  letters,
  fc.constant('**'),
  fc.constant('*'),
  fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 4 }),
)
const patternParts = fc.array(
  part.filter((text) => text === '**' || !text.includes('**')),
  { minLength: 1, maxLength: 5 },
)
const pathParts = fc
  .tuple(fc.array(letters, { minLength: 1, maxLength: 5 }), fc.boolean())
  .map(([names, slash]) => (slash ? [...names, ''] : names))

t.test('matching agrees with trying everything', async () => {
  fc.assert(
    fc.property(patternParts, pathParts, (pattern, names) => {
      return new PathPattern(`/${pattern.join('/')}`).matches(`/${names.join('/')}`) === matchesSlowly(pattern, names)
    }),
    { numRuns: 30_000 },
  )
})

t.test('there is no path that makes matching slow', async (t) => {
  const deep = `/${'a/'.repeat(4000)}a`
  const long = `/${'a'.repeat(8000)}`
  const used = await cpuMs(async () => {
    for (const [pattern, path] of [
      ['/**/a/**/a/**/a/**/a/**/b', deep],
      ['/**/*a*a*a*/**/*a*a*/b', deep],
      ['/*a*a*a*a*a*a*a*a*b', long],
      ['/**/*a*a*a*a*a*a*b', long],
    ] as const) {
      t.notOk(new PathPattern(pattern).matches(path), pattern)
    }
  })
  // Tens of milliseconds; one that backtracks takes longer than anybody waits.
  t.ok(used < 1000, `${used} ms`)
})

t.test('an odd spelling is read in every way an application may read it', async (t) => {
  t.same(readings('/a/b.html'), ['/a/b.html'])
  t.same(readings('/'), ['/'])
  t.same(readings('/admin/'), ['/admin/', '/admin'])
  t.same([...readings('/admin;x=1/')].toSorted(), ['/admin', '/admin/', '/admin;x=1', '/admin;x=1/'])
  t.ok(readings('/admin?x').includes('/admin'))
  t.ok(readings('/admin#x').includes('/admin'))
  t.ok(readings('/admin./x').includes('/admin/x'))
  t.ok(readings('/admin%20/x'.replace('%20', ' ')).includes('/admin/x'))
  t.ok(readings('/ａdmin').includes('/admin'))
  t.ok(readings('/a/b;c;d/e;f').includes('/a/b/e'))
  const used = await cpuMs(async () => {
    for (const path of [
      '/'.padEnd(8192, '.'),
      '/a'.padEnd(8192, '. '),
      '/'.padEnd(8192, ';'),
      '/'.padEnd(8192, '?;. '),
    ]) {
      t.ok(readings(path).length <= 32)
    }
  })
  t.ok(used < 1000, `${used} ms`)
})

const rule = (path: string, more: Partial<RuleSettings> = {}): RuleSettings => ({
  path,
  access: 'public',
  line: 1,
  ...more,
})

t.test('a rule behind one that takes everything is never asked', async (t) => {
  const covered: Array<[RuleSettings, RuleSettings]> = [
    [rule('/**'), rule('/x')],
    [rule('/x/**'), rule('/x')],
    [rule('/x/**'), rule('/x/')],
    [rule('/x/**'), rule('/x/*/y/**')],
    [rule('/x/*'), rule('/x/*.png')],
    [rule('/x/*.png'), rule('/x/a.png')],
    [rule('/x/'), rule('/x')],
    [rule('/**/edit'), rule('/a/**/edit')],
    [rule('/x', { methods: ['GET'] }), rule('/x', { methods: ['GET', 'HEAD'] })],
    [rule('/x', { from: ['10.0.0.0/8'] }), rule('/x', { from: ['10.1.0.0/16'] })],
    [rule('/ADMIN/**', { access: 'deny' }), rule('/admin/x')],
    [rule('/**'), rule('/admin', { access: 'deny' })],
  ]
  for (const [earlier, later] of covered) t.ok(covers(earlier, later), `${earlier.path} covers ${later.path}`)
  const open: Array<[RuleSettings, RuleSettings]> = [
    [rule('/x'), rule('/x/')],
    [rule('/x/*'), rule('/x/**')],
    [rule('/x/*'), rule('/x')],
    [rule('/x/*.png'), rule('/x/*')],
    [rule('/x/**/y'), rule('/x/**')],
    [rule('/x', { methods: ['GET'] }), rule('/x')],
    [rule('/x', { methods: ['HEAD'] }), rule('/x', { methods: ['GET'] })],
    [rule('/x', { from: ['10.0.0.0/8'] }), rule('/x')],
    [rule('/x', { from: ['10.1.0.0/16'] }), rule('/x', { from: ['10.0.0.0/8'] })],
    [rule('/admin/**'), rule('/admin/**', { access: 'deny' })],
    [rule('/x'), rule('broken')],
  ]
  for (const [earlier, later] of open)
    t.notOk(covers(earlier, later), `${earlier.path} leaves something of ${later.path}`)
  const rules = [rule('/a', { line: 1 }), rule('/**', { line: 2 }), rule('/a/b', { line: 3 }), rule('?', { line: 4 })]
  t.same(
    unreachableRules(rules).map((one) => [one.rule.line, one.coveredBy.line]),
    [[3, 2]],
  )
})

t.test('a covered rule fits nothing that the earlier one does not fit', async (t) => {
  let covered = 0
  fc.assert(
    fc.property(patternParts, fc.boolean(), patternParts, fc.boolean(), pathParts, (a, aSlash, b, bSlash, names) => {
      const earlier = `/${a.join('/')}${aSlash ? '/' : ''}`
      const later = `/${b.join('/')}${bSlash ? '/' : ''}`
      if (!covers(rule(earlier), rule(later))) return true
      covered++
      const path = `/${names.join('/')}`
      return !new PathPattern(later).matches(path) || new PathPattern(earlier).matches(path)
    }),
    { numRuns: 50_000 },
  )
  t.ok(covered > 500, `${covered} covered`)
})
