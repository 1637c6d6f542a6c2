import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { hiddenFields } from '../../../plugins/user-directories/http/form.js'
import http from '../../../plugins/user-directories/http.js'
import { foldUsername, type UserDirectory } from '../../../src/contracts.js'
import { userDirectoryContract } from '../../../testing/user-directory.js'
import { Clock, emptyStore, identityHost } from '../../support/core.js'
import { build, lentHost } from '../../support/lent-host.js'
import type { Scope } from '../../support/scope.js'

const lamp = 'a lamp over the lodge gate'
const ann = { id: 7, username: 'Ann', email: 'ann@example.com', mobile: '+12025550143', groups: ['staff'] }

interface Taken {
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** A server of the application's; `answer` says what it does. */
class Application {
  readonly taken: Taken[] = []
  url = ''
  answer: (taken: Taken, response: ServerResponse) => void = (_, response) => void response.writeHead(500).end()

  static async start(t: Scope): Promise<Application> {
    const application = new Application()
    const server = createServer(async (request, response) => {
      const taken = { path: request.url ?? '', headers: request.headers, body: await text(request) }
      application.taken.push(taken)
      application.answer(taken, response)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    application.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    return application
  }
}

async function open(t: Scope, options: object): Promise<UserDirectory> {
  const clock = new Clock()
  // A slow machine is no application that hangs.
  const directory = await build(
    http,
    { timeoutSeconds: 30, ...options },
    identityHost(await emptyStore(t, clock), clock),
  )
  t.teardown(() => (directory as { close?(): Promise<void> }).close?.())
  return directory
}

const json = (response: ServerResponse, status: number, value: unknown) => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

/** A call-out with one user in it. */
async function callOut(t: Scope, user: object & { username: string; email?: string }, password = lamp) {
  const application = await Application.start(t)
  application.answer = ({ path, body }, response) => {
    const asked = JSON.parse(body) as Record<string, string>
    const isNamed = foldUsername(asked['username'] ?? '') === foldUsername(user.username)
    if (path === '/check') {
      return isNamed && asked['password'] === password ? json(response, 200, user) : json(response, 401, {})
    }
    const isMailed = 'email' in asked && asked['email']?.toLowerCase() === user.email?.toLowerCase()
    const id = 'id' in user ? String(user.id) : foldUsername(user.username)
    return isNamed || isMailed || asked['id'] === id ? json(response, 200, [user]) : json(response, 404, {})
  }
  return application
}

/** An application with a login form as legacy ones have it: a token in a hidden field, bound to a cookie. */
async function loginForm(t: Scope, username: string, password = lamp) {
  const application = await Application.start(t)
  let last = 0
  application.answer = ({ headers, body }, response) => {
    if (body === '') {
      last += 1
      response.writeHead(200, { 'content-type': 'text/html', 'set-cookie': `sid=s${last}; Path=/; HttpOnly` })
      return void response.end(`<form action=/search><input type=hidden name=csrf value=not-this><input name=q></form>
        <FORM method="post"><input type='hidden' name="csrf" value="t&amp;${last}&#x22;">
        <input name="user"><input type="password" name="pass"><button>Go</button></FORM>`)
    }
    const fields = new URLSearchParams(body)
    const [sid] = /(?<=sid=s)\d+/.exec(headers.cookie ?? '') ?? []
    if (sid === undefined || fields.get('csrf') !== `t&${sid}"` || headers.origin !== application.url) {
      return void response.writeHead(403).end('forged')
    }
    const isRight = foldUsername(fields.get('user') ?? '') === foldUsername(username) && fields.get('pass') === password
    if (isRight)
      return void response.writeHead(302, { location: '/home?welcome=1', 'set-cookie': 'app=in; Path=/' }).end()
    return void response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Wrong name or password</p>')
  }
  const form = { url: `${application.url}/login`, username: 'user', password: 'pass', success: { redirect: '/home*' } }
  return { application, form }
}

t.test('the call-out keeps the contract, asked for users or not', async (t) => {
  for (const findUrl of [true, false]) {
    await t.test(findUrl ? 'with a look-up' : 'with what it has learned', async (t) => {
      userDirectoryContract(t, {
        judgesElsewhere: true,
        async open(t, user, typed) {
          const { url } = await callOut(t, user, typed)
          const directory = await open(t, { url: `${url}/check`, ...(findUrl ? { findUrl: `${url}/find` } : {}) })
          await directory.verifyPassword(user.username, typed)
          return directory
        },
      })
    })
  }
})

t.test('the login form keeps the contract', async (t) => {
  userDirectoryContract(t, {
    judgesElsewhere: true,
    async open(t, user, typed) {
      const { form } = await loginForm(t, user.username, typed)
      const directory = await open(t, { form, email: '{username}@Example.com' })
      await directory.verifyPassword(user.username, typed)
      const named = directory.find.bind(directory)
      // A form tells no groups.
      const withGroups = <One extends object>(one: One): One => ({ ...one, groups: user.groups })
      const verify = directory.verifyPassword.bind(directory)
      return {
        verifyPassword: async (...given) => {
          const found = await verify(...given)
          return found && withGroups(found)
        },
        find: async (by) => (await named(by)).map(withGroups),
      }
    },
  })
})

t.test('200 is a user, 401 is no, and everything else is broken', async (t) => {
  const application = await Application.start(t)
  const directory = await open(t, { url: `${application.url}/check` })
  const answers = (status: number, body: string) => {
    application.answer = (_, response) => void response.writeHead(status).end(body)
  }
  answers(200, JSON.stringify(ann))
  t.same(await directory.verifyPassword('ann', lamp), { ...ann, id: '7' })
  t.same(await directory.find({ id: '7' }), [{ ...ann, id: '7' }])
  answers(200, '{}')
  t.same(await directory.verifyPassword('bob', lamp), { id: 'bob', username: 'bob', groups: [] })
  answers(200, JSON.stringify({ username: 'ann' }))
  t.equal(await directory.verifyPassword('cy', lamp), undefined, 'somebody else than was asked for')
  answers(401, JSON.stringify(ann))
  t.equal(await directory.verifyPassword('ann', lamp), undefined)
  for (const [status, body] of [
    [200, ''],
    [200, 'yes'],
    [200, '[]'],
    [200, 'null'],
    [200, '{"groups":"staff"}'],
    [200, '{"id":""}'],
    [200, `{"x":"${'y'.repeat(3_000_000)}"}`],
    [204, ''],
    [302, ''],
    [403, ''],
    [404, ''],
    [429, ''],
    [500, ''],
    [503, JSON.stringify(ann)],
  ] as const) {
    answers(status, body)
    const broken = directory.verifyPassword('ann', lamp)
    await t.rejects(broken, `${status} ${body.slice(0, 20)}`)
    await broken.catch((error) => t.notMatch(String(error), lamp))
  }
})

t.test('a password is never sent on by a redirect, nor twice', async (t) => {
  const [application, other] = [await Application.start(t), await Application.start(t)]
  const directory = await open(t, { url: `${application.url}/check` })
  for (const status of [301, 302, 307, 308]) {
    application.answer = (_, response) => void response.writeHead(status, { location: `${other.url}/check` }).end()
    await t.rejects(directory.verifyPassword('ann', lamp))
  }
  t.equal(application.taken.length, 4)
  t.same(other.taken, [])
})

t.test('says who asks: bearer, Basic, and a signature over time and body', async (t) => {
  const application = await callOut(t, ann)
  const url = `${application.url}/check`
  await (await open(t, { url, auth: { bearer: 's3cret' } })).verifyPassword('ann', lamp)
  await (await open(t, { url, auth: { username: 'gate', password: 'p@ss/w#rd%?1' } })).verifyPassword('ann', lamp)
  const secret = 'sixteen or more characters'
  await (await open(t, { url, signature: { secret } })).verifyPassword('ann', lamp)
  const [bearer, basic, signed] = application.taken
  t.equal(bearer?.headers.authorization, 'Bearer s3cret')
  t.equal(basic?.headers.authorization, `Basic ${Buffer.from('gate:p@ss/w#rd%?1').toString('base64')}`)
  const timestamp = signed?.headers['x-gatelodge-timestamp']
  const expected = createHmac('sha256', secret).update(`${timestamp}.${signed?.body}`).digest('hex')
  t.equal(signed?.headers['x-gatelodge-signature'], expected)
  t.equal(timestamp, String(Math.floor(new Clock().ms / 1000)))
})

t.test('an application that hangs, or is not there, is down at the deadline', async (t) => {
  const application = await Application.start(t)
  application.answer = () => undefined
  const hanging = await open(t, { url: application.url, timeoutSeconds: 0.2 })
  await t.rejects(hanging.verifyPassword('ann', lamp), /cannot be asked/)
  application.answer = (_, response) => void response.writeHead(200).write('{')
  await t.rejects(hanging.verifyPassword('ann', lamp), /cannot be asked/)
  const absent = await open(t, { url: 'http://127.0.0.1:1/' })
  await t.rejects(absent.verifyPassword('ann', lamp), /ECONNREFUSED/)
})

t.test('the form is filled in as a browser would: cookie, token, further fields', async (t) => {
  const { application, form } = await loginForm(t, 'ann')
  const directory = await open(t, { form: { ...form, extra: { remember: '0' } }, email: '{username}@example.com' })
  t.equal(directory.learns, true)
  t.same(await directory.find({ username: 'ann' }), [], 'nobody is known before')
  t.equal(await directory.verifyPassword('ann', 'wrong'), undefined)
  t.same(await directory.find({ username: 'ann' }), [], 'nor by a wrong password')
  t.match(await directory.verifyPassword('Ann', lamp), { id: 'ann', username: 'Ann', email: 'Ann@example.com' })
  t.match(await directory.verifyPassword('ANN', lamp), { id: 'ann', username: 'Ann' }, 'in the spelling known here')
  t.match(new URLSearchParams(application.taken.at(-1)?.body).get('user'), 'Ann')
  t.equal(new URLSearchParams(application.taken.at(-1)?.body).get('remember'), '0')
  t.match(await directory.find({ username: 'aNN' }), [{ id: 'ann' }])
  for (const name of ['', ' ann', 'a\nb', 'n'.repeat(65)]) await directory.verifyPassword(name, lamp)
  const { length } = application.taken
  await directory.verifyPassword('ann', '')
  t.equal(application.taken.length, length, 'what can be no name and no password is not sent')
})

t.test('what a right password looks like is for the file to say; what is neither lets nobody in', async (t) => {
  const application = await Application.start(t)
  const url = `${application.url}/login`
  const judge = async (form: object, status: number, headers: Record<string, string>, body = '') => {
    application.answer = (_, response) => void response.writeHead(status, headers).end(body)
    const directory = await open(t, { form: { url, hidden: false, ...form } })
    return directory.verifyPassword('ann', lamp).then(
      (user) => user !== undefined,
      () => 'broken',
    )
  }
  const redirect = { success: { redirect: '/home' } }
  t.equal(await judge(redirect, 302, { location: '/home' }), true)
  t.equal(await judge(redirect, 303, { location: `${application.url}/home` }), true)
  t.equal(await judge(redirect, 302, { location: '/login?failed' }), false)
  t.equal(await judge(redirect, 302, { location: '/home?no' }), false)
  t.equal(await judge(redirect, 302, { location: 'https://elsewhere.example.com/home' }), false, 'on another host')
  t.equal(await judge(redirect, 200, { location: '/home' }), false)
  t.equal(await judge(redirect, 422, {}), false)
  for (const status of [404, 405, 429, 500, 503]) t.equal(await judge(redirect, status, {}), 'broken', String(status))

  const cookie = { success: { status: [200, 302], cookie: 'app' } }
  t.equal(await judge(cookie, 200, { 'set-cookie': 'app=x; Path=/' }), true)
  t.equal(await judge(cookie, 200, { 'set-cookie': 'app=; Path=/' }), false)
  t.equal(await judge(cookie, 200, { 'set-cookie': 'app=deleted; Max-Age=0' }), false)
  t.equal(await judge(cookie, 200, { 'set-cookie': 'app=d; expires=Thu, 01 Jan 1970 00:00:00 GMT' }), false)
  t.equal(await judge(cookie, 200, { 'set-cookie': 'apps=x' }), false)
  t.equal(await judge(cookie, 303, { 'set-cookie': 'app=x' }), false)

  const both = { success: { text: 'Welcome' }, failure: { text: 'Wrong' } }
  t.equal(await judge(both, 200, {}, '<p>Welcome back'), true)
  t.equal(await judge(both, 200, {}, '<p>Wrong password'), false)
  t.equal(await judge(both, 200, {}, '<p>Wrong password. Welcome!'), 'broken')
  t.equal(await judge(both, 200, {}, '<p>Down for maintenance'), 'broken')
})

t.test('two names for one user: who is renamed there keeps the account, who gets the old name does not', async (t) => {
  const application = await Application.start(t)
  const directory = await open(t, { url: application.url })
  const answer = (user: object) => {
    application.answer = (_, response) => json(response, 200, user)
  }
  answer({ id: 1, username: 'ann', email: 'ann@example.com' })
  t.match(await directory.verifyPassword('ann', lamp), { id: '1' })
  answer({ id: 1, username: 'anna', email: 'ann@example.com' })
  t.match(await directory.verifyPassword('anna', lamp), { id: '1', username: 'anna' })
  t.same(await directory.find({ username: 'ann' }), [])
  t.match(await directory.find({ id: '1' }), [{ username: 'anna' }])
  t.equal((await directory.find({ email: 'ANN@example.com' })).length, 1)
  answer({ id: 2, username: 'ann' })
  t.match(await directory.verifyPassword('ann', lamp), { id: '2' })
  t.match(await directory.find({ id: '1' }), [{ username: 'anna' }])
  t.match(await directory.find({ id: '2' }), [{ username: 'ann' }])
})

t.test('options that contradict each other are refused', async (t) => {
  const form = { url: 'https://app.example.com/login', success: { status: 302 } }
  const url = 'https://app.example.com/check'
  const refused: ReadonlyArray<readonly [object, RegExp]> = [
    [{}, /either url or form/],
    [{ url, form }, /either url or form/],
    [{ form, findUrl: url }, /not for form/],
    [{ form, auth: { bearer: 'x' } }, /not for form/],
    [{ url, email: '{username}@example.com' }, /is for form/],
    [{ form: { ...form, success: {} } }, /must name a status/],
    [{ form: { ...form, page: 'https://other.example.com/' } }, /same host/],
    [{ url: 'ftp://x' }, /http or https/],
  ]
  for (const [options, words] of refused) await t.rejects(build(http, options, lentHost()), words)
})

t.test('hidden fields are those of the form with the password', async (t) => {
  const page = `<!-- <input type=hidden name=old value=1 --> <form><input type="hidden" name="a" value="1"></form>
    <form><INPUT TYPE=HIDDEN VALUE='x>"y' NAME=b><input name=c type=text value=no><input type=hidden name=d>
    <input type="password" name="pw"></form>`
  t.same(hiddenFields(page, 'pw'), { b: 'x>"y', d: '' })
  t.same(hiddenFields('<input type=hidden name=a value=&#65;&lt;&unknown;>', 'pw'), { a: 'A<&unknown;' })
  for (const part of ['<form ', '<!--', '<input ', '<input "', 'a=']) {
    t.same(hiddenFields(part.repeat(100_000), 'pw'), {}, 'and no page takes long')
  }
})
