import t from 'tap'
import { parseAddress } from '../../src/access/client-address.js'
import { type AccountCircumstances, type AccountRecord, accountFacts } from '../../src/http/gate/account-facts.js'

const now = 1_763_000_000_000
const user = { id: 'ann', username: 'ann', groups: ['staff'] }
const plain: AccountRecord = { status: 'active', role: 'user', required: false, enrolled: [] }
const here: AccountCircumstances = { site: 'crm.example.com', address: parseAddress('203.0.113.9'), now }

function facts(account: Partial<AccountRecord>, circumstances: Partial<AccountCircumstances> = {}, session = {}) {
  return accountFacts(
    { account: { ...plain, ...account }, session: { user, ...session } },
    { ...here, ...circumstances },
  )
}

t.test('a record of an earlier version is neither exempt nor limited', async (t) => {
  t.match(facts({}), { active: true, role: 'user', groups: ['staff'], required: false, enrolled: false, exempt: false })
  t.equal(facts({}).addresses, undefined)
})

t.test('an exemption holds for its sites, its networks and its time', async (t) => {
  t.equal(facts({ exemption: {} }).exempt, true, 'without limits everywhere')
  t.equal(facts({ exemption: { sites: ['crm.example.com'] } }).exempt, true)
  t.equal(facts({ exemption: { sites: ['wiki.example.com'] } }).exempt, false)
  t.equal(facts({ exemption: { sites: ['crm.example.com'] } }, { site: undefined }).exempt, false, 'a site of any host')
  t.equal(facts({ exemption: { networks: ['203.0.113.0/24'] } }).exempt, true)
  t.equal(facts({ exemption: { networks: ['2001:db8::/32', '198.51.100.0/24'] } }).exempt, false)
  t.equal(
    facts({ exemption: { networks: ['2001:db8::/32'] } }, { address: parseAddress('2001:db8::9') }).exempt,
    true,
    'IPv6',
  )
  t.equal(facts({ exemption: { networks: ['0.0.0.0/0', '::/0'] } }, { address: undefined }).exempt, false, 'unreadable')
  t.equal(facts({ exemption: { until: now + 1 } }).exempt, true)
  t.equal(facts({ exemption: { until: now } }).exempt, false, 'over')
  t.equal(facts({ exemption: { sites: ['crm.example.com'], until: now } }).exempt, false, 'all of it has to fit')
  t.equal(facts({ exemption: { networks: ['no range'] } }).exempt, false, 'a list that cannot be read')
})

t.test('addresses are compiled once for each copy of a record', async (t) => {
  const addresses = ['10.0.0.0/8', 'fd00::/8']
  const ranges = facts({ addresses }).addresses
  t.equal(facts({ addresses }).addresses, ranges)
  t.equal(ranges?.has(parseAddress('fd00::1') as never), true)
  t.equal(ranges?.has(parseAddress('11.0.0.1') as never), false)
  t.equal(facts({ addresses: ['10.0.0.1/8'] }).addresses?.has(parseAddress('10.0.0.1') as never), false, 'unreadable')
  t.equal(facts({ addresses: [] }).addresses?.has(parseAddress('10.0.0.1') as never), false, 'an empty list: nobody')
})

t.test('a method that is switched off counts no more, but what was proven by it stays proven', async (t) => {
  const enrolled = [{ method: 'sms' }]
  t.equal(facts({ enrolled }).enrolled, true)
  t.equal(facts({ enrolled, methodsOff: ['sms'] }).enrolled, false)
  t.equal(facts({ enrolled, methodsOff: ['email'] }).enrolled, true)
  t.equal(facts({ enrolled, methodsOff: ['sms'] }, {}, { secondFactorAt: now }).enrolled, true)
  t.equal(facts({ enrolled, methodsOff: ['sms'] }, {}, { deviceAt: now }).enrolled, true)
  t.equal(facts({ enrolled: [], methodsOff: ['sms'] }, {}, { secondFactorAt: now }).enrolled, false)
})
