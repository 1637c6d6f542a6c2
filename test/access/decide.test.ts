import t from 'tap'
import { AddressRanges, parseAddress } from '../../src/access/client-address.js'
import {
  type AccountFacts,
  type DecideInput,
  type Decision,
  decide,
  rows,
  type SessionFacts,
} from '../../src/access/decide.js'
import { explain, explanationLines } from '../../src/access/explain.js'
import type { GracePolicy, Network } from '../../src/access/policy.js'
import type { Rule } from '../../src/access/rule.js'

const now = Date.UTC(2026, 0, 1)
const minute = 60_000

interface Situation {
  rule?: Partial<Rule>
  network?: Partial<Network>
  account?: Partial<AccountFacts>
  session?: SessionFacts
  required?: 'when-enabled' | 'everyone'
  unenrolled?: 'enrol' | 'recovery-code'
  grace?: GracePolicy
  address?: string
}

/** A user with nothing special, no network, no policy: what a situation does not say. */
function input({
  rule,
  network,
  account,
  session,
  required,
  unenrolled,
  grace,
  address = '192.0.2.1',
}: Situation): DecideInput {
  return {
    rule: { path: '/x', access: 'signed-in', line: 10, ...rule },
    network: network && { line: 20, ...network },
    method: 'GET',
    path: '/x',
    address: parseAddress(address),
    account: account && { active: true, role: 'user', groups: [], required: false, enrolled: false, ...account },
    session,
    secondFactor: { required: required ?? 'when-enabled', unenrolled: unenrolled ?? 'enrol', grace },
    now,
  }
}

const password = { passwordAt: now - minute }
const both = { passwordAt: now - minute, secondFactorAt: now - minute }
const byPasskey = { ...both, passkeyAt: now - minute }
const heldOnly = { passwordAt: now - minute, passkeyAt: now - minute }
const device = { passwordAt: now - minute, deviceAt: now - 60 * minute }
const enrolled = { enrolled: true }
const office = AddressRanges.parse(['192.0.2.0/24'])
const elsewhere = AddressRanges.parse(['198.51.100.0/24'])

type Expected = `${number} ${Decision['outcome']}`

