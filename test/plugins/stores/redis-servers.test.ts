import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient } from '@keyv/redis'
import t, { type Test } from 'tap'
import redis from '../../../plugins/stores/redis.js'
import type { Store } from '../../../src/contracts.js'
import { Epoch } from '../../../src/identity/store/epoch.js'
import { freePort } from '../../support/free-port.js'
import { build, lentHost } from '../../support/lent-host.js'
import { localhostCertificate } from '../../support/localhost-certificate.js'
import { until } from '../../support/poll.js'
import { startWatchedPair } from '../../support/redis-sentinel.js'
import { skipWithoutRedis, startRedis } from '../../support/redis-server.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'

/** Where the server is that is to be asked now, and what it says by itself. */

const skip = skipWithoutRedis() && 'skipped: redis-server is not installed (apt-get install redis-server)'

const openStore = async (t: Test, options: { [option: string]: unknown }, host = lentHost()) => {
  const store = await build(redis, { timeoutSeconds: 2, ...options }, host)
  t.teardown(() => store.close())
  return store
}

/** Signs that end something in a URL, and one that begins an escape. */
const awkward = 'p@ss/w#rd%?1'

const lookInto = async (t: Test, url: string) => {
  const client = createClient({ url })
  client.on('error', () => {})
  await client.connect()
  t.teardown(() => client.destroy())
  return client
}

const works = (store: Store, key: string) =>
  store.set(key, 1).then(
    () => true,
    () => false,
  )

t.test('the master that Sentinels name is followed when another takes over', { skip, timeout: 400_000 }, async (t) => {
  const { master, replica, url } = await startWatchedPair(t, 300)
  const unknown = { master: 'nobody', nodes: [url] }
  await t.rejects(build(redis, { sentinel: unknown }), /cannot be reached: .*knows no master "nobody"/)
  const dead = `redis://127.0.0.1:${await freePort()}`
  const nodes = [dead, url]
  const store = await openStore(t, { sentinel: { master: 'people', nodes } })
  await store.set('before', 'kept')
  const second = await lookInto(t, replica.url)
  await until('the replica to have it', async () => (await second.get('{gatelodge}:value:before')) !== null)

  await master.stop()
  await t.rejects(store.set('meanwhile', 1), /The store could not be asked/)
  await until('the other to be written to', () => works(store, 'after'), 60_000)
  t.equal(await store.get('before'), 'kept')
  t.ok(await second.get('{gatelodge}:value:after'))
})

t.test('in a cluster the keys are followed from node to node', { skip, timeout: 400_000 }, async (t) => {
  const options = (directory: string) => [
    '--cluster-enabled',
    'yes',
    '--cluster-config-file',
    join(directory, 'n.conf'),
  ]
  const directories = [t.testdir({ one: {}, two: {} })].flatMap((top) => [join(top, 'one'), join(top, 'two')])
  const [one, two] = await Promise.all(directories.map((directory) => startRedis(t, options(directory))))
  if (one === undefined || two === undefined) throw new Error('two were started')
  const [a, b] = await Promise.all([lookInto(t, one.url), lookInto(t, two.url)])
  await a.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383'])
  await a.sendCommand(['CLUSTER', 'MEET', '127.0.0.1', String(two.port)])
  const [idA, idB] = await Promise.all([a, b].map(async (node) => String(await node.sendCommand(['CLUSTER', 'MYID']))))
  const knows = async () => String(await b.sendCommand(['CLUSTER', 'NODES'])).includes('0-16383')
  await until('the second node to know the slots of the first', knows, 30_000)
  const isUp = async () => String(await a.sendCommand(['CLUSTER', 'INFO'])).includes('cluster_state:ok')
  await until('the first node to find the cluster whole', isUp, 30_000)

  t.throws(() => redis.options.parse({ cluster: { nodes: [one.url] }, keyPrefix: 'x:' }), /braces/)
  const store = await openStore(t, { cluster: { nodes: [two.url] } })
  await store.set('key', 'kept')
  t.equal(await store.add('key', 2), false)
  t.equal(await store.increment('count', 60), 1)
  const keys = (await a.sendCommand(['KEYS', '*'])) as unknown as string[]
  const slot = String(await a.sendCommand(['CLUSTER', 'KEYSLOT', '{gatelodge}:keys']))
  await b.sendCommand(['CLUSTER', 'SETSLOT', slot, 'IMPORTING', idA ?? ''])
  await a.sendCommand(['CLUSTER', 'SETSLOT', slot, 'MIGRATING', idB ?? ''])
  await a.sendCommand(['MIGRATE', '127.0.0.1', String(two.port), '', '0', '5000', 'KEYS', ...keys])
  for (const node of [b, a]) await node.sendCommand(['CLUSTER', 'SETSLOT', slot, 'NODE', idB ?? ''])
  await until('the store to find its keys', () => works(store, 'after'), 30_000)
  t.equal(await store.get('key'), 'kept')
  t.equal(await store.increment('count', 60), 2)
  t.same((await store.list('')).length, 3)
})

