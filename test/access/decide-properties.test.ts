import fc from 'fast-check'
import t from 'tap'
import { AddressRanges, parseAddress } from '../../src/access/client-address.js'
import { type DecideInput, decide } from '../../src/access/decide.js'
import { explain } from '../../src/access/explain.js'
import { type NetworkSettings, Policy } from '../../src/access/policy.js'
import type { Rule, RuleSettings } from '../../src/access/rule.js'

const now = 1_763_000_000_000
// The same situations each time: what fails here fails for everybody.
fc.configureGlobal({ seed: 20_261_121 })

const maybe = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined })
const access = fc.constantFrom('public', 'password', 'signed-in', 'second-factor', 'deny' as const)
const names = fc.subarray(['ann', 'Bob', 'import', 'staff', 'it'])
const seconds = fc.constantFrom(0, 1, 60, 3600)
const moments = [0, now - 7_200_000, now - 60_000, now, now + 1]

const plainRule = fc.record({
  path: fc.constant('/x'),
  access,
  clients: maybe(fc.constant('api' as const)),
  groups: maybe(names),
  users: maybe(names),
  reauthenticateSeconds: maybe(seconds),
  line: maybe(fc.nat()),
})
const rule: fc.Arbitrary<Rule> = fc
  .tuple(plainRule, fc.array(plainRule, { maxLength: 3 }))
  .map(([first, also]) => (also.length === 0 ? first : { ...first, also }))

const addressTexts = ['192.0.2.1', '10.1.2.3', '2001:db8::1', '::ffff:10.0.0.1', 'no address']
const address = fc.constantFrom(...addressTexts).map(parseAddress)
const ranges = fc.constantFrom(['10.0.0.0/8'], ['0.0.0.0/0', '::/0'], ['2001:db8::/32'], ['192.0.2.1'], [])

const situationWith = (moment: fc.Arbitrary<number>): fc.Arbitrary<DecideInput> =>
  fc.record({
    rule,
    network: maybe(
      fc.record({
        access: maybe(fc.constantFrom('allow', 'deny' as const)),
        secondFactor: maybe(fc.constantFrom('required', 'not-required' as const)),
        line: fc.nat(),
      }),
    ),
    method: fc.constantFrom('GET', 'POST', ''),
    path: fc.constant('/x'),
    address,
    account: maybe(
      fc.record({
        active: fc.boolean(),
        role: fc.constantFrom('owner', 'support', 'user', 'api' as const),
        groups: names,
        username: maybe(fc.constantFrom('ann', 'BOB', 'import', '')),
        required: fc.boolean(),
        enrolled: fc.boolean(),
        addresses: maybe(ranges.map((list) => AddressRanges.parse(list))),
        exempt: maybe(fc.boolean()),
        grace: maybe(fc.boolean()),
      }),
    ),
    session: maybe(
      fc
        .record({
          passwordAt: maybe(moment),
          secondFactorAt: maybe(moment),
          fellBack: maybe(fc.boolean()),
          deviceAt: maybe(moment),
          token: maybe(fc.boolean()),
        })
        // The device was proven in an earlier session: never after the password of this one.
        .filter(({ passwordAt, deviceAt }) => !((deviceAt ?? 0) > (passwordAt ?? 0))),
    ),
    secondFactor: fc.record({
      required: fc.constantFrom('when-enabled', 'everyone' as const),
      unenrolled: fc.constantFrom('enrol', 'recovery-code' as const),
      grace: maybe(fc.record({ days: maybe(fc.nat()), signIns: maybe(fc.nat()) })),
    }),
    now: fc.constant(now),
  })

const situation = situationWith(fc.constantFrom(...moments))
const anySituation = situationWith(fc.constantFrom(...moments, Number.NaN, Number.POSITIVE_INFINITY, -1))

const outcomes = ['allow', 'sign-in', 'second-factor', 'enrol', 'reauthenticate', 'deny']

t.test('whatever it is asked, decide answers, and says why', async () => {
  fc.assert(
    fc.property(anySituation, (input) => {
      const found = decide(input)
      return outcomes.includes(found.outcome) && found.row >= 1 && found.row <= 12 && found.reason !== ''
    }),
    { numRuns: 5000 },
  )
  fc.assert(
    fc.property(anySituation, (input) => explain(input).decision.outcome === decide(input).outcome),
    { numRuns: 500 },
  )
})

/** Each asks for more than before. */
const tightened: Record<string, (input: DecideInput) => DecideInput> = {
  'a network that is denied': (input) => ({ ...input, network: { line: 1, ...input.network, access: 'deny' } }),
  'a network that requires a second factor': (input) => ({
    ...input,
    network: { line: 1, ...input.network, secondFactor: 'required' },
  }),
  'a deny rule that fits as well': (input) => ({
    ...input,
    rule: { ...input.rule, also: [...(input.rule.also ?? []), { path: '/x', access: 'deny' }] },
  }),
  'a second-factor rule that fits as well': (input) => ({
    ...input,
    rule: { ...input.rule, also: [...(input.rule.also ?? []), { path: '/x', access: 'second-factor' }] },
  }),
  'a requirement of the account': (input) => ({
    ...input,
    account: input.account && { ...input.account, required: true },
  }),
  'the global switch': (input) => ({ ...input, secondFactor: { ...input.secondFactor, required: 'everyone' } }),
  'an account that is deactivated': (input) => ({
    ...input,
    account: input.account && { ...input.account, active: false },
  }),
  'an address list': (input) => ({
    ...input,
    account: input.account && {
      ...input.account,
      addresses: input.account.addresses ?? AddressRanges.parse(['10.0.0.0/8']),
    },
  }),
  'an exemption that is taken back': (input) => ({
    ...input,
    account: input.account && { ...input.account, exempt: false },
  }),
  'a second factor that was a code by mail for want of the phone': (input) => ({
    ...input,
    session: input.session && { ...input.session, fellBack: true },
  }),
  'grace that is over': (input) => ({ ...input, account: input.account && { ...input.account, grace: false } }),
}

