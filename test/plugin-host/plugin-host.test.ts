import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { formatProblem } from '../../src/config/problem.js'
import type { Json, Passwords, PluginKind, PluginReference, Store } from '../../src/contracts.js'
import { checkConfig } from '../../src/plugin-host/check-config.js'
import { PluginError, PluginHost } from '../../src/plugin-host/plugin-host.js'
import { lentHost } from '../support/lent-host.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const now = () => 1_700_000_000_000

const passwords: Passwords = {
  hash: async (password) => `hash of ${password.length}`,
  verify: async () => false,
  isOutdated: () => false,
  isKnown: () => true,
  costOf: () => undefined,
}

/** What a map can do of a store: enough to see which keys are asked for. */
class MapStore implements Store {
  readonly entries = new Map<string, Json>()
  async get(key: string) {
    return this.entries.get(key)
  }
  async set(key: string, value: Json) {
    this.entries.set(key, value)
  }
  async add(key: string, value: Json) {
    if (this.entries.has(key)) return false
    this.entries.set(key, value)
    return true
  }
  async replace(key: string, expected: Json, value: Json) {
    if (this.entries.get(key) !== expected) return false
    this.entries.set(key, value)
    return true
  }
  async delete(key: string) {
    return this.entries.delete(key)
  }
  async increment(key: string) {
    const count = Number(this.entries.get(key) ?? 0) + 1
    this.entries.set(key, count)
    return count
  }
  async list(prefix: string, { after = '', limit = 100 }: { after?: string; limit?: number } = {}) {
    const found = [...this.entries].filter(([key]) => key.startsWith(prefix) && key > after)
    return found.sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, limit)
  }
  async close() {}
}

/** A directory outside of the repository, as an operator's, with these files in it. */
async function operatorsDirectory(t: Parameters<typeof temporaryDirectory>[0], files: Record<string, string>) {
  const directory = await temporaryDirectory(t)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), text)
  }
  return directory
}

function hostIn(baseDirectory: string, more: { closeMilliseconds?: number } = {}) {
  const { log, lines } = lentHost()
  const host = new PluginHost({ baseDirectory, now, log, passwords, ...more })
  return { host, lines }
}

/** What one file of a third party looks like; its own words for what is wrong with options, and no zod anywhere. */
const filePlugin = (kind: PluginKind, create: string, safeParse = '(data) => ({ success: true, data })') => `
const calls = []
const options = new Proxy({ safeParse: ${safeParse} }, {
  get(target, key) {
    if (typeof key === 'string' && !['safeParse', 'def', '_zod', 'meta'].includes(key)) throw new Error('asked for ' + key)
    return target[key]
  },
  has: (target, key) => key in target,
})
export default { kind: '${kind}', options, create: ${create} }
`

const hotpFile = filePlugin(
  'second-factors',
  `(options, host) => ({
    label: 'Hardware token ' + options.digits,
    available: () => true,
    enrol: { begin: async () => ({ secret: 's', show: null }), confirm: async () => 's' },
    begin: async () => null,
    verify: async () => (await host.store.add('used', true)),
    close: async () => { globalThis.closedPlugins.push('hotp') },
  })`,
)

const closed: string[] = []
Reflect.set(globalThis, 'closedPlugins', closed)
t.teardown(() => Reflect.deleteProperty(globalThis, 'closedPlugins'))
t.beforeEach(() => {
  closed.length = 0
})

t.test('a second factor of a third party is one file beside the configuration', async (t) => {
  const directory = await operatorsDirectory(t, { 'factors/hotp.mjs': hotpFile })
  for (const use of ['./factors/hotp.mjs', join(directory, 'factors/hotp.mjs')]) {
    const { host } = hostIn(directory)
    host.useStore(new MapStore())
    const factor = await host.load('second-factors', { use, digits: 6 })
    t.equal(factor.label, 'Hardware token 6')
    await host.close()
    t.same(closed.splice(0), ['hotp'])
  }
})

