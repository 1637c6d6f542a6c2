import type { User, UserDirectory, WritableUsers } from '../src/contracts.js'
import { cpuMs } from './cpu.js'
import type { SuiteTest } from './runner.js'

/** What the suite needs to know of the directory it is run on. */
export interface DirectoryUnderTest {
  /** A directory with this user and password in it, and nobody else. */
  open(t: SuiteTest, user: Omit<User, 'id'>, password: string): Promise<UserDirectory>
  /** Passwords are judged by another process: what that costs does not show here, and is a test of the plugin's own. */
  readonly judgesElsewhere?: true
}

const ada = { username: 'Ada', email: 'Ada@Example.com', groups: ['staff'] }
const password = 'a lamp over the lodge gate'

/** What every user directory promises. Run on each plugin of `plugins/user-directories`. */
export function userDirectoryContract(t: SuiteTest, directory: DirectoryUnderTest): void {
  t.test('the right password gives the user, whatever the case of the name', async (t) => {
    const d = await directory.open(t, ada, password)
    for (const name of ['Ada', 'ada', 'ADA', 'Ａｄａ']) {
      t.match(await d.verifyPassword(name, password), ada)
    }
  })

  t.test('everything else is undefined, never an error', async (t) => {
    const d = await directory.open(t, ada, password)
    const wrong = [
      ['ada', ''],
      ['ada', 'a lamp over the lodge gatE'],
      ['ada', `${password}\u0000`],
      ['ada', `${password} `],
      ['ada', 'x'.repeat(100_000)],
      ['nobody', password],
      ['', password],
      ['\ud800', password],
      ['ada\u0000', password],
      ['*', password],
      ['ada)(uid=*', password],
      ['../user/ada', password],
      ['__proto__', password],
      ['n'.repeat(100_000), password],
    ] as const
    for (const [name, typed] of wrong) t.equal(await d.verifyPassword(name, typed), undefined, JSON.stringify(name))
  })

  t.test('finds by id, by username and by address; nobody is an empty list', async (t) => {
    const d = await directory.open(t, ada, password)
    const [user] = await d.find({ username: 'aDa' })
    t.match(user, ada)
    t.same(
      Object.keys(user ?? {}).filter((key) => /pass|hash|secret/i.test(key)),
      [],
      'and tells no secret',
    )
    t.same(await d.find({ id: user?.id ?? '' }), [user])
    t.same(await d.find({ email: 'ada@example.COM' }), [user])
    for (const nobody of [
      { id: '' },
      { id: 'x' },
      { username: 'x' },
      { username: '' },
      { email: '' },
      { email: 'a@b' },
    ]) {
      t.same(await d.find(nobody), [])
    }
  })

  t.test(
    'where it can be searched, any part of what is there finds, and what looks like a pattern is none',
    async (t) => {
      const d = await directory.open(t, ada, password)
      if (d.search === undefined) return
      const has = (await d.find({ username: 'ada' }))[0]
      for (const text of ['ada', 'D', 'Ａｄａ', ...(has?.email === undefined ? [] : ['example.c', '@'])]) {
        t.same(await d.search(text), [has], text)
      }
      for (const text of ['*', 'ada*', '(uid=ada)', '\\', '\u0000', 'n'.repeat(10_000), 'zoe'])
        t.same(await d.search(text), [], text)
      t.same(await d.search('ada', { after: 'ad' }), [has])
      t.same(await d.search('ada', { after: 'ADA' }), [])
    },
  )

  if (directory.judgesElsewhere) return
  t.test('an unknown name costs as much as a wrong password', async (t) => {
    const d = await directory.open(t, ada, password)
    const costs = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
    for (let round = 0; round < 8; round += 1) {
      for (const [which, name] of ['ada', `nobody ${round}`].entries()) {
        const cost = await cpuMs(() => d.verifyPassword(name, 'wrong password'))
        costs[which] = Math.min(costs[which] ?? 0, cost)
      }
    }
    t.ok(Math.max(...costs) < 1.5 * Math.min(...costs), costs.map((ms) => ms.toFixed(1)).join(' '))
  })
}

