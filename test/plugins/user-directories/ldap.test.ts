import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { firstValueOf } from '../../../plugins/user-directories/ldap/entry.js'
import ldap from '../../../plugins/user-directories/ldap.js'
import type { UserDirectory } from '../../../src/contracts.js'
import { userDirectoryContract } from '../../../testing/user-directory.js'
import { build, lentHost } from '../../support/lent-host.js'
import { until } from '../../support/poll.js'
import type { Scope } from '../../support/scope.js'
import { BASE, READER, skipWithoutSlapd, startSlapd } from '../../support/slapd.js'

t.setTimeout(180_000)
const skip = skipWithoutSlapd()
const people = `ou=people,${BASE}`
const lamp = 'a lamp over the lodge gate'

const person = (uid: string, more: readonly string[] = [], dn = `uid=${uid},${people}`) =>
  [`dn: ${dn}`, 'objectClass: inetOrgPerson', `uid: ${uid}`, ...more, `cn: ${uid}`, 'sn: x', `userPassword: ${lamp}`]
    .join('\n')
    .concat('\n\n')

const group = (name: string, ...members: readonly string[]) =>
  [
    `dn: cn=${name.replaceAll(',', '\\,')},ou=groups,${BASE}`,
    'objectClass: groupOfNames',
    `cn: ${name}`,
    ...members.map((uid) => `member: uid=${uid},${people}`),
  ]
    .join('\n')
    .concat('\n\n')

/** A slow machine is no server that is down. */
const patient = { base: people, bind: READER, timeoutSeconds: 30 }

async function open(t: Scope, options: object): Promise<UserDirectory> {
  const directory = await build(ldap, options, lentHost())
  t.teardown(() => (directory as { close?(): Promise<void> }).close?.())
  return directory
}

t.test('ldap keeps the contract', { skip }, async (t) => {
  userDirectoryContract(t, {
    judgesElsewhere: true,
    async open(t, { username, email, groups }, typed) {
      const of = groups.map((name) => group(name, username)).join('')
      const server = await startSlapd(t, person(username, [`mail: ${email}`]).replace(lamp, typed) + of)
      return open(t, { ...patient, url: server.url, groups: { base: `ou=groups,${BASE}` } })
    },
  })
})

const entries = [
  person('ann', ['mail: Ann@Example.com', 'mobile: +1 (202) 555-0143', `memberOf: cn=Staff\\, all,ou=groups,${BASE}`]),
  person('bob', ['uid: robert', 'mail: b1@example.com', 'mail: ann@example.com', 'mobile: 0301234']),
  person("o'brien (jr)*", [], `uid=o'brien \\28jr\\29\\2A,${people}`),
  person('double', [], `cn=one,${people}`),
  person('double', [], `cn=two,${people}`),
  person('off', ['employeeType: left']),
  person('nopass').replace(/^userPassword.*\n/m, ''),
  group('Staff, all', 'ann'),
  group('board', 'ann', 'bob'),
].join('')

