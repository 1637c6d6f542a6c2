import { once } from 'node:events'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { housePassword } from '../support/house.js'
import type { Roamer } from '../support/roamer.js'
import { formOf } from '../support/visitor.js'
import { addWithApp, arriveAt, crm, lodges, portal, proveAt, signInAt, wiki } from './lodges.js'

t.setTimeout(120_000)

const rules = `[{ path: "/vault/**", access: second-factor }, { path: "/own/**", access: signed-in }, { path: "/late/**", access: password, reauthenticate: 5m }, { path: "/**", access: password }]`

const sessionAt = (browser: Roamer, host: string) => browser.at(host).cookies.get('gatelodge') ?? ''

/** Somebody with an authenticator app who is at both sites with the password alone. */
async function atBoth(t: Test) {
  const clock = { ms: Date.now() }
  const core = await lodges(t, { rules, now: () => clock.ms })
  const app = await addWithApp(core, 'ana')
  const browser = core.browser()
  await arriveAt(browser, `${crm}/x`)
  t.equal((await browser.follow(`${wiki}/x`)).answer.text, 'GET /x')
  return { core, browser, clock, code: () => app.codeAt(clock.ms) }
}

t.test('a second factor for one host leaves the branches of the others valid, and they gain it', async (t) => {
  const { core, browser, code } = await atBoth(t)
  const before = { crm: sessionAt(browser, 'crm.localhost'), wiki: sessionAt(browser, 'wiki.other.test') }
  t.equal((await browser.get(`${wiki}/vault/a`)).status, 302, 'the password is not enough there')
  const old = sessionAt(browser, 'login.localhost')
  t.equal((await proveAt(browser, `${crm}/vault/a`, code())).answer.text, 'GET /vault/a')

  t.not(sessionAt(browser, 'login.localhost'), old, 'the portal has a new secret')
  t.equal(await core.core.identity.sessions.find(old), undefined, 'and the one before opens nothing')
  t.equal(sessionAt(browser, 'wiki.other.test'), before.wiki)
  t.equal((await browser.get(`${wiki}/x`)).text, 'GET /x', 'no way by the portal')
  t.equal((await browser.get(`${wiki}/vault/a`)).text, 'GET /vault/a', 'one proof for every host')
  t.not(sessionAt(browser, 'crm.localhost'), before.crm, 'the host that asked has a new secret')
  for (let time = 0; time < 2; time += 1) {
    t.equal(await core.core.identity.sessions.find(before.crm, 'crm.localhost'), undefined, 'its old one opens nothing')
  }
  const page = await browser.get(`${portal}/.gatelodge/account/sessions`)
  const rows = (page.text.match(/<li>[\s\S]*?<\/li>/g) ?? []).filter((row) => row.includes('since'))
  t.equal(rows.length, 1)
  t.match(rows[0], /crm\.localhost[\s\S]*wiki\.other\.test|wiki\.other\.test[\s\S]*crm\.localhost/)

  // What was carried passes by the portal the next time it has a reason to, and gets a secret of its own.
  await browser.follow(`${wiki}/.gatelodge/sign-in?return=%2Fx`)
  t.not(sessionAt(browser, 'wiki.other.test'), before.wiki)
  t.equal(await core.core.identity.sessions.find(before.wiki, 'wiki.other.test'), undefined)
})

t.test(
  'a password given once more leaves the branches of the others valid, and they gain the fresh proof',
  async (t) => {
    const clock = { ms: Date.now() }
    const core = await lodges(t, { rules, now: () => clock.ms })
    await core.addUser('ben')
    const browser = core.browser()
    await arriveAt(browser, `${crm}/x`, 'ben')
    await browser.follow(`${wiki}/x`)
    clock.ms += 6 * 60_000
    const before = sessionAt(browser, 'wiki.other.test')
    t.equal((await browser.get(`${wiki}/late/a`)).status, 302)
    const { next } = await signInAt(browser, `${crm}/late/a`, 'ben')
    t.equal((await browser.follow(next)).answer.text, 'GET /late/a')
    t.equal(sessionAt(browser, 'wiki.other.test'), before)
    t.equal((await browser.get(`${wiki}/late/a`)).text, 'GET /late/a')
  },
)

