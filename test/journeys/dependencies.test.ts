import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import t, { type Test } from 'tap'
import { freePort } from '../support/free-port.js'
import { application } from '../support/front-door.js'
import { type OpenHouse, signIn, startHouse } from '../support/house.js'
import { until } from '../support/poll.js'
import { skipWithoutRedis, startRedis } from '../support/redis-server.js'

t.setTimeout(180_000)

/** What the gateway needs and others run: said once when it is away, and once when it is back. */

/** What the audit has of this dependency, as `down, up`. */
async function audited({ core }: OpenHouse, name: string) {
  const all = await core.audit.since(0, 5000)
  const found = all.filter(({ event, details }) => event.startsWith('dependency.') && details?.['dependency'] === name)
  return found.map(({ event }) => event.replace('dependency.', '')).join(', ')
}

function logged({ lines }: OpenHouse, words: string) {
  return lines.filter(({ message }) => message.includes(words))
}

async function listenOn(t: Test, port: number, listener: RequestListener) {
  const server = createServer(listener)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
}

t.test('an application that is away is told of once, and that it is back', async (t) => {
  const port = await freePort()
  const gateway = await startHouse(t, {
    yaml: `sites: [{ host: localhost, path: /crm, upstream: "http://127.0.0.1:${port}", rules: [{ path: /**, access: public }] }]`,
  })
  const visitor = gateway.visitor()
  for (let time = 0; time < 6; time += 1) t.equal((await visitor.get('/crm/')).status, 502)
  await until('it to be in the audit', async () => (await audited(gateway, 'upstream localhost/crm')) === 'down')
  const [down] = logged(gateway, 'does not answer')
  t.match(down?.fields, { dependency: 'upstream localhost/crm', reason: /ECONNREFUSED/ })
  const failed = logged(gateway, 'request failed')
  t.equal(failed.length, 6)
  t.match(failed[0]?.fields, { code: 'upstream.unreachable', reason: /ECONNREFUSED/, err: undefined })

  await listenOn(t, port, (_request, response) => void response.end('back'))
  t.equal((await visitor.get('/crm/')).text, 'back')
  await until('that to be in the audit', async () => (await audited(gateway, 'upstream localhost/crm')) === 'down, up')
  t.equal(logged(gateway, 'answers again').length, 1)
  t.match(gateway.core.dependencies.all(), [
    { name: 'store', isUp: true },
    { name: 'upstream localhost/crm', isUp: true },
  ])
})

t.test('so is a directory of users', async (t) => {
  const port = await freePort()
  const app = await application(t)
  const gateway = await startHouse(t, {
    yaml: `sites: [{ upstream: "${app.url}" }]\nusers: { use: http, name: people, url: "http://127.0.0.1:${port}/check" }\n`,
  })
  for (let time = 0; time < 3; time += 1) t.equal((await signIn(gateway.visitor(), 'ann')).status, 503)
  await until('it to be in the audit', async () => (await audited(gateway, 'users people')) === 'down')
  await listenOn(t, port, (request, response) => {
    request.resume()
    response.setHeader('content-type', 'application/json')
    response.end('{"id":"1","username":"ann"}')
  })
  t.equal((await signIn(gateway.visitor(), 'ann')).status, 303)
  await until('that to be in the audit', async () => (await audited(gateway, 'users people')) === 'down, up')
})

const skip = skipWithoutRedis() && 'skipped: redis-server is not installed (apt-get install redis-server)'

t.test('so is the store, whose failure is written down when it is back', { skip }, async (t) => {
  const redis = await startRedis(t)
  t.teardown(() => redis.thaw())
  const app = await application(t)
  const gateway = await startHouse(t, {
    yaml: `sites: [{ upstream: "${app.url}" }]\nstore: { use: redis, url: "${redis.url}" }\n`,
  })
  await gateway.addUser('ann')
  const ann = gateway.visitor()
  t.equal((await signIn(ann, 'ann')).status, 303)
  await redis.freeze()
  await until('it to be told', async () => {
    await ann.get('/x')
    return logged(gateway, 'does not answer').length === 1
  })
  const failed = logged(gateway, 'request failed')
  t.match(failed.at(-1)?.fields, { code: 'store.unavailable', reason: /./, err: undefined })
  t.match(gateway.core.dependencies.all(), [{ name: 'store', isUp: false, reason: String }])
  redis.thaw()
  await until('that it is back to be told, though nobody asks', () => logged(gateway, 'answers again').length === 1)
  await until('both to be in the audit', async () => (await audited(gateway, 'store')) === 'down, up')
})
