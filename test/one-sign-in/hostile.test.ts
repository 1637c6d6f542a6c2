import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { application } from '../support/front-door.js'
import { housePassword, startHouse } from '../support/house.js'
import { formOf, Visitor } from '../support/visitor.js'
import { foreignHosts } from './foreign-hosts.js'
import { addWithApp, arriveAt, crm, lodges, portal, signInAt, wiki } from './lodges.js'

t.setTimeout(180_000)

/** Where an answer sends a browser, if not to a page of the portal itself. */
function elsewhere(location: unknown): string | undefined {
  const address = new URL(typeof location === 'string' ? location : '/', portal)
  return address.origin === portal ? undefined : address.href
}

t.test('no form of the portal leads to a foreign host, whatever its field says', async (t) => {
  const clock = { ms: Date.now() }
  const core = await lodges(t, { now: () => clock.ms })
  await core.addUser('ana')
  // One sign-in costs a password's hash; the same field is read by the same code in every form.
  const said = foreignHosts('crm.localhost').filter((_, index) => index % 3 === 0)
  for (const place of said) {
    const browser = core.browser()
    const page = await browser.get(`${portal}/.gatelodge/sign-in`)
    const { fields } = formOf(page.text, '/sign-in')
    const sent = { ...fields, return: place, username: 'ana', password: housePassword }
    const answer = await browser.post(`${portal}/.gatelodge/sign-in`, sent)
    t.equal(answer.status, 303, JSON.stringify(place))
    t.equal(elsewhere(answer.headers['location']), undefined, JSON.stringify(place))
    clock.ms += 60_000
  }
})

t.test('no page on the way passes a foreign host on to the next', async (t) => {
  const core = await lodges(t)
  await addWithApp(core, 'ana')
  const browser = core.browser()
  // Half-way: the password was right, the code is outstanding, and every page of the second step may be asked for.
  await signInAt(browser, `${portal}/`)
  for (const place of foreignHosts('crm.localhost')) {
    const query = new URLSearchParams({ return: place, state: 's'.repeat(43) })
    for (const page of [
      '/verify',
      '/verify/backup-code',
      '/enrol',
      '/sign-in',
      '/sign-in/link',
      '/account/prove',
      '/link',
    ]) {
      const answer = await browser.get(`${portal}/.gatelodge${page}?${query}`)
      t.equal(elsewhere(answer.headers['location']), undefined, `${page} of ${JSON.stringify(place)}`)
      const named = [...answer.text.matchAll(/(?:href|action|value|content)="([^"]*evil[^"]*)"/g)].map(
        ([, value]) => value,
      )
      t.same(named, [], `${page} of ${JSON.stringify(place)} names it nowhere`)
    }
  }
})

t.test('an address to return to that comes twice, or as a list, is none', async (t) => {
  const core = await lodges(t)
  await core.addUser('ana')
  const browser = core.browser()
  await arriveAt(browser, `${wiki}/x`)
  const good = encodeURIComponent(`${crm}/x`)
  const state = `state=${'s'.repeat(43)}`
  for (const query of [
    `return=${good}&return=http%3A%2F%2Fevil.test%2F&${state}`,
    `return=http%3A%2F%2Fevil.test%2F&return=${good}&${state}`,
    `return[]=${good}&${state}`,
    `return[0]=http%3A%2F%2Fevil.test%2F&${state}`,
    `RETURN=${good}&${state}`,
  ]) {
    t.equal((await browser.get(`${portal}/.gatelodge/sign-in?${query}`)).headers['location'], '/', query)
  }
})

t.test('a ticket brought without a nonce is not spent: a scanner that opens links takes nothing away', async (t) => {
  const core = await lodges(t)
  await core.addUser('ana')
  const browser = core.browser()
  await arriveAt(browser, `${wiki}/x`)
  const asked = await browser.get(`${crm}/x`)
  const sent = await browser.get(asked.headers['location'] as string)
  const ticket = sent.headers['location'] as string
  for (let time = 0; time < 3; time += 1) {
    const scanner = core.browser()
    const looked = await scanner.get(ticket, { 'user-agent': 'LinkScanner/1.0' })
    t.equal(looked.status, 302)
    t.equal(scanner.at('crm.localhost').cookies.get('gatelodge'), undefined)
  }
  const arrived = await browser.get(ticket)
  t.equal(arrived.status, 303)
  t.equal(arrived.headers['location'], '/x')
})

t.test('what the address of an arrival says beside its ticket changes nothing of where it leads', async (t) => {
  const core = await lodges(t)
  await core.addUser('ana')
  const browser = core.browser()
  await arriveAt(browser, `${wiki}/x`)
  const asked = await browser.get(`${crm}/x?one=1`)
  const sent = await browser.get(asked.headers['location'] as string)
  const address = new URL(sent.headers['location'] as string)
  address.searchParams.set('return', '/admin/delete?all=1')
  t.equal((await browser.get(address.href)).headers['location'], '/x?one=1')
})

