import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { freePort } from '../support/free-port.js'
import { runGatelodge } from '../support/gateway.js'
import { housePassword, signIn } from '../support/house.js'
import { until } from '../support/poll.js'
import { skipWithoutRedis, startRedis } from '../support/redis-server.js'
import { testKey } from '../support/sealer.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { formOf, Visitor } from '../support/visitor.js'
import { asked, control, gatewaysOn, signedIn } from './on-redis.js'
import { quickest, tell, timed } from './table.js'

/** What users see of a Redis that is in trouble. */

const skip = skipWithoutRedis() && 'skipped: redis-server is not installed (apt-get install redis-server)'

t.setTimeout(300_000)

t.test('Redis is frozen and goes on: no within a second or so, and the sessions are as before', { skip }, async (t) => {
  const redis = await startRedis(t)
  t.teardown(() => redis.thaw())
  const [core] = await gatewaysOn(t, `url: "${redis.url}"`, 1)
  if (core === undefined) throw new Error('one was started')
  const ann = await signedIn(core)
  t.equal((await asked(ann)).text, 'for ann')
  await redis.freeze()
  await until('the silence to be noticed', async () => (await asked(ann)).status === 503, 30_000)
  const no = await quickest(5, () => asked(ann))
  t.equal(no.value.status, 503)
  t.match(no.value.headers['retry-after'], /^\d+$/)
  const open = await quickest(5, () => asked(core.visitor(), '/public/x'))
  t.equal(open.value.text, 'for everybody', 'what needs nobody goes on')
  t.equal((await core.visitor().get('/.gatelodge/readyz')).status, 503)
  t.equal((await core.visitor().get('/.gatelodge/healthz')).status, 200)
  redis.thaw()
  const back = await timed(() => until('the session', async () => (await asked(ann)).text === 'for ann', 60_000))
  tell(t, {
    fault: 'Redis frozen (SIGSTOP)',
    saw: '503 with Retry-After; public pages 200; then as before',
    answerMs: no.ms,
    promisedMs: 1000,
    recoverMs: back.ms,
  })
})

t.test(
  'Redis is gone and comes back empty: nobody is let in by what was, everybody signs in again',
  { skip },
  async (t) => {
    const redis = await startRedis(t)
    const houses = await gatewaysOn(t, `url: "${redis.url}"`, 2)
    const [one, two] = houses
    if (one === undefined || two === undefined) throw new Error('two were started')
    const ann = await signedIn(one)
    const there = new Visitor(t, two.url)
    for (const [name, value] of ann.cookies) there.cookies.set(name, value)
    t.equal((await asked(there)).text, 'for ann', 'a session holds on both')
    await redis.stop()
    await until('the loss to be noticed', async () => (await asked(ann)).status === 503, 30_000)
    const no = await quickest(5, () => asked(ann))
    t.equal(no.value.status, 503)
    t.equal((await asked(one.visitor(), '/public/x')).status, 200)
    await redis.start()
    const again = await timed(() => until('an answer', async () => (await asked(ann)).status !== 503, 60_000))
    await until('the other as well', async () => (await asked(there)).status !== 503, 60_000)
    t.equal((await asked(ann)).status, 401, 'the session is not known any more')
    t.equal((await asked(there)).status, 401)

    const next = await signedIn(one)
    t.equal((await asked(next)).text, 'for ann', 'without a restart')
    const beside = new Visitor(t, two.url)
    for (const [name, value] of next.cookies) beside.cookies.set(name, value)
    t.equal((await asked(beside)).text, 'for ann', 'and on the other')
    t.equal((await asked(ann)).status, 401)
    // A form of one is taken by the other, so both sign with one key.
    const page = await one.visitor().get('/.gatelodge/sign-in')
    const across = new Visitor(t, two.url)
    for (const line of [page.headers['set-cookie'] ?? []].flat()) {
      const [name = '', value = ''] = (line.split(';')[0] ?? '').split(/=(.*)/s)
      across.cookies.set(name, value)
    }
    const fields = { ...formOf(page.text).fields, username: 'ann', password: housePassword }
    t.equal((await across.post('/.gatelodge/sign-in', fields)).status, 303)
    await signedIn(two)
    // One that starts now joins them.
    const [three] = await gatewaysOn(t, `url: "${redis.url}"`, 1)
    t.ok(three?.core.identity.installation.formKey.equals(one.core.identity.installation.formKey))
    tell(t, {
      fault: 'Redis gone, and back empty',
      saw: '503 with Retry-After; public pages 200; then 401, and everybody signs in again',
      answerMs: no.ms,
      promisedMs: 1000,
      recoverMs: again.ms,
    })
  },
)