t.test('a server that speaks TLS is verified', { skip }, async (t) => {
  const directory = t.testdir({ 'key.pem': localhostCertificate.key, 'cert.pem': localhostCertificate.cert })
  const [key, ca] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
  const tlsPort = await freePort()
  const files = ['--tls-cert-file', ca, '--tls-key-file', key, '--tls-ca-cert-file', ca, '--tls-auth-clients', 'no']
  await startRedis(t, ['--tls-port', String(tlsPort), ...files])
  const url = `rediss://127.0.0.1:${tlsPort}`
  await t.rejects(build(redis, { url }), /cannot be reached: .*(self-signed|self signed)/i)
  const store = await openStore(t, { url, ca })
  await store.set('key', 1)
  t.equal(await store.get('key'), 1)
  t.equal(readFileSync(ca, 'utf8'), localhostCertificate.cert)
})

t.test('a name that may do what docs/store.md says is enough', { skip }, async (t) => {
  const rights = /ACL SETUSER gatelodge (.*)$/m.exec(readFileSync('docs/store.md', 'utf8'))?.[1] ?? ''
  const server = await startRedis(t)
  const admin = await lookInto(t, server.url)
  await admin.sendCommand(['ACL', 'SETUSER', 'gatelodge', ...rights.split(' ')])
  const host = lentHost()
  const url = `redis://gatelodge:secret@127.0.0.1:${server.port}`
  const store = await openStore(t, { url }, host)
  const epoch = new Epoch({ store })
  await epoch.raise()
  await epoch.read()
  t.equal(await store.add('key', 1), true)
  t.equal(await store.replace('key', 1, 2), true)
  t.same(await store.list('key'), [['key', 2]])
  t.equal(await store.delete('key'), true)
  t.equal(await store.increment('count', 60), 1)
  const quiet = host.lines.filter(({ message }) => !/appendonly/.test(message))
  t.same(quiet, [], 'nothing was refused quietly')
  await t.rejects(admin.sendCommand(['ACL', 'DRYRUN', 'gatelodge', 'GET', 'other']).then(mustBeOk), /no permission/i)
})

