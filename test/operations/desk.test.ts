import t from 'tap'
import type { Role } from '../../src/identity/accounts/account.js'
import { operations } from '../../src/operations/catalog.js'
import { type Actor, defineOperation, Refusal } from '../../src/operations/operation.js'
import { clearSessions } from '../../src/operations/sessions.js'
import { activateUser, addUser, changeRole, deactivateUser } from '../../src/operations/users/lifecycle.js'
import { issueRecoveryCode, resetSecondFactor } from '../../src/operations/users/recovery.js'
import { listUsers } from '../../src/operations/users/show.js'
import { add, client, enrolApp, open, PASSWORD, type Rooms, services, tryPassword } from '../support/core.js'
import { samples, table } from './table.js'

const actor = async (r: Rooms, username: string, role: Role, more: Partial<Actor> = {}): Promise<Actor> => {
  const [user] = await r.directory.find({ username })
  if (user === undefined) throw new Error(`${username} is nobody`)
  return { door: 'page', role, account: { id: user.id, username }, client: client(), isFresh: true, ...more }
}

const code = (result: unknown) => (result instanceof Refusal ? result.code : 'done')

t.test('the table of rights names every operation, and every operation is in it', async (t) => {
  t.same(operations.map(({ name }) => name).toSorted(), Object.keys(table).toSorted())
  t.same(new Set(operations.map(({ name }) => name)).size, operations.length, 'no name comes twice')
  for (const { name, may, fresh, notSelf, event } of operations) {
    const row = { may, changes: event !== undefined, fresh: fresh === true, notSelf: notSelf === true }
    t.same(row, table[name], name)
  }
})

t.test('every operation by every role, fresh and stale: what is denied changes nothing', async (t) => {
  const r = await services(t)
  await add(r, 'olga', { role: 'owner', email: 'olga@example.com' })
  await add(r, 'otto', { role: 'owner', email: 'otto@example.com' })
  await add(r, 'sam', { role: 'support' })
  await add(r, 'sue', { role: 'support' })
  await add(r, 'uma', { email: 'uma@example.com' })
  await add(r, 'bob', { email: 'bob@example.com' })
  await add(r, 'job', { role: 'api' })
  const everything = async () => JSON.stringify(await r.store.list('account/', { limit: 100 }))
  const actors = {
    owner: await actor(r, 'olga', 'owner'),
    support: await actor(r, 'sam', 'support'),
    user: await actor(r, 'uma', 'user'),
    api: await actor(r, 'job', 'api'),
  }
  for (const operation of operations) {
    const { name } = operation
    const row = table[name]
    const refused = async (by: Actor, about: string, wanted: string, why: string) => {
      const before = await everything()
      t.equal(code(await r.desk.run(operation, samples(about)[name], by)), wanted, `${name}: ${why}`)
      t.equal(await everything(), before, `${name}: ${why}, and nothing changed`)
    }
    await refused(actors.user, 'bob', 'access.denied', 'by a user')
    await refused(actors.api, 'bob', 'access.denied', 'by an API account')
    if (row?.may === 'owner') await refused(actors.support, 'bob', 'access.denied', 'by support')
    const isAboutSomebody = 'user' in (samples('bob')[name] ?? {})
    if (row?.may === 'support' && row.changes && isAboutSomebody) {
      await refused(actors.support, 'olga', 'access.denied', 'by support, to an owner')
      await refused(actors.support, 'sue', 'access.denied', 'by support, to support')
      await refused(actors.support, 'sam', 'access.denied', 'by support, to themselves')
      await refused(actors.support, 'job', 'access.denied', 'by support, to a program')
    }
    if (row?.fresh) {
      await refused(
        { ...actors.owner, isFresh: false },
        'bob',
        'operation.unproven',
        'by an owner who proved nothing lately',
      )
    }
    if (row?.notSelf) await refused(actors.owner, 'olga', 'access.denied', 'by an owner, to the own account')
    const allowed = code(await r.desk.run(operation, samples('bob')[name], actors.owner))
    t.ok(
      !['access.denied', 'operation.unproven', 'operation.input'].includes(allowed),
      `${name}: by an owner: ${allowed}`,
    )
    if (row?.may === 'support') {
      const helped = code(await r.desk.run(operation, samples('uma')[name], actors.support))
      t.ok(!['access.denied', 'operation.input'].includes(helped), `${name}: by support, to a user: ${helped}`)
    }
    await r.accounts.activate((await actor(r, 'bob', 'user')).account?.id ?? '')
  }
})