t.test('or an npm package, as it is installed beside the configuration', async (t) => {
  const manifest = (more: object) => JSON.stringify({ name: 'x', version: '1.0.0', type: 'module', ...more })
  const directory = await operatorsDirectory(t, {
    'node_modules/gatelodge-hotp/package.json': manifest({ exports: './index.js' }),
    'node_modules/gatelodge-hotp/index.js': hotpFile,
    'node_modules/@acme/hotp/package.json': manifest({
      exports: { '.': { types: './x.d.ts', import: './dist/main.js' } },
    }),
    'node_modules/@acme/hotp/dist/main.js': hotpFile,
    'node_modules/old-hotp/package.json': manifest({ main: 'lib/main.js' }),
    'node_modules/old-hotp/lib/main.js': hotpFile,
    'node_modules/old-hotp/lib/other.js': hotpFile,
    'etc/gatelodge/gatelodge.yaml': '',
  })
  const { host } = hostIn(join(directory, 'etc/gatelodge'))
  for (const use of ['gatelodge-hotp', '@acme/hotp', 'old-hotp', 'old-hotp/lib/other.js']) {
    t.equal((await host.load('second-factors', { use, digits: 8 })).label, 'Hardware token 8', use)
  }
  await host.close()
  t.equal(closed.length, 4)
})

t.test('a name that is none is answered with those that are, and the nearest', async (t) => {
  const { host } = hostIn(await temporaryDirectory(t))
  const [complaint] = await host.checkOptions('stores', { use: 'embeded' })
  t.match(complaint, {
    path: ['use'],
    message: 'names no plugin there is',
    suggestion: 'embedded',
    accepted: /embedded/,
  })
  await t.rejects(host.load('stores', { use: 'embeded' }), PluginError)
})

t.test('nothing but a plugin is run by its name', async (t) => {
  const directory = await operatorsDirectory(t, { 'evil.mjs': 'globalThis.closedPlugins.push("run")' })
  const { host } = hostIn(directory)
  const names = [
    'fs',
    'node:fs',
    'data:text/javascript,globalThis.closedPlugins.push(1)',
    '../evil',
    'evil.mjs',
    `file://${directory}/evil.mjs`,
  ]
  for (const use of [
    ...names,
    'totp/../totp',
    '../second-factors/totp',
    'totp.js',
    '',
    ' ',
    'a\0b',
    './a\0b',
    'TOTP',
    '__proto__',
  ]) {
    const [complaint] = await host.checkOptions('second-factors', { use })
    t.match(complaint, { message: 'names no plugin there is' }, JSON.stringify(use))
  }
  t.same(closed, [])
})

t.test('what is no plugin, or a plugin for another place, is said plainly', async (t) => {
  const directory = await operatorsDirectory(t, {
    'empty.mjs': '',
    'number.mjs': 'export default 5',
    'no-create.mjs': 'export default { kind: "stores", options: { safeParse() {} } }',
    'no-schema.mjs': 'export default { kind: "stores", options: {}, create() {} }',
    'other.mjs': filePlugin('mail-transports', '() => ({})'),
    'throws.mjs': 'throw new Error("no such luck\\nsecond line")',
    'syntax.mjs': 'export default {',
    'builds-nothing.mjs': filePlugin('stores', '() => undefined'),
    'fails.mjs': filePlugin(
      'stores',
      '({ url, path }) => { throw new Error("no " + url + " as hunter2 p%40ss p@ss at " + path) }',
    ),
    'cannot-check.mjs': filePlugin('stores', '() => ({})', '({ password }) => { throw new Error("odd: " + password) }'),
  })
  const { host } = hostIn(directory)
  const messageOf = async (use: string, more: object = {}) =>
    (await host.checkOptions('stores', { use, ...more })).map(({ message }) => message).join()
  for (const file of ['empty', 'number', 'no-create', 'no-schema'])
    t.equal(await messageOf(`./${file}.mjs`), 'is no plugin', file)
  t.equal(await messageOf('./other.mjs'), 'is a plugin for another place: its kind is not stores')
  t.equal(await messageOf('./throws.mjs'), 'cannot be loaded: no such luck')
  t.match(await messageOf('./syntax.mjs'), /^cannot be loaded: /)
  t.equal(
    await messageOf('./cannot-check.mjs', { password: 'hunter2' }),
    'has options that its plugin cannot check: odd: ***',
  )
  t.equal(await messageOf('./builds-nothing.mjs'), '')
  await t.rejects(host.load('stores', { use: './builds-nothing.mjs' }), { message: /built nothing/ })
  const reference = { use: './fails.mjs', url: 'redis://hunter2:p%40ss@redis', path: '/data' }
  await t.rejects(host.load('stores', reference), {
    message: 'stores, use: ./fails.mjs: could not be started: no *** as *** *** *** at /data',
    cause: undefined,
  })
})

