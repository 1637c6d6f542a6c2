import t from 'tap'
import { SearchIndex } from '../../../plugins/user-directories/local/search-index.js'
import local from '../../../plugins/user-directories/local.js'
import { Clock, emptyStore, identityHost } from '../../support/core.js'
import { build } from '../../support/lent-host.js'

const MINUTE = 60

t.test('what other processes change is found, also by a clock that is behind', async (t) => {
  const clock = new Clock()
  const store = await emptyStore(t, clock)
  const host = identityHost(store, clock)
  const late = identityHost(store, clock)
  const one = await build(local, {}, host)
  const other = await build(local, {}, { ...late, now: () => clock.ms - 9000 })
  const names = async (text: string) => ((await one.search?.(text)) ?? []).map(({ username }) => username)
  await one.writable?.create({ username: 'ada', groups: [] })
  t.same(await names('a'), ['ada'])
  await other.writable?.create({ username: 'Bea', groups: [], email: 'b@a.example' })
  await one.writable?.create({ username: 'aaron', groups: [] })
  t.same(await names('a'), ['aaron', 'ada', 'Bea'], 'in order')
  const [bea] = await one.find({ username: 'bea' })
  await other.writable?.update(bea?.id ?? '', { username: 'bob' })
  t.same(await names('bea'), [])
  t.same(await names('@A'), ['bob'])
  clock.forward(55 * MINUTE)
  t.same(await names('a'), ['aaron', 'ada', 'bob'], 'and when it was made anew')
  t.same(await one.search?.('a', { limit: 1 }), await one.find({ username: 'aaron' }))
  t.same((await one.search?.('a', { limit: 5, after: 'AARON' }))?.length, 2)
})

t.test('while there is no index, the beginnings of names are found', async (t) => {
  const clock = new Clock()
  const store = await emptyStore(t, clock)
  const host = identityHost(store, clock)
  const directory = await build(local, {}, { ...host, store: withoutPages(host.store) })
  for (const username of ['ada', 'adam', 'bob', 'zada']) await directory.writable?.create({ username, groups: [] })
  const names = async (text: string) => ((await directory.search?.(text)) ?? []).map(({ username }) => username)
  t.same(await names('ada'), ['ada', 'adam'])
  t.same(await names('B'), ['bob'])
})

t.test('more changes than are worth following make it anew', async (t) => {
  const clock = new Clock()
  const store = await emptyStore(t, clock)
  const index = new SearchIndex({ store, now: clock.now })
  const found = async (text: string) => [...((await index.find(text, undefined)) ?? [])].length
  t.equal(await found('x'), 0)
  const add = async (n: number) => {
    await store.set(`user/${n}`, { id: String(n), username: `x${n}`, groups: [] })
    await store.set(`name/x${n}`, { id: String(n), at: 0 })
    await index.note(String(n))
  }
  for (let start = 0; start < 5200; start += 400) {
    await Promise.all(Array.from({ length: 400 }, (_, at) => add(start + at)))
  }
  t.equal(await found('x'), 5200)
  t.equal(await found('x519'), 11)
})

/** A store in which looking at everybody takes for ever. */
function withoutPages<Kept extends { list: (prefix: string, page?: object) => Promise<unknown> }>(store: Kept): Kept {
  return new Proxy(store, {
    get(target, name) {
      if (name !== 'list') {
        const value = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      }
      return (prefix: string, page?: object) =>
        prefix === 'user/' ? new Promise(() => undefined) : target.list(prefix, page)
    },
  })
}