t.test(
  'every change leaves one entry that says who, by which door and from where; without it nothing is done',
  async (t) => {
    let isFull = false
    const r = await services(t, {
      wrap: (store) =>
        new Proxy(store, {
          get(target, name) {
            const method = Reflect.get(target, name)
            if (typeof method !== 'function') return method
            return (...input: unknown[]) =>
              isFull && /^(set|add|replace)$/.test(String(name)) && String(input[0]).startsWith('audit')
                ? Promise.reject(new Error('the disk is full'))
                : method.apply(target, input)
          },
        }),
    })
    await add(r, 'olga', { role: 'owner' })
    await add(r, 'otto', { role: 'owner' })
    await add(r, 'bob', { email: 'bob@example.com' })
    const by = await actor(r, 'olga', 'owner')
    for (const operation of operations.filter(({ event, writesItself }) => event !== undefined && !writesItself)) {
      const input = samples('bob')[operation.name]
      isFull = true
      const before = JSON.stringify(await r.store.list('account/'))
      await t.rejects(r.desk.run(operation, input, by), `${operation.name} does not happen unwritten`)
      t.equal(JSON.stringify(await r.store.list('account/')), before, operation.name)
      isFull = false
      r.clock.forward(1)
      const result = await r.desk.run(operation, input, by)
      const entries = (await r.audit.since(r.clock.ms - 1)).filter(({ event }) => event === operation.event)
      const outcome = result instanceof Refusal ? 'refused' : 'success'
      t.match(entries.at(-1), { outcome, address: '192.0.2.7', by: 'olga' }, operation.name)
      const endings = entries.filter((entry) => entry.outcome !== 'intended')
      t.equal(endings.length, 1, `${operation.name}: once`)
    }
  },
)

t.test('an operation that forgets its entry is a fault of ours', async (t) => {
  const r = await services(t)
  const forgetful = defineOperation({
    ...clearSessions,
    run: async () => ({ scope: '', devices: false, tokens: false }),
  })
  await t.rejects(r.desk.run(forgetful, {}, { door: 'command-line', role: 'owner', isFresh: true }), /not in the audit/)
})

t.test('the last owner stays one, also when two owners turn on each other at once', async (t) => {
  const r = await services(t)
  const { id: olga } = await add(r, 'olga', { role: 'owner' })
  const shell: Actor = { door: 'command-line', role: 'owner', isFresh: true }
  for (const operation of [deactivateUser, changeRole]) {
    const result = await r.desk.run(operation, { user: 'olga', role: 'user' }, shell)
    const only = operation === deactivateUser ? await r.desk.run(operation, { user: 'olga' }, shell) : result
    t.match(only, { code: 'operation.refused', sentence: /last owner/ })
  }
  t.match(await r.accounts.find(olga), { role: 'owner', status: 'active' })
  const beside = await r.beside()
  for (let round = 0; round < 10; round += 1) {
    const names = [`one${round}`, `two${round}`] as const
    for (const name of names) {
      await r.desk.run(addUser, { username: name, role: 'owner' }, shell)
    }
    // Only these two are left.
    for (const owner of await r.accounts.owners.list()) {
      if (!names.includes(owner.username as never)) await r.desk.run(deactivateUser, { user: owner.id }, shell)
    }
    const results = await Promise.all([
      r.desk.run(deactivateUser, { user: names[0] }, await actor(r, names[1], 'owner')),
      beside.desk.run(changeRole, { user: names[1], role: 'user' }, await actor(r, names[0], 'owner')),
    ])
    t.equal(results.filter((result) => result instanceof Refusal).length, 1, 'one was too late')
    t.equal((await r.accounts.owners.list()).length, 1)
  }
})

