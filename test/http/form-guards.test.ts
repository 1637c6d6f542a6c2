import { createSecretKey, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { FormTokens } from '../../src/http/web/form-token.js'
import { returnPath } from '../../src/http/web/return-path.js'
import { isSameOrigin } from '../../src/http/web/same-origin.js'

const own = 'https://crm.example.com'

t.test('a form of our own is known by what browsers say about it', async (t) => {
  const ours = [
    ['Chromium and Firefox under no-referrer', { origin: 'null', 'sec-fetch-site': 'same-origin' }],
    ['Chromium and Firefox otherwise', { origin: own, 'sec-fetch-site': 'same-origin' }],
    ['a form sent again by hand', { 'sec-fetch-site': 'none' }],
    ['a browser without fetch metadata', { origin: own }],
    ['a program, which the form token alone must convince', {}],
  ] as const
  for (const [who, headers] of ours) t.ok(isSameOrigin(headers, own), who)

  const foreign = [
    ['another site', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
    ['another site without fetch metadata', { origin: 'https://evil.example' }],
    ['a sandboxed frame', { origin: 'null', 'sec-fetch-site': 'cross-site' }],
    ['an opaque origin that says nothing else', { origin: 'null' }],
    ['a sister host', { origin: 'https://blog.example.com', 'sec-fetch-site': 'same-site' }],
    ['the same host without encryption', { origin: 'http://crm.example.com' }],
    ['the same host on another port', { origin: 'https://crm.example.com:8443' }],
    ['two origins at once', { origin: `${own}, ${own}` }],
    ['no origin at all', { origin: '' }],
    ['two answers at once', { origin: own, 'sec-fetch-site': 'same-origin, cross-site' }],
    ['a claim against its own origin', { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' }],
  ] as const
  for (const [who, headers] of foreign) t.notOk(isSameOrigin(headers, own), who)
})

t.test('a form token is worth something in one browser, for one purpose, for half a day', async (t) => {
  let now = 1_700_000_000_000
  const key = createSecretKey(randomBytes(32))
  const tokens = new FormTokens({ formKey: key }, () => now)
  const token = tokens.issue('sign-in', 'cookie')

  t.ok(tokens.check(token, 'sign-in', 'cookie'))
  t.ok(
    new FormTokens({ formKey: key }, () => now).check(token, 'sign-in', 'cookie'),
    'on another gateway with the same key',
  )
  t.notOk(tokens.check(token, 'verify', 'cookie'), 'for another purpose')
  t.notOk(tokens.check(token, 'sign-in', 'other'), 'in another browser')
  t.notOk(tokens.check(token, 'sign-in', undefined), 'without a cookie')
  t.notOk(tokens.check(token, 'sign-in', ''), 'with an empty cookie')
  t.notOk(
    new FormTokens({ formKey: createSecretKey(randomBytes(32)) }, () => now).check(token, 'sign-in', 'cookie'),
    'another key',
  )

  const [time = '', chance = '', signature = ''] = token.split('.')
  const later = (Number.parseInt(time, 36) + 3600).toString(36)
  const forged = [
    '',
    '.',
    time,
    `${time}.`,
    `${time}.${signature}`,
    `..${signature}`,
    `${later}.${chance}.${signature}`,
    `${time}.x${chance}.${signature}`,
    `${token}.x`,
    `${time}.${chance}.${signature}A`,
  ]
  for (const bad of forged) t.notOk(tokens.check(bad, 'sign-in', 'cookie'), JSON.stringify(bad))

  now += 12 * 60 * 60 * 1000 - 1000
  t.ok(tokens.check(token, 'sign-in', 'cookie'), 'after nearly twelve hours')
  now += 2000
  t.notOk(tokens.check(token, 'sign-in', 'cookie'), 'after twelve hours')
  now -= 24 * 60 * 60 * 1000
  t.notOk(tokens.check(token, 'sign-in', 'cookie'), 'before it was made')
})

t.test('the way back after signing in stays on the site', async (t) => {
  const places = { prefix: '/.gatelodge', isOnSite: (path: string) => !path.startsWith('/elsewhere') }
  const kept = [
    '/',
    '/reports',
    '/reports/2024?sort=date&next=//x',
    '/r%C3%A9sum%C3%A9',
    '/.gatelodge/account',
    '/.gatelodge/account/devices',
    '/.gatelodgeling',
  ]
  for (const path of kept) t.equal(returnPath(path, places), path)

  const refused = [
    undefined,
    ['/reports', '/reports'],
    '',
    'reports',
    'https://evil.example/',
    'javascript:alert(1)',
    '//evil.example',
    '///evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '/\t/evil.example',
    '/%09/evil.example',
    '/%5cevil.example',
    '/%2f%2fevil.example',
    '/..//evil.example',
    '/.//evil.example',
    '/%2e%2e//evil.example',
    ' //evil.example',
    '/reports\r\nSet-Cookie: a=b',
    '/reports#//evil.example',
    '/@evil.example/../..//evil.example',
    '/.gatelodge',
    '/.gatelodge/sign-out',
    '/.gatelodge/sign-in?return=/',
    '/%2egatelodge/sign-out',
    '/.gatelodge/accounts',
    '/.gatelodge/account/../sign-out',
    '/elsewhere',
  ]
  for (const value of refused) t.equal(returnPath(value, places), '/', JSON.stringify(value))

  const alphabet = [
    '/',
    '\\',
    '.',
    '%2f',
    '%5C',
    '%2e',
    '%',
    ':',
    '@',
    '?',
    '#',
    ';',
    '\t',
    '\n',
    ' ',
    'é',
    'evil.example',
    'a',
  ]
  const tricky = fc
    .array(fc.oneof(fc.constantFrom(...alphabet), fc.string({ unit: 'binary', maxLength: 3 })))
    .map((parts) => parts.join(''))
  const anything = fc.oneof(
    tricky,
    tricky.map((rest) => `/${rest}`),
    fc.webUrl(),
    fc.string({ unit: 'binary' }),
    fc.anything(),
  )
  fc.assert(
    fc.property(anything, (value) => {
      const result = returnPath(value, places)
      const url = new URL(result, 'https://a.example')
      return url.origin === 'https://a.example' && result.startsWith('/') && /^[\x21-\x7e]+$/.test(result)
    }),
    { numRuns: 5000 },
  )
})