for (const [what, tighten] of Object.entries(tightened)) {
  t.test(`${what} never opens anything`, async () => {
    fc.assert(
      fc.property(
        situation,
        (input) => decide(input).outcome === 'allow' || decide(tighten(input)).outcome !== 'allow',
      ),
      { numRuns: 2000 },
    )
  })
}

const paths = ['/', '/a', '/A', '/a/b', '/a/', '/a;x', '/b/c.', '/ä']
const ruleSettings: fc.Arbitrary<RuleSettings> = fc.record(
  {
    path: fc.constantFrom('/**', '/a/**', '/a', '/*/b', '/b/c', '/a/'),
    access,
    methods: fc.subarray(['GET', 'POST'], { minLength: 1 }),
    from: fc.constantFrom(['10.0.0.0/8'], ['0.0.0.0/0'], ['2001:db8::/32']),
    clients: fc.constant('api' as const),
    users: names,
    line: fc.nat(),
  },
  { requiredKeys: ['path', 'access', 'line'] },
)
const networkSettings: fc.Arbitrary<NetworkSettings> = fc.record(
  {
    range: ranges,
    access: fc.constantFrom('allow', 'deny' as const),
    secondFactor: fc.constantFrom('required', 'not-required' as const),
    line: fc.nat(),
  },
  { requiredKeys: ['range', 'line'] },
)
const file = fc.record({
  rules: fc.array(ruleSettings, { maxLength: 5 }),
  networks: fc.array(networkSettings, { maxLength: 4 }),
  ofSite: fc.array(networkSettings, { maxLength: 3 }),
  at: fc.nat({ max: 5 }),
  added: fc.tuple(ruleSettings, networkSettings),
  path: fc.constantFrom(...paths),
  method: fc.constantFrom('GET', 'HEAD', 'POST'),
  facts: situation,
})
type File = typeof file extends fc.Arbitrary<infer Value> ? Value : never

function judged({ rules, networks, ofSite, path, method, facts }: File): string {
  const site = { path: '/', upstream: 'http://127.0.0.1:1', rules, networks: ofSite, line: 1 }
  const policy = new Policy({ sites: [site], networks, secondFactor: facts.secondFactor })
  const found = policy.site('h', path)
  if (found === undefined) throw new Error('no site')
  const { address } = facts
  const rule = policy.rule(found, path, method, address)
  return decide({ ...facts, rule, network: policy.network(address, found), path, method }).outcome
}

const insert = <Value>(list: readonly Value[], at: number, value: Value) => list.toSpliced(at, 0, value)

/** What may be written into a file, wherever in it. */
const written: Record<string, (file: File) => File> = {
  'a deny rule, wherever it stands,': (file) => ({
    ...file,
    rules: insert(file.rules, file.at, { ...file.added[0], access: 'deny' }),
  }),
  'a network that is denied, wherever it stands,': (file) => ({
    ...file,
    networks: insert(file.networks, file.at, { ...file.added[1], access: 'deny' }),
  }),
  'a network that is denied at a site': (file) => ({
    ...file,
    ofSite: insert(file.ofSite, file.at, { ...file.added[1], access: 'deny' }),
  }),
  'a site with networks of its own that asks for more': (file) => ({
    ...file,
    ofSite: [{ ...file.added[1], secondFactor: 'required' }],
  }),
  'a network that requires a second factor, behind all others,': (file) => ({
    ...file,
    networks: [...file.networks, { range: file.added[1].range, secondFactor: 'required', line: 1 }],
  }),
}

for (const [what, write] of Object.entries(written)) {
  t.test(`${what} never opens anything`, async () => {
    fc.assert(
      fc.property(file, (before) => {
        const was = what.includes('own') ? { ...before, ofSite: [] } : before
        return judged(was) === 'allow' || judged(write(was)) !== 'allow'
      }),
      { numRuns: 1500 },
    )
  })
}

t.test('of an allow-list every entry that is taken out closes', async () => {
  const allowed = networkSettings.map((network) => ({ ...network, access: 'allow' as const, secondFactor: undefined }))
  fc.assert(
    fc.property(file, fc.array(allowed, { minLength: 2, maxLength: 4 }), (before, networks) => {
      const all = judged({ ...before, networks })
      return all === 'allow' || judged({ ...before, networks: networks.slice(1) }) !== 'allow'
    }),
    { numRuns: 1000 },
  )
})
