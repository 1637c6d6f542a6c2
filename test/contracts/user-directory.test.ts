import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hash } from '@node-rs/argon2'
import bcrypt from 'bcryptjs'
import t from 'tap'
import htpasswd from '../../plugins/user-directories/htpasswd.js'
import local from '../../plugins/user-directories/local.js'
import type { Json, Store, UserDirectory } from '../../src/contracts.js'
import { inOrder } from '../../src/identity/accounts/directories.js'
import {
  type DirectoryUnderTest,
  userDirectoryContract,
  writableDirectoryContract,
} from '../../testing/user-directory.js'
import { Clock, emptyStore, identityHost } from '../support/core.js'
import { build, lentHost } from '../support/lent-host.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const password = 'a lamp over the lodge gate'

/** The directory, and the store as the directory sees it. */
async function openLocal(t: Parameters<DirectoryUnderTest['open']>[0], clock = new Clock()) {
  const host = identityHost(await emptyStore(t, clock), clock)
  const directory = await build(local, {}, host)
  if (directory.writable === undefined) throw new Error('local is writable')
  return { directory, users: directory.writable, store: host.store, host, clock }
}

t.test('local keeps the contract', async (t) => {
  const underTest: DirectoryUnderTest = {
    async open(t, user, typed) {
      const { directory, users } = await openLocal(t)
      await users.create(user, typed)
      return directory
    },
  }
  userDirectoryContract(t, underTest)
  writableDirectoryContract(t, underTest)
})

t.test('htpasswd keeps the contract', async (t) => {
  userDirectoryContract(t, {
    async open(t, { username, email, groups }, typed) {
      const directory = await temporaryDirectory(t)
      const [file, members] = [join(directory, 'users'), join(directory, 'groups')]
      await writeFile(file, `${username}:${await bcrypt.hash(typed, 5)}\n`)
      await writeFile(members, groups.map((group) => `${group}: ${username}\n`).join(''))
      const clock = new Clock()
      const host = identityHost(await emptyStore(t, clock), clock)
      return build(htpasswd, { file, groups: members, email: email?.replace(username, '{username}') }, host)
    },
  })
})

t.test('several directories keep the contract as one', async (t) => {
  userDirectoryContract(t, {
    async open(t, user, typed) {
      const { directory: first } = await openLocal(t)
      const { directory: last, users } = await openLocal(t)
      await users.create(user, typed)
      return inOrder(
        [
          { name: '', directory: first },
          { name: 'last', directory: readOnly(last) },
        ],
        lentHost().log,
      )
    },
  })
  writableDirectoryContract(t, {
    async open(t, user, typed) {
      const { directory } = await openLocal(t)
      await directory.writable?.create(user, typed)
      const { directory: behind } = await openLocal(t)
      return inOrder(
        [
          { name: 'here', directory },
          { name: 'there', directory: readOnly(behind) },
        ],
        lentHost().log,
      )
    },
  })
})

function readOnly(directory: UserDirectory): UserDirectory {
  return {
    verifyPassword: (username, password) => directory.verifyPassword(username, password),
    find: (by) => directory.find(by),
    search: async (text, page) => (await directory.search?.(text, page)) ?? [],
  }
}

t.test('cut off after any of its writes, nothing of a user is half done', async (t) => {
  const works: Record<string, (users: Awaited<ReturnType<typeof openLocal>>['users'], id: string) => Promise<unknown>> =
    {
      create: (users) => users.create({ username: 'bob', email: 'bob@example.com', groups: [] }, password),
      rename: (users, id) => users.update(id, { username: 'bob', email: 'bob@example.com' }),
      remove: (users, id) => users.remove(id),
    }
  for (const [name, work] of Object.entries(works)) {
    for (let writes = 0; writes < 6; writes += 1) {
      const { directory, users, host, store, clock } = await openLocal(t)
      const ada = await users.create({ username: 'ada', email: 'ada@example.com', groups: [] }, password)
      const cut = await build(local, {}, Object.assign(Object.create(host), { store: failingAfter(store, writes) }))
      const done = await work(cut.writable ?? users, ada?.id ?? '').then(
        () => true,
        () => false,
      )
      const label = `${name}, cut after ${writes} writes`
      for (const user of await users.list()) {
        t.same(await directory.find({ id: user.id }), [user], label)
        t.same(await directory.find({ username: user.username }), [user], label)
        t.same(await directory.find({ email: user.email ?? '' }), [user], label)
        t.match(await directory.verifyPassword(user.username, password), user, label)
      }
      for (const email of ['ada@example.com', 'bob@example.com']) {
        for (const user of await directory.find({ email })) t.equal(user.email, email, label)
      }
      clock.forward(10)
      for (const username of ['ada', 'bob']) {
        const taken = (await directory.find({ username })).length === 1
        const made = await users.create({ username, groups: [] })
        t.equal(made === undefined, taken, `${label}: the name ${username} is somebody's, or free`)
      }
      if (done) break
    }
  }
})

t.test('a name claimed by one who is at work is not taken over', async (t) => {
  const { users, store, clock } = await openLocal(t)
  await store.add('name/bob', { id: 'somebody', at: clock.ms })
  t.equal(await users.create({ username: 'bob', groups: [] }), undefined)
  clock.forward(10)
  const made = await Promise.all(Array.from({ length: 20 }, () => users.create({ username: 'bob', groups: [] })))
  t.equal(made.filter((user) => user !== undefined).length, 1, 'and by one only when that one is gone')
})