t.test('options are checked where they stand in the file, those of nested plugins too', async (t) => {
  const directory = await operatorsDirectory(t, {
    'gatelodge.yaml': `sites: [{ upstream: "http://127.0.0.1:3000" }]
secondFactor:
  methods:
    - use: totp
      isuer: Desk
    - use: sms
      countries: [US, XX]
      transport:
        use: twilio
        accountSid: "\${SID}"
        authToken: 123456
        form: "+15550100"
    - { use: ./hotp.mjs, digits: five, pin: 1234567 }
store: { use: embedded, timeoutSeconds: 0, path: 5 }
mail: { use: smtp, url: "smtps://a:hunter2hunter2@mail?x", from: nobody, auth: { user: a } }
`,
    'hotp.mjs': filePlugin(
      'second-factors',
      '() => ({})',
      `({ digits, pin }) => ({ success: false, error: { issues: [{ code: 'custom', path: ['digits'], message: digits + ' is no number, ' + pin + ' no PIN' }] } })`,
    ),
  })
  const file = join(directory, 'gatelodge.yaml')
  const checked = await checkConfig(file, { SID: 'hunter2hunter2' })
  const text = 'problems' in checked ? checked.problems.map(formatProblem).join('\n') : ''
  t.equal(
    `${text.replaceAll(`${directory}/`, '').replace(/(accepted: AC, AD).*( and \d+ more)/, '$1 ...$2')}\n`,
    `gatelodge.yaml:5:7  secondFactor.methods[0].isuer: is not a key that exists here
  accepted: issuer, ahead
  did you mean "issuer"?
  5 |       isuer: ***
    |       ^^^^^
gatelodge.yaml:7:23  secondFactor.methods[1].countries[1]: "XX" is not one of the words
  accepted: AC, AD ... and 215 more
  did you mean "AX"?
  7 |       countries: [***, XX]
    |                        ^^
gatelodge.yaml:10:21  secondFactor.methods[1].transport.accountSid: must be an account SID, which begins with AC
  10 |         accountSid: "\${SID}"
     |                     ^^^^^^^^
gatelodge.yaml:11:20  secondFactor.methods[1].transport.authToken: should be text, not a number; put it in quotes if it is text
  11 |         authToken: ***
     |                    ^^^
gatelodge.yaml:12:9  secondFactor.methods[1].transport.form: is not a key that exists here
  accepted: accountSid, authToken, from, messagingServiceSid, apiBaseUrl, timeoutSeconds
  did you mean "from"?
  12 |         form: ***
     |         ^^^^
gatelodge.yaml:13:34  secondFactor.methods[2].digits: five is no number, *** no PIN
  13 |     - { use: ./hotp.mjs, digits: five, pin: *** }
     |                                  ^^^^
gatelodge.yaml:14:41  store.timeoutSeconds: is out of range; at least 0.01
  14 | store: { use: embedded, timeoutSeconds: 0, path: *** }
     |                                         ^
gatelodge.yaml:14:50  store.path: should be text, not a number; put it in quotes if it is text
  accepted: a path; a relative one starts at the directory of this file
  14 | store: { use: embedded, timeoutSeconds: ***, path: *** }
     |                                                    ^^^
gatelodge.yaml:15:25  mail.url: must be smtp://host:port or smtps://host:port. Name and password stand in the keys username: and password:
  15 | mail: { use: smtp, url: ***, from: ***, auth: { user: *** } }
     |                         ^^^
gatelodge.yaml:15:66  mail.from: must be one mail address, as in Sign-in <no-reply@example.com>
  15 | mail: { use: smtp, url: ***, from: nobody, auth: { user: *** } }
     |                                    ^^^^^^
gatelodge.yaml:15:74  mail.auth.pass: is missing
  15 | mail: { use: smtp, url: ***, from: ***, auth: { user: *** } }
     |                                         ^^^^
`,
  )
})