t.test('one server, many questions', { skip }, async (t) => {
  const server = await startSlapd(t, entries)
  const usual = { ...patient, url: server.url }

  await t.test('attributes, groups of the user and of a search', async (t) => {
    const directory = await open(t, usual)
    const [ann] = await directory.find({ username: 'ANN' })
    t.match(ann, { username: 'ann', email: 'Ann@Example.com', mobile: '+12025550143', groups: ['Staff, all'] })
    t.match(ann?.id, /^[0-9a-f-]{36}$/, 'the id is the entryUUID')
    const [bob] = await directory.find({ username: 'bob' })
    t.equal(bob?.mobile, undefined, 'a number without its country is nobody’s')
    const searching = await open(t, { ...usual, groups: { base: `ou=groups,${BASE}` } })
    t.same((await searching.verifyPassword('ann', lamp))?.groups, ['Staff, all', 'board'])
    t.same((await searching.find({ username: 'bob' }))[0]?.groups, ['board'])
  })

  await t.test('one entry is one name, and an address finds who gets mail there', async (t) => {
    const directory = await open(t, usual)
    t.same(await directory.find({ username: 'robert' }), [], 'the other values of uid are nobody')
    t.equal(await directory.verifyPassword('robert', lamp), undefined)
    t.match(await directory.verifyPassword('bob', lamp), { username: 'bob' })
    const found = await directory.find({ email: 'ann@example.com' })
    t.same(
      found.map(({ username }) => username),
      ['ann'],
    )
    await t.rejects(directory.verifyPassword('double', lamp), /same name/)
    await t.rejects(directory.find({ username: 'double' }), /same name/)
  })

  await t.test('a name that is not there costs the server as many questions as one that is', async (t) => {
    const directory = await open(t, { ...usual, groups: { base: `ou=groups,${BASE}` } })
    const count = async (work: () => Promise<unknown>) => {
      const before = server.log().length
      await work()
      // The last answer is in the log at the latest when the next question's is.
      await directory.find({ username: 'end-of-part' })
      const part = await until('the log', () => {
        const log = server.log().slice(before)
        return /end-of-part[\s\S]*SEARCH RESULT[\s\S]*SEARCH RESULT/.test(log) && log
      })
      return [/BIND dn="(uid|cn)=(?!gatelodge)/g, /SEARCH RESULT/g].map((kind) => part.match(kind)?.length ?? 0)
    }
    // Counted too, though nobody looks: what it leaves in the log must not be taken for the next one's.
    await count(() => directory.verifyPassword('ann', lamp))
    const known = await count(() => directory.verifyPassword('ann', 'wrong'))
    t.same(known[0] !== 0, true)
    for (const name of ['nobody', '', 'n'.repeat(1000)]) {
      t.same(await count(() => directory.verifyPassword(name, 'wrong')), known, name.slice(0, 10))
    }
    t.same(await count(() => directory.verifyPassword('ann', '')), known, 'no password')
    const found = await count(() => directory.find({ username: 'ann' }))
    t.same(await count(() => directory.find({ username: 'nobody' })), found)
  })

  await t.test('nothing in a name becomes a part of the filter', async (t) => {
    const directory = await open(t, { ...usual, groups: { base: `ou=groups,${BASE}` } })
    const names = [
      '*',
      'an*',
      'ann)(uid=*',
      'ann)(|(uid=*',
      '\\2a',
      'ann\\00',
      'ann\u0000',
      ' ann',
      'ann ',
      'a\\6en',
      '(ann)',
    ]
    for (const name of names) {
      t.same(await directory.find({ username: name }), [], JSON.stringify(name))
      t.equal(await directory.verifyPassword(name, lamp), undefined)
      t.same(await directory.find({ id: name }), [])
      t.same(await directory.find({ email: `${name}@example.com` }), [])
    }
    t.match(await directory.verifyPassword("o'brien (jr)*", lamp), { username: "o'brien (jr)*", groups: [] })
  })

  await t.test('an empty password is no bind, and who has none cannot sign in', async (t) => {
    const directory = await open(t, usual)
    for (const password of ['', '\u0000', `${lamp}\u0000`, 'x'.repeat(600)]) {
      t.equal(await directory.verifyPassword('ann', password), undefined)
    }
    for (const password of ['', lamp]) t.equal(await directory.verifyPassword('nopass', password), undefined)
  })

  await t.test('whom a filter rules out is not there', async (t) => {
    const directory = await open(t, { ...usual, disabled: '(employeeType=left)' })
    t.same(await directory.find({ username: 'off' }), [])
    t.equal(await directory.verifyPassword('off', lamp), undefined)
    t.match(await directory.verifyPassword('ann', lamp), { username: 'ann' })
    const some = await open(t, { ...usual, filter: '(&(objectClass=inetOrgPerson)(mail=*))' })
    t.same(await some.find({ username: 'off' }), [])
  })

  await t.test('encrypted by ldaps and by StartTLS, with the certificate verified', async (t) => {
    const startTls = { url: server.url, startTls: true }
    for (const way of [{ url: server.secureUrl }, startTls]) {
      const known = await open(t, { ...patient, ...way, ca: server.ca })
      t.match(await known.verifyPassword('ann', lamp), { username: 'ann' })
      t.equal(await known.verifyPassword('ann', 'wrong'), undefined)
      const unknown = await open(t, { ...patient, ...way })
      await t.rejects(unknown.verifyPassword('ann', lamp), /self-signed|certificate/i)
      await t.rejects(unknown.find({ username: 'ann' }), /self-signed|certificate/i)
    }
    const otherName = server.secureUrl.replace('localhost', '127.0.0.2')
    const other = await open(t, { ...patient, url: otherName, ca: server.ca })
    await t.rejects(other.find({ username: 'ann' }), 'nobody listens there, or under another name')
  })

  await t.test('a reader who is not let in is a directory that is down', async (t) => {
    const wrong = await open(t, { ...usual, bind: { ...READER, password: 'wrong' } })
    await t.rejects(wrong.find({ username: 'ann' }))
    await t.rejects(wrong.verifyPassword('ann', lamp))
    const nowhere = await open(t, { ...usual, base: `ou=nowhere,${BASE}` })
    await t.rejects(nowhere.find({ username: 'ann' }))
  })

  await t.test('forty at once over four connections', async (t) => {
    const directory = await open(t, usual)
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, n) => directory.verifyPassword('ann', n % 2 ? lamp : 'wrong')),
    )
    t.same(
      answers.map((user) => user?.username),
      Array.from({ length: 40 }, (_, n) => (n % 2 ? 'ann' : undefined)),
    )
  })

  await t.test('a server that ends its connections, goes away and comes back', async (t) => {
    const directory = await open(t, { ...usual, timeoutSeconds: 10 })
    t.match(await directory.verifyPassword('ann', lamp), { username: 'ann' })
    await server.stop()
    await t.rejects(directory.verifyPassword('ann', lamp))
    await t.rejects(directory.find({ username: 'ann' }))
    await server.start()
    t.match(await directory.verifyPassword('ann', lamp), { username: 'ann' }, 'bound again, not a stranger')
    t.equal(await directory.verifyPassword('ann', 'wrong'), undefined)
    await server.stop()
    await server.start()
    t.match(await directory.find({ username: 'ann' }), [{ username: 'ann' }])
    t.match(await directory.verifyPassword('ann', lamp), { username: 'ann' })
  })

  await t.test('a server that hangs is down at the deadline, and the next one is asked', async (t) => {
    const hanging = await silentServer(t)
    const alone = await open(t, { ...usual, url: hanging, timeoutSeconds: 0.2 })
    await t.rejects(alone.find({ username: 'ann' }), /in time/)
    const both = await open(t, { ...usual, url: [hanging, server.url], timeoutSeconds: 8 })
    t.match(await both.find({ username: 'ann' }), [{ username: 'ann' }])
    const impatient = await open(t, { ...usual, timeoutSeconds: 1 })
    const answered = () => impatient.find({ username: 'ann' }).catch(() => undefined)
    t.match(await until('a connection that is kept', answered), [{ username: 'ann' }])
    await server.freeze()
    await t.rejects(impatient.find({ username: 'ann' }))
    server.thaw()
    t.match(await until('the server to answer again', answered), [{ username: 'ann' }])
  })
})

