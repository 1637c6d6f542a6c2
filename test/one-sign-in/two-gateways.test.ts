import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { type Application, application } from '../support/front-door.js'
import { startHouse } from '../support/house.js'
import { skipWithoutRedis, startRedis } from '../support/redis-server.js'
import { Roamer } from '../support/roamer.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { formOf } from '../support/visitor.js'
import { addWithApp, crm, portal, proveAt, signInAt, wiki } from './lodges.js'

t.setTimeout(180_000)

const open = '[{ path: "/**", access: password }]'

/** Two gateways over one Redis, and one browser that reaches whichever it is told to. */
async function twoLodges(t: Test, rules: string) {
  const redis = await startRedis(t)
  const app = await application(t)
  const key = join(await temporaryDirectory(t), 'data.key')
  await writeFile(key, Buffer.alloc(32, 7).toString('base64'), { mode: 0o600 })
  const yaml = `
listen: 127.0.0.1:0
publicUrl: ${portal}
sites:
  - { host: crm.localhost, upstream: "${app.url}", rules: ${rules} }
  - { host: wiki.other.test, upstream: "${app.url}", rules: ${rules} }
  - { host: shop.third.example, upstream: "${app.url}", rules: ${rules} }
store: { use: redis, url: "${redis.url}" }
secrets: { key: "\${file:${key}}" }
`
  const one = await startHouse(t, { yaml })
  const other = await startHouse(t, { yaml })
  const { codeAt } = await addWithApp(one, 'ana')
  return { one, other, app, codeAt }
}

/** What a browser keeps, taken along to where it meets the other gateway. */
function sameBrowser(from: Roamer, to: Roamer): void {
  for (const host of ['login.localhost', 'crm.localhost', 'wiki.other.test', 'shop.third.example']) {
    const { cookies } = to.at(host)
    cookies.clear()
    for (const [name, value] of from.at(host).cookies) cookies.set(name, value)
  }
}

t.test('a ticket that is brought to two gateways at once is used once', { skip: skipWithoutRedis() }, async (t) => {
  const { one, other } = await twoLodges(t, open)
  const browser = new Roamer(t, one.port)
  const { next } = await signInAt(browser, `${crm}/x`)
  await browser.follow(next)
  for (let round = 0; round < 20; round += 1) {
    // A site this browser has no branch at: the way is taken up to the ticket.
    browser.at('wiki.other.test').cookies.clear()
    const { headers } = await browser.get(`${wiki}/page`)
    const issued = await browser.get(String(headers['location']))
    const arrive = String(issued.headers['location'])
    t.match(arrive, /^http:\/\/wiki\.other\.test\/\.gatelodge\/arrive\?ticket=/)
    const twin = new Roamer(t, other.port)
    sameBrowser(browser, twin)
    const answers = await Promise.all([browser.get(arrive), twin.get(arrive)])
    const goods = answers.filter(({ status, location }) => status === 303 && location === '/page')
    const branches = [browser, twin].filter((each) => each.at('wiki.other.test').cookies.has('gatelodge'))
    t.same([goods.length, branches.length], [1, 1], `round ${round}: ${answers.map(({ status }) => status)}`)
  }
})

t.test(
  'a branch that was made at one gateway opens at the other, and ends there as well',
  { skip: skipWithoutRedis() },
  async (t) => {
    const { one, other } = await twoLodges(t, open)
    const browser = new Roamer(t, one.port)
    await browser.follow((await signInAt(browser, `${crm}/x`)).next)
    await browser.follow(`${wiki}/page`)
    const twin = new Roamer(t, other.port)
    sameBrowser(browser, twin)
    t.equal((await twin.get(`${crm}/x`)).text, 'GET /x', 'the other gateway knows it')
    t.equal((await twin.get(`${wiki}/page`)).text, 'GET /page')
    t.equal((await browser.get(`${wiki}/page`)).text, 'GET /page', 'and both have looked it up before it ends')

    const page = `${portal}/.gatelodge/sign-out`
    const { fields } = formOf((await twin.get(page)).text, '/sign-out')
    t.equal((await twin.post(page, fields)).status, 303)
    sameBrowser(browser, twin)
    for (const each of [browser, twin]) {
      for (const address of [`${crm}/x`, `${wiki}/page`]) {
        t.equal((await each.get(address)).status, 302, `${address} asks again`)
      }
      t.equal((await each.get(`${portal}/.gatelodge/account`)).status, 303)
    }
  },
)

const hosts = ['crm.localhost', 'wiki.other.test', 'shop.third.example'] as const

