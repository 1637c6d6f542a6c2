import t from 'tap'
import { hashOf } from '../../src/identity/store/random-token.js'
import { formOf } from '../support/visitor.js'
import { arriveAt, crm, lodges, portal, signInAt, wiki } from './lodges.js'

t.setTimeout(120_000)

t.test('one sign-in opens every host: the first asks, the second shows no page', async (t) => {
  const core = await lodges(t)
  await core.addUser('ana')
  const browser = core.browser()

  const asked = await browser.get(`${crm}/x?a=1`)
  t.equal(asked.status, 302)
  const way = new URL(asked.headers['location'] as string)
  t.equal(way.origin + way.pathname, `${portal}/.gatelodge/sign-in`)
  t.equal(way.searchParams.get('return'), `${crm}/x?a=1`)
  const nonce = browser.at('crm.localhost').cookies.get('gatelodge-pending') ?? ''
  t.equal(way.searchParams.get('state'), hashOf(nonce), 'the portal learns the hash of the nonce alone')
  t.match((await browser.get(way.href)).text, /go on to <strong>Customers<\/strong>/)

  const { next, answer } = await signInAt(browser, `${crm}/x?a=1`)
  t.equal(answer.status, 303)
  const arrived = await browser.follow(next)
  t.equal(arrived.answer.status, 200)
  t.equal(arrived.answer.text, 'GET /x?a=1')
  t.equal(arrived.way.at(-1), `${crm}/x?a=1`)
  t.equal(core.app.requests.at(-1)?.headers['remote-user'], 'ana')
  t.equal(core.app.requests.at(-1)?.headers.cookie, undefined, 'the application sees none of our cookies')

  const other = await browser.follow(`${wiki}/page`)
  t.equal(other.answer.text, 'GET /page')
  t.same(
    other.way.map((address) => address.replace(/\?.*/s, '')),
    [`${wiki}/page`, `${portal}/.gatelodge/sign-in`, `${wiki}/.gatelodge/arrive`, `${wiki}/page`],
    'no page is shown on the way',
  )
  t.equal((await browser.get(`${crm}/y`)).text, 'GET /y', 'and from then on nothing is asked')
})

t.test(
  'every cookie is of its own host, with a secret of its own, and the ticket is in no address that stays',
  async (t) => {
    const core = await lodges(t)
    await core.addUser('ana')
    const browser = core.browser()
    const { way } = await arriveAt(browser, `${crm}/x`)
    await browser.follow(`${wiki}/`)
    const tokens = ['login.localhost', 'crm.localhost', 'wiki.other.test'].map((host) =>
      browser.at(host).cookies.get('gatelodge'),
    )
    t.equal(new Set(tokens).size, 3)
    t.notOk(tokens.includes(undefined))
    const arrive = way.find((address) => address.includes('/arrive?')) ?? ''
    const again = await browser.get(arrive)
    t.equal(again.headers['referrer-policy'], 'no-referrer')
    t.equal(again.headers['cache-control'], 'no-store')
    const ticket = new URL(arrive).searchParams.get('ticket') ?? ''
    t.equal(ticket.length, 43)
    t.notOk(JSON.stringify(core.lines).includes(ticket), 'no ticket in the log')
  },
)

t.test('a request with a branch is known without waiting, as one with a session is', async (t) => {
  const core = await lodges(t)
  await core.addUser('ana')
  const browser = core.browser()
  await arriveAt(browser, `${crm}/x`)
  await browser.get(`${crm}/x`)
  const token = browser.at('crm.localhost').cookies.get('gatelodge') ?? ''
  const { sessions } = core.core.identity
  t.equal(sessions.known(token, 'crm.localhost')?.account.username, 'ana')
  t.equal(sessions.known(token, 'wiki.other.test'), undefined)
  t.equal(sessions.known(token), undefined)
})

