import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { buildGateway } from '../../src/app.js'
import { housePassword } from '../support/house.js'
import { Roamer } from '../support/roamer.js'
import { formOf } from '../support/visitor.js'
import { foreignHosts } from './foreign-hosts.js'
import { arriveAt, crm, type Lodges, lodges, portal, wiki } from './lodges.js'

t.setTimeout(120_000)

/** Somebody signed in at the portal, with a ticket for crm in hand that was not used. */
async function withTicket(t: Test, more: Parameters<typeof lodges>[1] = {}) {
  const core = await lodges(t, more)
  await core.addUser('ana')
  const browser = core.browser()
  await arriveAt(browser, `${wiki}/`)
  return { core, browser, ticket: await ticketFor(browser, `${crm}/x`) }
}

/** @returns the address that the portal sends on to */
async function ticketFor(browser: Roamer, address: string): Promise<string> {
  const asked = await browser.get(address)
  const sent = await browser.get(asked.headers['location'] as string)
  return sent.headers['location'] as string
}

const sessionAt = (browser: Roamer, host = 'crm.localhost') => browser.at(host).cookies.get('gatelodge')

t.test('a ticket of somebody else signs nobody in as them (login CSRF)', async (t) => {
  const { core, ticket } = await withTicket(t)
  const victim = core.browser()
  const fresh = await victim.get(ticket)
  t.equal(fresh.status, 302, 'without a nonce the way starts anew')
  t.match(fresh.headers['location'], `${portal}/.gatelodge/sign-in?`)
  t.equal(sessionAt(victim), undefined)

  await victim.get(`${crm}/y`)
  t.ok(victim.at('crm.localhost').cookies.get('gatelodge-pending'))
  t.equal((await victim.get(ticket)).status, 302, 'nor is it for a browser with a nonce of its own')
  t.equal(sessionAt(victim), undefined)
})

t.test('somebody signed in as themselves stays so when a ticket of somebody else is brought to them', async (t) => {
  const { core, ticket } = await withTicket(t)
  await core.addUser('bert')
  const victim = core.browser()
  await arriveAt(victim, `${crm}/x`, 'bert')
  const { answer } = await victim.follow(ticket)
  t.equal(answer.text, 'GET /x')
  t.equal(core.app.requests.at(-1)?.headers['remote-user'], 'bert')
})

t.test('a ticket is good once, and the page loaded again goes on where it went', async (t) => {
  const { core, browser, ticket } = await withTicket(t)
  t.equal((await browser.get(ticket)).headers['location'], '/x')
  const own = sessionAt(browser)
  const again = await browser.get(ticket)
  t.equal(again.status, 303, 'who is here already goes on')
  t.equal(again.headers['location'], '/x')
  t.equal(sessionAt(browser), own)

  const thief = core.browser()
  thief
    .at('crm.localhost')
    .cookies.set('gatelodge-pending', browser.at('crm.localhost').cookies.get('gatelodge-pending') ?? '')
  t.match((await thief.get(ticket)).headers['location'], `${portal}/.gatelodge/sign-in`, 'a used one opens nothing')
  t.equal(sessionAt(thief), undefined)
})

t.test('a ticket brought to two gateways at the same moment opens one branch', async (t) => {
  const { core, browser } = await withTicket(t)
  // A second gateway over the same store: what is won is won in the store, and nowhere else.
  const second = await buildGateway(core.core)
  await second.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => second.close())
  const { port } = second.server.address() as AddressInfo
  const other = new Roamer(t, port)
  for (let round = 0; round < 10; round += 1) {
    for (const each of [browser, other]) each.at('crm.localhost').cookies.clear()
    const ticket = await ticketFor(browser, `${crm}/x`)
    const nonce = browser.at('crm.localhost').cookies.get('gatelodge-pending') ?? ''
    other.at('crm.localhost').cookies.set('gatelodge-pending', nonce)
    await Promise.all([browser.get(ticket), other.get(ticket)])
    const opened = [browser, other].filter((each) => sessionAt(each) !== undefined)
    t.equal(opened.length, 1)
  }
})

t.test('a ticket is too late after half a minute', async (t) => {
  let now = Date.now()
  const { browser, ticket } = await withTicket(t, { now: () => now })
  now += 30_000
  t.match((await browser.get(ticket)).headers['location'], `${portal}/.gatelodge/sign-in`)
  t.equal(sessionAt(browser), undefined)
  now += 1000
  const last = await ticketFor(browser, `${crm}/x`)
  now += 29_999
  t.equal((await browser.get(last)).headers['location'], '/x')
})