t.test(
  'a password with every sign that ends something in a URL is taken as it is, beside the address',
  { skip },
  async (t) => {
    const server = await startRedis(t)
    const admin = await lookInto(t, server.url)
    await admin.sendCommand(['ACL', 'SETUSER', 'gate', 'on', '~*', '&*', '+@all', `>${awkward}`])
    await admin.sendCommand(['CONFIG', 'SET', 'requirepass', awkward])
    const address = `127.0.0.1:${server.port}`
    for (const where of [
      { url: `redis://${address}`, username: 'gate', password: awkward },
      { url: `redis://gate@${address}/2`, password: awkward },
      { url: `redis://${address}`, password: awkward },
      { url: `redis://gate:${encodeURIComponent(awkward)}@${address}` },
    ]) {
      const store = await openStore(t, where)
      t.equal(await works(store, 'awkward'), true, JSON.stringify(Object.keys(where)))
    }
    await t.rejects(build(redis, { url: `redis://gate@${address}`, password: `${awkward}x` }), {
      message: /cannot be reached: (?!.*(p@ss|w#rd|ss\/w)).*WRONGPASS/,
    })
  },
)

t.test('an address in which a password ends nobody knows where is refused, and no part of it is said', (t) => {
  for (const password of [awkward, 'a/b', 'a?b', 'a#b', 'a@b', 'a%b', 'a\\b', 'a b', '6379/x', 'a[b']) {
    for (const options of [
      { url: `redis://gate:${password}@redis.example.com:6379/0` },
      { sentinel: { master: 'm', nodes: [`redis://gate:${password}@redis.example.com`] } },
      { cluster: { nodes: [`rediss://:${password}@redis.example.com`] } },
    ]) {
      const { error } = redis.options.safeParse(options)
      t.match(error?.message, /cannot be read for sure.*password:/, password)
      t.notMatch(error?.message, password)
      t.notMatch(error?.message, 'example')
    }
  }
  t.end()
})

t.test('Sentinels and nodes of a cluster take such a password beside their addresses, too', { skip }, async (t) => {
  const { master, url } = await startWatchedPair(t, 60_000)
  const [watcher, main] = [await lookInto(t, url), await lookInto(t, master.url)]
  for (const client of [watcher, main]) {
    await client.sendCommand(['ACL', 'SETUSER', 'gate', 'on', '~*', '&*', '+@all', `>${awkward}`])
  }
  await watcher.sendCommand(['ACL', 'SETUSER', 'default', 'off'])
  const sentinel = { master: 'people', nodes: [url] }
  const credentials = { username: 'gate', password: awkward }
  const store = await openStore(t, { sentinel: { ...sentinel, ...credentials }, ...credentials })
  t.equal(await works(store, 'awkward'), true)
  await t.rejects(
    build(redis, { sentinel, ...credentials }),
    /cannot be reached: .*NOAUTH/,
    'it is the Sentinels\u2019 own',
  )

  const node = await startRedis(t, [
    '--cluster-enabled',
    'yes',
    '--cluster-config-file',
    `${await temporaryDirectory(t)}/nodes`,
  ])
  const admin = await lookInto(t, node.url)
  await admin.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383'])
  await admin.sendCommand(['ACL', 'SETUSER', 'gate', 'on', '~*', '&*', '+@all', `>${awkward}`])
  await until('the cluster', async () => String(await admin.sendCommand(['CLUSTER', 'INFO'])).includes('state:ok'))
  await admin.sendCommand(['ACL', 'SETUSER', 'default', 'off'])
  const inCluster = await openStore(t, { cluster: { nodes: [node.url] }, ...credentials })
  t.equal(await works(inCluster, 'awkward'), true)
})

t.test('a copy that is kept up to date saves asking, and is none when it may be old', { skip }, async (t) => {
  const server = await startRedis(t)
  const [here, there] = await Promise.all([openStore(t, { url: server.url }), openStore(t, { url: server.url })])
  const watched = here.watch?.('epoch')
  if (watched === undefined) throw new Error('this store watches')
  t.equal(watched.current(), undefined, 'nothing was read yet')
  await there.set('epoch', 'one')
  const copied = () => here.get('epoch').then((value) => watched.current() === value)
  await until('the copy', copied)
  t.equal(watched.current(), 'one')

  const look = await lookInto(t, server.url)
  const calls = async () => Number(/cmdstat_get:calls=(\d+)/.exec(await look.info('commandstats'))?.[1] ?? 0)
  const before = await calls()
  for (let index = 0; index < 1000; index++) if (watched.current() !== 'one') await here.get('epoch')
  t.ok((await calls()) - before < 50, 'the server was hardly asked')

  await there.set('epoch', 'two')
  await until('the word of the change', async () => watched.current() !== 'one')
  await until('the new copy', copied)
  t.equal(watched.current(), 'two')
  await here.set('epoch', 'three')
  t.not(watched.current(), 'two', 'its own change at once')
  await until('the new copy', copied)

  await server.freeze()
  t.teardown(() => server.thaw())
  await until('the copy to be too old', () => watched.current() === undefined)
  server.thaw()
  await until('the server to answer again', () => here.get('epoch').then(copied, () => false))

  await server.stop()
  await until('the lost connection', () => watched.current() === undefined)
  await server.start()
  await until('the server to answer again', () => works(there, 'x'))
  await there.set('epoch', 'four')
  await until('the copy', () => here.get('epoch').then(copied, () => false))
  t.equal(watched.current(), 'four', 'after a new connection it is watched as before')
})

t.test('of url, sentinel and cluster there is one', async (t) => {
  const nodes = ['redis://127.0.0.1:1']
  const wrong: ReadonlyArray<readonly [object, RegExp]> = [
    [{}, /needs one of/],
    [{ url: 'redis://a', cluster: { nodes } }, /more than one/],
    [{ url: 'redis://a:b@c', password: 'x' }, /stands in `url` as well/],
    [{ url: 'redis://a:b@c', username: 'x' }, /stands in `url` as well/],
    [{ url: 'redis://a/1', database: 1 }, /stands in `url`/],
    [{ cluster: { nodes }, database: 1 }, /one database/],
    [{ sentinel: { master: 'a', nodes: [] } }, /nodes/],
  ]
  for (const [options, message] of wrong) t.throws(() => redis.options.parse(options), message)
})

function mustBeOk(answer: unknown): void {
  if (answer !== 'OK') throw new Error(String(answer))
}