t.test('a WebSocket at another host outlives a second factor, and ends with the session that followed', async (t) => {
  const { core, browser, code } = await atBoth(t)
  const sockets = new WebSocketServer({ server: core.app.server })
  t.teardown(() => sockets.close())
  const socket = new WebSocket(`ws://127.0.0.1:${core.port}/ws`, {
    headers: { host: 'wiki.other.test', origin: wiki, cookie: `gatelodge=${sessionAt(browser, 'wiki.other.test')}` },
  })
  await once(socket, 'open')
  const closed = once(socket, 'close')
  await proveAt(browser, `${crm}/vault/a`, code())
  // All that is open has been judged again when a second look, begun after the step, is over.
  const [client] = sockets.clients
  for (let round = 0; round < 3; round += 1) {
    await core.core.identity.sessions.find(sessionAt(browser, 'wiki.other.test'), 'wiki.other.test')
    const heard = once(socket, 'message')
    client?.send(`still here ${round}`)
    t.equal(String((await heard)[0]), `still here ${round}`)
  }
  const page = await browser.get(`${portal}/.gatelodge/sign-out`)
  await browser.post(`${portal}/.gatelodge/sign-out`, formOf(page.text, '/sign-out').fields)
  const [status] = await closed
  t.equal(status, 1008)
})

t.test('a branch that was carried ends with the session that followed, whatever ends that', async (t) => {
  for (const how of ['a sign-out', 'its id at the desk', 'the id it had before', 'a new generation', 'its host']) {
    const { core, browser, code } = await atBoth(t)
    const { sessions } = core.core.identity
    const at = async () => (await sessions.find(sessionAt(browser, 'wiki.other.test'), 'wiki.other.test'))?.session
    const before = await at()
    await proveAt(browser, `${crm}/vault/a`, code())
    const after = await at()
    t.not(after?.id, before?.id)
    if (how === 'a sign-out') await sessions.end(sessionAt(browser, 'login.localhost'))
    if (how === 'its id at the desk') await sessions.endOne(after?.id ?? '', 'ended')
    if (how === 'the id it had before') await sessions.endOne(before?.id ?? '', 'ended')
    if (how === 'a new generation') await sessions.endAll(after?.accountId ?? '')
    if (how === 'its host') await sessions.clearSome({ site: 'wiki.other.test' })
    t.equal(await at(), undefined, how)
    for (const address of [`${wiki}/x`, `${crm}/x`, `${portal}/`]) {
      t.match((await browser.follow(address)).answer.text, 'name="password"', `${how}: ${address}`)
    }
    if (how !== 'its host') t.same(await core.core.store.list('branch/'), [], `${how} leaves none in the store`)
  }
})

t.test(
  'of several that take the place of one session at once, one is left, and the branches are its own',
  async (t) => {
    const { core, browser } = await atBoth(t)
    const { sessions } = core.core.identity
    const token = sessionAt(browser, 'wiki.other.test')
    const client = { address: '192.0.2.1', network: '192.0.2.1', userAgent: 'test', requestId: 'r' }
    for (let round = 0; round < 5; round += 1) {
      const open = await sessions.find(token, 'wiki.other.test')
      if (open === undefined) throw new Error('the branch is gone')
      const { user, generation, installation, via, id } = open.session
      const start = { user, generation, installation, via, client, replaces: id, secondFactorAt: round + 1 }
      const opened = await Promise.all(Array.from({ length: 4 }, () => sessions.open(start)))
      const alive = []
      for (const each of opened) if ((await sessions.find(each.token)) !== undefined) alive.push(each.session.id)
      t.equal(alive.length, 1, `round ${round}: one is left`)
      const branch = await sessions.find(token, 'wiki.other.test')
      t.same([branch?.session.id], alive)
      t.equal(branch?.session.secondFactorAt, round + 1)
      t.equal(await sessions.find(open.session.id), undefined)
    }
    const last = await sessions.find(token, 'wiki.other.test')
    t.equal(await sessions.endOne(last?.session.id ?? '', 'ended'), true)
    t.equal(await sessions.find(token, 'wiki.other.test'), undefined)
  },
)