/** Row by row: what makes it fit, and what it then takes; and what comes close and does not fit. */
const table: ReadonlyArray<readonly [name: string, situation: Situation, expected: Expected]> = [
  // 1
  ['a denied network denies a stranger', { network: { access: 'deny' } }, '1 deny'],
  ['a denied network denies what is public', { network: { access: 'deny' }, rule: { access: 'public' } }, '1 deny'],
  [
    'a denied network denies whoever proved everything',
    { network: { access: 'deny' }, account: enrolled, session: both },
    '1 deny',
  ],
  ['a network that says nothing denies nothing', { network: {}, account: {}, session: password }, '12 allow'],
  ['an inactive account is denied', { account: { active: false }, session: both }, '1 deny'],
  ['an inactive account is not told so before it signed in', { account: { active: false } }, '12 sign-in'],
  ['an address list that has the client lets pass', { account: { addresses: office }, session: password }, '12 allow'],
  ['an address list that does not, denies', { account: { addresses: elsewhere }, session: password }, '1 deny'],
  ['an address list is not told before sign-in', { account: { addresses: elsewhere } }, '12 sign-in'],
  [
    'an unreadable address is on no list',
    { account: { addresses: office }, session: password, address: '?' },
    '1 deny',
  ],
  // 2
  ['a deny rule denies a stranger', { rule: { access: 'deny' } }, '2 deny'],
  ['a deny rule denies an owner', { rule: { access: 'deny' }, account: { role: 'owner' }, session: both }, '2 deny'],
  [
    'a deny rule denies in a network that needs no second factor',
    { rule: { access: 'deny' }, network: { secondFactor: 'not-required' } },
    '2 deny',
  ],
  // 3
  ['a public rule asks nobody', { rule: { access: 'public' } }, '3 allow'],
  [
    'a public rule is public where a second factor is required',
    { rule: { access: 'public' }, network: { secondFactor: 'required' }, required: 'everyone' },
    '3 allow',
  ],
  [
    'a public rule is public to a program',
    { rule: { access: 'public' }, account: { role: 'api' }, session: password },
    '3 allow',
  ],
  // 4
  ['a passkey rule asks a stranger to sign in', { rule: { proof: 'passkey' } }, '4 sign-in'],
  [
    'a passkey rule asks for it, whatever else was given',
    { rule: { proof: 'passkey' }, account: enrolled, session: both },
    '4 second-factor',
  ],
  ['a passkey rule has it', { rule: { proof: 'passkey' }, account: enrolled, session: byPasskey }, '4 allow'],
  [
    'a passkey rule takes none that did not ask who holds it for both',
    { rule: { proof: 'passkey' }, account: enrolled, session: heldOnly },
    '4 second-factor',
  ],
  [
    'a passkey rule takes no remembered device',
    { rule: { proof: 'passkey', reauthenticateSeconds: 7200 }, account: enrolled, session: device },
    '4 second-factor',
  ],
  [
    'a passkey rule takes no code that went by mail beside it',
    { rule: { proof: 'passkey' }, account: enrolled, session: { ...byPasskey, fellBack: true } },
    '4 second-factor',
  ],
  [
    'a passkey rule minds the age of the passkey',
    {
      rule: { proof: 'passkey', reauthenticateSeconds: 60 },
      account: enrolled,
      session: { passwordAt: now, secondFactorAt: now, passkeyAt: now - minute },
    },
    '4 reauthenticate',
  ],
  [
    'a passkey rule knows no exemption, network or grace',
    {
      rule: { proof: 'passkey' },
      account: { ...enrolled, exempt: true, grace: true },
      network: { secondFactor: 'not-required' },
      session: password,
    },
    '4 second-factor',
  ],
  [
    'a passkey rule takes no program',
    { rule: { proof: 'passkey', clients: 'api' }, account: { role: 'api' }, session: password },
    '4 deny',
  ],
  [
    'a passkey rule leads those who have nothing to set one up',
    { rule: { proof: 'passkey' }, account: {}, session: password },
    '4 enrol',
  ],
  ['a second-factor rule asks a stranger to sign in', { rule: { access: 'second-factor' } }, '4 sign-in'],
  [
    'a second-factor rule asks for it',
    { rule: { access: 'second-factor' }, account: enrolled, session: password },
    '4 second-factor',
  ],
  ['a second-factor rule has it', { rule: { access: 'second-factor' }, account: enrolled, session: both }, '4 allow'],
  [
    'a second-factor rule leads those who have none to set one up',
    { rule: { access: 'second-factor' }, account: {}, session: password },
    '4 enrol',
  ],
  [
    'a second factor without the password is half of it',
    { rule: { access: 'second-factor' }, account: enrolled, session: { secondFactorAt: now } },
    '4 sign-in',
  ],
  [
    'a second-factor rule knows no exemption',
    { rule: { access: 'second-factor' }, account: { ...enrolled, exempt: true }, session: password },
    '4 second-factor',
  ],
  [
    'a second-factor rule minds no network',
    {
      rule: { access: 'second-factor' },
      network: { secondFactor: 'not-required' },
      account: enrolled,
      session: password,
    },
    '4 second-factor',
  ],
  [
    'a second-factor rule takes no program',
    { rule: { access: 'second-factor', clients: 'api' }, account: { role: 'api' }, session: password },
    '4 deny',
  ],
  [
    'a remembered device does not stand for it without reauthenticate',
    { rule: { access: 'second-factor' }, account: enrolled, session: device },
    '4 second-factor',
  ],
  [
    'a remembered device younger than reauthenticate stands for it',
    { rule: { access: 'second-factor', reauthenticateSeconds: 3601 }, account: enrolled, session: device },
    '4 allow',
  ],
  [
    'a remembered device as old as reauthenticate does not',
    { rule: { access: 'second-factor', reauthenticateSeconds: 3600 }, account: enrolled, session: device },
    '4 second-factor',
  ],
  [
    'a second factor older than reauthenticate is asked again',
    { rule: { access: 'second-factor', reauthenticateSeconds: 60 }, account: enrolled, session: both },
    '4 reauthenticate',
  ],
  [
    'a second factor younger than reauthenticate is not',
    { rule: { access: 'second-factor', reauthenticateSeconds: 61 }, account: enrolled, session: both },
    '4 allow',
  ],
  // 5
  [
    'an API account passes with its password',
    { rule: { access: 'password', clients: 'api' }, account: { role: 'api' }, session: password },
    '5 allow',
  ],
  ['an app token passes', { rule: { clients: 'api' }, account: enrolled, session: { token: true } }, '5 allow'],
  [
    'an app token passes where everyone needs a second factor',
    {
      rule: { clients: 'api' },
      account: enrolled,
      session: { token: true },
      required: 'everyone',
      network: { secondFactor: 'required' },
    },
    '5 allow',
  ],
  [
    'a program is never asked again for what it sends every time',
    { rule: { clients: 'api', reauthenticateSeconds: 1 }, account: { role: 'api' }, session: password },
    '5 allow',
  ],
  ['a program without credentials is asked for them', { rule: { access: 'password', clients: 'api' } }, '7 sign-in'],
  [
    'a program is in the groups of the rule or denied',
    { rule: { clients: 'api', groups: ['staff'] }, account: { role: 'api' }, session: password },
    '5 deny',
  ],
  [
    'a program in the groups passes',
    { rule: { clients: 'api', groups: ['staff'] }, account: { role: 'api', groups: ['staff'] }, session: password },
    '5 allow',
  ],
  [
    'an API account is denied on a password rule that is not for programs',
    { rule: { access: 'password' }, account: { role: 'api' }, session: password },
    '7 deny',
  ],
  ['an API account is denied where nothing asks for more', { account: { role: 'api' }, session: password }, '12 deny'],
  [
    'an exempt API account is denied where programs do not pass',
    { account: { role: 'api', exempt: true }, session: password },
    '8 deny',
  ],
  [
    'an app token is denied on a rule that is not for programs',
    { rule: { access: 'password' }, account: {}, session: { token: true } },
    '7 deny',
  ],
  [
    'an app token is denied where its scope does not reach',
    { rule: { access: 'password', clients: 'api' }, account: {}, session: { token: true, outside: 'path' } },
    '5 deny',
  ],
  [
    'a token of an inactive account is denied',
    { rule: { clients: 'api' }, account: { active: false }, session: { token: true } },
    '1 deny',
  ],
  [
    'a person on a rule for programs is a person',
    { rule: { clients: 'api' }, account: enrolled, session: password },
    '11 second-factor',
  ],
  // 6
  ['a network that requires it asks a stranger to sign in', { network: { secondFactor: 'required' } }, '6 sign-in'],
  [
    'a network that requires it asks on password rules, too',
    { network: { secondFactor: 'required' }, rule: { access: 'password' }, account: enrolled, session: password },
    '6 second-factor',
  ],
  [
    'a network that requires it has it',
    { network: { secondFactor: 'required' }, account: enrolled, session: both },
    '6 allow',
  ],
  [
    'a network that requires it takes no remembered device',
    { network: { secondFactor: 'required' }, account: enrolled, session: device },
    '6 second-factor',
  ],
  [
    'nor one of this minute',
    {
      network: { secondFactor: 'required' },
      rule: { reauthenticateSeconds: 600 },
      account: enrolled,
      session: { ...password, deviceAt: now },
    },
    '6 second-factor',
  ],
  [
    'a network that requires it takes no exemption',
    { network: { secondFactor: 'required' }, account: { ...enrolled, exempt: true }, session: password },
    '6 second-factor',
  ],
  [
    'a network that requires it leads to set one up',
    { network: { secondFactor: 'required' }, account: {}, session: password },
    '6 enrol',
  ],
  // 7
  ['a password rule asks a stranger to sign in', { rule: { access: 'password' } }, '7 sign-in'],
  ['a password rule has it', { rule: { access: 'password' }, account: {}, session: password }, '7 allow'],
  [
    'a password rule asks those for no more who have more',
    { rule: { access: 'password' }, account: { ...enrolled, required: true }, session: password, required: 'everyone' },
    '7 allow',
  ],
  [
    'a password older than reauthenticate is asked again',
    { rule: { access: 'password', reauthenticateSeconds: 60 }, account: {}, session: password },
    '7 reauthenticate',
  ],
  [
    'a password younger is not',
    { rule: { access: 'password', reauthenticateSeconds: 61 }, account: {}, session: password },
    '7 allow',
  ],
  [
    'a fresh second factor is a fresh proof where a password is enough',
    {
      rule: { access: 'password', reauthenticateSeconds: 60 },
      account: enrolled,
      session: { ...password, secondFactorAt: now },
    },
    '7 allow',
  ],
  // 8
  [
    'an exempt account passes with its password',
    { account: { ...enrolled, exempt: true, required: true }, session: password, required: 'everyone' },
    '8 allow',
  ],
  [
    'an account whose exemption does not fit is asked',
    { account: { ...enrolled, exempt: false, required: true }, session: password },
    '9 second-factor',
  ],
  // 9
  ['a required account is asked', { account: { ...enrolled, required: true }, session: password }, '9 second-factor'],
  ['a required account has it', { account: { ...enrolled, required: true }, session: both }, '9 allow'],
  ['a remembered device stands for it', { account: { ...enrolled, required: true }, session: device }, '9 allow'],
  [
    'a required account without one is led to set one up',
    { account: { required: true }, session: password },
    '9 enrol',
  ],
  [
    'a required account is asked in a network that needs none',
    { account: { ...enrolled, required: true }, network: { secondFactor: 'not-required' }, session: password },
    '9 second-factor',
  ],
  // 10
  ['a network that needs none asks a stranger to sign in', { network: { secondFactor: 'not-required' } }, '10 sign-in'],
  [
    'a network that needs none asks the enrolled for none',
    { network: { secondFactor: 'not-required' }, account: enrolled, session: password, required: 'everyone' },
    '10 allow',
  ],
  // 11
  ['a user who set one up is asked for it', { account: enrolled, session: password }, '11 second-factor'],
  ['a user who set one up has it', { account: enrolled, session: both }, '11 allow'],
  ['a remembered device stands for what a user set up', { account: enrolled, session: device }, '11 allow'],
  [
    'a remembered device older than reauthenticate is asked again',
    { rule: { reauthenticateSeconds: 600 }, account: enrolled, session: device },
    '11 reauthenticate',
  ],
  ['a remembered device alone is nobody', { account: enrolled, session: { deviceAt: now } }, '11 sign-in'],
  ['everyone means a stranger signs in', { required: 'everyone' }, '11 sign-in'],
  ['everyone means those without one set one up', { required: 'everyone', account: {}, session: password }, '11 enrol'],
  // 12
  ['a stranger signs in', {}, '12 sign-in'],
  ['a user who set up none sees no code step', { account: {}, session: password }, '12 allow'],
  [
    'what another user needs does not concern this one',
    { account: { enrolled: false, required: false }, session: password },
    '12 allow',
  ],
  // Strict: unenrolled users get in with a recovery code only.
  [
    'strict: those without one are asked for a recovery code',
    { required: 'everyone', unenrolled: 'recovery-code', account: {}, session: password },
    '11 second-factor',
  ],
  [
    'strict: with it they are in for this session',
    { required: 'everyone', unenrolled: 'recovery-code', account: {}, session: both },
    '11 allow',
  ],
  [
    'strict: no device stands for it',
    { required: 'everyone', unenrolled: 'recovery-code', account: {}, session: device },
    '11 second-factor',
  ],
  ['where one must be set up, nothing else opens', { required: 'everyone', account: {}, session: both }, '11 enrol'],
  // Groups
  ['groups: a stranger signs in first', { rule: { groups: ['staff'] } }, '12 sign-in'],
  [
    'groups: nobody without the second factor learns them',
    { rule: { groups: ['staff'] }, account: enrolled, session: password },
    '11 second-factor',
  ],
  [
    'groups: a member passes',
    { rule: { groups: ['staff', 'it'] }, account: { groups: ['it'] }, session: password },
    '12 allow',
  ],
  [
    'groups: another is denied',
    { rule: { groups: ['staff'] }, account: { groups: ['Staff', 'guests'] }, session: password },
    '12 deny',
  ],
  [
    'groups: nobody sets up a second factor for a page of others',
    { rule: { access: 'second-factor', groups: ['staff'] }, account: {}, session: password },
    '4 deny',
  ],
  [
    'groups: nobody proves again for a page of others',
    {
      rule: { access: 'second-factor', groups: ['staff'], reauthenticateSeconds: 1 },
      account: enrolled,
      session: both,
    },
    '4 deny',
  ],
  ['users: a stranger signs in first', { rule: { users: ['ann'] } }, '12 sign-in'],
  [
    'users: who is named passes',
    { rule: { users: ['ann'] }, account: { username: 'ann' }, session: password },
    '12 allow',
  ],
  [
    'users: names are compared as everywhere',
    { rule: { users: ['ann'] }, account: { username: 'ＡNN' }, session: password },
    '12 allow',
  ],
  [
    'users: another is denied',
    { rule: { users: ['ann'] }, account: { username: 'anna' }, session: password },
    '12 deny',
  ],
  [
    'users: nobody without a name is one of them',
    { rule: { users: ['ann'] }, account: {}, session: password },
    '12 deny',
  ],
  [
    'users: beside groups they pass as well',
    { rule: { users: ['ann'], groups: ['staff'] }, account: { username: 'ann' }, session: password },
    '12 allow',
  ],
  [
    'users: and so do the members of the groups',
    { rule: { users: ['ann'], groups: ['staff'] }, account: { username: 'bob', groups: ['staff'] }, session: password },
    '12 allow',
  ],
  [
    'users: a named API account passes, where everyone needs a second factor',
    {
      rule: { access: 'password', clients: 'api', users: ['import'] },
      account: { role: 'api', username: 'import' },
      session: password,
      required: 'everyone',
      network: { secondFactor: 'required' },
    },
    '5 allow',
  ],
  [
    'users: another API account does not',
    {
      rule: { access: 'password', clients: 'api', users: ['import'] },
      account: { role: 'api', username: 'export' },
      session: password,
    },
    '5 deny',
  ],
  // Grace: what is only required of everyone, or of the account, can wait where the installation says so.
  [
    'grace: a user of it goes on with the password',
    { required: 'everyone', grace: { days: 14 }, account: { grace: true }, session: password },
    '11 allow',
  ],
  [
    'grace: so does one of whom alone it is required',
    { grace: { days: 14 }, account: { grace: true, required: true }, session: password },
    '9 allow',
  ],
  [
    'grace: who has not asked for it yet is led to set one up',
    { required: 'everyone', grace: { days: 14 }, account: {}, session: password },
    '11 enrol',
  ],
  [
    'grace: without one in the settings there is none',
    { required: 'everyone', account: { grace: true }, session: password },
    '11 enrol',
  ],
  [
    'grace: a rule that asks for both means now',
    { rule: { access: 'second-factor' }, grace: { days: 14 }, account: { grace: true }, session: password },
    '4 enrol',
  ],
  [
    'grace: so does a network',
    { network: { secondFactor: 'required' }, grace: { days: 14 }, account: { grace: true }, session: password },
    '6 enrol',
  ],
  [
    'grace: who has set one up gives it',
    { required: 'everyone', grace: { days: 14 }, account: { grace: true, enrolled: true }, session: password },
    '11 second-factor',
  ],
  [
    'grace: not where recovery codes are the way in',
    {
      required: 'everyone',
      unenrolled: 'recovery-code',
      grace: { days: 14 },
      account: { grace: true },
      session: password,
    },
    '11 second-factor',
  ],
  [
    'grace: an old password is asked again',
    {
      required: 'everyone',
      grace: { days: 14 },
      rule: { reauthenticateSeconds: 60 },
      account: { grace: true },
      session: password,
    },
    '11 reauthenticate',
  ],
  [
    'grace: and the groups are the same',
    {
      required: 'everyone',
      grace: { days: 14 },
      rule: { groups: ['it'] },
      account: { grace: true },
      session: password,
    },
    '11 deny',
  ],
  ['groups: an empty list is nobody', { rule: { groups: [] }, account: {}, session: password }, '12 deny'],
]

