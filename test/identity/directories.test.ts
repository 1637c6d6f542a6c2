import t from 'tap'
import { foldUsername, type User, type UserDirectory, type WritableUsers } from '../../src/contracts.js'
import { inOrder, isWritable } from '../../src/identity/accounts/directories.js'
import { lentHost } from '../support/lent-host.js'

/** Keeps users in memory; every password is the username backwards. */
class Memory implements UserDirectory {
  readonly users: User[]
  readonly asked: string[] = []
  isDown = false
  readonly writable?: WritableUsers
  readonly learns?: true

  constructor(usernames: readonly string[], more: { writable?: boolean; learns?: boolean } = {}) {
    this.users = usernames.map((username) => ({ id: `id/${username}`, username, email: 'all@example.com', groups: [] }))
    if (more.writable) this.writable = this.#writable()
    if (more.learns) this.learns = true
  }

  async verifyPassword(username: string, password: string): Promise<User | undefined> {
    this.#check(`verify ${username}`)
    const isRight = [...username].reverse().join('') === password
    if (isRight && this.learns && (await this.find({ username })).length === 0) this.#learn(username)
    return isRight ? (await this.find({ username }))[0] : undefined
  }

  async find(by: { id: string } | { username: string } | { email: string }): Promise<readonly User[]> {
    this.#check(`find ${Object.values(by)[0]}`)
    return this.users.filter((user) => {
      if ('id' in by) return user.id === by.id
      return 'email' in by ? user.email === by.email : foldUsername(user.username) === foldUsername(by.username)
    })
  }

  #check(asked: string): void {
    this.asked.push(asked)
    if (this.isDown) throw new Error('down')
  }

  #learn(username: string): void {
    this.users.push({ id: username, username, groups: [] })
  }

  #writable(): WritableUsers {
    const at = (id: string) => this.users.findIndex((user) => user.id === id)
    return {
      create: async (user) => {
        const made = { id: `id/${user.username}`, ...user }
        this.users.push(made)
        return made
      },
      update: async (id, change) => {
        const before = this.users[at(id)]
        if (before === undefined) return undefined
        this.users[at(id)] = { ...before, ...change } as User
        return this.users[at(id)]
      },
      setPassword: async (id) => at(id) >= 0,
      check: () => undefined,
      remove: async (id) => this.users.splice(at(id), at(id) < 0 ? 0 : 1).length > 0,
      list: async () => this.users,
    }
  }
}

function open(...directories: readonly Memory[]) {
  const { log, lines } = lentHost()
  const named = directories.map((directory, at) => ({ name: at === 0 ? '' : `d${at}`, directory }))
  return { directory: inOrder(named, log), lines }
}

t.test('the first that knows the name answers, and it alone', async (t) => {
  const [first, second] = [new Memory(['ann']), new Memory(['ann', 'bob'])]
  const { directory, lines } = open(first, second)
  t.match(await directory.find({ username: 'Ann' }), [{ id: 'id/ann' }])
  t.match(await directory.find({ username: 'bob' }), [{ id: 'd1:id%2Fbob' }])
  t.match(await directory.verifyPassword('ann', 'nna'), { id: 'id/ann' })
  t.match(await directory.verifyPassword('bob', 'bob'), { id: 'd1:id%2Fbob' })
  t.notOk(second.asked.includes('verify ann'), 'the password of one directory is shown to no other')
  t.notOk(first.asked.includes('verify bob'))
  t.equal(await directory.verifyPassword('ann', 'wrong'), undefined)
  t.equal(await directory.verifyPassword('nobody', 'wrong'), undefined)
  const warned = lines.filter(({ level }) => level === 'warn')
  t.equal(warned.length, 1, 'a name taken twice is said once')
  t.match(warned[0]?.fields, { username: 'ann', counts: 'id/ann', doesNotCount: 'd1:id%2Fann' })
})

t.test('who bears the name of a user of an earlier directory does not exist, however asked for', async (t) => {
  const [first, second, third] = [new Memory(['ann']), new Memory(['ANN', 'bob']), new Memory(['ann', 'BOB', 'cy'])]
  const { directory } = open(first, second, third)
  t.same(await directory.find({ id: 'd1:id%2FANN' }), [])
  t.same(await directory.find({ id: 'd2:id%2FBOB' }), [])
  t.match(await directory.find({ id: 'd2:id%2Fcy' }), [{ username: 'cy', id: 'd2:id%2Fcy' }])
  const all = await directory.find({ email: 'all@example.com' })
  t.same(
    all.map(({ id }) => id),
    ['id/ann', 'd1:id%2Fbob', 'd2:id%2Fcy'],
  )
  for (const id of ['', 'd1:', 'd9:id%2Fcy', 'd1:%', 'd1:nobody', 'nobody', 'd2:id/bob']) {
    t.same(await directory.find({ id }), [], id)
  }
})