/** A WebSocket and an event stream at a host of one gateway, as this browser opens them. */
async function hold(browser: Roamer, port: number, host: string) {
  const cookie = `gatelodge=${browser.at(host).cookies.get('gatelodge')}`
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, { headers: { host, origin: `http://${host}`, cookie } })
  await once(socket, 'open')
  const asked = get({ host: '127.0.0.1', port, path: '/stream', headers: { host, cookie } })
  const [stream] = await once(asked, 'response')
  await once(stream, 'data')
  let open = 2
  const ends = [once(socket, 'close'), new Promise((resolve) => stream.once('close', resolve))]
  const times = ends.map((end) => end.then(() => (open -= 1)).then(() => Date.now()))
  return { socket, open: () => open, ended: Promise.all(times) }
}

/** Sockets that answer, and streams that stay open. */
function answerForEver(t: Test, app: Application): void {
  const sockets = new WebSocketServer({ server: app.server })
  sockets.on('connection', (socket) => socket.on('message', (message) => socket.send(`${message} back`)))
  const [plain] = app.server.listeners('request')
  app.server.removeAllListeners('request')
  app.server.on('request', (request, response) => {
    if (request.url !== '/stream') return plain?.(request, response)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: here\n\n')
  })
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    app.server.closeAllConnections()
  })
}

t.test(
  'signing out at the second host ends what is open at all three, at both gateways, within two seconds',
  { skip: skipWithoutRedis() },
  async (t) => {
    const { one, other, app } = await twoLodges(t, open)
    answerForEver(t, app)
    const browser = new Roamer(t, one.port)
    await browser.follow((await signInAt(browser, `${crm}/x`)).next)
    for (const host of hosts) await browser.follow(`http://${host}/x`)
    const held = []
    for (const { port } of [one, other]) for (const host of hosts) held.push(await hold(browser, port, host))

    // The application's page at the second host leads to the sign-out, which takes place at the other gateway.
    const twin = new Roamer(t, other.port)
    sameBrowser(browser, twin)
    const { answer, way } = await twin.follow(`${wiki}/.gatelodge/sign-out`)
    const { action = '', fields } = formOf(answer.text, '/sign-out')
    t.same(
      held.map((each) => each.open()),
      [2, 2, 2, 2, 2, 2],
    )
    const pressed = Date.now()
    t.equal((await twin.post(new URL(action, way.at(-1)).href, fields)).status, 303)
    for (const [index, each] of held.entries()) {
      const waits = (await each.ended).map((at) => at - pressed)
      const where = `${hosts[index % 3]} at the ${index < 3 ? 'first' : 'second'} gateway`
      t.ok(
        waits.every((ms) => ms < 2000),
        `${where}: after ${waits.join(' and ')} ms`,
      )
    }
  },
)

t.test(
  'a second factor at one gateway leaves open what the other holds of other hosts, and counts there',
  { skip: skipWithoutRedis() },
  async (t) => {
    const rules = '[{ path: "/vault/**", access: second-factor }, { path: "/**", access: password }]'
    const { one, other, app, codeAt } = await twoLodges(t, rules)
    answerForEver(t, app)
    const browser = new Roamer(t, one.port)
    await browser.follow((await signInAt(browser, `${crm}/x`)).next)
    for (const host of hosts) await browser.follow(`http://${host}/x`)
    const held = []
    for (const { port } of [one, other]) for (const host of hosts.slice(1)) held.push(await hold(browser, port, host))
    const twin = new Roamer(t, other.port)
    sameBrowser(browser, twin)
    t.equal((await twin.get(`${wiki}/vault/a`)).status, 302)

    t.equal((await proveAt(browser, `${crm}/vault/a`, codeAt(Date.now()))).answer.text, 'GET /vault/a')
    t.equal((await twin.get(`${wiki}/vault/a`)).text, 'GET /vault/a', 'the other gateway knows what was proven')
    for (const { socket } of held) {
      socket.send('still')
      t.equal(String((await once(socket, 'message'))[0]), 'still back')
    }
    t.same(
      held.map((each) => each.open()),
      [2, 2, 2, 2],
    )
    sameBrowser(browser, twin)
    const page = `${portal}/.gatelodge/sign-out`
    const { fields } = formOf((await twin.get(page)).text, '/sign-out')
    const pressed = Date.now()
    await twin.post(page, fields)
    for (const each of held) {
      const waits = (await each.ended).map((at) => at - pressed)
      t.ok(
        waits.every((ms) => ms < 2000),
        `after ${waits.join(' and ')} ms`,
      )
    }
  },
)