t.test('a plugin has a place of its own in the store', async (t) => {
  const keeper = filePlugin('user-directories', '(_options, host) => ({ host })')
  const directory = await operatorsDirectory(t, {
    'a.mjs': keeper,
    'a:b.mjs': keeper,
    'store.mjs': filePlugin('stores', '(_options, host) => ({ host })'),
  })
  const { host } = hostIn(directory)
  const lent = async (kind: PluginKind, use: string): Promise<Store> =>
    Reflect.get(await host.load(kind, { use }), 'host').store
  const early = await lent('user-directories', './a.mjs')
  await t.rejects(early.get('x'), /before the store was open/)
  await t.rejects((await lent('stores', './store.mjs')).get('x'), /host\.store is not for stores/)
  const store = new MapStore()
  host.useStore(store)
  store.entries.set('session:1', 'of the gateway')
  await early.set('x', 1)
  const other = await lent('user-directories', './a:b.mjs')
  await other.set('x', 2)
  t.same(
    [...store.entries.keys()],
    ['session:1', 'plugin:user-directories:.%2Fa.mjs:x', 'plugin:user-directories:.%2Fa%3Ab.mjs:x'],
  )
  t.equal(await early.get('x'), 1)
  t.equal(await early.add('x', 5), false)
  t.equal(await early.replace('x', 1, 3), true)
  t.equal(await early.increment('n', 60), 1)
  t.same(await early.list(''), [
    ['n', 1],
    ['x', 3],
  ])
  t.same(await early.list('', { after: 'n', limit: 1 }), [['x', 3]])
  t.equal(await early.delete('x'), true)
  t.equal(await early.get('../session:1'), undefined)
  await early.close()
  t.equal(await other.get('x'), 2, 'closing its part closes nothing')
})

t.test('a plugin is lent the clock, the hashing, the mail server, and other plugins', async (t) => {
  const directory = await operatorsDirectory(t, {
    'outer.mjs': filePlugin(
      'second-factors',
      `async (options, host) => ({ host, inner: await host.load('sms-transports', options.transport) })`,
    ),
    'inner.mjs': filePlugin(
      'sms-transports',
      '() => ({ send: async () => {}, close: async () => { globalThis.closedPlugins.push("inner") } })',
    ),
    'store.mjs': filePlugin('stores', '() => ({ close: async () => { globalThis.closedPlugins.push("store") } })'),
  })
  const { host } = hostIn(directory)
  await host.load('stores', { use: './store.mjs' })
  const mail = { send: async () => {} }
  host.useMail(mail)
  const outer = await host.load('second-factors', { use: './outer.mjs', transport: { use: './inner.mjs' } })
  const lent = Reflect.get(outer, 'host')
  t.equal(lent.now(), now())
  t.equal(lent.mail, mail)
  t.equal(await lent.passwords.hash('abc'), 'hash of 3')
  await host.close()
  t.same(closed, ['inner', 'store'], 'in reverse order')
  await t.rejects(host.load('stores', { use: './store.mjs' }), /while the gateway closes/)
})

t.test('one plugin that hangs or fails to close does not keep the others', async (t) => {
  const close = (body: string) =>
    filePlugin('stores', `() => ({ close: () => { globalThis.closedPlugins.push('called'); ${body} } })`)
  const directory = await operatorsDirectory(t, {
    'first.mjs': close(''),
    'hangs.mjs': close('return new Promise(() => {})'),
    'throws.mjs': close('throw new Error("x")'),
    'rejects.mjs': close('return Promise.reject(new Error("x"))'),
  })
  const { host, lines } = hostIn(directory, { closeMilliseconds: 20 })
  for (const name of ['first', 'hangs', 'throws', 'rejects']) await host.load('stores', { use: `./${name}.mjs` })
  await host.close()
  t.equal(closed.length, 4)
  t.same(
    lines.map(({ message, fields }) => [message, Reflect.get(fields, 'plugin')]),
    ['rejects', 'throws', 'hangs'].map((name) => ['a plugin did not close', `stores/./${name}.mjs`]),
  )
})

t.test('paths in options start at the configuration', async (t) => {
  const directory = await temporaryDirectory(t)
  const { host } = hostIn(directory)
  const outbox = await host.load('mail-transports', {
    use: 'outbox',
    path: 'out/../mail.jsonl',
  } satisfies PluginReference)
  await outbox.send({ to: 'a@example.com', subject: 's', text: 't' })
  t.match(await outbox.kept?.(), [{ to: 'a@example.com' }])
  t.match(readFileSync(join(directory, 'mail.jsonl'), 'utf8'), /a@example\.com/)
  await host.close()
})