t.test('the owners of a store from before there was a list of them are found once', async (t) => {
  const r = await services(t)
  const { id } = await add(r, 'olga', { role: 'owner' })
  await add(r, 'bob')
  await r.store.delete('owners')
  t.same(
    (await r.accounts.owners.list()).map((owner) => owner.id),
    [id],
  )
  t.equal(await r.accounts.owners.leave(id), false)
  await add(r, 'otto', { role: 'owner' })
  t.equal(await r.accounts.owners.leave(id), true)
})

t.test('what is deactivated, demoted or reset has ended; a recovery code is for somebody else', async (t) => {
  const r = await services(t)
  await add(r, 'olga', { role: 'owner' })
  await add(r, 'bob')
  const by = await actor(r, 'olga', 'owner')
  const { token } = await enrolApp(r, 'bob')
  t.match(await r.desk.run(issueRecoveryCode, { user: 'bob' }, by), { code: /^[0-9A-Z]{4}-/ })
  t.match(await r.desk.run(resetSecondFactor, { user: 'bob' }, by), { removed: 1 })
  t.equal(await r.sessions.find(token), undefined)
  const again = await open(r, 'bob')
  t.match(await r.desk.run(changeRole, { user: 'bob', role: 'api' }, by), { role: 'api' })
  t.equal(await r.sessions.find(again), undefined)
  t.match(await tryPassword(r, 'bob'), { outcome: 'refused' })
  t.match(await r.desk.run(issueRecoveryCode, { user: 'bob' }, by), { code: 'operation.refused' })
  t.match(await r.desk.run(deactivateUser, { user: 'bob' }, by), { status: 'deactivated' })
  t.match(await r.desk.run(activateUser, { user: 'bob' }, by), { status: 'active' })
})

t.test('nobody but the command line gives a user a password', async (t) => {
  const r = await services(t)
  await add(r, 'olga', { role: 'owner' })
  const by = await actor(r, 'olga', 'owner')
  for (const door of ['page', 'api'] as const) {
    const input = { username: 'bob', password: PASSWORD }
    t.match(await r.desk.run(addUser, input, { ...by, door }), { code: 'operation.refused', sentence: /Nobody sets/ })
  }
  t.match(await r.desk.run(addUser, { username: 'bob' }, by), { username: 'bob', role: 'user' })
  t.same(await tryPassword(r, 'bob'), { outcome: 'refused' })
})