t.test('Active Directory: ids of bytes, disabled accounts', { skip }, async (t) => {
  const account = (name: string, guid: string, control: number) => `dn: cn=${name} Smith,${people}
objectClass: user
objectCategory: person
cn: ${name} Smith
sn: Smith
sAMAccountName: ${name}
objectGUID:: ${Buffer.from(guid, 'hex').toString('base64')}
userAccountControl: ${control}
userPassword: ${lamp}

`
  const guid = 'ff00c3282a5c0029deadbeef80818283'
  const server = await startSlapd(t, account('Ann', guid, 512) + account('gone', `${guid.slice(2)}11`, 514))
  const directory = await open(t, { ...patient, url: server.url, preset: 'active-directory' })
  t.match(await directory.verifyPassword('ann', lamp), { id: guid, username: 'Ann' })
  t.match(await directory.find({ id: guid }), [{ username: 'Ann' }])
  t.equal(await directory.verifyPassword('gone', lamp), undefined)
  t.same(await directory.find({ username: 'gone' }), [])
  for (const id of ['', 'zz', guid.toUpperCase(), `${guid.slice(2)}11`]) t.same(await directory.find({ id }), [], id)
})

t.test('options that would send passwords in the clear, or are no filter, are refused', async (t) => {
  const refused: ReadonlyArray<readonly [object, RegExp]> = [
    [{ url: 'ldap://ldap.example.com' }, /in the clear/],
    [{ url: ['ldaps://a.example.com', 'ldap://b.example.com'] }, /in the clear/],
    [{ url: 'ldaps://ldap.example.com', startTls: true }, /is for ldap/],
    [{ url: 'https://ldap.example.com' }, /ldaps:/],
    [{ url: 'ldaps://user:secret@ldap.example.com' }, /ldaps:/],
    [{ url: 'ldaps://ldap.example.com', filter: 'uid=*' }, /parentheses/],
    [{ url: 'ldaps://ldap.example.com', filter: '(&(uid=*)' }, /RFC 4515/],
    [{ url: 'ldaps://ldap.example.com', groups: { base: BASE, filter: '(cn=all)' } }, /must name/],
  ]
  for (const [more, words] of refused) await t.rejects(build(ldap, { base: people, ...more }), words)
  for (const more of [
    { url: 'ldap://ldap.example.com', startTls: true },
    { url: 'ldap://ldap.example.com', insecure: true },
    { url: 'ldap://localhost:1389' },
    { url: 'ldap://[::1]' },
  ]) {
    t.ok(await build(ldap, { base: people, ...more }))
  }
})

t.test('the first value of a DN, with everything that can be escaped', async (t) => {
  const values: Record<string, string | undefined> = {
    'cn=Staff,ou=groups': 'Staff',
    'CN=Staff\\, all,OU=x': 'Staff, all',
    'cn=a\\+b+uid=x,ou=y': 'a+b',
    'cn=Gr\\C3\\BC\\C3\\9Fe,ou=y': 'Grüße',
    'cn=\\ x\\ ,ou=y': 'x',
    'cn=,ou=y': undefined,
    nothing: undefined,
    '': undefined,
  }
  for (const [dn, value] of Object.entries(values)) t.equal(firstValueOf(dn), value, dn)
})

/** Takes connections and says nothing. */
async function silentServer(t: Test): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => sockets.add(socket.on('error', () => undefined))).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `ldap://127.0.0.1:${(server.address() as AddressInfo).port}`
}