t.test('the table, row by row', async (t) => {
  for (const [name, situation, expected] of table) {
    const { row, outcome } = decide(input(situation))
    t.equal(`${row} ${outcome}`, expected, name)
  }
  const reached = new Set(table.map(([, , expected]) => Number.parseInt(expected, 10)))
  t.same(
    [...reached].toSorted((a, b) => a - b),
    [...new Set(rows.map((row) => row.number))],
    'every row was met',
  )
})

/** Situations that two neighbouring rows fit: the upper one decides. A rule says one word: the other is in another reading. */
const neighbours: ReadonlyArray<readonly [rows: readonly [number, number], situation: Situation, outcome: string]> = [
  [[1, 2], { network: { access: 'deny' }, rule: { access: 'deny' } }, 'deny'],
  [[1, 2], { account: { active: false }, session: both, rule: { access: 'deny' } }, 'deny'],
  [[2, 3], { rule: { access: 'deny', also: [{ path: '/x', access: 'public' }] } }, 'deny'],
  [[3, 4], { rule: { access: 'public', also: [{ path: '/x', access: 'second-factor' }] } }, 'sign-in'],
  [[4, 5], { rule: { access: 'second-factor', clients: 'api' }, account: { role: 'api' }, session: password }, 'deny'],
  [
    [5, 6],
    { rule: { clients: 'api' }, account: { role: 'api' }, session: password, network: { secondFactor: 'required' } },
    'allow',
  ],
  [
    [6, 7],
    { network: { secondFactor: 'required' }, rule: { access: 'password' }, account: enrolled, session: password },
    'second-factor',
  ],
  [[7, 8], { rule: { access: 'password' }, account: { ...enrolled, exempt: true }, session: password }, 'allow'],
  [[8, 9], { account: { ...enrolled, exempt: true, required: true }, session: password }, 'allow'],
  [
    [9, 10],
    { account: { ...enrolled, required: true }, network: { secondFactor: 'not-required' }, session: password },
    'second-factor',
  ],
  [[10, 11], { network: { secondFactor: 'not-required' }, account: enrolled, session: password }, 'allow'],
  [[11, 12], { account: enrolled, session: password }, 'second-factor'],
]

