import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { settingsPreview, settingsSet, settingsShow, settingsUnset } from '../../src/cli/commands/settings.js'
import type { Terminal } from '../../src/cli/terminal.js'
import type { Store } from '../../src/contracts.js'
import { GatelodgeError } from '../../src/errors.js'
import type { SettingKey, SettingView } from '../../src/identity/store/settings.js'
import { services } from '../support/core.js'
import { housePassword, type OpenHouse, signIn, startHouse } from '../support/house.js'
import { until } from '../support/poll.js'

t.setTimeout(120_000)

/** Runtime settings: S34 (the global switch while running), S07 (session duration), networks. */

const hour = 3_600_000
const start = 1_763_000_000_000

async function application(t: Test): Promise<string> {
  const server = createServer((_request, response) => response.end('the application'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Two gateways on one store. */
async function twoGateways(t: Test, more = '') {
  const clock = { ms: start }
  const yaml = `
sites:
  - upstream: ${await application(t)}
    rules:
      - { path: /open/**, access: public }
      - { path: /api/**, access: password, clients: api }
trustedProxies: [127.0.0.1]
${more}`
  const now = () => clock.ms
  const one = await startHouse(t, { yaml, now })
  const other = await startHouse(t, { yaml, now, directory: one.directory })
  await one.addUser('ann')
  return { clock, one, other }
}

const at = (gateway: OpenHouse) => gateway.core.identity.settings
const by = { name: 'olga' }

function viewOf(gateway: OpenHouse, key: SettingKey): SettingView {
  const view = at(gateway)
    .describe()
    .find((each) => each.key === key)
  if (view === undefined) throw new Error(`no setting ${key}`)
  return view
}

t.test('the global switch is thrown while everything runs, and the next request meets it (S34, S35)', async (t) => {
  const { one, other } = await twoGateways(t)
  const ann = one.visitor()
  t.equal((await signIn(ann, 'ann', '/desk')).location, '/desk')
  t.equal((await ann.get('/desk')).text, 'the application')

  t.match(await at(other).set('secondFactor.required', 'everyone', by), { outcome: 'changed' })
  t.equal((await ann.get('/desk')).location, '/.gatelodge/enrol?return=%2Fdesk', 'on the gateway that did not do it')
  const late = one.visitor()
  t.match((await signIn(late, 'ann', '/desk')).location, '/.gatelodge/enrol', 'and at the sign-in')

  t.match(await at(one).unset('secondFactor.required', by), { outcome: 'changed' })
  t.equal((await ann.get('/desk')).text, 'the application')
  t.equal((await one.visitor().get('/open/x')).text, 'the application')
})

t.test('strictness follows as well: a code from the owner is asked for in place of enrolment', async (t) => {
  const { one, other } = await twoGateways(t, 'secondFactor: { required: everyone }')
  await at(other).set('secondFactor.unenrolled', 'recovery-code', by)
  t.match((await signIn(one.visitor(), 'ann', '/')).location, '/.gatelodge/verify')
  await at(other).set('secondFactor.unenrolled', 'enrol', by)
  t.match((await signIn(one.visitor(), 'ann', '/')).location, '/.gatelodge/enrol')
})

t.test('sessions that are open follow when the duration changes (S07)', async (t) => {
  const { clock, one, other } = await twoGateways(t)
  const ann = one.visitor()
  await signIn(ann, 'ann')
  clock.ms += 2 * hour
  t.equal((await ann.get('/')).status, 200)
  await at(other).set('session.duration', '1h', by)
  t.match((await ann.get('/')).location, '/.gatelodge/sign-in')

  await at(other).set('session.duration', '30d', by)
  await at(other).set('session.idle', '30m', by)
  const again = one.visitor()
  await signIn(again, 'ann')
  clock.ms += hour / 4
  t.equal((await again.get('/')).status, 200)
  clock.ms += hour
  t.match((await again.get('/')).location, '/.gatelodge/sign-in', 'not used for longer than that')
  await at(one).set('session.idle', 'off', by)
  const longer = one.visitor()
  await signIn(longer, 'ann')
  clock.ms += 29 * 24 * hour
  t.equal((await longer.get('/')).status, 200)
})

t.test('networks act on sessions that are open at once, and on strangers within moments', async (t) => {
  const { one, other } = await twoGateways(t, 'networks: [{ range: [198.51.100.0/24], access: deny }]')
  const ann = one.visitor()
  await signIn(ann, 'ann')
  const from = (address: string) => ({ headers: { 'x-forwarded-for': address } })
  t.equal((await ann.get('/', from('203.0.113.9'))).status, 200)
  t.equal((await ann.get('/', from('198.51.100.9'))).status, 403)

  const networks = [
    { range: ['203.0.113.0/24'], access: 'deny' },
    { range: ['2001:db8::/32'], secondFactor: 'required' },
  ]
  t.match(await at(other).set('networks', networks, by), { outcome: 'changed' })
  t.equal((await ann.get('/', from('203.0.113.9'))).status, 403)
  t.equal((await ann.get('/', from('198.51.100.9'))).status, 200, 'the list takes the place of the one in the file')
  t.match((await ann.get('/', from('2001:db8::1'))).location, '/.gatelodge/enrol')
  const stranger = one.visitor()
  await until('strangers to meet it', async () => (await stranger.get('/open/x', from('203.0.113.9'))).status === 403)
})

t.test('networks act on programs at once', async (t) => {
  const { one, other } = await twoGateways(t)
  await one.addUser('job', { role: 'api' })
  const authorization = `Basic ${Buffer.from(`job:${housePassword}`).toString('base64')}`
  const job = one.visitor()
  const call = () => job.send('GET', '/api/x', { headers: { authorization, 'x-forwarded-for': '203.0.113.9' } })
  t.equal((await call()).status, 200)
  await at(other).set('networks', [{ range: ['203.0.113.0/24'], access: 'deny' }], by)
  t.equal((await call()).status, 403)
})

t.test('what is locked in the file stays as it is there, whatever the store has', async (t) => {
  const { one, other } = await twoGateways(t)
  await at(one).set('session.duration', '1h', by)
  await at(one).set('secondFactor.required', 'everyone', by)
  const { directory } = other
  const locked = await startHouse(t, {
    directory,
    yaml: `
sites: [{ upstream: "http://127.0.0.1:1" }]
session: { duration: 12h }
settings: { locked: [session.duration, networks] }
`,
  })
  t.equal(at(locked).durationSeconds, 12 * 3600)
  t.equal(at(locked).required, 'everyone', 'the others may be changed')
  t.match(viewOf(locked, 'session.duration'), {
    value: '12h',
    origin: 'yaml',
    line: 3,
    locked: true,
    ignored: { value: '1h', reason: 'locked' },
    changedBy: 'olga',
  })
  t.match(await at(locked).set('session.duration', '2h', by), { outcome: 'refused', reason: 'locked' })
  t.match(await at(locked).set('networks', [], by), { outcome: 'refused', reason: 'locked' })
  t.match(await at(locked).unset('session.duration', by), { outcome: 'changed', setting: { value: '12h' } })
  t.notHas(viewOf(locked, 'session.duration'), { ignored: {} })
})

t.test('every change is in the audit, with what it was and who did it; what is refused changes nothing', async (t) => {
  const { one } = await twoGateways(t, 'session: { duration: 12h }')
  const client = { address: '192.0.2.7', network: '192.0.2.7', userAgent: 'test', requestId: 'r1' }
  await at(one).set('session.duration', '8h', { name: 'olga', accountId: 'id-of-olga', client })
  await at(one).unset('session.duration', by)
  t.match(await at(one).set('session.duration', 'soon', by), { outcome: 'refused', reason: 'invalid' })
  t.match(await at(one).set('session.rememberDevice', '1d', by), { outcome: 'refused', reason: 'unknown-key' })
  t.match(await at(one).set('session.duration', '12h', by), { outcome: 'changed' }, 'said, it holds against the file')
  t.match(await at(one).set('session.duration', '12h', by), { outcome: 'unchanged' })
  const records = (await one.core.audit.since(0, 500)).filter(({ event }) => event === 'policy.changed')
  t.match(
    records.map(({ username, accountId, address, details }) => ({ username, accountId, address, details })),
    [
      {
        username: 'olga',
        accountId: 'id-of-olga',
        address: '192.0.2.7',
        details: { key: 'session.duration', old: '12h', new: '8h' },
      },
      { username: 'olga', details: { key: 'session.duration', old: '8h', new: '12h' } },
      { username: 'olga', details: { key: 'session.duration', old: '12h', new: '12h' } },
    ],
  )
})

t.test('settings changed by many at once all hold', async (t) => {
  const { one, other } = await twoGateways(t)
  const outcomes = await Promise.all([
    at(one).set('session.duration', '8h', by),
    at(other).set('session.idle', '10m', by),
    at(one).set('secondFactor.required', 'everyone', by),
    at(other).set('secondFactor.unenrolled', 'recovery-code', by),
    at(one).set('networks', [{ range: ['192.0.2.0/24'], access: 'deny' }], by),
  ])
  t.same(
    outcomes.map(({ outcome }) => outcome),
    Array(5).fill('changed'),
  )
  for (const gateway of [one, other]) {
    await at(gateway).fresh()
    t.match(at(gateway), { durationSeconds: 8 * 3600, idleSeconds: 600, required: 'everyone' })
    t.match(at(gateway).current(), {
      secondFactor: { required: 'everyone', unenrolled: 'recovery-code' },
      networks: [{ range: ['192.0.2.0/24'], access: 'deny' }],
    })
  }
})

t.test('a value in the store that nobody can read does not count, and is said so', async (t) => {
  const { one } = await twoGateways(t)
  await one.core.store.set('settings', { 'session.duration': { value: 'for ever', by: 'x', at: 1 } })
  await at(one).fresh()
  await one.core.identity.epoch.raise()
  await at(one).fresh()
  t.match(viewOf(one, 'session.duration'), { origin: 'default', value: '90d', ignored: { reason: 'unreadable' } })
  t.ok(one.lines.some(({ level, message }) => level === 'error' && message.includes('cannot be read')))
  t.match(await at(one).unset('session.duration', by), { outcome: 'changed' })
})

t.test('where settings cannot be read, nothing opens', async (t) => {
  const wrap = (store: Store): Store => ({
    ...bound(store),
    get: (key) => (key === 'settings' ? Promise.reject(new GatelodgeError('store.unavailable')) : store.get(key)),
  })
  await t.rejects(services(t, { wrap }), { code: 'store.unavailable' })
})

/** A store whose methods may be taken out of it. */
function bound(store: Store): Store {
  return {
    get: (...args) => store.get(...args),
    set: (...args) => store.set(...args),
    add: (...args) => store.add(...args),
    replace: (...args) => store.replace(...args),
    delete: (...args) => store.delete(...args),
    increment: (...args) => store.increment(...args),
    list: (...args) => store.list(...args),
    close: async () => {},
  }
}

/** Runs a command as a script does. */
async function run(command: (terminal: Terminal) => Promise<number>) {
  const terminal = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() }
  const code = await command(terminal)
  terminal.stdout.end()
  terminal.stderr.end()
  return { code, out: await text(terminal.stdout), err: await text(terminal.stderr) }
}

t.test('the command line shows, sets and unsets', async (t) => {
  const { one } = await twoGateways(t, 'session: { duration: 12h }\nsettings: { locked: [session.idle] }')
  const { core } = one
  const shown = await run((terminal) => settingsShow(core, terminal))
  t.match(shown.out, /^secondFactor\.required +when-enabled +default$/m)
  t.match(shown.out, /^session\.duration +12h +yaml, line 8$/m)
  t.match(shown.out, /^session\.idle +off +default; locked$/m)

  t.match(await run((terminal) => settingsSet(core, terminal, 'session.duration', '1h')), {
    code: 0,
    out: /^session\.duration is 1h \(was 12h\), store, by command-line at 20/,
  })
  t.match(await run((terminal) => settingsShow(core, terminal, { json: true })), { code: 0, out: /"origin": "store"/ })
  t.match(await run((terminal) => settingsUnset(core, terminal, 'session.duration')), {
    code: 0,
    out: 'session.duration is 12h (was 1h), yaml, line 8.\n',
  })
  t.match(await run((terminal) => settingsSet(core, terminal, 'session.idle', '5m')), { code: 1, err: /locks/ })
  t.match(await run((terminal) => settingsSet(core, terminal, 'session.duraton', '5m')), {
    code: 2,
    err: /Did you mean session\.duration\?/,
  })
})

t.test('the command line says whom a change touches, and refuses what would lock every owner out', async (t) => {
  const { one, clock } = await twoGateways(t, 'secondFactor: { unenrolled: recovery-code, methods: [{ use: totp }] }')
  const { core } = one
  await signIn(one.visitor(), 'ann')
  clock.ms += 2 * hour
  const said = 'It affects 1 of 1: open sessions that would end at once. Among them: ann.\n'
  t.same(await run((terminal) => settingsPreview(core, terminal, 'session.duration', '1h')), {
    code: 0,
    out: said,
    err: '',
  })
  t.match(await run((terminal) => settingsPreview(core, terminal, 'session.duration', 'soon')), {
    code: 2,
    err: /is not a duration/,
  })
  t.match(await run((terminal) => settingsSet(core, terminal, 'session.duration', '1h')), { code: 0, err: said })

  await one.addUser('olga', { role: 'owner' })
  const strict = (value: string) => run((terminal) => settingsSet(core, terminal, 'secondFactor.required', value))
  t.match(await strict('everyone'), { code: 1, err: /no owner has a second factor/ })
  t.match(await strict('"everyone"'), { code: 1, err: /no owner has a second factor/ }, 'in quotes as well')
  t.equal(viewOf(one, 'secondFactor.required').value, 'when-enabled')
  t.match(await run((terminal) => settingsSet(core, terminal, 'secondFactor.unenrolled', 'enrol')), { code: 0 })
  t.match(await strict('everyone'), { code: 0 })
  t.match(
    await run((terminal) => settingsUnset(core, terminal, 'secondFactor.unenrolled')),
    { code: 1, err: /no owner has a second factor/ },
    'nor by taking a change back',
  )
})

t.test('a wrong value is explained as in the file, with its place', async (t) => {
  const { one } = await twoGateways(t)
  const { core } = one
  const wrong = async (key: string, value: string) => {
    const { code, err } = await run((terminal) => settingsSet(core, terminal, key, value))
    t.equal(code, 2)
    return err
  }
  t.equal(
    await wrong('secondFactor.required', 'evryone'),
    `secondFactor.required:1:1  secondFactor.required: "evryone" is not one of the words
  accepted: when-enabled, everyone
  did you mean "everyone"?
  1 | evryone
    | ^^^^^^^
`,
  )
  const networks = await wrong('networks', '- range: [10.0.0.0/8]\n  secondFactr: required\n- { range: [10.1.2.3/8] }')
  t.match(networks, 'networks:2:3  networks[0].secondFactr: is not a key that exists here')
  t.match(networks, 'write 10.0.0.0/8')
  t.match(await wrong('session.duration', ''), 'has no value')
  t.match(await wrong('session.duration', '{ a: b }'), 'should be text')
  t.match(await wrong('session.duration', '[1'), 'is not YAML')
  t.match(await wrong('networks', '["${file:/etc/hostname}"]'), 'cannot refer to the environment or a file')
  t.match(await wrong('networks', '&a []'), 'is an anchor')
  t.match(
    await wrong('networks', '[{ range: [10.0.0.0/8], access: deny }, { range: [10.1.0.0/16], access: deny }]'),
    'is never reached: the network in line 1 has all of it',
  )
})