t.test(
  'a sign-out and a second factor at the same moment leave nothing open, or one session with its branches',
  async (t) => {
    const { core, browser } = await atBoth(t)
    const { sessions } = core.core.identity
    const client = { address: '192.0.2.1', network: '192.0.2.1', userAgent: 'test', requestId: 'r' }
    const token = sessionAt(browser, 'wiki.other.test')
    const open = await sessions.find(token, 'wiki.other.test')
    if (open === undefined) throw new Error('there is no branch')
    const { user, generation, installation, via, id } = open.session
    const start = { user, generation, installation, via, client, replaces: id }
    await Promise.all([sessions.open(start), sessions.endOne(id, 'signed-out'), sessions.open(start)])
    t.equal(await sessions.find(token, 'wiki.other.test'), undefined, 'the branch has ended')
  },
)

t.test('what was to stay is not carried into a session that ends with the browser', async (t) => {
  const core = await lodges(t)
  await core.addUser('ben')
  const first = core.browser()
  const lasting = await signInAt(first, `${crm}/x`, 'ben')
  await first.follow(lasting.next)
  const again = async (keep: Record<string, string>) => {
    const { text } = await first.get(`${portal}/.gatelodge/sign-in?notice=again`)
    const { fields } = formOf(text, '/sign-in')
    const sent = { ...fields, username: 'ben', password: housePassword, ...keep }
    t.equal((await first.post(`${portal}/.gatelodge/sign-in`, sent)).status, 303)
  }
  await again({ keep: 'yes' })
  await first.follow(`${crm}/x`)
  t.equal((await first.get(`${crm}/x`)).status, 200)
  await again({})
  t.equal((await first.get(`${crm}/x`)).status, 302, 'its cookie would outlive the closing of the browser')
})

t.test(
  'a ticket that was drawn before a second factor leads on after it, into the session that followed',
  async (t) => {
    const { core, browser, code } = await atBoth(t)
    browser.at('wiki.other.test').cookies.delete('gatelodge')
    const asked = await browser.get(`${wiki}/x`)
    const ticket = (await browser.get(asked.headers['location'] as string)).headers['location'] as string
    await proveAt(browser, `${crm}/vault/a`, code())
    t.equal((await browser.get(ticket)).headers['location'], '/x')
    t.equal((await browser.get(`${wiki}/vault/a`)).text, 'GET /vault/a')
    const portalSession = await core.core.identity.sessions.find(sessionAt(browser, 'login.localhost'))
    const open = await core.core.identity.sessions.find(sessionAt(browser, 'wiki.other.test'), 'wiki.other.test')
    t.equal(open?.session.id, portalSession?.session.id)
  },
)

t.test('a browser is remembered at the portal alone, for every host', async (t) => {
  const { core, browser, code } = await atBoth(t)
  const { answer, way } = await browser.follow(`${crm}/own/a`)
  const page = way.at(-1) ?? ''
  const { action = '', fields } = formOf(answer.text, '/verify')
  t.match(answer.text, 'name="remember"')
  const sent = await browser.post(new URL(action, page).href, { ...fields, code: code(), remember: 'yes' })
  await browser.follow(new URL(sent.headers['location'] as string, page).href)
  const device = (host: string) => browser.at(host).cookies.has('gatelodge-device')
  t.same(['login.localhost', 'crm.localhost', 'wiki.other.test'].map(device), [true, false, false])

  // The browser was closed: what was not to be kept is gone.
  for (const host of ['login.localhost', 'crm.localhost', 'wiki.other.test'])
    browser.at(host).cookies.delete('gatelodge')
  const { next } = await signInAt(browser, `${wiki}/own/b`)
  t.equal(
    (await browser.follow(next)).answer.text,
    'GET /own/b',
    'the password is enough where the code was given at another host',
  )
  t.equal((await browser.follow(`${crm}/own/c`)).answer.text, 'GET /own/c')
  const other = core.browser()
  const strange = await signInAt(other, `${wiki}/own/b`)
  t.match(strange.next, '/.gatelodge/verify', 'and in another browser it is not')
})
