import t from 'tap'
import { parseAddress } from '../../src/access/client-address.js'
import { decide } from '../../src/access/decide.js'
import { defaultRule, hostName, type NetworkSettings, Policy, type SiteSettings } from '../../src/access/policy.js'
import type { RuleSettings } from '../../src/access/rule.js'
import { canonicalTarget } from '../../src/access/targets/canonical-target.js'

const secondFactor = { required: 'when-enabled', unenrolled: 'enrol' } as const

function policyOf(
  rules: readonly Omit<RuleSettings, 'line'>[],
  networks: readonly Omit<NetworkSettings, 'line'>[] = [],
) {
  return new Policy({
    sites: [site({ rules: rules.map((rule, index) => ({ ...rule, line: index + 1 })) })],
    networks: networks.map((network, index) => ({ ...network, line: 100 + index })),
    secondFactor,
  })
}

function site(more: Partial<SiteSettings>): SiteSettings {
  return { path: '/', upstream: 'http://127.0.0.1:1', rules: [], line: 1, ...more }
}

/** What a stranger's request meets, all the way from the request line. */
function meets(policy: Policy, raw: string, { method = 'GET', host = 'h', address = '192.0.2.1' } = {}) {
  const path = canonicalTarget(raw)?.path
  if (path === undefined) return '400'
  const from = parseAddress(address)
  const found = policy.site(host, path)
  if (found === undefined) return '404'
  const rule = policy.rule(found, path, method, from)
  return decide({ rule, network: policy.network(from), method, path, address: from, secondFactor, now: 0 }).outcome
}

t.test('the site is the one of the host, then of the longest path', async (t) => {
  const policy = new Policy({
    sites: [
      site({ line: 1 }),
      site({ line: 2, path: '/any' }),
      site({ line: 3, host: 'Crm.Example.com', path: '/' }),
      site({ line: 4, host: 'crm.example.com', path: '/wiki' }),
      site({ line: 5, host: 'crm.example.com', path: '/wiki/old/' }),
      site({ line: 6, host: '[2001:db8:0::1]', path: '/' }),
      site({ line: 7, host: 'bücher.example', path: '/b' }),
    ],
    networks: [],
    secondFactor,
  })
  const line = (host: string | undefined, path: string) => policy.site(host, path)?.settings.line
  t.equal(line('crm.example.com', '/'), 3)
  t.equal(line('CRM.example.com:8080', '/any/x'), 3, 'a host of its own comes first')
  t.equal(line('crm.example.com.', '/wiki'), 4)
  t.equal(line('crm.example.com.:443', '/wiki/'), 4)
  t.equal(line('crm.example.com', '/wikipedia'), 3, 'a path ends where a segment ends')
  t.equal(line('crm.example.com', '/wiki/old/x'), 5)
  t.equal(line('crm.example.com', '/wiki/older'), 4)
  t.equal(line('[2001:DB8::1]:8080', '/'), 6)
  t.equal(line('xn--bcher-kva.example', '/b/c'), 7)
  t.equal(line('xn--bcher-kva.example', '/'), 1, 'any host has what its own sites have not')
  t.equal(line('other.example', '/any'), 2)
  t.equal(line(undefined, '/'), 1)
  t.equal(line('a@crm.example.com', '/'), 1)
  t.throws(() => new Policy({ sites: [site({ host: 'A' }), site({ host: 'a' })], networks: [], secondFactor }))
  t.throws(() => new Policy({ sites: [site({ host: 'a/b' })], networks: [], secondFactor }))
})

t.test('hosts are compared without case, port and trailing dot', async (t) => {
  t.equal(hostName('EXAMPLE.com.:80'), 'example.com')
  t.equal(hostName('127.0.0.1:80'), '127.0.0.1')
  t.equal(hostName('[::1]:80'), '[::1]')
  for (const odd of ['', ':80', 'a b', 'a/b', 'a@b', 'a:b', 'a:80:80', '::1', '[::1', '[x]', 'a#b', 'a?b', 'a\\b']) {
    t.equal(hostName(odd), undefined, JSON.stringify(odd))
  }
})

t.test('no site, no rule: where nobody wrote one, signed-in', async (t) => {
  const policy = new Policy({ sites: [site({ host: 'a', path: '/x' })], networks: [], secondFactor })
  t.equal(policy.site('a', '/'), undefined)
  t.equal(policy.site('b', '/x'), undefined)
  const found = policy.site('a', '/x')
  t.ok(found && policy.rule(found, '/x/y', 'GET', parseAddress('192.0.2.1')) === defaultRule)
})

