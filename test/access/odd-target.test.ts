import fc from 'fast-check'
import t from 'tap'
import { parseAddress } from '../../src/access/client-address.js'
import { decide } from '../../src/access/decide.js'
import { Policy } from '../../src/access/policy.js'
import type { RuleSettings } from '../../src/access/rule.js'
import { canonicalTarget, decodeEscapes } from '../../src/access/targets/canonical-target.js'
import { oddTarget, withWays } from '../../src/access/targets/odd-target.js'
import { readTarget } from '../../src/access/targets/read-target.js'
import { type PathSettings, spellings } from '../../src/access/targets/spellings.js'

/** Targets that are one path to one parser and another path to the next. */

const ways = (raw: string): readonly string[] | undefined => {
  const odd = oddTarget(raw)
  return odd && withWays(odd)?.ways
}

t.test('what a target needs is called by name', async (t) => {
  const needs = (raw: string) => oddTarget(raw)?.needs
  t.same(needs('/@acme%2fpkg'), ['encodedSlash'])
  t.same(needs('/api/queues/%2F/orders?x=1'), ['encodedSlash'])
  t.same(needs('/a//b'), ['emptySegment'])
  t.same(needs('//b'), ['emptySegment'])
  t.same(needs('/a/;v=1/b'), ['emptySegment'])
  t.same(needs('/a\\b'), ['backslash'])
  t.same(needs('/a%5Cb'), ['backslash'])
  t.same(needs('/50%2520off.txt'), ['doubleEscape'])
  t.same(needs('/cal/a%252Fb/'), ['doubleEscape'])
  t.same(needs('/a%25%32%66b'), ['doubleEscape'])
  t.same(needs('/a%25u0041'), ['doubleEscape'])
  t.same(needs('/a%2F%2Fb//c%5c%2541'), ['encodedSlash', 'backslash', 'emptySegment', 'doubleEscape'])
})

t.test('what leads up, ends a path or is broken passes in no spelling', async (t) => {
  for (const raw of [
    '/public%2f..%2fprivate',
    '/public%2F..',
    '/..%2f',
    '/a%2f.%2fb',
    '/a//../b',
    '/a/..//b',
    '//..',
    '/a\\..\\b',
    '/a%5c..%5cb',
    '/a%2f..;x=1%2fb',
    '/a%2f..%20/b',
    '/a%2f%20..%2fb',
    '/%252e%252e/x',
    '/a%252f..%252fb',
    '/a%252f%252e%252e%252fb',
    '/a/%25252e%25252e/b',
    '/%25u002e%25u002e/b',
    '/a%25u002f..%25u002fb',
    '/a%255c..%255cb',
    '/a%2500b',
    '/a%252500b',
    '/a%250d%250ab',
    '/a%25c0%25af',
    '/a%2f%c0%ae',
    '/a%2f%EF%BC%8E%EF%BC%8E%2fb',
    '/a%2f%',
    '/a%2f%zz',
    '/a%2f%u002f',
    '/a%2f#b',
    '/a%2f b',
    '/a%2525252541',
    `/${'a'.repeat(2048)}%2f`,
    '*',
    'http://h/a%2fb',
  ]) {
    t.equal(ways(raw), undefined, raw)
  }
  t.equal(ways('/plain/path'), undefined, 'a plain one is not odd')
})

t.test('every way to read it is there', async (t) => {
  const has = (raw: string, ...expected: string[]) => {
    const found = ways(raw)
    for (const way of expected) t.ok(found?.includes(way), `${raw} as ${way}: ${found?.join(' ')}`)
  }
  has('/@acme%2fpkg', '/@acme%2fpkg', '/@acme/pkg')
  has('/api/queues/%2F/orders', '/api/queues/%2F/orders', '/api/queues///orders', '/api/queues/orders')
  has('/a//b', '/a//b', '/a/b')
  has('//admin/x', '//admin/x', '/admin/x', '/x')
  has('///admin/x', '/x')
  has('/x%5cadmin', '/x\\admin', '/x/admin')
  has('/\\evil/x', '/x')
  has('/50%2520off', '/50%20off', '/50 off')
  has('/cal/a%252Fb', '/cal/a%2Fb', '/cal/a/b')
  has('/%2561dmin', '/%61dmin', '/admin')
  has('/x/;v=1/admin', '/x/;v=1/admin', '/x//admin', '/x/admin')
  has('/x%2f;v=1%2fadmin/', '/x/admin')
  has('/a%25u002fb', '/a%u002fb', '/a/b')
})

const secondFactor = { required: 'when-enabled', unenrolled: 'enrol' } as const
const all: PathSettings = Object.fromEntries(spellings.map((key) => [key, 'pass']))