t.test('a ticket for one host is nothing at another', async (t) => {
  const { browser, ticket } = await withTicket(t)
  const moved = ticket.replace(crm, wiki)
  browser.at('wiki.other.test').cookies.delete('gatelodge')
  t.match((await browser.get(moved)).headers['location'], `${portal}/.gatelodge/sign-in`)
  t.equal(sessionAt(browser, 'wiki.other.test'), undefined)
  t.equal((await browser.get(ticket)).headers['location'], '/x', 'and stays good where it belongs')
  t.equal((await browser.get(ticket.replace(crm, portal))).status, 404, 'at the portal nothing arrives')
})

t.test('a ticket of a session that has ended opens nothing', async (t) => {
  const { core, browser, ticket } = await withTicket(t)
  await core.core.identity.sessions.end(sessionAt(browser, 'login.localhost'))
  t.match((await browser.get(ticket)).headers['location'], `${portal}/.gatelodge/sign-in`)
  t.equal(sessionAt(browser), undefined)
})

t.test('what is fetched ahead, looked at by HEAD or asked for by a script spends no ticket', async (t) => {
  const { browser, ticket } = await withTicket(t)
  for (const headers of [
    { 'sec-purpose': 'prefetch' },
    { 'sec-purpose': 'prefetch;prerender' },
    { purpose: 'prefetch' },
    { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' },
    { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
    { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' },
  ]) {
    t.equal((await browser.get(ticket, headers)).status, 401, JSON.stringify(headers))
  }
  const { host, pathname, search } = new URL(ticket)
  const head = await browser
    .at('crm.localhost')
    .send('HEAD', pathname + search, { headers: { host, accept: 'text/html' } })
  t.equal(head.status, 401)
  t.equal(sessionAt(browser), undefined)
  t.equal((await browser.get(ticket)).status, 303, 'it is as good as before')
})

t.test('what is fetched ahead at the portal draws no ticket', async (t) => {
  const { browser } = await withTicket(t)
  const asked = await browser.get(`${crm}/x`)
  const answer = await browser.get(asked.headers['location'] as string, { 'sec-purpose': 'prefetch' })
  t.equal(answer.status, 401)
  t.equal(answer.headers['location'], undefined)
})

t.test('no spelling of a foreign host is a place to return to', async (t) => {
  const core = await lodges(t)
  await core.addUser('ana')
  const browser = core.browser()
  await arriveAt(browser, `${crm}/x`)
  const host = 'crm.localhost'
  for (const said of foreignHosts(host)) {
    for (const page of ['/sign-in', '/go', '/verify']) {
      const query = new URLSearchParams({ return: said, state: 's'.repeat(43) })
      const { headers, status } = await browser.get(`${portal}/.gatelodge${page}?${query}`)
      const location = headers['location']?.toString() ?? ''
      if (!t.ok(location === '/' || (location === '' && status < 500), `${page} of ${JSON.stringify(said)}`)) {
        t.comment(location)
      }
    }
  }
  const good = new URLSearchParams({ return: `http://${host}/y?q=http://evil.test/`, state: 's'.repeat(43) })
  t.match((await browser.get(`${portal}/.gatelodge/sign-in?${good}`)).headers['location'], `${crm}/.gatelodge/arrive?`)
})

t.test('a path on arrival is a path of this host, whatever the address says', async (t) => {
  const { browser, ticket } = await withTicket(t)
  await browser.get(ticket)
  for (const said of [
    '//evil.test/',
    '/\\evil.test',
    'http://evil.test/',
    '/.gatelodge/sign-out',
    '/%5cevil.test',
    'x',
  ]) {
    const answer = await browser.get(`${crm}/.gatelodge/arrive?${new URLSearchParams({ ticket: 'x', return: said })}`)
    t.equal(answer.headers['location'], '/', said)
  }
})

t.test('a cookie that a sibling host planted beside ours makes both void', async (t) => {
  const { core, browser, ticket } = await withTicket(t)
  await browser.get(ticket)
  const own = sessionAt(browser) ?? ''
  const headers = {
    host: 'crm.localhost',
    accept: 'text/html',
    cookie: `gatelodge=${own}; gatelodge=${'p'.repeat(43)}`,
  }
  const plain = core.browser().at('crm.localhost')
  t.equal((await plain.send('GET', '/x', { headers })).status, 302)
  const nonce = browser.at('crm.localhost').cookies.get('gatelodge-pending') ?? ''
  const last = await (async () => {
    browser.at('crm.localhost').cookies.delete('gatelodge')
    return new URL(await ticketFor(browser, `${crm}/x`))
  })()
  const planted = `gatelodge-pending=${'p'.repeat(43)}; gatelodge-pending=${nonce}`
  const arrived = await plain.send('GET', last.pathname + last.search, { headers: { ...headers, cookie: planted } })
  t.match(arrived.headers['location'], `${portal}/.gatelodge/sign-in`)
})

t.test('a planted nonce is not the browser’s own: the ticket it asks for comes back to nobody else', async (t) => {
  const { core, browser } = await withTicket(t)
  // The attacker's nonce in the victim's browser: the attacker would need the ticket as well, and never sees it.
  const attacker = core.browser()
  const way = (await attacker.get(`${crm}/x`)).headers['location'] as string
  const sent = await browser.get(way)
  t.match(sent.headers['location'], `${crm}/.gatelodge/arrive?`)
  const { answer } = await browser.follow(sent.headers['location'] as string)
  t.equal(answer.text, 'GET /x', 'the victim starts again and arrives')
  t.equal(sessionAt(attacker), undefined)
})

t.test(
  'a branch opens nothing at the portal or at another host, and the portal’s cookie nothing at a site',
  async (t) => {
    const { browser, core, ticket } = await withTicket(t)
    await browser.get(ticket)
    const hosts = ['login.localhost', 'crm.localhost', 'wiki.other.test']
    for (const from of hosts) {
      for (const to of hosts.filter((host) => host !== from)) {
        const path = to === 'login.localhost' ? '/.gatelodge/account' : '/x'
        const moved = { host: to, accept: 'text/html', cookie: `gatelodge=${sessionAt(browser, from)}` }
        // Twice: what was looked up once must not be taken from memory for another host.
        for (let time = 0; time < 2; time += 1) {
          const answer = await core.browser().at(to).send('GET', path, { headers: moved })
          t.ok([302, 303].includes(answer.status), `${from} at ${to}`)
          t.match(answer.headers['location'], '/.gatelodge/sign-in', `${from} at ${to}`)
        }
      }
    }
  },
)

t.test('a branch ends with its session, whatever ends that', async (t) => {
  const ends: Record<string, (core: Lodges, id: string) => Promise<unknown>> = {
    'a sign-out': ({ core }, id) => core.identity.sessions.endOne(id, 'signed-out'),
    'a new generation of the account': async ({ core }) => {
      const [user] = await core.directory.find({ username: 'ana' })
      return core.identity.sessions.endAll(user?.id ?? '')
    },
    'the end of all sessions': ({ core }) => core.identity.sessions.clear(),
    'the end of the sessions of its host': ({ core }) => core.identity.sessions.clearSome({ site: 'crm.localhost' }),
    'the end of one account': async ({ core }) => {
      const [user] = await core.directory.find({ username: 'ana' })
      return core.identity.sessions.clearOf(user?.id ?? '')
    },
    deactivation: async ({ core }) => {
      const [user] = await core.directory.find({ username: 'ana' })
      return core.identity.accounts.change(user?.id ?? '', (account) => ({ ...account, status: 'deactivated' }))
    },
  }
  for (const [name, end] of Object.entries(ends)) {
    const { core, browser, ticket } = await withTicket(t)
    await browser.get(ticket)
    t.equal((await browser.get(`${crm}/x`)).status, 200, name)
    const token = sessionAt(browser) ?? ''
    const open = await core.core.identity.sessions.find(token, 'crm.localhost')
    await end(core, open?.session.id ?? '')
    for (const address of [`${crm}/x`, `${wiki}/x`]) {
      const asked = await browser.get(address)
      t.equal(asked.status, 302, `${name}: ${address}`)
      const page = await browser.get(asked.headers['location'] as string)
      t.equal(page.status, 200, 'and it takes the password again')
      t.match(page.text, 'name="password"')
    }
    const left = await core.core.store.list('branch/')
    if (/sign-out|generation/.test(name)) t.same(left, [], `${name} leaves nothing in the store`)
  }
})

t.test('use of a branch keeps its session from being idle, and an idle session ends its branches', async (t) => {
  let now = Date.now()
  const { browser, ticket } = await withTicket(t, { now: () => now, more: 'session: { idle: 1h }' })
  await browser.get(ticket)
  for (let step = 0; step < 8; step += 1) {
    now += 30 * 60_000
    t.equal((await browser.get(`${crm}/x`)).status, 200)
  }
  t.equal((await browser.get(`${portal}/.gatelodge/account`)).status, 200, 'the portal has not gone idle meanwhile')
  now += 61 * 60_000
  t.equal((await browser.get(`${crm}/x`)).status, 302)
  t.equal((await browser.get(`${portal}/.gatelodge/account`)).status, 303)
})

t.test('a WebSocket of a branch ends with a sign-out at the portal', async (t) => {
  const { core, browser, ticket } = await withTicket(t)
  await browser.get(ticket)
  const sockets = new WebSocketServer({ server: core.app.server })
  t.teardown(() => sockets.close())
  const socket = new WebSocket(`ws://127.0.0.1:${core.port}/ws`, {
    headers: { host: 'crm.localhost', origin: crm, cookie: `gatelodge=${sessionAt(browser)}` },
  })
  await once(socket, 'open')
  const closed = once(socket, 'close')
  await core.core.identity.sessions.end(sessionAt(browser, 'login.localhost'))
  const [code] = await closed
  t.equal(code, 1008)
})

t.test('a browser that keeps no cookies of a site ends on a page that says so', async (t) => {
  const core = await lodges(t)
  await core.addUser('ana')
  const browser = core.browser()
  await arriveAt(browser, `${wiki}/`)
  let address = `${crm}/x`
  let hops = 0
  for (; hops < 20; hops += 1) {
    browser.at('crm.localhost').cookies.clear()
    const answer = await browser.get(address)
    const { location } = answer.headers
    if (typeof location !== 'string') {
      t.equal(answer.status, 400)
      t.match(answer.text, 'keeps no cookies')
      break
    }
    address = new URL(location, address).href
  }
  t.ok(hops < 8, `after ${hops} redirects`)
})

t.test('a browser that keeps the nonce and not the session ends on a page that says so', async (t) => {
  const core = await lodges(t)
  await core.addUser('ana')
  const browser = core.browser()
  await arriveAt(browser, `${wiki}/`)
  let address = `${crm}/x`
  let hops = 0
  for (; hops < 40; hops += 1) {
    browser.at('crm.localhost').cookies.delete('gatelodge')
    const answer = await browser.get(address)
    const { location } = answer.headers
    if (typeof location !== 'string') {
      t.equal(answer.status, 400)
      t.match(answer.text, 'back and forth too often')
      break
    }
    address = new URL(location, address).href
  }
  t.ok(hops < 25, `after ${hops} redirects`)
  browser.at('crm.localhost').cookies.delete('gatelodge')
  t.equal((await browser.follow(`${crm}/x`)).answer.text, 'GET /x', 'and may try again')
})

t.test('several tabs that set out at the same moment all arrive', async (t) => {
  const core = await lodges(t)
  await core.addUser('ana')
  const browser = core.browser()
  await arriveAt(browser, `${wiki}/`)
  const first = await browser.get(`${crm}/0`)
  const ways = [first]
  for (const tab of [1, 2, 3]) ways.push(await browser.get(`${crm}/${tab}`))
  const tickets = []
  for (const way of ways) {
    tickets.push((await browser.get(way.headers['location'] as string)).headers['location'] as string)
  }
  for (const [tab, ticket] of tickets.entries()) t.equal((await browser.get(ticket)).headers['location'], `/${tab}`)
  t.equal((await browser.get(`${crm}/x`)).status, 200)
})

t.test('somebody who signs in anew at the portal leaves no branch of the session before', async (t) => {
  const { core, browser, ticket } = await withTicket(t)
  await browser.get(ticket)
  const before = sessionAt(browser) ?? ''
  await core.addUser('bert')
  const again = await browser.get(`${portal}/.gatelodge/sign-in?notice=again`)
  const { fields } = formOf(again.text, '/sign-in')
  await browser.post(`${portal}/.gatelodge/sign-in`, { ...fields, username: 'bert', password: housePassword })
  t.equal(await core.core.identity.sessions.find(before, 'crm.localhost'), undefined)
  await browser.follow(`${crm}/x`)
  t.equal(core.app.requests.at(-1)?.headers['remote-user'], 'bert')
})
