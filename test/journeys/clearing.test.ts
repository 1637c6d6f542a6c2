import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { type Actor, Refusal } from '../../src/operations/operation.js'
import { clearSessions } from '../../src/operations/sessions.js'
import { type OpenHouse, signIn, startHouse } from '../support/house.js'
import { until } from '../support/poll.js'
import { Visitor } from '../support/visitor.js'

t.setTimeout(240_000)

/** Clearing sessions of many reaches what is open: WebSockets and event streams end, and those of others go on. */

const shell: Actor = { door: 'command-line', role: 'owner', isFresh: true }

/** Answers WebSockets with what they say, and any request with a stream that never ends. */
async function application(t: Test): Promise<string> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: begun\n\n')
  })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => {
    socket.on('message', (data) => socket.send(String(data)))
    socket.on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const yaml = (upstream: string) => `
publicUrl: http://localhost:8080
signIn: { at: each-host }
sites:
  - { host: localhost, upstream: "${upstream}", rules: [{ path: /api/**, access: password, clients: api }] }
  - { host: 127.0.0.1, upstream: "${upstream}" }
`

/** A WebSocket and an event stream of one visitor. */
interface Opened {
  /** Whether both have ended. */
  hasEnded(): boolean
  /** A message goes there and comes back, and the stream goes on. */
  isAlive(): Promise<boolean>
}

async function open(t: Test, port: number, headers: Record<string, string>, path: string): Promise<Opened> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers })
  t.teardown(() => socket.terminate())
  await once(socket, 'open')
  const request = httpRequest({ host: '127.0.0.1', port, path, headers }).end()
  t.teardown(() => request.destroy())
  request.on('error', () => undefined)
  const [answer] = (await once(request, 'response')) as [IncomingMessage]
  let isOver = false
  answer.on('error', () => undefined)
  answer.on('close', () => {
    isOver = true
  })
  await once(answer, 'data')
  return {
    hasEnded: () => isOver && socket.readyState === WebSocket.CLOSED,
    isAlive: async () => {
      if (isOver || socket.readyState !== WebSocket.OPEN) return false
      socket.send('still here')
      const [said] = await once(socket, 'message')
      return String(said) === 'still here' && !isOver
    },
  }
}

/** Signs in on a site of this gateway, and opens both there. */
async function enter(t: Test, core: OpenHouse, username: string, { host = 'localhost', from = '127.0.0.1' } = {}) {
  const visitor = new Visitor(t, `http://${host}:${core.port}`, from)
  const { status } = await signIn(visitor, username)
  if (status !== 303) throw new Error(`${username} was not let in: ${status}`)
  const cookie = [...visitor.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  return open(t, core.port, { cookie, host: `${host}:${core.port}`, origin: `http://${host}:${core.port}` }, '/')
}

t.test('by user, group, site, network and age, and all of them', async (t) => {
  let ahead = 0
  const core = await startHouse(t, { yaml: yaml(await application(t)), now: () => Date.now() + ahead })
  await core.addUser('ann', { groups: ['staff'] })
  await core.addUser('bob')
  const clear = async (input: object) => {
    const cleared = await core.core.desk.run(clearSessions, input, shell)
    if (cleared instanceof Refusal) throw new Error(cleared.sentence)
  }
  const turns: ReadonlyArray<readonly [what: string, input: object, hers?: { host?: string; from?: string }]> = [
    ['user', { user: 'ann' }],
    ['group', { group: 'staff' }],
    ['site', { site: '127.0.0.1' }, { host: '127.0.0.1' }],
    ['network', { network: '127.0.0.2/32' }, { from: '127.0.0.2' }],
    ['age', { olderThanDays: 2 }],
  ]
  let bobs = await enter(t, core, 'bob')
  for (const [what, input, hers] of turns) {
    const anns = await enter(t, core, 'ann', hers)
    t.ok(await anns.isAlive(), `${what}: before`)
    if (what === 'age') {
      ahead += 3 * 24 * 60 * 60_000
      bobs = await enter(t, core, 'bob')
    }
    await clear(input)
    await until(`what is open to end, by ${what}`, () => anns.hasEnded())
    t.ok(await bobs.isAlive(), `${what}: of others goes on`)
    ahead += 1
  }
  await clear({ all: true })
  await until('everything to end', () => bobs.hasEnded())
})

t.test('tokens and remembered devices have boxes of their own', async (t) => {
  const core = await startHouse(t, { yaml: yaml(await application(t)) })
  const { identity, directory } = core.core
  const job = await core.addUser('job', { role: 'api' })
  const ann = await core.addUser('ann')
  const issued = await identity.tokens.issue({ accountId: job, name: 'feed' }, 'test')
  const headers = { authorization: `Bearer ${issued?.secret}`, host: `localhost:${core.port}` }
  const feed = await open(t, core.port, headers, '/api/feed')
  const opened = await enter(t, core, 'ann')
  const [user] = await directory.find({ username: 'ann' })
  const account = await identity.accounts.find(ann)
  if (user === undefined || account === undefined) throw new Error('ann is nobody')
  const client = { address: '127.0.0.1', network: '127.0.0.1', userAgent: 'test', requestId: '' }
  const remember = async () => {
    const { session } = await identity.sessions.open({
      user,
      generation: account.generation,
      installation: await identity.installation.generation(),
      passwordAt: Date.now(),
      secondFactorAt: Date.now(),
      via: ['password', 'totp'],
      client,
    })
    return identity.devices.remember(session, client)
  }
  const device = await remember()
  t.ok(await identity.devices.find(device))
  const clear = (input: object) => core.core.desk.run(clearSessions, { all: true, ...input }, shell)
  await clear({})
  await until('the session’s to end', () => opened.hasEnded())
  t.ok(await feed.isAlive(), 'a program goes on')
  t.ok(await identity.devices.find(device), 'a browser is remembered')
  await clear({ devices: true })
  t.equal(await identity.devices.find(device), undefined)
  t.ok(await feed.isAlive())
  await clear({ tokens: true })
  await until('the program’s to end', () => feed.hasEnded())
})
