import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { locksEnd, locksList } from '../../src/cli/commands/locks.js'
import type { Terminal } from '../../src/cli/terminal.js'
import { nameHash } from '../../src/identity/store/name-hash.js'
import { listLocks, unlockNetwork, unlockUser } from '../../src/operations/locks.js'
import { type Actor, Refusal } from '../../src/operations/operation.js'
import { add, client, type Rooms, services, tryPassword } from '../support/core.js'

const shell: Actor = { door: 'command-line', role: 'owner', isFresh: true }

async function locks(r: Rooms) {
  const found = await r.desk.run(listLocks, {}, shell)
  if (found instanceof Refusal) throw new Error(found.sentence)
  return found.items
}

const wrong = (r: Rooms, username: string, network = '192.0.2.7') =>
  tryPassword(r, username, { password: 'not this one', from: network })

t.test('a user whose passwords are slowed down is listed, and unlocked by support', async (t) => {
  const r = await services(t)
  await add(r, 'sam', { role: 'support' })
  const bob = await add(r, 'bob')
  for (let n = 0; n < 5; n += 1) {
    await wrong(r, 'bob')
    await wrong(r, 'zoe-is-nobody', '192.0.2.8')
  }
  t.same(await locks(r), [{ kind: 'password', id: bob.id, username: 'bob', secondsLeft: 1 }], 'nobody is not listed')
  r.clock.forward(1)
  await wrong(r, 'bob')
  t.match(await locks(r), [{ kind: 'password', username: 'bob', secondsLeft: 2 }])
  t.match(await tryPassword(r, 'bob'), { outcome: 'refused', retryAfterSeconds: 2 })
  const sam = (await r.directory.find({ username: 'sam' }))[0]?.id ?? ''
  const by: Actor = { ...shell, door: 'page', role: 'support', account: { id: sam, username: 'sam' }, client: client() }
  t.match(await r.desk.run(unlockUser, { user: 'bob' }, by), { username: 'bob' })
  t.same(await locks(r), [])
  t.match(await tryPassword(r, 'bob'), { outcome: 'session' })
})

t.test('a right password and the end of the wait take a lock off the list', async (t) => {
  const r = await services(t)
  await add(r, 'bob')
  for (let n = 0; n < 5; n += 1) await wrong(r, 'bob')
  t.equal((await locks(r)).length, 1)
  r.clock.forward(1)
  t.same(await locks(r), [])
  t.match(await tryPassword(r, 'bob'), { outcome: 'session' })
})

t.test('the budget of a remembered device is forgiven with the others', async (t) => {
  const r = await services(t)
  const { id } = await add(r, 'bob')
  const attempt = { nameHash: nameHash('bob'), network: '192.0.2.9', deviceId: 'device' }
  for (let n = 0; n < 5; n += 1) await r.attempts.spendPassword(attempt)
  t.equal((await r.store.list('attempts/password/')).length, 1)
  await r.locks.forgive(id, 'bob')
  t.same(await r.store.list('attempts/password/'), [])
})

t.test('a network that tried too many passwords is listed, and unlocked by every door', async (t) => {
  const r = await services(t)
  await add(r, 'olga', { role: 'owner' })
  const spend = async (network: string) => {
    for (let n = 0; n < 20; n += 1) await r.attempts.spendPassword({ nameHash: `${n}`, network })
  }
  await spend('2001:db8::/64')
  await spend('192.0.2.7')
  t.match(await locks(r), [
    { kind: 'network', network: '192.0.2.7' },
    { kind: 'network', network: '2001:db8::/64' },
  ])
  t.match(await tryPassword(r, 'olga'), { outcome: 'refused', retryAfterSeconds: Number })
  t.match(await r.desk.run(unlockNetwork, { network: '192.0.2.7' }, shell), { network: '192.0.2.7' })
  t.match(await tryPassword(r, 'olga'), { outcome: 'session' })
  t.match(await r.desk.run(unlockNetwork, { network: '192.0.2.7' }, shell), { sentence: /is not locked/ })
  t.match(await r.desk.run(unlockNetwork, { network: 'here' }, shell), { sentence: /neither an address/ })

  const terminal: Terminal = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() }
  t.equal(await locksList(r, terminal), 0)
  t.equal(await locksList(r, terminal, { json: true }), 0)
  t.equal(await locksEnd(r, terminal, '2001:db8::/64'), 0)
  t.equal(await locksEnd(r, terminal, '2001:db8::/64'), 1)
  t.equal(await locksList(r, terminal), 0)
  terminal.stdout.end()
  const said = await text(terminal.stdout as PassThrough)
  t.match(said, /^network {2}2001:db8::\/64 {2}60 s$/m)
  t.match(said, /"network": "2001:db8::\/64"/)
  t.match(said, /are judged again\.\nNobody is locked\.\n$/)
})

t.test('an account whose codes are not judged is listed however many gave codes that day', async (t) => {
  const r = await services(t)
  const bob = await add(r, 'zed')
  for (let n = 0; n < 1100; n += 1) {
    await r.store.set(`attempts/second-factor/${n}`, { tries: [], blocks: 0, blockedAt: 0, blockedUntil: 0 }, 100)
  }
  for (let n = 0; n < 5; n += 1) await r.attempts.spendSecondStep(bob.id)
  t.same(await locks(r), [{ kind: 'second-factor', id: bob.id, username: 'zed', secondsLeft: 900 }])
})