t.test('of two neighbouring rows that fit, the upper one decides', async (t) => {
  for (const [[upper, lower], situation, outcome] of neighbours) {
    const facts = input(situation)
    const readings = [facts.rule, ...(facts.rule.also ?? [])].map((rule) => ({ ...facts, rule }))
    const fits = (number: number) =>
      rows.some((row) => row.number === number && readings.some((facts) => row.need(facts) !== undefined))
    t.ok(fits(upper) && fits(lower), `${upper} and ${lower} both fit`)
    const found = decide(facts)
    t.equal(found.outcome, outcome, `${upper} before ${lower}`)
    // Of two readings the stricter decides, which is not the upper row where that opens.
    t.equal(found.row, upper === 3 ? lower : upper)
  }
  const numbers = [...new Set(rows.map((row) => row.number))]
  const wanted = numbers.slice(1).map((number) => `${number - 1} ${number}`)
  t.same([...new Set(neighbours.map(([pair]) => pair.join(' ')))], wanted, 'every pair was met')
})

t.test('each row fits by itself, and the first that fits decides', async (t) => {
  t.same(
    rows.map((row) => row.number),
    [1, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 10, 11, 12],
  )
  for (const [name, situation] of table) {
    const facts = input(situation)
    t.equal(rows.find((row) => row.need(facts) !== undefined)?.number, decide(facts).row, name)
  }
})

