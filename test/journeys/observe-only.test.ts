import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { check } from '../../src/cli/commands/check.js'
import { loadConfig } from '../../src/config/load-config.js'
import { startGateway } from '../../src/runtime/start.js'
import { type OpenHouse, signIn, startHouse } from '../support/house.js'
import { rawExchange } from '../support/raw-socket.js'
import type { Visitor } from '../support/visitor.js'

t.setTimeout(120_000)

/** B10: what would be stopped is written down before anything is; and what is stopped is written down without a flood. */

async function application(t: Test) {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    response.end('the application')
  })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket, request) => {
    requests.push(request)
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}

const sites = (upstream: string, enforce: boolean) => `
sites:
  - host: localhost
    upstream: ${upstream}
    enforce: ${enforce}
    identity: remote-user
    rules:
      - { path: /open/**, access: public }
      - { path: /closed/**, access: deny }
      - { path: /office/**, access: second-factor }
      - { path: /staff/**, access: password, groups: [staff] }
`

/** What the audit has of one kind, the newest last. */
async function audited(gateway: OpenHouse, event: string) {
  await gateway.core.refusals.settled()
  return (await gateway.core.audit.since(0, 5000)).filter((record) => record.event === event)
}

t.test('a site that is only observed lets everything through, in the name of those alone who would pass', async (t) => {
  const app = await application(t)
  const gateway = await startHouse(t, { yaml: sites(app.url, false) })
  await gateway.addUser('ann')
  const last = () => app.requests.at(-1)?.headers ?? {}

  const stranger = gateway.visitor()
  const forged = { 'remote-user': 'root', x_remote_user: 'root', 'x-forwarded-for': '10.0.0.1' }
  t.equal((await stranger.get('/desk?a=1', { headers: forged })).text, 'the application')
  t.notHas(last(), { 'remote-user': /./ })
  t.not(last()['x-forwarded-for'], '10.0.0.1')
  t.equal((await stranger.get('/closed/x')).text, 'the application')
  t.notHas(last(), { 'remote-user': /./ })

  const ann = gateway.visitor()
  await signIn(ann, 'ann')
  t.equal((await ann.get('/desk')).text, 'the application')
  t.match(last(), { 'remote-user': 'ann' })
  t.equal(last()['cookie'], undefined, 'our cookies stay here')
  t.equal((await ann.get('/office/x')).text, 'the application')
  t.notHas(last(), { 'remote-user': /./ }, 'the password is not enough there, so nobody is named')
  t.equal((await ann.get('/open/x')).text, 'the application')

  const host = `Host: localhost:${gateway.port}\r\nConnection: close\r\n\r\n`
  t.match((await rawExchange(t, gateway.port, `GET //closed/x HTTP/1.1\r\n${host}`)).text, /^HTTP\/1\.1 400/)
  t.match((await rawExchange(t, gateway.port, 'GET / HTTP/1.1\r\nHost: elsewhere\r\n\r\n')).text, /^HTTP\/1\.1 404/)

  const denied = await audited(gateway, 'access.denied')
  t.match(
    denied.map(({ outcome, username, details }) => ({ outcome, username, details })),
    [
      { outcome: 'success', details: { enforced: false, outcome: 'sign-in', row: 12, site: 'localhost/' } },
      { outcome: 'success', details: { enforced: false, outcome: 'deny', row: 2, rule: { path: '/closed/**' } } },
      { outcome: 'success', username: 'ann', details: { enforced: false, outcome: 'enrol', row: 4 } },
    ],
  )
  t.notMatch(JSON.stringify(denied), /desk|a=1/, 'nothing of the address but the pattern of the rule')
  t.match(gateway.core.refusals.counts(), [
    { site: 'localhost/', outcome: 'sign-in', enforced: false, count: 1 },
    { site: 'localhost/', outcome: 'deny', enforced: false, count: 1 },
    { site: 'localhost/', outcome: 'enrol', enforced: false, count: 1 },
  ])
  const warned = gateway.lines.filter(
    ({ level, message }) => level === 'warn' && message.startsWith('would be refused'),
  )
  t.equal(warned.length, 3)
})

