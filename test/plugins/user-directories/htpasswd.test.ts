import { spawnSync } from 'node:child_process'
import { rename, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import htpasswd from '../../../plugins/user-directories/htpasswd.js'
import { Clock, emptyStore, identityHost } from '../../support/core.js'
import { findProgram, skipWithout } from '../../support/installed.js'
import { build } from '../../support/lent-host.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

const lamp = 'a lamp over the lodge gate'
const hashes = {
  hashcat: '$apr1$71850310$gh9m4xcAn3MGxogwX/ztb.',
  test: '{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=',
  [lamp]: '$2y$06$wpabJQqpomri3beglqHDE.GgQXbIFcpgUxciFhguA0U5gJKYEd/XW',
}

async function openFile(t: Test, text: string, more: { groups?: string; email?: string } = {}) {
  const folder = await temporaryDirectory(t)
  const [file, groups] = [join(folder, 'users'), join(folder, 'groups')]
  await writeFile(file, text)
  if (more.groups !== undefined) await writeFile(groups, more.groups)
  const clock = new Clock()
  const host = identityHost(await emptyStore(t, clock), clock)
  const options = { file, email: more.email, ...(more.groups === undefined ? {} : { groups }) }
  /** Puts a text in the place of the old one by `rename`, as careful programs do. */
  const put = async (content: string) => {
    await writeFile(`${file}.new`, content)
    await rename(`${file}.new`, file)
  }
  /** Writes into the file itself; the disk says this was `secondsAgo`. */
  const overwrite = async (content: string, secondsAgo: number) => {
    await writeFile(file, content)
    await utimes(file, clock.ms / 1000 - secondsAgo, clock.ms / 1000 - secondsAgo)
  }
  return { file, folder, clock, host, put, overwrite, directory: await build(htpasswd, options, host) }
}

const names = (users: readonly { username: string }[]) => users.map(({ username }) => username)

t.test('every kind of line that can be verified, comments and further fields', async (t) => {
  const { directory, host } = await openFile(
    t,
    `# people\r\nann:${hashes.hashcat}\r\n\nBob:${hashes.test}:a remark\ncy:${hashes[lamp]}\nold:rqXexS6ZhobKA\nplain:${lamp}\nANN:${hashes.test}\n bad:${hashes.test}\n`,
  )
  t.match(await directory.verifyPassword('ann', 'hashcat'), { id: 'ann', username: 'ann', groups: [] })
  t.match(await directory.verifyPassword('bob', 'test'), { id: 'bob', username: 'Bob' })
  t.match(await directory.verifyPassword('cy', lamp), { username: 'cy' })
  t.equal(await directory.verifyPassword('plain', lamp), undefined, 'a password in the clear opens nothing')
  t.equal(await directory.verifyPassword('ann', 'test'), undefined, 'the first line of a name counts')
  t.same(names(await directory.find({ username: 'old' })), [])
  const warned = host.lines.filter(({ level }) => level === 'warn').map(({ fields }) => Object(fields).line)
  t.same(warned, [6, 7, 8, 9])
  t.notMatch(JSON.stringify(host.lines), lamp)
})

t.test('files as Windows writes them: a byte order mark, carriage returns, blanks at the ends of lines', async (t) => {
  const { directory, host } = await openFile(
    t,
    `\uFEFFann:${hashes.hashcat} \r\nbob:${hashes.test}\t\r\n \r\ncy:${hashes[lamp]}  `,
    {
      groups: '\uFEFFstaff: ann bob \r\nboard: ann\t\r\n',
    },
  )
  t.match(await directory.verifyPassword('ann', 'hashcat'), { username: 'ann', groups: ['staff', 'board'] })
  t.match(await directory.verifyPassword('bob', 'test'), { username: 'bob', groups: ['staff'] })
  t.match(await directory.verifyPassword('cy', lamp), { username: 'cy' })
  t.same(host.lines, [])
})

t.test('groups from a file, addresses from a form', async (t) => {
  const { directory } = await openFile(t, `Ann:${hashes.hashcat}\nbo b:${hashes.test}\n`, {
    groups: '# who\nstaff: ann bob\nboard:ANN\n\nempty:\n',
    email: '{username}@Example.com',
  })
  const ann = { username: 'Ann', email: 'Ann@Example.com', groups: ['staff', 'board'] }
  t.match(await directory.find({ username: 'ann' }), [ann])
  t.match(await directory.find({ email: 'ANN@example.com' }), [ann])
  t.same(await directory.find({ email: 'ann@example.org' }), [])
  t.same(await directory.find({ email: '@example.com' }), [])
  const [bob] = await directory.find({ username: 'bo b' })
  t.equal(bob?.email, undefined, 'what would be no address is left out')
  t.same(await directory.find({ email: 'bo b@example.com' }), [])
})

t.test('a file that was put in place of the old one counts at the next look', async (t) => {
  const { directory, put, clock } = await openFile(t, `ann:${hashes.hashcat}\n`)
  await put(`ann:${hashes.test}\nbob:${hashes.test}\n`)
  t.same(await directory.find({ username: 'bob' }), [], 'within the second nobody looks')
  clock.forward(1)
  t.same(names(await directory.find({ username: 'bob' })), ['bob'])
  t.equal(await directory.verifyPassword('ann', 'hashcat'), undefined)
  t.match(await directory.verifyPassword('ann', 'test'), { username: 'ann' })
  await put('')
  clock.forward(1)
  t.same(await directory.find({ username: 'ann' }), [], 'an empty file is nobody')
  t.equal(await directory.verifyPassword('ann', 'test'), undefined)
})

t.test('a file that is being written to is left alone until it is whole', async (t) => {
  const { directory, overwrite, clock, host } = await openFile(t, `ann:${hashes.hashcat}\nbob:${hashes.test}\n`)
  clock.forward(1)
  await overwrite(`ann:${hashes.hashcat}\n`, 0.3)
  t.same(names(await directory.find({ username: 'bob' })), ['bob'], 'written a moment ago')
  clock.forward(1)
  t.same(names(await directory.find({ username: 'bob' })), [], 'and now it is not being written any more')

  for (const half of [`ann:${hashes.test}\nbo`, `ann:${hashes.test}\nbob:$2y$06$wpabJQq`]) {
    await overwrite(half, 60)
    clock.forward(1)
    t.match(await directory.verifyPassword('ann', 'hashcat'), { username: 'ann' }, 'the last good one counts')
    t.match(host.lines.at(-1), { level: 'error' })
    const { length } = host.lines
    clock.forward(1)
    await directory.find({ username: 'ann' })
    t.equal(host.lines.length, length, 'said once')
  }
  await overwrite(`ann:${hashes.test}\n`, 30)
  clock.forward(1)
  t.match(await directory.verifyPassword('ann', 'test'), { username: 'ann' })
})

t.test('a file that is gone is a directory that is down, not one without users', async (t) => {
  const { directory, file, put, clock } = await openFile(t, `ann:${hashes.hashcat}\n`)
  await rm(file)
  clock.forward(1)
  await t.rejects(directory.verifyPassword('ann', 'hashcat'))
  await t.rejects(directory.find({ username: 'ann' }))
  await put(`ann:${hashes.hashcat}\n`)
  clock.forward(1)
  t.match(await directory.verifyPassword('ann', 'hashcat'), { username: 'ann' })
})

t.test('what is no password file is refused at the start', async (t) => {
  const folder = await temporaryDirectory(t)
  const host = identityHost(await emptyStore(t, new Clock()), new Clock())
  const file = join(folder, 'users')
  await t.rejects(build(htpasswd, { file }, host), /ENOENT/)
  await t.rejects(build(htpasswd, { file: folder }, host))
  await writeFile(file, 'first:x\nno colon here\n')
  await t.rejects(build(htpasswd, { file }, host), /line 2 has no colon/)
  for (const email of ['example.com', '{name}@example.com', '{username}', '{username}@a@b', 'a {username}@b']) {
    await t.rejects(build(htpasswd, { file, email }, host))
  }
})

const program = findProgram('htpasswd')

t.test('reads what the program htpasswd writes', { skip: skipWithout('htpasswd', program) }, async (t) => {
  const { directory, file, clock } = await openFile(t, '')
  const flags = { bcrypt: '-B', apr1: '-m', sha: '-s', sha256: '-2', sha512: '-5' }
  for (const [name, flag] of Object.entries(flags)) {
    const { status, stderr } = spawnSync(program ?? '', ['-b', flag, file, name, lamp], { encoding: 'utf8' })
    if (status !== 0) t.comment(`this htpasswd knows no ${flag}: ${stderr.split('\n')[0]}`)
  }
  clock.forward(1)
  for (const name of ['bcrypt', 'apr1', 'sha']) {
    t.match(await directory.verifyPassword(name, lamp), { username: name })
    t.equal(await directory.verifyPassword(name, `${lamp}.`), undefined)
  }
})