t.test('the first rule that fits is the one', async (t) => {
  const policy = policyOf([
    { path: '/a/b/**', access: 'public', methods: ['GET'] },
    { path: '/**/secret', access: 'second-factor' },
    { path: '/a/**', access: 'public', from: ['10.0.0.0/8'] },
    { path: '/a/b/c', access: 'deny' },
    { path: '/*/b/c/d', access: 'password' },
  ])
  const found = policy.site('h', '/')
  const line = (path: string, method = 'GET', address = '192.0.2.1') =>
    found && policy.rule(found, path, method, parseAddress(address)).line
  t.equal(line('/a/b/c'), 1)
  t.equal(line('/a/b/secret'), 1, 'the order of the file, not the closest')
  t.equal(line('/a/secret'), 2)
  t.equal(line('/a/b/c', 'POST'), 4)
  t.equal(line('/a/b/c', 'POST', '10.1.1.1'), 3)
  t.equal(line('/A/B/C', 'POST'), 4, 'deny ignores case')
  t.equal(line('/A/b/secret'), 2)
  t.equal(line('/a/b/c/d', 'POST'), 5)
  t.equal(line('/b', 'GET'), undefined)
})

t.test('methods are compared as written, and HEAD is a GET', async (t) => {
  const policy = policyOf([
    { path: '/r', access: 'public', methods: ['GET'] },
    { path: '/w', access: 'deny', methods: ['GET', 'POST'] },
    { path: '/h', access: 'public', methods: ['HEAD'] },
  ])
  t.equal(meets(policy, '/r'), 'allow')
  t.equal(meets(policy, '/r', { method: 'HEAD' }), 'allow')
  t.equal(meets(policy, '/r', { method: 'get' }), 'sign-in')
  t.equal(meets(policy, '/r', { method: 'POST' }), 'sign-in')
  t.equal(meets(policy, '/w', { method: 'HEAD' }), 'deny')
  t.equal(meets(policy, '/w', { method: 'PUT' }), 'sign-in')
  t.equal(meets(policy, '/h'), 'sign-in')
  t.equal(meets(policy, '/h', { method: 'HEAD' }), 'allow')
})

t.test('an address that cannot be read gets the strictest rule it may be meant by', async (t) => {
  const unreadable = { address: 'unreadable' }
  const inside = ['10.0.0.0/8']
  t.equal(meets(policyOf([{ path: '/**', access: 'public', from: inside }]), '/', unreadable), 'sign-in')
  t.equal(meets(policyOf([{ path: '/**', access: 'deny', from: inside }]), '/', unreadable), 'deny')
  t.equal(
    meets(
      policyOf([
        { path: '/**', access: 'public' },
        { path: '/**', access: 'deny', from: inside },
      ]),
      '/',
      unreadable,
    ),
    'allow',
  )
  const both = policyOf([
    { path: '/**', access: 'password', from: inside },
    { path: '/**', access: 'public' },
  ])
  t.equal(meets(both, '/', unreadable), 'sign-in')
  t.equal(meets(both, '/'), 'allow')

  const networks = (list: Omit<NetworkSettings, 'line'>[]) =>
    policyOf([{ path: '/**', access: 'public' }], list).network(undefined)
  t.equal(networks([]), undefined)
  t.match(
    networks([
      { range: inside, secondFactor: 'required' },
      { range: ['1.2.3.4/32'], access: 'deny' },
    ]),
    { access: 'deny', line: 101 },
  )
  t.match(
    networks([
      { range: inside, secondFactor: 'not-required' },
      { range: ['0.0.0.0/0'], secondFactor: 'required' },
    ]),
    { line: 101 },
  )
  t.equal(networks([{ range: inside, secondFactor: 'not-required' }]), undefined)
})

t.test('the first network the client is in is the one', async (t) => {
  const policy = policyOf(
    [],
    [
      { range: ['198.51.100.7/32'], access: 'deny' },
      { range: ['198.51.100.0/24', 'fd00::/8'], secondFactor: 'not-required' },
      { range: ['0.0.0.0/0', '::/0'], secondFactor: 'required' },
    ],
  )
  const line = (address: string) => policy.network(parseAddress(address))?.line
  t.equal(line('198.51.100.7'), 100)
  t.equal(line('::ffff:198.51.100.7'), 100)
  t.equal(line('198.51.100.8'), 101)
  t.equal(line('fd00::1'), 101)
  t.equal(line('2001:db8::1'), 102)
  t.equal(line('1.1.1.1'), 102)
})

