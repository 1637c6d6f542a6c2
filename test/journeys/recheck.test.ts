import { once } from 'node:events'
import { rename, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import bcrypt from 'bcryptjs'
import { Attribute, Change, Client } from 'ldapts'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { Clock } from '../support/core.js'
import { housePassword, type OpenHouse, signIn, startHouse } from '../support/house.js'
import { until } from '../support/poll.js'
import { skipWithoutRedis, startRedis } from '../support/redis-server.js'
import { BASE, READER, ROOT, skipWithoutSlapd, startSlapd } from '../support/slapd.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import type { Visitor } from '../support/visitor.js'

/**
 * Fault: somebody is taken out of the company's directory in the morning, and the session of a browser that stands open lets
 * them in for another three months, with the groups they had at the sign-in.
 */

t.setTimeout(300_000)

const MINUTE = 60
const DAY = 24 * 60 * MINUTE

interface Application {
  readonly url: string
  readonly asked: IncomingMessage['headers'][]
}

/** Says who it was told is there. */
async function startApplication(t: Test): Promise<Application> {
  const asked: IncomingMessage['headers'][] = []
  const server = createServer(({ headers }, response) => {
    asked.push(headers)
    response.end(JSON.stringify([headers['remote-user'], headers['remote-groups']]))
  }).listen(0, '127.0.0.1')
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => socket.on('error', () => {}))
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

interface Setting {
  readonly clock: Clock
  readonly application: Application
  open(more?: string): Promise<OpenHouse>
}

/** Gateways over one store, of which each has the clock of the test. */
async function openSetting(t: Test, users: string, store?: string): Promise<Setting> {
  const clock = new Clock()
  const application = await startApplication(t)
  const yaml = `
sites:
  - upstream: ${application.url}
    identity: remote-user
    rules:
      - { path: /api/**, access: password, clients: api }
      - { path: /board/**, access: signed-in, groups: [board] }
users: ${users}
${store ?? ''}
`
  return { clock, application, open: () => startHouse(t, { yaml, now: clock.now }) }
}

/** One file of names and one of groups, each put in the place of the old one as careful programs do. */
async function openFiles(t: Test) {
  const directory = await temporaryDirectory(t)
  const hash = await bcrypt.hash(housePassword, 4)
  const put = async (name: string, content: string) => {
    await writeFile(join(directory, `${name}.new`), content)
    await rename(join(directory, `${name}.new`), join(directory, name))
  }
  const users = (...names: string[]) => put('users', names.map((name) => `${name}:${hash}\n`).join(''))
  const groups = (lines: string) => put('groups', lines)
  await users('ann', 'bob')
  await groups('staff: ann bob\n')
  const reference = `{ use: htpasswd, file: "${join(directory, 'users')}", groups: "${join(directory, 'groups')}" }`
  return { users, groups, reference, away: () => rename(join(directory, 'users'), join(directory, 'gone')) }
}

async function signedIn(core: OpenHouse, username: string): Promise<Visitor> {
  const visitor = core.visitor()
  const answer = await signIn(visitor, username)
  if (answer.status !== 303) throw new Error(`the sign-in of ${username} got ${answer.status}`)
  return visitor
}

/** A browser with the session of another, at another gateway. */
function elsewhere(core: OpenHouse, visitor: Visitor): Visitor {
  const other = core.visitor()
  for (const [name, value] of visitor.cookies) other.cookies.set(name, value)
  return other
}

async function seen(visitor: Visitor, path = '/'): Promise<string> {
  const { status, text } = await visitor.get(path)
  return status === 200 ? text : String(status)
}

async function openSocket(t: Test, { port }: OpenHouse, visitor: Visitor, path: string): Promise<WebSocket> {
  const cookie = [...visitor.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const socket = new WebSocket(`ws://localhost:${port}${path}`, {
    headers: { cookie, origin: `http://localhost:${port}` },
  })
  t.teardown(() => socket.terminate())
  socket.on('error', () => {})
  await once(socket, 'open')
  return socket
}

const staff = JSON.stringify(['ann', 'staff'])
const board = JSON.stringify(['ann', 'board'])

/** Headers of a program: a browser that loads a page is led to the sign-in instead of getting a 401. */
const asProgram = (secret = '') => ({
  authorization: `Bearer ${secret}`,
  accept: 'application/json',
  'sec-fetch-mode': 'cors',
  'sec-fetch-dest': 'empty',
})

t.test('groups of a file follow into the session, and nobody waits for it', async (t) => {
  const files = await openFiles(t)
  const { clock, open } = await openSetting(t, files.reference)
  const core = await open()
  const ann = await signedIn(core, 'ann')
  t.equal(await seen(ann), staff)
  await files.groups('board: ann\n')
  clock.forward(15 * MINUTE - 1)
  for (let n = 0; n < 3; n += 1) t.equal(await seen(ann), staff, 'not before its time')
  clock.forward(1)
  t.equal(await seen(ann), staff, 'the request that begins the look has not waited for it')
  await until('the new groups', async () => (await seen(ann)) === board)
  t.equal((await ann.get('/board/')).status, 200)

  const socket = await openSocket(t, core, ann, '/board/live')
  await files.groups('staff: ann\n')
  clock.forward(15 * MINUTE)
  await until('the end of what the group had opened, without any request', () => socket.readyState === WebSocket.CLOSED)
  t.equal(await seen(ann), staff)
  t.equal((await ann.get('/board/')).status, 403)
})

t.test(
  'who is gone from a file is signed out at two gateways, with tokens and what is open',
  { skip: skipWithoutRedis() },
  async (t) => {
    const redis = await startRedis(t)
    const files = await openFiles(t)
    const { clock, open, application } = await openSetting(
      t,
      files.reference,
      `store: { use: redis, url: "${redis.url}" }`,
    )
    const [core, other] = [await open(), await open()]
    const [ann, bob] = [await signedIn(core, 'ann'), await signedIn(core, 'bob')]
    const [annElsewhere, bobElsewhere] = [elsewhere(other, ann), elsewhere(other, bob)]
    t.equal(await seen(annElsewhere), staff)
    const { identity, audit } = core.core
    const accountId = (await identity.accounts.named('ann'))?.id ?? ''
    const token = await identity.tokens.issue({ accountId, name: 'nightly' }, 'ann')
    const byToken = () => other.visitor().get('/api/x', { headers: asProgram(token?.secret) })
    t.equal((await byToken()).status, 200)
    const socket = await openSocket(t, other, annElsewhere, '/live')

    await files.users('bob')
    clock.forward(15 * MINUTE)
    await seen(ann)
    await until('the end of the WebSocket at the other gateway', () => socket.readyState === WebSocket.CLOSED)
    const before = application.asked.length
    t.equal((await ann.get('/')).status, 302)
    t.equal((await annElsewhere.get('/')).status, 302)
    t.equal((await byToken()).status, 401)
    t.equal(application.asked.length, before, 'the application hears nothing more of it')
    const ended = (await audit.since(0, 1000)).filter(({ reason }) => reason === 'gone-from-directory')
    t.match(ended, [{ event: 'session.ended', username: 'ann' }])

    await files.users('ann', 'bob')
    clock.forward(2)
    t.equal((await ann.get('/')).status, 302, 'whoever has the name now is somebody else')
    t.equal((await byToken()).status, 401)
    t.equal(await seen(bobElsewhere), JSON.stringify(['bob', 'staff']), 'nobody else is touched')
    t.equal(await seen(await signedIn(core, 'ann')), staff)
  },
)

t.test('a token that is used ends for good when its user is gone', async (t) => {
  const files = await openFiles(t)
  const { clock, open } = await openSetting(t, files.reference)
  const core = await open()
  await signedIn(core, 'ann')
  const { identity } = core.core
  const accountId = (await identity.accounts.named('ann'))?.id ?? ''
  const token = await identity.tokens.issue({ accountId, name: 'nightly' }, 'ann')
  const byToken = () => core.visitor().get('/api/x', { headers: asProgram(token?.secret) })
  t.equal((await byToken()).status, 200)
  await files.users('bob')
  clock.forward(31)
  t.equal((await byToken()).status, 401, 'half a minute is enough')
  await files.users('ann', 'bob')
  clock.forward(31)
  t.equal((await byToken()).status, 401)
  t.match(await identity.tokens.list(accountId), [{ status: 'ended' }])
})

t.test('after a day without a look, the directory is asked before anything is opened', async (t) => {
  const files = await openFiles(t)
  const { clock, open, application } = await openSetting(t, files.reference)
  const core = await open()
  const [ann, bob] = [await signedIn(core, 'ann'), await signedIn(core, 'bob')]
  await files.users('bob')
  clock.forward(30 * DAY)
  const before = application.asked.length
  t.equal((await ann.get('/')).status, 302, 'the first request of somebody who left weeks ago')
  t.equal(application.asked.length, before)
  t.equal((await bob.get('/')).status, 200, 'and of somebody who did not')
})

t.test('a directory that is down changes nothing until the last look is a day old', async (t) => {
  const files = await openFiles(t)
  const { clock, open } = await openSetting(t, files.reference)
  const core = await open()
  const [ann, bob] = [await signedIn(core, 'ann'), await signedIn(core, 'bob')]
  const [socket, other] = [await openSocket(t, core, ann, '/live'), await openSocket(t, core, bob, '/live')]
  await files.away()
  for (let hours = 0; hours < 23; hours += 1) {
    clock.forward(60 * MINUTE)
    t.equal(await seen(ann), staff)
  }
  await until('somebody to say so', () => core.core.dependencies.isFailing('users htpasswd'))
  t.equal(socket.readyState, WebSocket.OPEN)
  clock.forward(60 * MINUTE)
  const answer = await ann.get('/')
  t.equal(answer.status, 503)
  await until('the end of what cannot be judged', () => socket.readyState === WebSocket.CLOSED)
  await files.users('ann', 'bob')
  clock.forward(10)
  t.equal(await seen(ann), JSON.stringify(['ann', 'staff']), 'it is back, and so is the session')
  t.equal(await seen(bob), JSON.stringify(['bob', 'staff']))
  await until('the end of the other one', () => other.readyState === WebSocket.CLOSED)
})

t.test(
  'LDAP: disabled and deleted users are signed out, mail and groups follow',
  { skip: skipWithoutSlapd() },
  async (t) => {
    const entry = (uid: string) =>
      [
        `dn: uid=${uid},ou=people,${BASE}`,
        'objectClass: inetOrgPerson',
        `uid: ${uid}`,
        `mail: ${uid}@example.com`,
        `cn: ${uid}`,
        'sn: x',
        `userPassword: ${housePassword}`,
        '',
      ].join('\n')
    const ldap = await startSlapd(t, [entry('leo'), entry('lia'), entry('lou')].join('\n'))
    const { clock, open } = await openSetting(
      t,
      `{ use: ldap, url: "${ldap.url}", base: "ou=people,${BASE}", timeoutSeconds: 30, recheck: 5m, disabled: "(employeeType=disabled)", bind: { dn: "${READER.dn}", password: "${READER.password}" } }`,
    )
    const core = await open()
    const visitors = new Map<string, Visitor>()
    for (const uid of ['leo', 'lia', 'lou']) visitors.set(uid, await signedIn(core, uid))
    const root = new Client({ url: ldap.url })
    await root.bind(ROOT.dn, ROOT.password)
    const change = (uid: string, type: string, value: string) =>
      root.modify(
        `uid=${uid},ou=people,${BASE}`,
        new Change({ operation: 'replace', modification: new Attribute({ type, values: [value] }) }),
      )
    await change('leo', 'employeeType', 'disabled')
    await root.del(`uid=lia,ou=people,${BASE}`)
    await change('lou', 'mail', 'lou@example.org')
    await root.unbind()
    clock.forward(5 * MINUTE)
    for (const [uid, visitor] of visitors) t.equal((await visitor.get('/')).status, 200, uid)
    for (const uid of ['leo', 'lia']) {
      await until(`the end of the session of ${uid}`, async () => (await visitors.get(uid)?.get('/'))?.status === 302)
    }
    const accountId = (await core.core.identity.accounts.named('lou'))?.id ?? ''
    await until('the new address', async () => {
      for await (const { session } of core.core.identity.sessions.list(accountId)) {
        return session.user.email === 'lou@example.org'
      }
      return false
    })
    t.equal((await visitors.get('lou')?.get('/'))?.status, 200)
  },
)

t.test('a call-out is asked once for all sessions of a user, and not about users kept here', async (t) => {
  const asked: string[] = []
  let groups = ['staff']
  const service = createServer(async (request, response) => {
    const body = JSON.parse(await text(request))
    const user = { id: 7, username: 'ann', groups }
    if (request.url === '/find') asked.push(body.id === undefined ? 'name' : 'id')
    response.setHeader('content-type', 'application/json')
    if (request.url === '/check') response.statusCode = body.password === housePassword ? 200 : 401
    const isAnn = body.username === 'ann' || body.id === '7'
    response.end(JSON.stringify(request.url === '/check' ? user : isAnn ? [user] : []))
  }).listen(0, '127.0.0.1')
  await once(service, 'listening')
  t.teardown(() => {
    service.closeAllConnections()
    service.close()
  })
  const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}`
  const { clock, open } = await openSetting(
    t,
    `[{ use: local }, { use: http, url: "${url}/check", findUrl: "${url}/find", timeoutSeconds: 30 }]`,
  )
  const core = await open()
  await core.addUser('kim')
  const [ann, again, kim] = [await signedIn(core, 'ann'), await signedIn(core, 'ann'), await signedIn(core, 'kim')]
  asked.length = 0
  groups = ['board']
  clock.forward(15 * MINUTE)
  await Promise.all([ann, again, ann, again, kim, kim].map((visitor) => visitor.get('/')))
  await until('the new groups', async () => (await seen(again)) === board)
  await until('them in the other session', async () => (await seen(ann)) === board)
  t.same(asked, ['id'])
  clock.forward(40 * DAY)
  asked.length = 0
  t.equal((await kim.get('/')).status, 200)
  t.same(asked, [], 'changes of users kept here act at once')
})
