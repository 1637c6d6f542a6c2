import KeyvRedis, { createClient } from '@keyv/redis'
import t, { type Test } from 'tap'
import { Connection } from '../../../plugins/stores/redis/connection.js'
import { oneServer } from '../../../plugins/stores/redis/servers.js'
import redis from '../../../plugins/stores/redis.js'
import type { Store } from '../../../src/contracts.js'
import { keyvContract } from '../../contracts/keyv.js'
import { freePort } from '../../support/free-port.js'
import { build, lentHost } from '../../support/lent-host.js'
import { until } from '../../support/poll.js'
import { skipWithoutRedis, startRedis } from '../../support/redis-server.js'

const skip = skipWithoutRedis() && 'skipped: redis-server is not installed (apt-get install redis-server)'

const openStore = async (t: Test, options: { url: string; [option: string]: unknown }, host = lentHost()) => {
  const store = await build(redis, { timeoutSeconds: 5, ...options }, host)
  t.teardown(() => store.close())
  return store
}

/** A look at the server beside the store. */
const lookInto = async (t: Test, url: string) => {
  const client = createClient({ url })
  await client.connect()
  t.teardown(() => client.destroy())
  return client
}

/** Every method once; each says how it failed. */
const failures = (store: Store) => {
  const calls: Record<string, () => Promise<unknown>> = {
    get: () => store.get('key'),
    set: () => store.set('key', 1),
    add: () => store.add('key', 1),
    replace: () => store.replace('key', 1, 2),
    delete: () => store.delete('key'),
    increment: () => store.increment('count', 60),
    list: () => store.list(''),
  }
  return Promise.all(
    Object.entries(calls).map(async ([name, call]) => {
      const message = await call().then(
        () => 'it worked',
        (error: Error) => error.message,
      )
      return { name, message }
    }),
  )
}

t.test("Keyv's own suite passes on the adapter and the client it is given", { skip }, async (t) => {
  const { url } = await startRedis(t)
  const connection = await Connection.open({ servers: oneServer(url), deadline: 5000, log: lentHost().log })
  t.after(() => connection.close())
  const client = await connection.ask(async (client) => client)
  // Every adapter of the suite listens to it.
  client.setMaxListeners(0)
  keyvContract(t, () => new KeyvRedis(client, { throwOnErrors: true, noNamespaceAffectsAll: true }))
})

t.test('a server that is gone ends every call at once, and is used again when it is back', { skip }, async (t) => {
  const server = await startRedis(t)
  const host = lentHost()
  const store = await openStore(t, { url: server.url, timeoutSeconds: 0.8 }, host)
  await store.set('key', 1)
  await server.stop()
  for (const round of [1, 2]) {
    for (const { name, message } of await failures(store)) {
      t.match(message, /^The store could not be asked: /, `${name}, round ${round}`)
    }
  }
  t.equal(host.lines.filter(({ message }) => /connection to Redis was lost/.test(message)).length, 1, 'told once')
  await server.start()
  await until('the store to answer again', () =>
    store
      .set('key', 2)
      .then(() => true)
      .catch(() => false),
  )
  t.equal(await store.get('key'), 2)
  t.equal(await store.increment('count', 60), 1, 'nothing that was refused has been kept and sent later')
  t.match(host.lines.at(-1), { level: 'info', message: /connected to Redis again/ })
})

t.test(
  'a server that is frozen holds the first calls for the deadline and later ones not at all',
  { skip },
  async (t) => {
    const server = await startRedis(t)
    const store = await openStore(t, { url: server.url, timeoutSeconds: 0.3 })
    await store.set('key', 1)
    await server.freeze()
    t.teardown(() => server.thaw())
    for (const { name, message } of await failures(store)) {
      t.match(message, /^The store could not be asked: /, name)
    }
    for (const { name, message } of await failures(store)) {
      t.match(message, /Redis is not connected/, name)
    }
    server.thaw()
    await until(
      'the store to answer again',
      () =>
        store
          .get('key')
          .then(() => true)
          .catch(() => false),
      5000,
    )
    await store.set('key', 3)
    t.equal(await store.get('key'), 3)
  },
)

t.test('close does not wait for a server that is frozen', { skip }, async (t) => {
  const server = await startRedis(t)
  const store = await openStore(t, { url: server.url, timeoutSeconds: 0.3 })
  await server.freeze()
  t.teardown(() => server.thaw())
  const waiting = t.rejects(store.set('key', 1), /no answer within 300 ms; what was asked may still be done/)
  await store.close()
  await waiting
  await t.rejects(store.get('key'), /closed/)
})

