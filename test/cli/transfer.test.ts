import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import bcrypt from 'bcryptjs'
import t from 'tap'
import { usersExport, usersImport } from '../../src/cli/commands/transfer.js'
import { add, PASSWORD, services, tryPassword } from '../support/core.js'
import { runCommand as run } from '../support/run-command.js'

const names = async (r: Awaited<ReturnType<typeof services>>) =>
  (await r.directory.writable?.list())?.map(({ username }) => username)

t.test('users of a file can sign in, with the password they had, and as what they are', async (t) => {
  const r = await services(t)
  const hash = await bcrypt.hash(PASSWORD, 4)
  const file = join(
    t.testdir({
      'users.csv': `username,email,role,status,passwordHash,groups
ann,ann@example.com,owner,active,${hash},staff;crm
bot,,api,active,${hash},
gone,,user,deactivated,${hash},
`,
    }),
    'users.csv',
  )
  t.same(await run((terminal) => usersImport(r, terminal, file)), {
    code: 0,
    out: '3 added, 0 there already and left as they were.\n',
    err: '',
  })
  t.match(await tryPassword(r, 'ann', { password: PASSWORD }), { outcome: 'session' })
  t.match(await tryPassword(r, 'bot', { password: PASSWORD }), { outcome: 'refused' }, 'a program gets no session')
  t.match(await tryPassword(r, 'gone', { password: PASSWORD }), { outcome: 'refused' })
  const [ann] = await r.directory.find({ username: 'ann' })
  t.match(ann, { email: 'ann@example.com', groups: ['staff', 'crm'] })
  t.equal((await r.accounts.find(ann?.id ?? ''))?.role, 'owner')
  t.match(await r.audit.since(0), [
    { event: 'admin.import', outcome: 'intended', details: { users: 3, owners: ['ann'] } },
    { event: 'admin.import', outcome: 'success', details: { added: 3, thereAlready: 0 } },
  ])
})

t.test('one wrong line keeps all out, and every wrong line is said', async (t) => {
  const r = await services(t)
  const text = `username,email,mobile,password,passwordHash
ann,ann@example.com,,,
ANN,,,,
bob,nonsense,,,
cleo,,0201,,
dora,,,short,
eve,,,${PASSWORD},$2y$05$x
fay:x,,,,
gil,,,,md5?
`
  const file = join(t.testdir({ 'users.csv': text }), 'users.csv')
  const refused = await run((terminal) => usersImport(r, terminal, file))
  t.equal(refused.code, 1)
  const lines = refused.err.replaceAll(`${file}:`, '').split('\n')
  t.match(lines.slice(0, 3), [/^3: The name "ANN" stands in line 2/, /^4: An e-mail address/, /^5: A mobile number/])
  t.match(lines.slice(3, 8), [/^6: .*at least 8/, /^7: .*give one/, /^7: /, /^8: A username/, /^9: The password hash/])
  t.notMatch(refused.err, PASSWORD)
  t.same(await names(r), [])
  const skipped = await run((terminal) => usersImport(r, terminal, file, { skipWrong: true }))
  t.match(skipped, { code: 1, out: /^1 added/ })
  t.same(await names(r), ['ann'])
})

t.test('an import that was cut off is run again, and a dry run does nothing', async (t) => {
  const r = await services(t)
  await add(r, 'user17', { email: 'mine@example.com' })
  const users = Array.from({ length: 120 }, (_, index) => ({ username: `user${index}`, email: 'theirs@example.com' }))
  const file = join(t.testdir({ 'users.json': JSON.stringify(users) }), 'users.json')
  t.match(await run((terminal) => usersImport(r, terminal, file, { dryRun: true })), {
    code: 0,
    out: /^119 would be added, 1 are there already/,
  })
  t.equal((await names(r))?.length, 1)
  // What a process leaves that dies in the middle of adding somebody.
  await r.directory.writable?.create({ username: 'user5', groups: [] })
  t.match(await run((terminal) => usersImport(r, terminal, file)), { out: /^119 added, 1 there already/ })
  t.match(await r.directory.find({ username: 'user5' }), [{ email: 'theirs@example.com' }])
  t.match(await r.directory.find({ username: 'user17' }), [{ email: 'mine@example.com' }], 'left as it was')
  const again = await run((terminal) => usersImport(r, terminal, '-', { format: 'json' }), JSON.stringify(users))
  t.match(again, { code: 0, out: /^0 added, 120 there already/ })
})

t.test('what is exported has no secret in it, and can be imported', async (t) => {
  const r = await services(t)
  await add(r, 'ann', { email: 'ann@example.com', mobile: '+12025550143', role: 'support' })
  await r.directory.writable?.create({ username: 'o"hara, b', displayName: "Brid O'Hara", groups: ['a', 'b'] })
  const { out } = await run((terminal) => usersExport(r, terminal, undefined))
  t.equal(
    out,
    `username,email,mobile,groups,role,status,secondFactors,displayName
ann,ann@example.com,'+12025550143,,support,active,,
"o""hara, b",,,a;b,user,active,,Brid O'Hara
`,
  )
  const file = join(t.testdir(), 'users.json')
  t.match(await run((terminal) => usersExport(r, terminal, file)), { code: 0, out: /^2 users were written/ })
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.notMatch(readFileSync(file, 'utf8'), /argon2|hash/i)
  await t.rejects(
    run((terminal) => usersExport(r, terminal, file)),
    /EEXIST/,
    'no file is written over',
  )
  for (const [format, text] of [
    ['csv', out],
    ['json', readFileSync(file, 'utf8')],
  ] as const) {
    const other = await services(t)
    await run((terminal) => usersImport(other, terminal, '-', { format }), text)
    t.same((await run((terminal) => usersExport(other, terminal, undefined))).out, out, format)
  }
})

t.test('a file that does not say what it is, is not guessed at', async (t) => {
  const r = await services(t)
  t.match(await run((terminal) => usersImport(r, terminal, 'users.txt')), { code: 2, err: /--format csv/ })
  t.match(await run((terminal) => usersExport(r, terminal, undefined, { format: 'xml' })), { code: 2 })
})