t.test('pages that ask for a secret live at the portal alone', async (t) => {
  const core = await lodges(t)
  await core.addUser('ana')
  const browser = core.browser()
  for (const page of [
    '/account',
    '/admin',
    '/help',
    '/link?token=x',
    '/sign-out',
    '/not-me?token=x',
    '/account/sessions',
  ]) {
    const answer = await browser.get(`${crm}/.gatelodge${page}`)
    t.equal(answer.status, 302, page)
    t.equal(answer.headers['location'], `${portal}/.gatelodge${page}`)
  }
  const signIn = await browser.get(`${crm}/.gatelodge/sign-in?return=%2Fdeep%3Fq%3D1`)
  const way = new URL(signIn.headers['location'] as string)
  t.equal(way.searchParams.get('return'), `${crm}/deep?q=1`)
  t.ok(way.searchParams.get('state'))
  for (const page of ['/sign-in', '/verify', '/sign-out', '/account/password', '/admin/do/x', '/help']) {
    const answer = await browser.post(`${crm}/.gatelodge${page}`, { token: 'x' }, { accept: 'application/json' })
    t.equal(answer.status, 403, page)
  }
  for (const page of ['/healthz', '/readyz']) t.equal((await browser.get(`${crm}/.gatelodge${page}`)).status, 200)
  const asset = /\/.gatelodge\/assets\/[^"]+\.css/.exec((await browser.get(`${portal}/.gatelodge/sign-in`)).text)?.[0]
  t.equal((await browser.get(`${crm}${asset}`)).status, 200)
})

t.test('the start of a portal without a site is the page of applications, with the headers of our pages', async (t) => {
  const core = await lodges(t)
  await core.addUser('ana')
  const browser = core.browser()
  const stranger = await browser.get(`${portal}/`)
  t.equal(stranger.status, 303)
  t.equal(stranger.headers['location'], '/.gatelodge/sign-in')
  const { next, answer } = await signInAt(browser, `${portal}/`)
  t.equal(answer.headers['location'], '/')
  const page = await browser.get(next)
  t.equal(page.status, 200)
  t.match(page.text, /<h1>Your applications<\/h1>/)
  t.match(page.text, `href="${crm}/"`)
  t.match(page.headers['content-security-policy'], "frame-ancestors 'none'")
  t.equal(page.headers['cache-control'], 'no-store')
  t.equal(page.headers['referrer-policy'], 'no-referrer')
  t.equal((await browser.get(`${portal}/other`)).status, 404)
  t.equal((await browser.get(`${crm}/`)).status, 302, 'and nowhere else')
  const form = formOf(page.text, '/sign-out')
  t.equal((await browser.post(`${portal}/.gatelodge/sign-out`, form.fields)).status, 303, 'signs out from there')
  t.equal((await browser.get(`${portal}/`)).headers['location'], '/.gatelodge/sign-in')
})

t.test('who signs in without a destination lands on the applications, wherever those are', async (t) => {
  const cases: ReadonlyArray<[what: string, sites: (url: string) => string, start: string]> = [
    ['no site at the portal', (url) => `\n  - { host: crm.localhost, upstream: "${url}" }`, '/'],
    [
      'a site at a path of the portal',
      (url) => `
  - { host: login.localhost, path: /crm, upstream: "${url}" }
  - { host: wiki.other.test, upstream: "${url}" }`,
      '/',
    ],
    [
      'a site at the start of the portal',
      (url) => `
  - { host: login.localhost, upstream: "${url}" }
  - { host: wiki.other.test, upstream: "${url}" }`,
      '/.gatelodge/apps',
    ],
    [
      'one host, with nothing at its start',
      (url) => `\n  - { host: login.localhost, path: /crm, upstream: "${url}" }`,
      '/.gatelodge/apps',
    ],
    ['one host, as ever', (url) => `\n  - { host: login.localhost, upstream: "${url}" }`, '/'],
  ]
  for (const [what, sites, start] of cases) {
    const core = await lodges(t, { sites })
    await core.addUser('ana')
    const browser = core.browser()
    const { answer } = await signInAt(browser, `${portal}/.gatelodge/sign-in`)
    t.equal(answer.headers['location'], start, what)
    t.equal((await browser.get(portal + start)).status, 200, what)
    t.equal(
      (await browser.get(`${portal}/.gatelodge/sign-in`)).headers['location'],
      start,
      `${what}, signed in already`,
    )
    const wanted = await core.browser().get(`${portal}/.gatelodge/sign-in?return=%2F`)
    t.match(wanted.text, 'name="password"')
    // Whoever wanted the application at the start gets it, and not the list.
    if (what === 'a site at the start of the portal') {
      t.equal((await arriveAt(core.browser(), `${portal}/`)).answer.text, 'GET /')
    }
  }
})

t.test('programs see none of it', async (t) => {
  const core = await lodges(t)
  const visitor = core.browser().at('crm.localhost')
  const answer = await visitor.send('GET', '/x', { headers: { host: 'crm.localhost', accept: 'application/json' } })
  t.equal(answer.status, 401)
  t.match(answer.json(), { code: 'sign-in.required' })
  const fetched = { host: 'crm.localhost', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }
  t.equal((await visitor.send('GET', '/x', { headers: fetched })).status, 401)
})

t.test('with one host nothing changes, and each-host asks at every one', async (t) => {
  const one = await lodges(t, { sites: (url) => `\n  - { host: login.localhost, upstream: "${url}" }` })
  const here = await one.browser().get(`${portal}/x`)
  t.equal(here.headers['location'], '/.gatelodge/sign-in?return=%2Fx')
  const each = await lodges(t, { more: 'signIn: { at: each-host }' })
  t.equal((await each.browser().get(`${crm}/x`)).headers['location'], '/.gatelodge/sign-in?return=%2Fx')
})

t.test('the portal may be the host of a site as well', async (t) => {
  const sites = (url: string) => `
  - { host: login.localhost, upstream: "${url}" }
  - { host: crm.localhost, upstream: "${url}" }`
  const core = await lodges(t, { sites })
  await core.addUser('ana')
  const browser = core.browser()
  t.equal((await arriveAt(browser, `${portal}/own`)).answer.text, 'GET /own')
  t.equal((await browser.follow(`${crm}/x`)).answer.text, 'GET /x')
})