t.test('one who wakes up after the name went to somebody else gives way', async (t) => {
  const { directory, users, store, host, clock } = await openLocal(t)
  const slow = await build(
    local,
    {},
    Object.assign(Object.create(host), {
      store: Object.assign(Object.create(store), {
        get: store.get.bind(store),
        async add(key: string, value: Json) {
          if (key.startsWith('user/')) {
            clock.forward(10)
            t.ok(await users.create({ username: 'bob', groups: ['quick'] }))
          }
          return store.add(key, value)
        },
        set: store.set.bind(store),
        delete: store.delete.bind(store),
      }),
    }),
  )
  t.equal(await slow.writable?.create({ username: 'bob', groups: ['slow'] }), undefined)
  t.match(await directory.find({ username: 'bob' }), [{ groups: ['quick'] }])
  t.equal((await store.list('user/')).length, 1)
})

t.test('a weak hash is renewed at sign-in, but never over a password that was changed meanwhile', async (t) => {
  const { directory, users, store, host } = await openLocal(t)
  const ada = await users.create({ username: 'ada', groups: [] }, password)
  const key = `user/${ada?.id}`
  const record = (await store.get(key)) as { passwordHash: string }
  const weak = await hash(password, { memoryCost: 8192, timeCost: 1 })
  await store.set(key, { ...record, passwordHash: weak })
  t.match(await directory.verifyPassword('ada', password), { username: 'ada' })
  const renewed = ((await store.get(key)) as { passwordHash: string }).passwordHash
  t.match(renewed, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  t.match(await directory.verifyPassword('ada', password), { username: 'ada' })
  t.equal(((await store.get(key)) as { passwordHash: string }).passwordHash, renewed, 'once is enough')

  await store.set(key, { ...record, passwordHash: weak })
  const { hash: slowHash } = host.passwords
  host.passwords.hash = async (typed) => {
    host.passwords.hash = slowHash
    await users.setPassword(ada?.id ?? '', 'another password')
    return slowHash.call(host.passwords, typed)
  }
  await directory.verifyPassword('ada', password)
  t.equal(await directory.verifyPassword('ada', password), undefined)

  await store.set(key, { ...record, passwordHash: weak })
  host.passwords.hash = () => Promise.reject(new Error('busy'))
  t.match(await directory.verifyPassword('ada', password), { username: 'ada' }, 'no time to renew it is no refusal')
})

t.test('a hash from elsewhere is taken over, lets its user in, and is renewed by that', async (t) => {
  const { directory, users, store } = await openLocal(t)
  const foreign = '$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0'
  const bob = await users.create({ username: 'bob', groups: [] }, { hash: foreign })
  const kept = async () => ((await store.get(`user/${bob?.id}`)) as { passwordHash: string }).passwordHash
  t.equal(await directory.verifyPassword('bob', 'wrong'), undefined)
  t.equal(await kept(), foreign, 'a wrong password renews nothing')
  t.match(await directory.verifyPassword('bob', 'test12345'), { id: bob?.id })
  t.match(await kept(), /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  t.match(await directory.verifyPassword('bob', 'test12345'), { id: bob?.id })
  t.equal(await directory.verifyPassword('bob', 'wrong'), undefined)
  for (const hash of ['', 'test12345', '$2y$31$wpabJQqpomri3beglqHDE.GgQXbIFcpgUxciFhguA0U5gJKYEd/XW']) {
    await t.rejects(users.create({ username: 'eve', groups: [] }, { hash }), RangeError)
  }
  t.same(await directory.find({ username: 'eve' }), [])
})

t.test('an index that leads to nowhere, or to somebody else, is not believed', async (t) => {
  const { directory, users, store } = await openLocal(t)
  const ada = await users.create({ username: 'ada', email: 'a/b@example.com', groups: [] }, password)
  await store.set('name/boss', { id: ada?.id ?? '', at: 0 })
  await store.set(`email/boss@example.com/${ada?.id}`, true)
  await store.set('email/boss@example.com/nobody', true)
  t.same(await directory.find({ username: 'boss' }), [])
  t.equal(await directory.verifyPassword('boss', password), undefined)
  t.same(await directory.find({ email: 'boss@example.com' }), [])
  t.same(await directory.find({ email: 'a' }), [])
  t.match(await directory.find({ email: 'A/B@example.com' }), [{ username: 'ada' }])
  t.same(
    (await users.list()).map(({ username }) => username),
    ['ada'],
  )
})

/** Lets so many writes through and then fails, as a process that is killed between two of them. */
function failingAfter(store: Store, writes: number): Store {
  let left = writes
  const limited =
    <Input extends unknown[], Output>(work: (...input: Input) => Promise<Output>) =>
    async (...input: Input): Promise<Output> => {
      left -= 1
      if (left < 0) throw new Error('killed')
      return work.apply(store, input)
    }
  return {
    get: store.get.bind(store),
    list: store.list.bind(store),
    close: store.close.bind(store),
    set: limited(store.set),
    add: limited(store.add),
    replace: limited(store.replace),
    delete: limited(store.delete),
    increment: limited(store.increment),
  }
}