/** What every directory promises that can be written to. */
export function writableDirectoryContract(t: SuiteTest, directory: DirectoryUnderTest): void {
  const open = async (t: SuiteTest): Promise<{ d: UserDirectory; w: WritableUsers; id: string }> => {
    const d = await directory.open(t, ada, password)
    const [user] = await d.find({ username: 'ada' })
    if (d.writable === undefined || user === undefined) throw new Error('it is not writable')
    return { d, w: d.writable, id: user.id }
  }

  t.test('a name is given once, in whatever case, also to fifty who ask at once', async (t) => {
    const { d, w } = await open(t)
    t.equal(await w.create({ username: 'ADA', groups: [] }), undefined)
    const made = await Promise.all(Array.from({ length: 50 }, () => w.create({ username: 'Bob', groups: [] })))
    const bobs = made.filter((user) => user !== undefined)
    t.equal(bobs.length, 1)
    t.same(await d.find({ username: 'bob' }), bobs)
    t.same(
      (await w.list()).map(({ username }) => username),
      ['Ada', 'Bob'],
    )
  })

  t.test('without a password nobody comes in, until one is set', async (t) => {
    const { d, w } = await open(t)
    const bob = await w.create({ username: 'bob', groups: [] })
    for (const typed of ['', 'undefined', password]) t.equal(await d.verifyPassword('bob', typed), undefined)
    t.equal(await w.setPassword(bob?.id ?? '', 'another password'), true)
    t.match(await d.verifyPassword('bob', 'another password'), { username: 'bob' })
    t.equal(await w.setPassword('nobody', 'another password'), false)
  })

  t.test('a new password ends the old one', async (t) => {
    const { d, w, id } = await open(t)
    t.equal(await w.setPassword(id, 'another password'), true)
    t.equal(await d.verifyPassword('ada', password), undefined)
    t.match(await d.verifyPassword('ada', 'another password'), { id })
  })

  t.test('changes keep the id and the password, and lead from the new name and address only', async (t) => {
    const { d, w, id } = await open(t)
    t.match(await w.update(id, { username: 'Countess', email: 'countess@example.com', mobile: '+12025550143' }), { id })
    t.same(await d.find({ username: 'ada' }), [])
    t.same(await d.find({ email: 'ada@example.com' }), [])
    t.match(await d.find({ email: 'countess@example.com' }), [{ id, username: 'Countess', mobile: '+12025550143' }])
    t.match(await d.verifyPassword('countess', password), { id, groups: ['staff'] })
    t.match(await w.create({ username: 'ada', groups: [] }), { username: 'ada' }, 'the old name is free')
    t.equal(await w.update(id, { username: 'ADA' }), undefined, 'and taken again')
    t.match(await d.find({ id }), [{ username: 'Countess' }])
    t.match(await w.update(id, { username: 'COUNTESS' }), { username: 'COUNTESS' }, 'a change of case is no other name')
    t.equal(await w.update('nobody', { groups: [] }), undefined)
  })

  t.test('changes made at once are all kept', async (t) => {
    const { d, w, id } = await open(t)
    await Promise.all([
      w.update(id, { mobile: '+12025550143' }),
      w.update(id, { groups: ['staff', 'board'] }),
      w.update(id, { email: 'new@example.com' }),
      w.update(id, { username: 'Lovelace' }),
      w.setPassword(id, 'another password'),
    ])
    t.match(await d.verifyPassword('lovelace', 'another password'), {
      mobile: '+12025550143',
      groups: ['staff', 'board'],
      email: 'new@example.com',
    })
  })

  t.test('many may share one address', async (t) => {
    const { d, w } = await open(t)
    for (let n = 0; n < 3; n += 1) await w.create({ username: `desk ${n}`, email: 'ada@example.com', groups: [] })
    const found = await d.find({ email: 'ADA@example.com' })
    t.same(found.map(({ username }) => username).sort(), ['Ada', 'desk 0', 'desk 1', 'desk 2'])
  })

  t.test('who is removed is gone, once, and the name is free for somebody else with another id', async (t) => {
    const { d, w, id } = await open(t)
    const removed = await Promise.all([w.remove(id), w.remove(id), w.remove(id)])
    t.same(removed.sort(), [false, false, true])
    t.equal(await d.verifyPassword('ada', password), undefined)
    for (const by of [{ id }, { username: 'ada' }, { email: 'ada@example.com' }]) t.same(await d.find(by), [])
    t.same(await w.list(), [])
    const next = await w.create({ username: 'ada', groups: [] })
    t.ok(next)
    t.not(next?.id, id)
    t.equal(await w.setPassword(id, password), false)
  })

  t.test('lists in order of name, page by page', async (t) => {
    const { w } = await open(t)
    for (const name of ['zoe', 'Bob', 'émile', 'carl/os', 'a', 'Ädam']) await w.create({ username: name, groups: [] })
    const all = (await w.list()).map(({ username }) => username)
    t.same(all, ['a', 'Ada', 'Bob', 'carl/os', 'zoe', 'Ädam', 'émile'])
    const paged: string[] = []
    for (;;) {
      const after = paged.at(-1)
      const page = await w.list(after === undefined ? { limit: 2 } : { after, limit: 2 })
      if (page.length === 0) break
      paged.push(...page.map(({ username }) => username))
    }
    t.same(paged, all)
  })

  t.test('names that could be taken for others, or break a header or a terminal, are refused', async (t) => {
    const { w, id } = await open(t)
    const refused = [
      '',
      ' ',
      ' ada2',
      'ada2 ',
      'a\nb',
      'a\tb',
      'a\u0000',
      'a:b',
      'a\u200bb',
      'a\u202eb',
      '\ud800',
      'a'.repeat(65),
    ]
    for (const username of refused) {
      await t.rejects(w.create({ username, groups: [] }), RangeError, JSON.stringify(username))
      await t.rejects(w.update(id, { username }), RangeError)
    }
    for (const email of ['x', 'a b@c', 'a@b\n', '@b', `${'x'.repeat(250)}@example.com`]) {
      await t.rejects(w.create({ username: 'bob', email, groups: [] }), RangeError)
    }
    for (const mobile of ['12025550143', '+0123', '+1 202 555 0143', '+1202555014312345']) {
      await t.rejects(w.create({ username: 'bob', mobile, groups: [] }), RangeError)
    }
    t.ok(await w.create({ username: 'bob', groups: [] }), 'and nothing of them is left')
    for (const username of ["o'brien", 'DOMAIN\\ada', 'ada@example.com', 'Ada Lovelace', '愛', 'a'.repeat(64)]) {
      t.ok(await w.create({ username, groups: [] }), username)
    }
  })
}