const guarded = policyOf([
  { path: '/public/**', access: 'public' },
  { path: '/health', access: 'public' },
  { path: '/docs/', access: 'public' },
  { path: '/admin/**', access: 'second-factor' },
  { path: '/secret', access: 'deny' },
  { path: '/files/**', access: 'public' },
  { path: '/page', access: 'public' },
  { path: '/app/**', access: 'public' },
])
const open = policyOf([
  { path: '/admin/**', access: 'second-factor' },
  { path: '/secret', access: 'deny' },
  { path: '/**', access: 'public' },
])

const spellings = (before: string, word: string, after: string) => [
  `${before}/${word}${after}`,
  `${before}/${word};x${after}`,
  `${before}/${word};x=1;y/${after.slice(1)}`,
  `${before}/${word}%3bx${after}`,
  `${before}/${word}/${after.slice(1)}`,
  `${before}/${word}.${after}`,
  `${before}/${word}%20${after}`,
  `${before}/${word}%3fx`,
  `${before}/${word}%23x`,
  `${before}/%${word.charCodeAt(0).toString(16)}${word.slice(1)}${after}`,
  `${before}/${encodeURIComponent(String.fromCharCode(word.charCodeAt(0) + 0xfee0))}${word.slice(1)}${after}`,
  `${before}/;x/${word}${after}`,
  `${before}//${word}${after}`,
  `${before}/./${word}${after}`,
  `${before}/x/../${word}${after}`,
  `${before}/x/..;/${word}${after}`,
  `${before}/x%2f..%2f${word}${after}`,
  `${before}/x/%2e%2e/${word}${after}`,
  `${before}/x\\..\\${word}${after}`,
  `${before}/x%5c..%5c${word}${after}`,
  `${before}/x/%252e%252e/${word}${after}`,
]

t.test('no spelling of a path opens what its plain spelling keeps', async (t) => {
  for (const raw of spellings('', 'admin', '/users')) t.not(meets(open, raw), 'allow', raw)
  for (const raw of spellings('', 'secret', '')) t.match(meets(open, raw), /deny|400/, raw)
  for (const raw of spellings('/public/..', 'admin', '/users')) t.not(meets(guarded, raw), 'allow', raw)
  t.equal(meets(open, '/SECRET'), 'deny')
  t.equal(meets(open, '/Secret/'), 'deny')
  t.equal(meets(open, '/other'), 'allow')
})

t.test('an encoded slash does not pass a prefix rule', async (t) => {
  t.equal(meets(guarded, '/public%2fx'), '400')
  t.equal(meets(guarded, '/public/..%2fadmin'), '400')
})

t.test('a parameter does not lead past a rule, and does not lock out who always had one', async (t) => {
  t.equal(meets(guarded, '/page;jsessionid=AB12!1.node_1?x'), 'allow', 'the session of a servlet names no resource')
  t.equal(meets(guarded, '/page;jsessionid=AB;x'), 'sign-in')
  t.equal(meets(guarded, '/page;v=1'), 'sign-in', 'where `/page` is public, `/page;v=1` may be something else')
  t.equal(meets(open, '/secret;jsessionid=AB'), 'deny')
  t.equal(meets(guarded, '/app/page;jsessionid=AB?x'), 'allow')
  t.equal(meets(guarded, '/app/;jsessionid=AB'), 'allow')
  t.equal(meets(guarded, '/public;x/admin'), 'sign-in')
  t.equal(meets(open, '/admin;x'), 'sign-in')
})

t.test('a trailing slash does not lead past a rule', async (t) => {
  t.equal(meets(open, '/secret/'), 'deny')
  t.equal(meets(guarded, '/health'), 'allow')
  t.equal(meets(guarded, '/health/'), 'sign-in')
  t.equal(meets(guarded, '/docs/'), 'allow')
  t.equal(meets(guarded, '/docs'), 'allow')
  t.equal(meets(guarded, '/files/a/'), 'allow')
})

t.test('a spelling does not lead from one site of a host past the rules of another', async (t) => {
  const parts = new Policy({
    sites: [
      site({ host: 'h', rules: [{ path: '/**', access: 'public', line: 2 }] }),
      site({ host: 'h', path: '/admin', line: 3 }),
      site({ line: 4, rules: [{ path: '/**', access: 'public', line: 5 }] }),
      site({ host: 'o', path: '/own', line: 6 }),
    ],
    networks: [],
    secondFactor,
  })
  t.equal(meets(parts, '/x'), 'allow')
  t.equal(meets(parts, '/x;y/'), 'allow')
  t.equal(meets(parts, '/admin/x'), 'sign-in')
  t.equal(meets(parts, '/admin;x/y'), 'sign-in')
  t.equal(meets(parts, '/own;x', { host: 'o' }), 'sign-in')
  t.equal(meets(parts, '/other;x', { host: 'o' }), 'allow')
})