t.test('while a directory is down, nobody of a later one comes in by a name it might know', async (t) => {
  const [first, second] = [new Memory(['ann']), new Memory(['ann', 'bob'])]
  const { directory } = open(first, second)
  first.isDown = true
  for (const name of ['ann', 'bob', 'nobody']) {
    await t.rejects(directory.verifyPassword(name, [...name].reverse().join('')), /down/)
    await t.rejects(directory.find({ username: name }), /down/)
  }
  await t.rejects(directory.find({ id: 'd1:id%2Fbob' }), /down/)
  await t.rejects(directory.find({ email: 'all@example.com' }), /down/)
  t.notOk(second.asked.some((asked) => asked.startsWith('verify')))

  first.isDown = false
  second.isDown = true
  t.match(await directory.verifyPassword('ann', 'nna'), { id: 'id/ann' }, 'those before it come in')
  t.match(await directory.find({ id: 'id/ann' }), [{ username: 'ann' }])
  await t.rejects(directory.verifyPassword('bob', 'bob'), /down/)
})

t.test('a directory behind that hangs holds nobody up for long', async (t) => {
  const [first, second] = [new Memory(['ann']), new Memory([])]
  second.find = () => new Promise(() => undefined)
  const { directory } = open(first, second)
  t.match(await directory.verifyPassword('ann', 'nna'), { id: 'id/ann' })
})

t.test('only the first that can be written to is, and only where the name is free everywhere', async (t) => {
  const [first, second] = [new Memory(['ann']), new Memory(['bob'], { writable: true })]
  const { directory } = open(first, second)
  const { writable } = directory
  t.ok(writable)
  t.equal(isWritable(directory, 'id/ann'), false)
  t.equal(isWritable(directory, 'd1:id%2Fbob'), true)
  t.equal(await writable?.create({ username: 'ANN', groups: [] }), undefined)
  t.match(await writable?.create({ username: 'cy', groups: [] }), { id: 'd1:id%2Fcy' })
  t.equal(await writable?.update('d1:id%2Fcy', { username: 'ann' }), undefined)
  t.match(await writable?.update('d1:id%2Fcy', { username: 'Cy', groups: ['staff'] }), { groups: ['staff'] })
  t.equal(await writable?.update('id/ann', { groups: ['staff'] }), undefined)
  t.equal(await writable?.setPassword('id/ann', 'x'), false)
  t.equal(await writable?.setPassword('d1:id%2Fbob', 'x'), true)
  t.equal(await writable?.remove('id/ann'), false)
  t.equal(await writable?.remove('d1:id%2Fbob'), true)
  t.same(
    (await writable?.list())?.map(({ id }) => id),
    ['d1:id%2Fcy'],
  )
  first.isDown = true
  await t.rejects(async () => {
    await writable?.create({ username: 'new', groups: [] })
  }, /down/)
  t.equal(open(first).directory.writable, undefined)
})

t.test('unknown names are put to a directory that learns, and to no other', async (t) => {
  const [first, second] = [new Memory(['ann']), new Memory([], { learns: true })]
  const { directory } = open(first, second)
  t.equal(directory.learns, true)
  t.equal(await directory.verifyPassword('ann', 'wrong'), undefined)
  t.notOk(
    second.asked.some((asked) => asked.startsWith('verify')),
    'not the names of others',
  )
  t.equal(await directory.verifyPassword('bob', 'wrong'), undefined)
  t.same(await directory.find({ username: 'bob' }), [])
  t.match(await directory.verifyPassword('bob', 'bob'), { id: 'd1:bob' })
  t.match(await directory.find({ username: 'bob' }), [{ id: 'd1:bob' }])
  t.notOk(first.asked.includes('verify bob'))
})

t.test(
  'a directory alone keeps its users apart from those of others that may come, and ids safe as keys',
  async (t) => {
    const { log } = lentHost()
    const memory = new Memory(['a/b', 'ü:%'])
    const directory = inOrder([{ name: './own.js', directory: memory }], log)
    for (const username of ['a/b', 'ü:%']) {
      const [user] = await directory.find({ username })
      t.match(user?.id, /^\.%2Fown\.js:[A-Za-z0-9%]+$/)
      t.same(await directory.find({ id: user?.id ?? '' }), [user])
    }
    memory.users.push({ id: '', username: 'empty', groups: [] }, { id: 'x'.repeat(1001), username: 'long', groups: [] })
    for (const username of ['empty', 'long']) await t.rejects(directory.find({ username }), /usable id/)
  },
)