function stranger(rules: readonly Omit<RuleSettings, 'line'>[], paths: PathSettings) {
  const policy = new Policy({
    sites: [
      {
        path: '/',
        upstream: 'http://127.0.0.1:1',
        rules: rules.map((rule, at) => ({ ...rule, line: at + 1 })),
        paths,
        line: 1,
      },
    ],
    networks: [],
    secondFactor,
  })
  return (raw: string): string => {
    const target = readTarget(policy, 'h', raw)
    if (target.path === undefined) return target.spelling ?? '400'
    const site = policy.site('h', target.path)
    if (site === undefined) return '404'
    const address = parseAddress('192.0.2.1')
    const rule = policy.rule(site, target, 'GET', address)
    return decide({ rule, network: undefined, method: 'GET', path: target.path, address, secondFactor, now: 0 }).outcome
  }
}

t.test('nothing passes that the site does not let pass, and what is missing is named', async (t) => {
  const open = [{ path: '/**', access: 'public' }] as const
  const meets = stranger(open, { emptySegment: 'pass' })
  t.equal(meets('/a//b'), 'allow')
  t.equal(meets('/a%2fb'), 'encodedSlash')
  t.equal(meets('/a//b%5cc'), 'backslash')
  t.equal(meets('/a//%2541'), 'doubleEscape')
  t.equal(meets('/a%2f..%2fb'), '400', 'no key would help')
  t.equal(stranger(open, {})('/a//b'), 'emptySegment')
})

t.test('a stranger gets in by no reading alone', async (t) => {
  const meets = stranger(
    [
      { path: '/public/**', access: 'public' },
      { path: '/@*', access: 'public' },
      { path: '/api/queues/**', access: 'public' },
      { path: '/admin/**', access: 'second-factor' },
      { path: '/internal/**', access: 'deny' },
    ],
    all,
  )
  t.equal(meets('/api/queues/%2F/orders'), 'allow')
  t.equal(meets('/public//a%2Fb%5Cc/50%2520off'), 'allow', 'under one rule in every reading')
  t.equal(meets('/@acme%2Fpkg'), 'sign-in', 'as two segments the rule does not fit')
  for (const raw of ['/public%2fx', '//public/x', '/public%252fx', '//x/public/y', '/publi%2563/x']) {
    t.equal(meets(raw), 'sign-in', raw)
  }
  for (const raw of ['//internal/x', '/public\\..x/%2f', '/internal%2fx', '/internal%5cx', '/%2569nternal/x']) {
    t.not(meets(raw), 'allow', raw)
  }
  t.equal(meets('//public/internal/x'), 'deny', 'the first name is a host to whom takes it for a relative reference')
})

const piece = fc.constantFrom(
  ...['/', '//', 'a', 'admin', 'x.y', '%2F', '%2f', '\\', '%5c', '%2520', '%252F', '%255C', '%25', '%2541', '%61'],
  ...[
    ';v=1',
    '%3B',
    '.',
    '..',
    '%2e',
    '%252e',
    '%20',
    '.txt',
    '%C3%A9',
    '%E9',
    '%25u0041',
    '%25u002f',
    '%',
    '%00',
    '~',
    '-',
  ],
)
const target = fc.array(piece, { minLength: 1, maxLength: 8 }).map((pieces) => `/${pieces.join('')}`)

t.test('it never throws, forwards the bytes it was given, and takes nothing that is plain', async (t) => {
  let accepted = 0
  fc.assert(
    fc.property(fc.oneof(target, fc.string({ unit: 'binary' })), (raw) => {
      const odd = oddTarget(raw)
      const found = odd && withWays(odd)
      if (found === undefined) return true
      accepted++
      return found.forward === raw && canonicalTarget(raw) === undefined && found.ways?.[0] === found.path
    }),
    { numRuns: 5_000 },
  )
  t.ok(accepted > 100, `${accepted} accepted`)
})

t.test('no reading leads up, holds a control, or is read in a way that is not there', async (t) => {
  let accepted = 0
  fc.assert(
    fc.property(target, (raw) => {
      const found = ways(raw)
      if (found === undefined) return true
      accepted++
      const known = new Set(found)
      return found.every((way) => {
        const next = [way.replaceAll('\\', '/'), decodeEscapes(way) ?? '', way.replace(/\/+/g, '/')]
        const isUp = way.split(/[/\\]/).some((name) => /^ *\.\.? *$/.test(name.replace(/;.*/, '')))
        return !isUp && !/[\x00-\x1f\x7f]/.test(way) && next.every((one) => known.has(one))
      })
    }),
    { numRuns: 5_000 },
  )
  t.ok(accepted > 100, `${accepted} accepted`)
})

t.test('the longest of them are read in little time', async (t) => {
  const worst = [
    `/${'%2f;a'.repeat(400)}`,
    `/${'a%2Fb\\c//%252f.;x'.repeat(100)}`,
    `/${'%2525'.repeat(400)}`,
    `/${'. '.replace(' ', '%20').repeat(400)}x%2f`,
    `/${'a%20'.repeat(500)}%2f`,
    `/${':'.repeat(1900)}%2f$`,
    `/${'//;'.repeat(600)}a`,
  ]
  for (const raw of worst) {
    const start = process.cpuUsage()
    ways(raw)
    const { user } = process.cpuUsage(start)
    t.ok(user < 200_000, `${raw.slice(0, 20)}: ${user} µs`)
  }
})
