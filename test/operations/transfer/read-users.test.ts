import t from 'tap'
import { type Format, formatOf } from '../../../src/operations/transfer/formats.js'
import { readUsers } from '../../../src/operations/transfer/read-users.js'

const problemsOf = (format: Format, text: string) =>
  readUsers(format, text).problems.map(({ line, sentence }) => `${line}: ${sentence}`)

t.test('a CSV file has its columns in any order, cells in quotes, and empty cells that say nothing', async (t) => {
  const text =
    '\uFEFFemail,username,groups,mobile\r\nann@example.com,ann,"staff;crm ",\r\n,"o\'hara, b",,+12025550100\r\n'
  t.same(readUsers('csv', text).users, [
    { line: 2, username: 'ann', email: 'ann@example.com', groups: ['staff', 'crm'] },
    { line: 3, username: "o'hara, b", mobile: '+12025550100' },
  ])
})

t.test('JSON is a list, or an object a line', async (t) => {
  const ann = { username: 'ann', role: 'support' }
  t.same(readUsers('json', JSON.stringify([ann])).users, [{ line: 1, ...ann }])
  t.same(readUsers('json', `\n${JSON.stringify(ann)}\n\n{"username":"bob"}\n`).users, [
    { line: 2, ...ann },
    { line: 4, username: 'bob' },
  ])
})

t.test('an htpasswd file has names and hashes', async (t) => {
  t.same(readUsers('htpasswd', '# people\nann:$2y$05$abc\r\n\nbob:{SHA}x=\n').users, [
    { line: 2, username: 'ann', passwordHash: '$2y$05$abc' },
    { line: 4, username: 'bob', passwordHash: '{SHA}x=' },
  ])
  t.same(problemsOf('htpasswd', 'ann\n:x\n'), [
    '1: This line has no name and hash with a colon between.',
    '2: This line has no name and hash with a colon between.',
  ])
})

t.test('a users file of Authelia has names, hashes and who is disabled', async (t) => {
  const text = `
users:
  ann:
    disabled: false
    displayname: "Ann A"
    password: "$argon2id$v=19$m=65536,t=3,p=4$abc$def"
    email: ann@example.com
    groups: [admins, dev]
  bob:
    disabled: true
    password: x
  cleo: { displayname: C }
`
  const { users } = readUsers('authelia', text)
  t.match(users, [
    {
      line: 3,
      username: 'ann',
      passwordHash: '$argon2id$v=19$m=65536,t=3,p=4$abc$def',
      email: 'ann@example.com',
      groups: ['admins', 'dev'],
      status: 'active',
    },
    { line: 9, username: 'bob', status: 'deactivated' },
  ])
  t.same(problemsOf('authelia', text), ['12: This user has no "password", or something in it is of another kind.'])
  t.match(problemsOf('authelia', 'people: {}'), ['1: This is not a users file of Authelia'])
  t.match(problemsOf('authelia', 'users: {a: [}'), ['1: This is not a users file of Authelia'])
})

t.test('every mistake is said with its line, and no secret of the file', async (t) => {
  t.match(problemsOf('csv', 'username,pasword\nann,hunter2hunter2\n'), [/^2: Nothing here is called "pasword"; known/])
  t.same(problemsOf('csv', 'username,role\nann,admin\nbob,user\n'), ['2: "role" is one of owner, support, user, api.'])
  t.match(problemsOf('csv', 'username,email\nann\n'), [/^2: This is not CSV/])
  t.match(problemsOf('csv', 'username,password\nann,"secret\n'), [/^\d+: This is not CSV[^s]*/])
  t.notMatch(problemsOf('csv', 'username,password\nann,"secret\n').join(), 'secret')
  t.same(problemsOf('json', '{"username":1}\nnonsense\n[]\n'), [
    '1: "username" is missing, or of another kind.',
    '2: This line is not JSON.',
    '3: This is no user.',
  ])
  t.same(problemsOf('json', '[nonsense'), ['1: This is not JSON.'])
})

t.test('the name of a file says how it is written', async (t) => {
  const names = { 'a.CSV': 'csv', 'a.jsonl': 'json', '.htpasswd': 'htpasswd', 'users.htpasswd': 'htpasswd' }
  for (const [name, format] of Object.entries(names)) t.equal(formatOf(name), format)
  t.equal(formatOf('users_database.yml'), 'authelia')
  t.equal(formatOf('users'), undefined)
})