t.test('what stands in the way of a start is said in words, and never the password', { skip }, async (t) => {
  const open = (url: string) => build(redis, { url, timeoutSeconds: 0.5 })
  const port = await freePort()
  await t.rejects(open(`redis://:secret@127.0.0.1:${port}`), {
    message: new RegExp(`^Redis at 127.0.0.1:${port} cannot be reached: (?!.*secret).*ECONNREFUSED`),
  })
  const guarded = await startRedis(t, ['--requirepass', 'right'])
  const address = `127.0.0.1:${guarded.port}`
  await t.rejects(open(`redis://:wrong@${address}`), { message: /cannot be reached: (?!.*wrong).*WRONGPASS/ })
  await t.rejects(open(`redis://${address}`), { message: /cannot be reached: .*NOAUTH/ })
  const store = await openStore(t, { url: `redis://:right@${address}` })
  await store.set('key', 1)
  await guarded.freeze()
  t.teardown(() => guarded.thaw())
  await t.rejects(open(`redis://:right@${address}`), { message: /cannot be reached: no answer within 500 ms/ })
  for (const url of ['http://127.0.0.1', '127.0.0.1:6379', '']) t.throws(() => redis.options.parse({ url }), /redis:/)
  t.throws(() => redis.options.parse({ url: 'redis://127.0.0.1', prefix: 'x' }))
})

t.test('a server without room fails the write in words, and reading goes on', { skip }, async (t) => {
  const { url } = await startRedis(t, ['--maxmemory', '3mb', '--maxmemory-policy', 'noeviction'])
  const store = await openStore(t, { url })
  let kept = 0
  const filling = async () => {
    for (; kept < 100; kept++) await store.set(`key:${kept}`, 'x'.repeat(100_000))
  }
  await t.rejects(filling(), /The store could not be asked: OOM/)
  t.ok(kept > 5)
  t.equal(((await store.get('key:0')) as string).length, 100_000)
  t.equal(await store.delete('key:0'), true, 'so does making room')
})

t.test('a server that becomes a replica is left for the one that stands under its name then', { skip }, async (t) => {
  const { url } = await startRedis(t)
  const host = lentHost()
  const store = await openStore(t, { url }, host)
  const server = await lookInto(t, url)
  await store.set('key', 1)
  await server.sendCommand(['REPLICAOF', '127.0.0.1', String(await freePort())])
  await t.rejects(store.set('key', 2), /The store could not be asked: (READONLY|Redis is not connected)/)
  await server.sendCommand(['REPLICAOF', 'NO', 'ONE'])
  await until('the store to answer again', () =>
    store.set('key', 3).then(
      () => true,
      () => false,
    ),
  )
  t.ok(host.lines.some(({ message }) => /connected to Redis again/.test(message)))
})

t.test('nothing is read from a replica, which may hear late or never what ended elsewhere', { skip }, async (t) => {
  const { url } = await startRedis(t)
  const host = lentHost()
  const store = await openStore(t, { url }, host)
  const server = await lookInto(t, url)
  await store.set('session', 'open')
  const read = () => store.get('session').catch(({ message }: Error) => message)
  await server.sendCommand(['REPLICAOF', '127.0.0.1', String(await freePort())])
  await until('a gateway that only reads to notice', async () => /not connected/.test(String(await read())))
  t.ok(host.lines.some(({ fields }) => /it is a replica/.test(JSON.stringify(fields))))
  await t.rejects(build(redis, { url }), { message: /it is a replica, and takes no writes/ }, 'nor is it begun with')
  await server.sendCommand(['REPLICAOF', 'NO', 'ONE'])
  await until('it to be the one again', async () => (await read()) === 'open')

  await server.sendCommand('ACL SETUSER mute on >secret ~* &* +@all -role'.split(' '))
  const mute = await openStore(t, { url: url.replace('//', '//mute:secret@') })
  await mute.set('session', 'ended')
  t.equal(await store.get('session'), 'ended', 'a name that may not ask for the role does as before')
})

t.test('a server that throws entries away and took the place of another is named in the log', { skip }, async (t) => {
  const { url } = await startRedis(t)
  const host = lentHost()
  await openStore(t, { url }, host)
  const server = await lookInto(t, url)
  await server.configSet('maxmemory-policy', 'allkeys-lru')
  await server.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'])
  const isSaid = () =>
    host.lines.some(
      ({ level, fields }) => level === 'error' && /maxmemory-policy allkeys-lru/.test(JSON.stringify(fields)),
    )
  await until('the operator to be told', isSaid)
})