t.test('a decision says which line of the file decided', async (t) => {
  t.equal(decide(input({ network: { access: 'deny' } })).line, 20)
  t.equal(decide(input({ rule: { access: 'public' } })).line, 10)
  t.equal(decide(input({ rule: { line: undefined } })).line, undefined)
})

t.test('a recovery code is asked for by name only where nothing else can be', async (t) => {
  const strict = { required: 'everyone', unenrolled: 'recovery-code', session: password } as const
  t.equal(decide(input({ ...strict, account: {} })).recoveryCodeOnly, true)
  t.equal(decide(input({ ...strict, account: enrolled })).recoveryCodeOnly, undefined)
})

t.test('of several rules that have a say, the strictest has it', async (t) => {
  const rule = (access: Rule['access'], line: number): Rule => ({ path: '/x', access, line })
  const judged = (first: Rule, ...also: Rule[]) => decide(input({ rule: { ...first, also } }))
  t.match(judged(rule('public', 1), rule('deny', 2)), { outcome: 'deny', line: 2 })
  t.match(judged(rule('public', 1), rule('signed-in', 2)), { outcome: 'sign-in', rule: { line: 2 } })
  t.match(judged(rule('deny', 1), rule('public', 2)), { outcome: 'deny', line: 1 })
  t.match(judged(rule('public', 1), rule('public', 2)), { outcome: 'allow', line: 1 })
})