t.test('only the record of the installation is lost: what was cleared before stays cleared', { skip }, async (t) => {
  const redis = await startRedis(t)
  const [core] = await gatewaysOn(t, `url: "${redis.url}"`, 1)
  if (core === undefined) throw new Error('one was started')
  const client = await control(t, redis.url)
  const before = await signedIn(core)
  await core.core.identity.sessions.clear()
  t.equal((await asked(before)).status, 401)
  const ann = await signedIn(core)
  await client.del('{gatelodge}:value:installation')
  await core.core.identity.epoch.raise()
  t.equal((await asked(before)).status, 401)
  t.equal((await asked(ann)).status, 401, 'nobody knows what was cleared meanwhile')
  t.equal((await asked(await signedIn(core))).text, 'for ann')
  t.equal((await asked(before)).status, 401)
})

t.test(
  'Redis takes no writes: nobody signs in, who is signed in goes on unless it is a replica, then all is as before',
  { skip },
  async (t) => {
    const redis = await startRedis(t)
    const [core] = await gatewaysOn(t, `url: "${redis.url}"`, 1)
    if (core === undefined) throw new Error('one was started')
    const client = await control(t, redis.url)
    const ann = await signedIn(core)
    const dead = String(await freePort())
    const faults = [
      {
        fault: 'Redis full (OOM)',
        begin: () => client.configSet('maxmemory', '1'),
        end: () => client.configSet('maxmemory', '0'),
        session: 200,
      },
      {
        fault: 'Redis a read-only replica',
        begin: () => client.sendCommand(['REPLICAOF', '127.0.0.1', dead]),
        end: () => client.sendCommand(['REPLICAOF', 'NO', 'ONE']),
        // Another may be the one to be written to by now, and to know what ended: this one is not even read from.
        session: 503,
      },
    ]
    for (const { fault, begin, end, session } of faults) {
      const page = await core.visitor().get('/.gatelodge/sign-in')
      t.equal(page.status, 200)
      await begin()
      const tried = () => signIn(core.visitor(), 'ann')
      const no = await quickest(3, () => tried().catch(() => undefined))
      t.equal(no.value?.status, 503, fault)
      t.equal(no.value?.headers['set-cookie']?.includes('gatelodge=') ?? false, false)
      await until(`sessions to be ${session}`, async () => (await asked(ann)).status === session, 30_000)
      t.equal((await asked(core.visitor(), '/public/x')).status, 200)
      await end()
      const back = await timed(() => until('a sign-in', async () => (await tried()).status === 303, 60_000))
      await until('the session', async () => (await asked(ann)).text === 'for ann', 60_000)
      tell(t, {
        fault,
        saw: `sign-in 503 with Retry-After; who is signed in ${session}; public pages 200; then as before`,
        answerMs: no.ms,
        promisedMs: 1000,
        recoverMs: back.ms,
      })
    }
  },
)

t.test('Redis is down at the start: the gateway says so and ends', { skip }, async (t) => {
  const home = await temporaryDirectory(t)
  const config = join(home, 'gatelodge.yaml')
  const [port, redis] = [await freePort(), await freePort()]
  await writeFile(
    config,
    `listen: 127.0.0.1:${port}\nsites: [{ upstream: "http://127.0.0.1:1" }]\nstore: { use: redis, url: "redis://127.0.0.1:${redis}" }\nsecrets: { key: "${testKey}" }\n`,
  )
  const ended = await timed(() => runGatelodge(['start', '--config', config]))
  t.equal(ended.value.code, 1, ended.value.stderr)
  t.match(`${ended.value.stdout}${ended.value.stderr}`, /Redis at 127\.0\.0\.1:\d+ cannot be reached/)
  tell(t, { fault: 'Redis down at the start', saw: 'the gateway ends with code 1 and says why', answerMs: ended.ms })
})

t.test('a name that may do too little at Redis is told to the operator, and not as to users', { skip }, async (t) => {
  const redis = await startRedis(t)
  const client = await control(t, redis.url)
  await client.sendCommand('ACL SETUSER poor on >secret ~* +@read +@write +@connection'.split(' '))
  const config = join(await temporaryDirectory(t), 'gatelodge.yaml')
  const url = redis.url.replace('//', '//poor:secret@')
  await writeFile(
    config,
    `listen: 127.0.0.1:${await freePort()}\nsites: [{ upstream: "http://127.0.0.1:1" }]\nstore: { use: redis, url: "${url}" }\nsecrets: { key: "${testKey}" }\n`,
  )
  const { code, stderr } = await runGatelodge(['start', '--config', config])
  t.equal(code, 1)
  t.equal(stderr.match(/NOPERM/g)?.length, 1, stderr)
  t.match(stderr, /^The store could not be asked: NOPERM .*evalsha/m)
  t.notMatch(stderr, /Signing in|secret/)
})