t.test('the operator is told of settings with which the server may forget', { skip }, async (t) => {
  const warnings = async (...settings: string[]) => {
    const host = lentHost()
    const { url } = await startRedis(t, settings)
    await openStore(t, { url }, host)
    return host.lines.map(({ level, message }) => `${level}: ${message}`)
  }
  t.same(await warnings('--appendonly', 'yes'), [])
  t.match(await warnings(), [/warn: .*appendonly yes/])
  for (const policy of ['allkeys-lru', 'volatile-ttl']) {
    await t.rejects(warnings('--maxmemory-policy', policy), /throws entries away.*Set maxmemory-policy noeviction/)
  }
})

t.test('the operator is told when a failover could lose more than it has to', { skip }, async (t) => {
  const warnings = async (...settings: string[]) => {
    const { url, port } = await startRedis(t, ['--appendonly', 'yes', ...settings])
    await startRedis(t, ['--replicaof', '127.0.0.1', String(port)])
    const server = await lookInto(t, url)
    await until('the replica to be there', async () => /state=online/.test(await server.info('replication')))
    const host = lentHost()
    await openStore(t, { url }, host)
    return host.lines.map(({ level, message }) => `${level}: ${message}`)
  }
  t.match(await warnings(), [/warn: .*set min-replicas-to-write 1/])
  t.same(await warnings('--min-replicas-to-write', '1'), [])
})

t.test('scripts that the server has forgotten are sent again', { skip }, async (t) => {
  const { url } = await startRedis(t)
  const store = await openStore(t, { url })
  const server = await lookInto(t, url)
  t.equal(await store.increment('count', 60), 1)
  await server.sendCommand(['SCRIPT', 'FLUSH'])
  t.equal(await store.increment('count', 60), 2)
})

t.test('what has expired leaves the server, values and index', { skip }, async (t) => {
  let now = 1_763_000_000_000
  const { url } = await startRedis(t)
  const store = await openStore(t, { url, keyPrefix: 'p:', sweepSeconds: 0.02 }, lentHost({ now: () => now }))
  const server = await lookInto(t, url)
  const sizes = async () => [await server.zCard('p:keys'), await server.zCard('p:expiries'), await server.dbSize()]
  await Promise.all(Array.from({ length: 1200 }, (_, index) => store.set(`key:${index}`, index, 10)))
  await Promise.all(Array.from({ length: 200 }, (_, index) => store.set(`key:${index}`, index)))
  t.same(await sizes(), [1200, 1000, 1202])
  t.ok((await server.pTTL('p:value:key:500')) > 10_000, 'the server itself forgets it later')
  t.equal(await server.pTTL('p:value:key:5'), -1)
  now += 10_000
  await until('the sweeper', async () => (await server.zCard('p:expiries')) === 0)
  t.same(await sizes(), [200, 0, 201])
  await server.del('p:value:key:7')
  t.notOk((await store.list('key:', { limit: 1000 })).some(([key]) => key === 'key:7'))
  t.equal(await server.zScore('p:keys', 'key:7'), null, 'what the server forgot by itself leaves the index')
})

t.test('reads of one key in one turn of the event loop are one read', { skip }, async (t) => {
  const { url } = await startRedis(t)
  const store = await openStore(t, { url })
  const server = await lookInto(t, url)
  await store.set('epoch', { number: 7 })
  const before = await reads(server)
  const answers = await Promise.all(Array.from({ length: 50 }, () => store.get('epoch')))
  t.same(
    answers,
    Array.from({ length: 50 }, () => ({ number: 7 })),
  )
  t.equal(new Set(answers).size, 50, 'each with a value of its own')
  t.equal((await reads(server)) - before, 1)
  await store.set('epoch', 8)
  t.equal(await store.get('epoch'), 8)
})

t.test('two installations on one server do not see each other', { skip }, async (t) => {
  const { url } = await startRedis(t)
  const [one, two] = await Promise.all([
    openStore(t, { url, keyPrefix: 'one:' }),
    openStore(t, { url, keyPrefix: 'two:' }),
  ])
  await one.set('key', 1)
  t.equal(await two.get('key'), undefined)
  t.same(await two.list(''), [])
  t.equal(await two.add('key', 2), true)
  t.equal(await two.delete('key'), true)
  t.equal(await one.get('key'), 1)
})

async function reads(server: Awaited<ReturnType<typeof lookInto>>): Promise<number> {
  const statistics = await server.info('commandstats')
  return Number(/cmdstat_get:calls=(\d+)/.exec(statistics)?.[1] ?? 0)
}