t.test('a site of another policy is not judged by this one', async (t) => {
  const found = policyOf([]).site('h', '/')
  t.throws(() => found && policyOf([]).rule({ ...found }, '/', 'GET', undefined), TypeError)
})

t.test('as soon as one network is allowed, all others are denied', async (t) => {
  const policy = policyOf(
    [{ path: '/**', access: 'public' }],
    [
      { range: ['10.6.6.0/24'], access: 'deny' },
      { range: ['10.0.0.0/8', 'fd00::/8'], access: 'allow', secondFactor: 'not-required' },
      { range: ['203.0.113.0/24'], secondFactor: 'required' },
    ],
  )
  t.match(policy.network(parseAddress('10.1.1.1')), { access: 'allow', secondFactor: 'not-required', line: 101 })
  t.match(policy.network(parseAddress('fd00::1')), { access: 'allow' })
  t.match(policy.network(parseAddress('10.6.6.6')), { access: 'deny', line: 100 })
  t.match(policy.network(parseAddress('203.0.113.1')), { access: 'deny', line: 102 }, 'an entry that does not allow')
  t.match(policy.network(parseAddress('192.0.2.1')), { access: 'deny', line: 101 }, 'an address in no entry')
  t.match(policy.network(parseAddress('2001:db8::1')), { access: 'deny' })
  t.match(policy.network(undefined), { access: 'deny' }, 'an address that cannot be read')
  t.equal(meets(policy, '/', { address: '10.1.1.1' }), 'allow')
  t.equal(meets(policy, '/', { address: '192.0.2.1' }), 'deny', 'public or not')
})

t.test('networks of a site ask for more than those of the installation, never for less', async (t) => {
  const networks = [
    { range: ['198.51.100.0/24'], access: 'deny' as const, line: 1 },
    { range: ['203.0.113.0/24'], secondFactor: 'required' as const, line: 2 },
  ]
  const ofSite = [
    { range: ['198.51.100.7'], access: 'allow' as const, line: 3 },
    {
      range: ['203.0.113.0/24', '10.0.0.0/8'],
      access: 'allow' as const,
      secondFactor: 'not-required' as const,
      line: 4,
    },
  ]
  const policy = new Policy({
    sites: [site({ host: 'a', networks: ofSite }), site({ host: 'b' }), site({ host: 'a', path: '/open' })],
    networks,
    secondFactor,
  })
  const found = (host: string, text: string, path = '/') => policy.network(parseAddress(text), policy.site(host, path))
  t.match(found('a', '198.51.100.7'), { access: 'deny', line: 1 }, 'denied by the installation')
  t.match(found('a', '203.0.113.1'), { secondFactor: 'required', line: 2 }, 'required by the installation')
  t.match(found('a', '10.1.1.1'), { secondFactor: 'not-required', line: 4 }, 'the installation says nothing')
  t.match(found('a', '192.0.2.1'), { access: 'deny', line: 3 }, 'not allowed at the site')
  t.equal(found('a', '192.0.2.1', '/open'), undefined, 'another site of the host')
  t.equal(found('b', '192.0.2.1'), undefined, 'another host')
  t.match(policy.network(undefined, policy.site('a', '/')), { access: 'deny' })

  const ownPages = (host: string | undefined, text: string) => policy.networkOfOwnPages(parseAddress(text), host)
  t.equal(ownPages('a', '192.0.2.1'), undefined, 'somebody can sign in to the part that is open')
  t.match(ownPages('a', '198.51.100.7'), { access: 'deny' })
  const closed = new Policy({ sites: [site({ host: 'a', networks: ofSite }), site({})], networks: [], secondFactor })
  t.match(closed.networkOfOwnPages(parseAddress('192.0.2.1'), 'A:80'), { access: 'deny' }, 'nothing to sign in to')
  t.equal(closed.networkOfOwnPages(parseAddress('192.0.2.1'), 'b'), undefined)
  t.equal(closed.networkOfOwnPages(parseAddress('192.0.2.1'), undefined), undefined)
})

