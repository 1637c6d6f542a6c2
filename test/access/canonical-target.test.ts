import fc from 'fast-check'
import t from 'tap'
import { canonicalTarget } from '../../src/access/targets/canonical-target.js'

const refused = (raw: string) => canonicalTarget(raw) === undefined

t.test('a plain target is forwarded as it came and judged by its path', async (t) => {
  t.same(canonicalTarget('/a/b.html?x=1&y=%2F'), {
    forward: '/a/b.html?x=1&y=%2F',
    path: '/a/b.html',
    query: '?x=1&y=%2F',
  })
  t.same(canonicalTarget('/'), { forward: '/', path: '/', query: '' })
  t.same(canonicalTarget('/a?'), { forward: '/a?', path: '/a', query: '?' })
  t.equal(canonicalTarget('/a/')?.path, '/a/')
  t.equal(canonicalTarget('/a%20b/%C3%A9')?.path, '/a b/é')
  t.equal(canonicalTarget('/100%25')?.path, '/100%')
})

t.test('bytes that are no UTF-8 are read as Latin-1, each by itself', async (t) => {
  t.equal(canonicalTarget('/caf%E9')?.path, '/café')
  t.equal(canonicalTarget('/caf%C3%A9/%E9')?.path, '/café/é')
})

/** Each spelling is one path to one parser and another path to the next. */
const attacks: Record<string, readonly string[]> = {
  'an encoded slash does not pass a prefix rule': ['/public%2f..%2fprivate', '/public%2Fprivate'],
  'a backslash does not pass a prefix rule': ['/public/x\\..\\..\\private', '/public%5c..%5cprivate'],
  'dot segments do not pass a prefix rule': ['/public/../private', '/./private', '/public/..', '/public/.', '/..'],
  'encoded dots do not pass a prefix rule': ['/public/%2e%2e/private', '/public/.%2E/private', '/%2e/private'],
  'dots with parameters do not pass a prefix rule': [
    '/public/..;/private',
    '/public/..;x=1/private',
    '/public/..%3b/x',
  ],
  'dots with spaces do not pass a prefix rule': ['/public/..%20/private', '/public/%20../private'],
  'full-width dots do not pass a prefix rule': ['/public/%EF%BC%8E%EF%BC%8E/private', '/a%EF%BC%8F..%EF%BC%8Fb'],
  'empty segments do not pass a prefix rule': [
    '//private',
    '/public//private',
    '//',
    '/;/private',
    '/public/;x/private',
  ],
  'double encoding does not pass a prefix rule': ['/%252e%252e/x', '/%25%32e', '/a%252fb', '/%25u002e', '/%2525'],
  'overlong UTF-8 does not pass a prefix rule': [
    '/public/%c0%ae%c0%ae/x',
    '/a%c0%afb',
    '/a%e0%80%afb',
    '/a%f0%80%80%afb',
  ],
  'a control character does not end a path early': ['/a%00.png', '/a%0d%0aX:y', '/a%7f', '/a\u0000', '/a\tb', '/a%09'],
  'a malformed escape is not guessed at': ['/%', '/%2', '/%zz', '/a%u002fb', '/%%32%65'],
  'only the origin form is read': [
    '',
    '*',
    'http://h/',
    'h:80',
    'a',
    '?x',
    '/a b',
    '/é',
    '/a#b',
    '/a?b c',
    '/a?\u0001',
  ],
}
for (const [name, targets] of Object.entries(attacks)) {
  t.test(name, async (t) => {
    for (const target of targets) t.ok(refused(target), JSON.stringify(target))
  })
}

t.test('what old applications send keeps working', async (t) => {
  for (const target of [
    '/page;jsessionid=AB?x',
    '/app/;jsessionid=AB',
    '/.well-known/x',
    '/...',
    '/wiki/Who%3F',
    '/wiki/C%23',
  ]) {
    t.equal(canonicalTarget(target)?.forward, target)
  }
  t.ok(canonicalTarget(`/?path=C:\\x&y={z}|"`), 'a query is nobody’s path')
})

t.test('more than 256 segments are refused', async (t) => {
  t.ok(canonicalTarget('/a'.repeat(256)))
  t.ok(refused('/a'.repeat(257)))
  t.ok(refused('/%61'.repeat(257)))
  t.ok(canonicalTarget(`/a?${'/a'.repeat(300)}`))
})

t.test('more than 8 KiB is refused', async (t) => {
  t.ok(canonicalTarget(`/${'a'.repeat(8191)}`))
  t.ok(refused(`/${'a'.repeat(8192)}`))
})

const piece = fc.oneof(
  fc.constantFrom(
    '/',
    '//',
    '.',
    '..',
    '%2e',
    '%2f',
    '%5c',
    '\\',
    ';',
    '?',
    '#',
    '%',
    '%25',
    '%c0%ae',
    '%E9',
    '%C3%A9',
    '%00',
  ),
  fc.string({ maxLength: 6 }),
  fc.integer({ min: 0, max: 255 }).map((byte) => `%${byte.toString(16).padStart(2, '0')}`),
)
const target = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`)

t.test('it never throws, and forwards the bytes it was given', async () => {
  fc.assert(
    fc.property(fc.oneof(target, fc.string({ unit: 'binary' })), (raw) => {
      const found = canonicalTarget(raw)
      return found === undefined || found.forward === raw
    }),
    { numRuns: 20_000 },
  )
})

t.test('an accepted target is the same path to every decoder', async (t) => {
  let accepted = 0
  fc.assert(
    fc.property(target, (raw) => {
      const found = canonicalTarget(raw)
      if (found === undefined) return true
      accepted++
      const rawPath = raw.slice(0, raw.length - found.query.length)
      // Browsers, undici and everything else built on the URL standard.
      const url = new URL(`http://h${found.forward}`)
      if (url.pathname.split('/').length !== rawPath.split('/').length) return false
      if (canonicalTarget(url.pathname)?.path !== found.path) return false
      // Servers that decode again, fold backslashes, take parameters off, or join with a directory.
      const again = found.path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
        String.fromCharCode(Number.parseInt(hex, 16)),
      )
      if (again !== found.path || found.path.includes('\\')) return false
      const bare = found.path
        .replace(/;[^/]*/g, '')
        .split('/')
        .slice(1)
      return bare.every((name, index) => name !== '.' && name !== '..' && (name !== '' || index === bare.length - 1))
    }),
    { numRuns: 50_000 },
  )
  t.ok(accepted > 1000, `${accepted} accepted`)
})