t.test('nobody comes in without an account and a session, but by a public rule', async (t) => {
  for (const access of ['password', 'signed-in', 'second-factor', 'deny'] as const) {
    for (const network of [
      undefined,
      { secondFactor: 'not-required' },
      { secondFactor: 'required' },
      { access: 'deny' },
    ] as const) {
      for (const situation of [{}, { account: { ...enrolled, exempt: true } }, { session: both }]) {
        const found = decide(input({ rule: { access }, ...(network && { network }), ...situation }))
        t.not(found.outcome, 'allow')
      }
    }
  }
})

t.test('explain names the row, the rule and what is missing', async (t) => {
  const rule = { path: '/admin/**', access: 'second-factor', groups: ['staff'] } as const
  const stranger = explain(input({ rule }))
  t.same(
    stranger.missing.map((one) => one.what),
    ['somebody who signs in'],
  )
  t.equal(stranger.finally, undefined)

  const member = explain(input({ rule, account: { ...enrolled, groups: ['staff'] } }))
  t.same(
    member.missing.map((one) => one.what),
    ['the password', 'the second factor'],
  )
  t.match(member.finally, { outcome: 'allow', row: 4, line: 10 })

  const other = explain(input({ rule, account: enrolled, session: both }))
  t.same(other.missing, [])
  t.equal(other.finally, other.decision)
  t.same(explanationLines(other), [
    'deny: the user is not among those of the rule',
    '  row 4: the rule says "second-factor" (line 10)',
    '  rule: /admin/** second-factor (line 10)',
  ])

  const strict = explain(input({ account: {}, required: 'everyone', unenrolled: 'recovery-code' }))
  t.same(
    strict.missing.map((one) => one.what),
    ['the password', 'a recovery code from the owner'],
  )
  const led = explain(input({ account: { required: true }, rule: { line: undefined, path: '/**' } }))
  t.same(explanationLines(led), [
    'sign-in: nobody is signed in',
    '  row 9: a second factor is required of the account',
    '  rule: /** signed-in (where no rule fits)',
    'missing: the password',
    'missing: a second factor, set up first',
    '  row 9: a second factor is required of the account',
    '  rule: /** signed-in (where no rule fits)',
    'then allow: everything that is needed was given',
    '  row 9: a second factor is required of the account',
    '  rule: /** signed-in (where no rule fits)',
  ])
  const again = explain(
    input({ rule: { access: 'password', reauthenticateSeconds: 5 }, account: {}, session: password }),
  )
  t.same(
    again.missing.map((one) => one.what),
    ['the password again'],
  )
  t.equal(
    explain(input({ account: { active: false } })).finally?.outcome,
    'deny',
    'the operator is told what the stranger is not',
  )
})

t.test('every situation of the table can be explained to its end', async (t) => {
  for (const [name, situation] of table) {
    const { finally: last, decision, missing } = explain(input(situation))
    t.ok(last === undefined || last.outcome === 'allow' || last.outcome === 'deny', name)
    t.equal(missing.length === 0, decision.outcome === 'allow' || decision.outcome === 'deny', name)
  }
})
