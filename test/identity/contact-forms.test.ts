import { PassThrough } from 'node:stream'
import t from 'tap'
import { userAdd } from '../../src/cli/commands/user/user.js'
import { spelledAddress, spelledNumber } from '../../src/contracts.js'
import { importProblems, importUser } from '../../src/identity/accounts/import-users.js'
import { mailAddress, mobileNumber } from '../../src/identity/store/contact-forms.js'
import { type Actor, Refusal } from '../../src/operations/operation.js'
import { changeUser } from '../../src/operations/users/change.js'
import { addUser } from '../../src/operations/users/lifecycle.js'
import { add, PASSWORD, services } from '../support/core.js'

/** Fault: the numbers and addresses people write and copy were taken at one door and refused at the next. */

const shell: Actor = { door: 'command-line', role: 'owner', isFresh: true }
const number = '+447911123456'
const spellings = [
  '+447911123456',
  '+44 7911 123456',
  '0044 7911 123456',
  '+44 (0)7911 123456',
  '+44(0)7911-123456',
  '00 (44) 7911/123.456',
  'tel:+44-7911-123456',
  '\u202A+44 7911 123456\u202C',
  '\uFEFF +44 7911 123456 ',
  '＋４４ ７９１１ １２３４５６',
  '+44\u00A07911\u2011123456',
]
const addresses = ['ada@example.com', ' ada@example.com ', 'mailto:ada@example.com', '\u202Aada@example.com\u202C']

t.test('a number as people write it is the same at every door', async (t) => {
  const r = await services(t)
  await add(r, 'bob')
  for (const [at, spelling] of spellings.entries()) {
    const label = JSON.stringify(spelling)
    t.equal(spelledNumber(spelling), number, label)
    t.equal(await mobileNumber(spelling), number, label)
    const users = [{ line: 1, username: `imported${at}`, mobile: spelling }]
    t.same(await importProblems({ ...r, settings: { shortestPassword: () => 8 } }, users), [], label)
    for (const user of users) await importUser(r, user)
    const wanted = { username: `added${at}`, mobile: spelling }
    t.notOk((await r.desk.run(addUser, { ...wanted, password: PASSWORD }, shell)) instanceof Refusal, label)
    const stdin = new PassThrough()
    stdin.end(PASSWORD)
    const terminal = { stdin, stdout: new PassThrough(), stderr: new PassThrough() }
    t.equal(await userAdd(r, terminal, `typed${at}`, { mobile: spelling, passwordStdin: true }), 0, label)
    for (const username of [`imported${at}`, `added${at}`, `typed${at}`]) {
      t.match(await r.directory.find({ username }), [{ mobile: number }], `${username}: ${label}`)
    }
    t.match(await r.desk.run(changeUser, { user: 'bob', remove: ['mobile'] }, shell), at === 0 ? Refusal : Object)
    t.match(await r.desk.run(changeUser, { user: 'bob', mobile: spelling }, shell), { mobile: number }, label)
  }
})

t.test('an address as it is copied is the same at every door', async (t) => {
  const r = await services(t)
  for (const [at, spelling] of addresses.entries()) {
    t.equal(spelledAddress(spelling), 'ada@example.com')
    t.equal(mailAddress(spelling), 'ada@example.com')
    await importUser(r, { line: 1, username: `imported${at}`, email: spelling })
    await r.desk.run(addUser, { username: `added${at}`, email: spelling, password: PASSWORD }, shell)
    for (const username of [`imported${at}`, `added${at}`]) {
      t.match(await r.directory.find({ username }), [{ email: 'ada@example.com' }], JSON.stringify(spelling))
    }
  }
})

t.test('what names no country stays as it is, and is refused', async (t) => {
  for (const typed of [
    '07911 123456',
    '(0)7911 123456',
    '+0 7911',
    '++447911123456',
    '00',
    '',
    'tel:',
    '+44 7911 123456 789 1234',
  ]) {
    t.equal(spelledNumber(typed), typed, JSON.stringify(typed))
  }
  t.equal(spelledNumber('+39 06 1234 5678'), '+390612345678')
  t.equal(spelledNumber('+39 (0)6 1234 5678'), '+390612345678', 'the 0 of Italy is a part of the number')
})
