import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startDemoApplication } from '../../demo/application.js'
import { startGateway } from '../support/gateway.js'
import { skipWithoutRedis, startRedis } from '../support/redis-server.js'
import { Visitor } from '../support/visitor.js'

t.setTimeout(300_000)

/** What an operator does before a bad day, and on it. */

const password = 'correct horse 7 battery'

t.test('a backup is made while people work, and takes back everything but what was ended', async (t) => {
  const application = await startDemoApplication()
  t.teardown(() => application.close())
  const gateway = await startGateway(t, {
    yaml: `publicUrl: "http://localhost:\${GATEWAY_PORT}"\nsites: [{ upstream: "${application.url}" }]\n`,
  })
  const add = (name: string) => gateway.run(['user', 'add', name, '--password-stdin'], `${password}\n`)
  const names = async () => {
    const { stdout } = await gateway.run(['user', 'list', '--json'])
    return (JSON.parse(stdout) as Array<{ username: string }>).map(({ username }) => username)
  }
  const signIn = async (visitor: Visitor, username: string) =>
    (await visitor.fillIn('/.gatelodge/sign-in', { username, password })).status
  await add('ana')
  const ana = new Visitor(t, gateway.url)
  t.equal(await signIn(ana, 'ana'), 303)
  t.equal((await ana.get('/')).status, 200)

  const file = join(gateway.directory, 'backup')
  const made = await gateway.run(['backup', file])
  t.equal(made.code, 0, made.stderr)
  t.match(made.stdout, /sealed with the key/)
  t.equal((await stat(file)).mode & 0o777, 0o600)
  const again = await gateway.run(['backup', file])
  t.equal(again.code, 1)
  t.match(again.stderr, /already/)
  t.equal((await ana.get('/')).status, 200, 'a backup ends nothing')

  await gateway.run(['sessions', 'end', 'ana'])
  await add('bob')
  const bob = new Visitor(t, gateway.url)
  t.equal(await signIn(bob, 'bob'), 303)

  const damaged = join(gateway.directory, 'damaged')
  await writeFile(damaged, (await readFile(file)).subarray(0, -20))
  const refused = await gateway.run(['restore', damaged, '--yes'])
  t.equal(refused.code, 1)
  t.match(refused.stderr, /not a whole backup/)
  t.same(await names(), ['ana', 'bob'])
  t.equal((await bob.get('/')).status, 200, 'nothing is lost')

  const unsure = await gateway.run(['restore', file])
  t.equal(unsure.code, 2, 'a script has to say that it means it')
  t.same(await names(), ['ana', 'bob'])

  const restored = await gateway.run(['restore', file, '--yes'])
  t.equal(restored.code, 0, restored.stderr)
  t.same(await names(), ['ana'])
  t.equal((await ana.get('/')).status, 302, 'a session that was ended since opens nothing')
  t.equal((await bob.get('/')).status, 302)
  t.equal(await signIn(new Visitor(t, gateway.url), 'ana'), 303)
  t.equal(await signIn(new Visitor(t, gateway.url), 'bob'), 422)
})

t.test('everything moves to another store and back', { skip: skipWithoutRedis() }, async (t) => {
  const application = await startDemoApplication()
  t.teardown(() => application.close())
  const redis = await startRedis(t)
  const site = `publicUrl: "http://localhost:\${GATEWAY_PORT}"\nsites: [{ upstream: "${application.url}" }]\n`
  const gateway = await startGateway(t, { yaml: site })
  await gateway.run(['user', 'add', 'ana', '--password-stdin'], `${password}\n`)
  const ana = new Visitor(t, gateway.url)
  await ana.fillIn('/.gatelodge/sign-in', { username: 'ana', password })
  t.equal((await ana.get('/')).status, 200)
  await gateway.stop()

  const listen = `listen: 127.0.0.1:${gateway.port}\n`
  const stores = {
    redis: `store: { use: redis, url: "${redis.url}" }\nsecrets: { key: "\${file:./data.key}" }`,
    elsewhere: 'store: { use: embedded, path: ./elsewhere }',
  }
  let from = gateway.configFile
  for (const [name, store] of Object.entries(stores)) {
    const to = join(gateway.directory, `${name}.yaml`)
    await writeFile(to, `${listen}${site}${store}\n`)
    const moved = await gateway.run(['migrate-store', '--to', to, '--config', from])
    t.equal(moved.code, 0, moved.stderr)
    const twice = await gateway.run(['migrate-store', '--to', to, '--config', from])
    t.equal(twice.code, 1)
    t.match(twice.stderr, /not empty/)
    from = to
  }
  await writeFile(gateway.configFile, await readFile(from, 'utf8'))
  await gateway.start()
  t.equal((await ana.get('/')).status, 200, 'who was signed in still is')
  const fresh = await new Visitor(t, gateway.url).fillIn('/.gatelodge/sign-in', { username: 'ana', password })
  t.equal(fresh.status, 303)
})