t.test('WebSockets of a site that is only observed pass as well, and nobody is named who would not', async (t) => {
  const app = await application(t)
  const gateway = await startHouse(t, { yaml: sites(app.url, false) })
  await gateway.addUser('ann')
  const ann = gateway.visitor()
  await signIn(ann, 'ann')
  const cookie = [...ann.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const connect = async (path: string, headers: Record<string, string>) => {
    const socket = new WebSocket(`ws://localhost:${gateway.port}${path}`, { headers })
    t.teardown(() => socket.terminate())
    await once(socket, 'open')
    return app.requests.at(-1)?.headers['remote-user']
  }
  t.equal(await connect('/desk', { 'remote-user': 'root' }), undefined)
  t.equal(await connect('/desk', { cookie }), 'ann')
  t.equal(await connect('/staff/x', { cookie }), undefined)
  t.equal(await connect('/desk', { cookie, origin: 'https://elsewhere.example' }), undefined)
  t.match(
    (await audited(gateway, 'access.denied')).map(({ username, details }) => ({ username, details })),
    [
      { details: { outcome: 'sign-in', enforced: false } },
      { username: 'ann', details: { outcome: 'deny', row: 7 } },
      { username: 'ann', details: { outcome: 'deny', row: 12 } },
    ],
  )
})

t.test('where another proxy asks, it passes as well, in the name of those alone who would pass', async (t) => {
  const gateway = await startHouse(t, { yaml: `trustedProxies: ["127.0.0.1", "::1"]${sites('none', false)}` })
  await gateway.addUser('ann')
  const ann = gateway.visitor()
  await signIn(ann, 'ann')
  const ask = async (visitor: Visitor, uri: string, more: Record<string, string> = {}) => {
    const { status, headers } = await visitor.send('GET', '/.gatelodge/forward-auth', {
      headers: {
        'x-forwarded-method': 'GET',
        'x-forwarded-proto': 'http',
        'x-forwarded-host': 'localhost',
        'x-forwarded-uri': uri,
        'x-forwarded-for': '203.0.113.9',
        ...more,
      },
    })
    return [status, headers['remote-user']]
  }
  const stranger = gateway.visitor()
  t.same(await ask(stranger, '/open/x'), [200, ''])
  t.same(await ask(stranger, '/desk', { 'remote-user': 'root' }), [200, ''])
  t.same(await ask(stranger, '/closed/x'), [200, ''])
  t.same(await ask(ann, '/desk'), [200, 'ann'])
  t.same(await ask(ann, '/office/x'), [200, ''], 'the password is not enough there, so nobody is named')
  const handshake = { 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==', origin: 'https://elsewhere.example' }
  t.same(await ask(ann, '/desk', handshake), [200, ''], 'nor for a WebSocket of another site')
  t.same(await ask(stranger, '/x', { 'x-forwarded-host': 'elsewhere' }), [404, undefined])

  t.match(
    (await audited(gateway, 'access.denied')).map(({ outcome, username, address, details }) => {
      return { outcome, username, address, details }
    }),
    [
      { outcome: 'success', address: '203.0.113.9', details: { enforced: false, outcome: 'sign-in', row: 12 } },
      { outcome: 'success', details: { enforced: false, outcome: 'deny', row: 2, rule: { path: '/closed/**' } } },
      { outcome: 'success', username: 'ann', details: { enforced: false, outcome: 'enrol', row: 4 } },
      { outcome: 'success', username: 'ann', details: { enforced: false, outcome: 'deny', row: 12 } },
    ],
  )
})

t.test('check and start say loudly which sites are not enforced', async (t) => {
  const file = join(
    t.testdir({ 'gatelodge.yaml': `listen: 127.0.0.1:0${sites('http://127.0.0.1:1', false)}` }),
    'gatelodge.yaml',
  )
  let said = ''
  const write = (text: string) => {
    said += text
  }
  const terminal = { env: {}, stdout: { write }, stderr: { write } }
  t.equal(await check({ config: file }, terminal), 0)
  t.match(said, `WARNING ${file}:3  NOT ENFORCED: the site of localhost lets every request through`)
  said = ''
  t.equal(await check({ config: file, json: true }, terminal), 0)
  t.match(JSON.parse(said), { ok: true, warnings: [/NOT ENFORCED/] })

  const loaded = loadConfig(file, {})
  if (!('config' in loaded)) throw new Error(JSON.stringify(loaded.problems))
  const warnings: string[] = []
  const quiet = () => {}
  const warn = (_fields: object, message: string) => void warnings.push(message)
  const running = await startGateway(loaded.config, { debug: quiet, info: quiet, warn, error: quiet })
  t.teardown(() => running.close())
  t.match(warnings, [/^line 3 {2}NOT ENFORCED/])
})

t.test('a flood of refusals is a few entries with numbers, and what is allowed writes nothing', async (t) => {
  const app = await application(t)
  const gateway = await startHouse(t, { yaml: sites(app.url, true) })
  await gateway.addUser('ann')
  const ann = gateway.visitor()
  await signIn(ann, 'ann')
  const before = (await gateway.core.audit.since(0, 5000)).length
  for (let index = 0; index < 20; index += 1) t.equal((await ann.get('/desk')).status, 200)
  await gateway.core.refusals.settled()
  t.equal((await gateway.core.audit.since(0, 5000)).length, before, 'allowed: not a word')

  const stranger = gateway.visitor()
  for (let index = 0; index < 30; index += 1) t.equal((await ann.get(`/staff/${index}`)).status, 403)
  for (let index = 0; index < 30; index += 1) t.equal((await stranger.get(`/closed/${index}`)).status, 403)
  for (let index = 0; index < 30; index += 1) t.equal((await stranger.get('/desk')).status, 302)
  const at = await audited(gateway, 'access.denied')
  t.match(at, [{ username: 'ann', method: 'GET', address: '127.0.0.1' }, { details: { row: 2, enforced: true } }])
  t.equal(at.length, 2, 'the first of each kind at once; to be asked to sign in is no event')
  gateway.core.refusals.flush()
  const all = await audited(gateway, 'access.denied')
  t.same(
    all.map(({ username, details }) => [username, details?.['count']]),
    [
      ['ann', undefined],
      [undefined, undefined],
      ['ann', 29],
      [undefined, 29],
    ],
  )
  gateway.core.refusals.flush()
  t.equal((await audited(gateway, 'access.denied')).length, 4, 'nothing new, nothing written')
})

t.test('many kinds of refusals, as from many networks, are bounded as well', async (t) => {
  const app = await application(t)
  const gateway = await startHouse(t, { yaml: `trustedProxies: ["127.0.0.1", "::1"]${sites(app.url, true)}` })
  const { refusals } = gateway.core
  const one = {
    requestId: 'r',
    userAgent: '',
    method: 'GET',
    site: 'localhost/',
    outcome: 'deny',
    row: 2,
    reason: 'nobody passes',
    enforced: true,
  }
  for (let index = 0; index < 5000; index += 1) {
    const address = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`
    refusals.note({ ...one, requestId: `r${index}`, address, network: address })
  }
  t.equal((await audited(gateway, 'access.denied')).length, 100)
  refusals.flush()
  const all = await audited(gateway, 'access.denied')
  t.equal(all.length, 201)
  const numbers = all.map(({ details }) => Number(details?.['count'] ?? 1))
  t.equal(
    numbers.reduce((sum, number) => sum + number, 0),
    5000,
    'none is lost in the numbers',
  )
  t.match(await refusals.find('r7'), { address: '10.0.0.7', outcome: 'deny', row: 2 })
  t.equal(await refusals.find('r4000'), undefined)
})

t.test('what is no request is in the audit, and in numbers when there is much of it', async (t) => {
  const app = await application(t)
  const gateway = await startHouse(t, { yaml: sites(app.url, true) })
  const host = `Host: localhost:${gateway.port}\r\n\r\n`
  for (let index = 0; index < 3; index += 1) {
    await rawExchange(t, gateway.port, `GET //x?secret=${index} HTTP/1.1\r\n${host}`)
    await rawExchange(t, gateway.port, 'NOT A REQUEST\r\n\r\n')
  }
  gateway.core.refusals.flush()
  const all = await audited(gateway, 'request.malformed')
  t.same(
    all.map(({ reason, outcome, address, details }) => [reason, outcome, address, details?.['count']]),
    [
      ['request.empty-segment', 'refused', '127.0.0.1', undefined],
      ['request.malformed', 'refused', '127.0.0.1', undefined],
      ['request.empty-segment', 'refused', '127.0.0.1', 2],
      ['request.malformed', 'refused', '127.0.0.1', 2],
    ],
  )
  t.notMatch(JSON.stringify(all), /secret/)
})
