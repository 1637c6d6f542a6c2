import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { codeAt } from '../support/authenticator-app.js'
import { housePassword, signIn, startHouse } from '../support/house.js'
import { formOf, type Visitor } from '../support/visitor.js'

t.setTimeout(120_000)

/** B11: some paths want a proof from the last minutes, and give it back to where it was wanted. */

const minute = 60_000

async function core(t: Test) {
  const server = createServer((_request, response) => response.end('the application'))
  const sockets = new WebSocketServer({ server })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    server.close()
  })
  const clock = { ms: 1_763_000_000_000 }
  const yaml = `
sites:
  - upstream: http://127.0.0.1:${(server.address() as AddressInfo).port}
    rules:
      - { path: /vault/**, access: second-factor, reauthenticate: 5m }
      - { path: /deals/**, access: password, reauthenticate: 5m }
`
  const gateway = await startHouse(t, { yaml, now: () => clock.ms })
  await gateway.addUser('ann')
  return { gateway, clock }
}

/** Follows where a visitor is led. */
async function follow(visitor: Visitor, location: string | undefined) {
  let answer = await visitor.get(location ?? '/')
  for (let step = 0; step < 5 && answer.location !== undefined; step += 1) answer = await visitor.get(answer.location)
  return answer
}

/** What a program of the page gets. */
const asProgram = (visitor: Visitor, path: string) =>
  visitor.send('GET', path, { headers: { accept: 'application/json', 'sec-fetch-mode': 'cors' } })

t.test('a code from the last five minutes opens, an older one is asked for again and leads back', async (t) => {
  const { gateway, clock } = await core(t)
  const ann = gateway.visitor()
  const page = await follow(ann, (await signIn(ann, 'ann', '/vault/box?a=1')).location)
  const key = (/<code class="key"[^>]*>([\s\S]*?)<\/code>/.exec(page.text)?.[1] ?? '').replace(/<[^>]*>|\s/g, '')
  const form = formOf(page.text)
  await ann.post(form.action ?? '', { ...form.fields, code: codeAt(key, clock.ms) })
  t.equal((await ann.get('/vault/box?a=1')).text, 'the application')

  clock.ms += 4 * minute
  t.equal((await ann.get('/vault/box?a=1')).status, 200)
  clock.ms += minute
  t.equal((await ann.get('/')).status, 200, 'only where it is asked for')
  const refused = await asProgram(ann, '/vault/box')
  t.equal(refused.status, 401)
  t.match(refused.headers, {
    'content-type': 'application/problem+json',
    'www-authenticate': 'Cookie realm="gatelodge", error="insufficient_user_authentication", max_age=300',
  })
  t.match(refused.json(), { code: 'sign-in.reauthentication-required', status: 401 })
  t.notMatch(refused.headers, { 'set-cookie': /./ })

  const led = await ann.get('/vault/box?a=1')
  t.equal(led.location, '/.gatelodge/verify?return=%2Fvault%2Fbox%3Fa%3D1')
  const before = new Map(ann.cookies)
  const wrong = await ann.fillIn(led.location ?? '', { code: '000000' })
  t.equal(wrong.status, 422)
  t.equal((await ann.get('/vault/box?a=1')).status, 302, 'a wrong code opens nothing')
  const done = await ann.fillIn(led.location ?? '', { code: codeAt(key, clock.ms) })
  t.equal(done.location, '/vault/box?a=1', 'back where it was wanted')
  t.equal((await ann.get('/vault/box?a=1')).text, 'the application')
  t.equal((await asProgram(ann, '/vault/box')).status, 200)
  const old = gateway.visitor()
  for (const [name, value] of before) old.cookies.set(name, value)
  t.equal((await asProgram(old, '/vault/box')).status, 401, 'the session from before has ended')
})

t.test('who has only a password gives that again', async (t) => {
  const { gateway, clock } = await core(t)
  const ann = gateway.visitor()
  t.equal((await signIn(ann, 'ann', '/deals/7')).location, '/deals/7')
  t.equal((await ann.get('/deals/7')).status, 200)
  clock.ms += 6 * minute
  t.match((await asProgram(ann, '/deals/7')).json(), { code: 'sign-in.reauthentication-required' })
  const led = await ann.get('/deals/7')
  const page = await follow(ann, led.location)
  const form = formOf(page.text, '/sign-in')
  const done = await ann.post(form.action ?? '', { ...form.fields, username: 'ann', password: housePassword })
  t.equal(done.location, '/deals/7')
  t.equal((await ann.get('/deals/7')).text, 'the application')
})

t.test('a WebSocket there is opened with a fresh proof only', async (t) => {
  const { gateway, clock } = await core(t)
  const ann = gateway.visitor()
  await signIn(ann, 'ann', '/deals/7')
  const cookie = [...ann.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const socket = () => {
    const made = new WebSocket(`ws://localhost:${gateway.port}/deals/live`, { headers: { cookie } })
    made.on('error', () => {})
    t.teardown(() => made.terminate())
    return made
  }
  const fresh = socket()
  await once(fresh, 'open')
  fresh.terminate()
  clock.ms += 6 * minute
  const [, response] = await once(socket(), 'unexpected-response')
  t.equal(response.statusCode, 401)
  response.resume()
})