t.test('a state that is no hash of a nonce binds nothing: no ticket is drawn', async (t) => {
  const core = await lodges(t)
  await core.addUser('ana')
  const browser = core.browser()
  await arriveAt(browser, `${wiki}/x`)
  for (const state of ['', 'x', 's'.repeat(42), 's'.repeat(44), `${'s'.repeat(42)}=`, `${'s'.repeat(42)}/`]) {
    const query = new URLSearchParams({ return: `${crm}/x`, state })
    const { headers } = await browser.get(`${portal}/.gatelodge/sign-in?${query}`)
    t.equal(headers['location'], `${crm}/x`, JSON.stringify(state))
  }
  t.same(await core.core.store.list('ticket/'), [])
})

t.test('a WebSocket takes the branch of its own host alone', async (t) => {
  const core = await lodges(t)
  const sockets = new WebSocketServer({ server: core.app.server })
  t.teardown(() => sockets.close())
  await core.addUser('ana')
  const browser = core.browser()
  await arriveAt(browser, `${crm}/x`)
  await browser.follow(`${wiki}/x`)
  const open = (host: string, from: string) => {
    const cookie = `gatelodge=${browser.at(from).cookies.get('gatelodge')}`
    const socket = new WebSocket(`ws://127.0.0.1:${core.port}/ws`, {
      headers: { host, origin: `http://${host}`, cookie },
    })
    return new Promise<number>((resolve) => {
      socket
        .once('open', () => resolve(101))
        .once('unexpected-response', (_, answer) => resolve(answer.statusCode ?? 0))
      socket.once('error', () => undefined)
    }).finally(() => socket.terminate())
  }
  t.equal(await open('crm.localhost', 'crm.localhost'), 101)
  t.equal(await open('crm.localhost', 'wiki.other.test'), 401)
  t.equal(await open('wiki.other.test', 'crm.localhost'), 401)
  t.equal(await open('crm.localhost', 'login.localhost'), 401)
})

/** Over https, as everywhere but in tests: `__Host-` is what no sibling can plant. */
async function secureLodges(t: Test) {
  const app = await application(t)
  const core = await startHouse(t, {
    yaml: `
listen: 127.0.0.1:0
publicUrl: https://login.example.com
sites:
  - { host: crm.example.com, upstream: "${app.url}" }
  - { host: wiki.example.org, upstream: "${app.url}" }
`,
  })
  await core.addUser('ana')
  return { core, visitor: () => new Visitor(t, `http://127.0.0.1:${core.port}`) }
}

t.test('cookies of ours that a sibling host can plant, for want of the prefix, are not looked at', async (t) => {
  const { core, visitor } = await secureLodges(t)
  const one = visitor()
  const at = (host: string) => ({ headers: { host, accept: 'text/html', 'sec-fetch-mode': 'navigate' } })
  const asked = await one.send('GET', '/x', at('crm.example.com'))
  const [own] = [asked.headers['set-cookie']].flat()
  t.match(own, /^__Host-gatelodge-pending=[^;]+;/)
  t.match(own, /; Secure/i)
  t.match(own, /; Path=\/(?:;|$)/i)
  t.notMatch(own, /domain/i)

  // A real branch, as somebody has it who may sign in: under the bare name it opens nothing, alone or beside another.
  const [user] = await core.core.directory.find({ username: 'ana' })
  const account = user && (await core.core.identity.accounts.find(user.id))
  if (user === undefined || account === undefined) throw new Error('nobody is there')
  const opened = await core.core.identity.sessions.open({
    user,
    generation: account.generation,
    installation: await core.core.identity.installation.generation(),
    passwordAt: Date.now(),
    via: ['password'],
    client: { address: '192.0.2.1', network: '192.0.2.1', userAgent: 'test', requestId: 'r' },
  })
  const branch = await core.core.identity.sessions.branch(opened.session.id, 'crm.example.com')
  const statusWith = async (cookie: string) => {
    const { headers } = at('crm.example.com')
    return (await visitor().send('GET', '/x', { headers: { ...headers, cookie } })).status
  }
  t.equal(await statusWith(`__Host-gatelodge=${branch?.token}`), 200)
  t.equal(await statusWith(`gatelodge=${branch?.token}`), 302)
  t.equal(await statusWith(`__host-gatelodge=${branch?.token}`), 302)
  t.equal(await statusWith(`__Secure-gatelodge=${branch?.token}`), 302)
  t.equal(await statusWith(`__Host-gatelodge=${branch?.token}; __Host-gatelodge=${'p'.repeat(43)}`), 302, 'of two none')
})