t.test('lists by beginning, by filter and page by page, each user once', async (t) => {
  const r = await services(t)
  for (const name of ['ada', 'adam', 'Adele', 'bob', 'zoe']) {
    await r.directory.writable?.create({ username: name, groups: [], email: `${name}@example.com` })
  }
  await add(r, 'olga', { role: 'owner' })
  const by = await actor(r, 'olga', 'owner')
  const list = async (input: object) => {
    const page = await r.desk.run(listUsers, input, by)
    if (page instanceof Refusal) throw new Error(page.sentence)
    return page
  }
  const names = async (input: object) => (await list(input)).items.map(({ username }) => username)
  t.same(await names({}), ['ada', 'adam', 'Adele', 'bob', 'olga', 'zoe'])
  t.same(await names({ search: 'AD' }), ['ada', 'adam', 'Adele'])
  t.same(await names({ search: 'ada' }), ['ada', 'adam'])
  t.same(await names({ search: 'DAM' }), ['adam'], 'a part of the name')
  t.same(await names({ search: 'bob@example.com' }), ['bob'])
  t.same(await names({ search: 'E@exam' }), ['Adele', 'zoe'], 'a part of the address')
  await r.directory.writable?.create({ username: 'u17', displayName: 'Zoë Adler', groups: [] })
  t.same(await names({ search: 'zoë' }), ['u17'], 'the display name, of somebody added since')
  const u17 = (await r.directory.find({ username: 'u17' }))[0]?.id ?? ''
  await r.directory.writable?.update(u17, { displayName: 'Zora' })
  t.same(await names({ search: 'zoë' }), [])
  t.same(await names({ search: 'zora' }), ['u17'])
  const beside = await r.beside()
  await beside.directory.writable?.remove(u17)
  t.same(await names({ search: 'zora' }), [], 'and gone, by another process')
  t.same(await names({ search: '@example.com', role: 'owner' }), [])
  t.same(await names({ search: 'xy' }), [])
  t.same(await names({ role: 'owner' }), ['olga'])
  t.same(await names({ role: 'user', search: 'olg' }), [])
  t.same(await names({ secondFactor: 'some' }), [])
  const seen: string[] = []
  let after: string | undefined
  do {
    const page = await list({ limit: 2, ...(after === undefined ? {} : { after }) })
    t.ok(page.items.length <= 2)
    seen.push(...page.items.map(({ username }) => username))
    after = page.next
  } while (after !== undefined)
  t.same(seen, ['ada', 'adam', 'Adele', 'bob', 'olga', 'zoe'])
  const found: string[] = []
  do {
    const page = await list({ search: 'a', limit: 2, ...(after === undefined ? {} : { after }) })
    found.push(...page.items.map(({ username }) => username))
    after = page.next
  } while (after !== undefined)
  t.same(found.toSorted(), ['Adele', 'ada', 'adam', 'bob', 'olga', 'zoe'], 'page by page, each once')
  t.match(await r.desk.run(listUsers, { limit: 1000 }, by), { code: 'operation.input', faults: [{ field: 'limit' }] })
  t.match(await r.desk.run(listUsers, { page: 1 }, by), { code: 'operation.input' })
})

t.test('clears by user, group, site, network and age, also what was half-way, and leaves the rest', async (t) => {
  const r = await services(t)
  await add(r, 'olga', { role: 'owner' })
  await add(r, 'ann', { groups: ['staff'] })
  await add(r, 'bob')
  const by = await actor(r, 'olga', 'owner')
  const isOpen = async (token: string) => (await r.sessions.find(token)) !== undefined
  const clear = async (input: object) => t.notMatch(await r.desk.run(clearSessions, input, by), { code: String })

  let [ann, bob] = [await open(r, 'ann'), await open(r, 'bob')]
  await clear({ group: 'staff' })
  t.same([await isOpen(ann), await isOpen(bob)], [false, true])
  r.clock.forward(1)
  ann = await open(r, 'ann', { from: '198.51.100.9' })
  t.ok(await isOpen(ann), 'who signs in again stays in')
  await clear({ network: '198.51.100.0/24' })
  t.same([await isOpen(ann), await isOpen(bob)], [false, true])
  r.clock.forward(1)
  ann = await open(r, 'ann', { from: '198.51.100.9' })
  await clear({ user: 'bob' })
  t.same([await isOpen(ann), await isOpen(bob)], [true, false])
  r.clock.forward(3 * 24 * 60 * 60)
  bob = await open(r, 'bob')
  await clear({ olderThanDays: 2 })
  t.same([await isOpen(ann), await isOpen(bob)], [false, true])
  r.clock.forward(1)
  await clear({ all: true })
  t.equal(await isOpen(bob), false)
  for (const input of [
    {},
    { all: true, group: 'staff' },
    { user: 'bob', site: 'x' },
    { network: 'here' },
    { group: 'x', tokens: true },
  ]) {
    t.match(await r.desk.run(clearSessions, input, by), { code: /^operation\./ }, JSON.stringify(input))
  }
  const beside = await r.beside()
  const token = await open(beside, 'bob')
  t.ok(await beside.sessions.find(token))
  let heard = 0
  t.teardown(beside.sessions.onEnded(() => (heard += 1)))
  await clear({ network: '0.0.0.0/0' })
  t.equal(await beside.sessions.find(token), undefined, 'in another process too')
  t.ok(heard > 0, 'and what hangs on a session hears of it')
})