t.test('other settings of the installation hold from the next request on, or not at all', async (t) => {
  const policy = policyOf([{ path: '/**', access: 'signed-in' }])
  const address = parseAddress('192.0.2.1')
  t.equal(policy.network(address), undefined)
  policy.follow({
    networks: [{ range: ['192.0.2.0/24'], secondFactor: 'required', line: 7 }],
    secondFactor: { ...secondFactor, required: 'everyone' },
  })
  t.match(policy.network(address), { secondFactor: 'required', line: 7 })
  t.equal(policy.secondFactor.required, 'everyone')
  t.throws(() => policy.follow({ networks: [{ range: ['no range'], access: 'deny', line: 1 }], secondFactor }))
  t.match(policy.network(address), { secondFactor: 'required' }, 'a mistake changes nothing')
  t.equal(policy.secondFactor.required, 'everyone')
})

t.test('rules carry the names of users as they are compared', async (t) => {
  const policy = policyOf([{ path: '/**', access: 'password', users: ['Ann', 'ＢOB'] }])
  const found = policy.site('h', '/')
  t.same(found && policy.rule(found, '/', 'GET', parseAddress('192.0.2.1')).users, ['ann', 'bob'])
})

t.test('a stranger does not reach /admin by asking for /ADMIN or for a stream of a file', async (t) => {
  const rules = [
    { path: '/admin/**', access: 'second-factor' },
    { path: '/secret.txt', access: 'signed-in' },
    { path: '/Reports/**', access: 'password' },
    { path: '/**', access: 'public' },
  ] as const
  const policy = policyOf(rules)
  for (const raw of [
    '/ADMIN/panel',
    '/Admin',
    '/aDMIN/',
    '/%41dmin/x',
    '/ADMIN.;x=1/panel',
    '/secret.txt::$DATA',
    '/SECRET.TXT::$data',
    '/secret.txt::%24DATA',
    '/secret.txt::$DATA.',
    '/secret.txt.::$DATA',
    '/secret.txt:x:$DATA',
    '/admin::$INDEX_ALLOCATION/panel',
    '/admin:$I30:$INDEX_ALLOCATION/panel',
    '/ad%E2%80%8Cmin/panel',
    '/%C5%BFecret.txt',
    '/reports/1',
    '/REPORTS/1',
  ]) {
    t.equal(meets(policy, raw), 'sign-in', raw)
    t.equal(meets(policy, raw, { address: 'unreadable' }), 'sign-in', `${raw} from an address that cannot be read`)
  }
  for (const raw of ['/', '/Other', '/wiki/Talk:Page', '/a:b', '/price:$5', '/adminx', '/ADMINS/x']) {
    t.equal(meets(policy, raw), 'allow', raw)
  }
})

t.test('a site whose application tells upper and lower case apart says so', async (t) => {
  const rules: RuleSettings[] = [
    { path: '/wiki/Help', access: 'public', line: 1 },
    { path: '/wiki/help', access: 'second-factor', line: 2 },
    { path: '/internal/**', access: 'deny', line: 3 },
    { path: '/wiki/**', access: 'public', line: 4 },
  ]
  const of = (paths: SiteSettings['paths']) =>
    new Policy({ sites: [site({ rules, paths })], networks: [], secondFactor })
  t.equal(meets(of({ case: 'exact' }), '/wiki/Help'), 'allow')
  t.equal(meets(of({ case: 'exact' }), '/WIKI/x'), 'sign-in', 'no rule is for it')
  t.equal(meets(of({ case: 'exact' }), '/wiki/HELP'), 'allow')
  t.equal(meets(of({ case: 'exact' }), '/Internal/x'), 'deny', 'deny ignores case all the same')
  t.equal(meets(of({ case: 'any' }), '/wiki/help'), 'sign-in')
  t.equal(meets(of({}), '/wiki/x'), 'allow')
  t.equal(meets(of({}), '/WIKI/x'), 'sign-in', 'public as written or not at all')
})

t.test('a site is not entered by the upper case of its path through the site beside it', async (t) => {
  const policy = new Policy({
    sites: [
      site({ host: 'h', rules: [{ path: '/**', access: 'public', line: 1 }] }),
      site({ host: 'h', path: '/admin', rules: [{ path: '/admin/**', access: 'second-factor', line: 2 }] }),
      site({ rules: [{ path: '/**', access: 'public', line: 3 }] }),
      site({ host: 'part', path: '/Part', rules: [{ path: '/Part/**', access: 'deny', line: 4 }] }),
    ],
    networks: [],
    secondFactor,
  })
  t.equal(meets(policy, '/ADMIN/x'), 'sign-in')
  t.equal(meets(policy, '/Admin;x/y'), 'sign-in')
  t.equal(meets(policy, '/admins/x'), 'allow')
  t.equal(meets(policy, '/PART/x', { host: 'other' }), 'deny', 'left over by a host without a site at /')
  t.equal(meets(policy, '/Part/x', { host: 'other' }), 'allow', 'plainly a path of the site of any host')
})
