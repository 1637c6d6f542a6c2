import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { auditExport, auditSearch, auditTail, auditVerify, type SearchOptions } from '../../src/cli/commands/audit.js'
import type { Terminal } from '../../src/cli/terminal.js'
import { nameHash } from '../../src/identity/store/name-hash.js'
import { add, client, type Rooms, services } from '../support/core.js'
import { until } from '../support/poll.js'

const HOUR = 3_600_000

function terminal(): Terminal & { said(): string; complained(): string } {
  let [out, err] = ['', '']
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  stdout.on('data', (chunk) => {
    out += chunk
  })
  stderr.on('data', (chunk) => {
    err += chunk
  })
  return { stdin: new PassThrough(), stdout, stderr, said: () => out, complained: () => err }
}

async function run(work: (terminal: Terminal) => Promise<number>) {
  const at = terminal()
  const code = await work(at)
  await new Promise(setImmediate)
  const said = at.said()
  return { code, said, lines: said.split('\n').filter(Boolean), complained: at.complained() }
}

/** An hour between any two entries. */
async function someHistory(t: Test): Promise<Rooms & { now: () => number }> {
  const r = await services(t)
  const { now } = r.clock
  const ada = await add(r, 'ada')
  const { id: accountId, username } = ada
  await r.audit.record({ event: 'admin.user-added', outcome: 'success', accountId, username })
  r.clock.forward(3600)
  await r.audit.record({
    event: 'sign-in.password',
    outcome: 'refused',
    nameHash: nameHash('bob'),
    client: client('192.0.2.9'),
  })
  r.clock.forward(3600)
  await r.audit.record({
    event: 'policy.changed',
    outcome: 'success',
    accountId: ada.id,
    username: 'ad\u001b[2Ja',
    by: 'grace',
    client: client('2001:db8::1'),
  })
  return { ...r, now }
}

t.test(
  'audit search finds by user, event, time, address and outcome, and says what it does not understand',
  async () => {
    const r = await someHistory(t)
    const search = async (options: SearchOptions) => {
      const { code, lines } = await run((at) => auditSearch(r, at, { ...options, json: true }))
      t.equal(code, 0)
      return lines.map((line) => JSON.parse(line).event)
    }
    const all = ['policy.changed', 'sign-in.password', 'admin.user-added']
    t.same(await search({}), all)
    t.same(await search({ limit: '2' }), all.slice(0, 2))
    t.same(await search({ user: 'ADA' }), ['policy.changed', 'admin.user-added'])
    t.same(await search({ user: 'bob' }), ['sign-in.password'], 'a name that nobody has')
    t.same(await search({ event: 'admin.*' }), ['admin.user-added'])
    t.same(await search({ address: '192.0.2.9' }), ['sign-in.password'])
    t.same(await search({ address: '192.0.2.0/24' }), ['sign-in.password'])
    t.same(await search({ address: '2001:DB8:0::1' }), ['policy.changed'])
    t.same(await search({ outcome: 'refused' }), ['sign-in.password'])
    t.same(await search({ since: '90m' }), all.slice(0, 2))
    t.same(await search({ until: '90m' }), all.slice(2))
    t.same(await search({ since: new Date(r.clock.ms - HOUR).toISOString(), until: '1m' }), ['sign-in.password'])
    t.same(await search({ until: '2001-02-03' }), [])
    for (const wrong of [
      { since: 'yesterday' },
      { until: '2026-13-01' },
      { address: '10.0.0.0/33' },
      { outcome: 'odd' },
      { limit: '0' },
    ]) {
      t.match(await run((at) => auditSearch(r, at, wrong)), { code: 2, said: '', complained: /\S/ })
    }
    await r.audit.record({ event: 'admin.user-added', outcome: 'intended', username: 'Bob' })
    t.same(await search({ user: 'bob', outcome: 'intended' }), ['admin.user-added'], 'or that somebody is about to get')
    const { said } = await run((at) => auditSearch(r, at, { event: 'policy.changed' }))
    t.match(
      said,
      /^\S+Z {2}policy\.changed +success +ad\?\[2Ja +2001:db8::1 +by grace\n$/,
      'no name steers the terminal',
    )
  },
)

t.test('audit tail shows the newest, and goes on with those that come', async (t) => {
  const r = await someHistory(t)
  const { lines } = await run((at) => auditTail(r, at, { lines: '2', json: true }))
  t.same(
    lines.map((line) => JSON.parse(line).number),
    [2, 3],
  )
  t.match(await run((at) => auditTail(r, at, { lines: 'x' })), { code: 2 })
  const stop = new AbortController()
  const at = terminal()
  const tail = auditTail(r, at, { lines: '1', follow: true }, stop.signal)
  await until('the newest', () => at.said().includes('policy.changed'))
  await (await r.beside()).audit.record({ event: 'config.reloaded', outcome: 'success' })
  await until('what another process wrote', () => at.said().includes('config.reloaded'))
  stop.abort()
  t.equal(await tail, 0)
})

t.test('audit export has everything with number and hash, and audit verify says whether it holds', async (t) => {
  const r = await someHistory(t)
  const { lines } = await run((at) => auditExport(r, at))
  t.match(
    lines.map((line) => JSON.parse(line)),
    [{ number: 1, hash: /^.{43}$/ }, { number: 2 }, { number: 3 }],
  )
  t.equal((await run((at) => auditExport(r, at, { since: '90m' }))).lines.length, 2)
  t.match(await run((at) => auditExport(r, at, { since: 'x' })), { code: 2 })
  const { hash } = JSON.parse(lines[1] ?? '')
  const verified = await run((at) => auditVerify(r, at, { head: `2:${hash}` }))
  t.match(verified, { code: 0, said: /^intact: 3 entries, from number 1 [^\n]+\n/ })
  t.match(verified.said, /that was given is number 2\nhead: 3:\S{43}\n$/)
  t.match(await run((at) => auditVerify(r, at, { head: 'short' })), { code: 2 })
  t.match(await run((at) => auditVerify(r, at, { head: 'x'.repeat(43) })), { code: 1, said: /^BROKEN .*\nNOT INTACT/ })
  await r.store.delete('audit-chain/000000000000002')
  const { code, said } = await run((at) => auditVerify(r, at, { json: true }))
  t.equal(code, 1)
  t.match(JSON.parse(said), { intact: false, breaks: [{ number: 2, sentence: 'Entry 2 is missing.' }] })
})
