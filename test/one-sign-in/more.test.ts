import type { Test } from 'tap'
import t from 'tap'
import { byCommand } from '../../src/cli/terminal.js'
import { Refusal } from '../../src/operations/operation.js'
import { listSessions } from '../../src/operations/sessions.js'
import { codeAt } from '../support/authenticator-app.js'
import type { Roamer } from '../support/roamer.js'
import { formOf } from '../support/visitor.js'
import { arriveAt, crm, lodges, portal, signInAt, wiki } from './lodges.js'

t.setTimeout(120_000)

const rules = `[{ path: "/vault/**", access: second-factor, reauthenticate: 5m }, { path: "/**", access: password }]`

/** Answers the page that stands at the end of a way, and follows where that leads. */
async function answer(browser: Roamer, address: string, fields: Record<string, string>) {
  const { answer: page, way } = await browser.follow(address)
  const form = formOf(page.text)
  const here = way.at(-1) ?? ''
  const sent = await browser.post(new URL(form.action ?? '', here).href, { ...form.fields, ...fields })
  return { page, here, sent, next: new URL(sent.headers['location']?.toString() ?? here, here).href }
}

function keyOf(page: string): string {
  return (/<code class="key"[^>]*>([\s\S]*?)<\/code>/.exec(page)?.[1] ?? '').replace(/<[^>]*>|\s/g, '')
}

async function enrolled(t: Test) {
  const clock = { ms: Date.now() }
  const core = await lodges(t, { rules, now: () => clock.ms })
  await core.addUser('ana')
  const browser = core.browser()
  t.equal((await arriveAt(browser, `${wiki}/x`)).answer.text, 'GET /x')
  // The first factor is set up on the way to a page of a site, and leads back there.
  const { answer: page, way } = await browser.follow(`${crm}/vault/a?b=1`)
  const here = way.at(-1) ?? ''
  t.match(here, `${portal}/.gatelodge/enrol/totp?`)
  const key = keyOf(page.text)
  const form = formOf(page.text)
  const code = codeAt(key, clock.ms)
  const sent = await browser.post(new URL(form.action ?? '', here).href, { ...form.fields, code })
  return { core, browser, clock, key, next: new URL(sent.headers['location'] as string, here).href }
}

t.test('a second factor that a site asks for is set up at the portal, and leads back', async (t) => {
  const { browser, next } = await enrolled(t)
  // Backup codes are shown first.
  const { answer: page, way } = await browser.follow(next)
  if (!way.at(-1)?.startsWith(crm)) {
    t.match(way.at(-1), '/account/backup-codes/new')
    const form = formOf(page.text, '/saved')
    const here = way.at(-1) ?? ''
    const sent = await browser.post(new URL(form.action ?? '', here).href, { ...form.fields, saved: 'yes' })
    const on = await browser.follow(new URL(sent.headers['location'] as string, here).href)
    t.equal(on.answer.text, 'GET /vault/a?b=1')
  } else t.equal(page.text, 'GET /vault/a?b=1')
  t.equal((await browser.get(`${crm}/vault/a`)).text, 'GET /vault/a')
  t.equal((await browser.follow(`${wiki}/x`)).answer.text, 'GET /x', 'the other host follows, and shows no page')
})

t.test('a fresh proof that a site asks for is given at the portal, and leads back', async (t) => {
  const { browser, clock, key } = await enrolled(t)
  await browser.follow(`${crm}/vault/a`)
  clock.ms += 6 * 60_000
  t.equal((await browser.follow(`${crm}/x`)).answer.text, 'GET /x', 'only where it is asked for')
  const { answer: page, way } = await browser.follow(`${crm}/vault/late?c=1`)
  t.match(way.at(-1), `${portal}/.gatelodge/verify?`)
  t.match(page.headers['content-security-policy'], `form-action 'self' ${crm};`)
  const { next, sent } = await answer(browser, `${crm}/vault/late?c=1`, { code: codeAt(key, clock.ms) })
  t.equal(sent.status, 303)
  t.equal((await browser.follow(next)).answer.text, 'GET /vault/late?c=1')
  t.equal((await browser.follow(`${wiki}/vault/x`)).answer.text, 'GET /vault/x', 'one proof for every host')
})

t.test('a wrong code on the way to a site stays on that way', async (t) => {
  const { browser, clock, key } = await enrolled(t)
  clock.ms += 6 * 60_000
  const { sent, here } = await answer(browser, `${crm}/vault/late`, { code: '000000' })
  t.match(
    here,
    `${portal}/.gatelodge/verify?`,
    'who is known at the portal gives a code and no password, also where they never were',
  )
  t.equal(sent.status, 422)
  t.match(sent.headers['content-security-policy'], `form-action 'self' ${crm};`)
  const form = formOf(sent.text, '/verify')
  const again = await browser.post(new URL(form.action ?? '', here).href, {
    ...form.fields,
    code: codeAt(key, clock.ms),
  })
  const { answer: page } = await browser.follow(new URL(again.headers['location'] as string, here).href)
  t.equal(page.text, 'GET /vault/late')
})

t.test('a wrong password on the way to a site stays on that way', async (t) => {
  const core = await lodges(t)
  await core.addUser('ana')
  const browser = core.browser()
  const wrong = await signInAt(browser, `${crm}/x`, 'ana', 'wrong')
  t.equal(wrong.answer.status, 422)
  t.match(wrong.answer.text, 'Customers')
  const form = formOf(wrong.answer.text, '/sign-in')
  const right = await browser.post(`${portal}/.gatelodge/sign-in`, {
    ...form.fields,
    username: 'ana',
    password: 'a lamp over the lodge gate',
  })
  t.equal((await browser.follow(new URL(right.headers['location'] as string, portal).href)).answer.text, 'GET /x')
})

t.test('a sign-out at the portal is one everywhere, and says so', async (t) => {
  const core = await lodges(t)
  await core.addUser('ana')
  const browser = core.browser()
  await arriveAt(browser, `${crm}/x`)
  await browser.follow(`${wiki}/x`)
  // From wherever somebody is: the application links to its own host.
  const { answer: page, way } = await browser.follow(`${crm}/.gatelodge/sign-out`)
  t.equal(way.at(-1), `${portal}/.gatelodge/sign-out`)
  t.match(page.text, 'This signs you out of every application.')
  const form = formOf(page.text)
  await browser.post(`${portal}/.gatelodge/sign-out`, form.fields)
  t.match((await browser.get(`${portal}/.gatelodge/sign-out`)).text, 'in no application')
  for (const address of [`${crm}/x`, `${wiki}/x`, `${portal}/.gatelodge/account`]) {
    t.match((await browser.follow(address)).answer.text, 'name="password"', address)
  }
})

t.test('an application’s own sign-out is one everywhere, where it is bound to it', async (t) => {
  const core = await lodges(t, {
    sites: (url) => `
  - { host: crm.localhost, upstream: "${url}", signOut: [/logout] }
  - { host: wiki.other.test, upstream: "${url}" }`,
  })
  await core.addUser('ana')
  const browser = core.browser()
  await arriveAt(browser, `${crm}/x`)
  await browser.follow(`${wiki}/x`)
  const foreign = await browser.get(`${crm}/logout`, { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' })
  t.equal(foreign.text, 'GET /logout', 'another site’s page signs out of the application alone')
  t.equal((await browser.get(`${wiki}/x`)).status, 200)
  t.equal((await browser.get(`${wiki}/logout`)).text, 'GET /logout', 'and only where it is bound')
  t.equal((await browser.get(`${crm}/logout/x`)).status, 200)

  const answer = await browser.get(`${crm}/logout?now=1`, { 'sec-fetch-site': 'same-origin' })
  t.equal(answer.text, 'GET /logout?now=1', 'the application is asked')
  t.equal(core.app.requests.at(-1)?.headers['remote-user'], 'ana', 'and hears who it was')
  for (const address of [`${crm}/x`, `${wiki}/x`, `${portal}/.gatelodge/account`]) {
    t.match((await browser.follow(address)).answer.text, 'name="password"', address)
  }
})

t.test('the lists of sessions have one line a browser, with the hosts it has been to', async (t) => {
  const core = await lodges(t)
  await core.addUser('ana')
  await core.addUser('olga', { role: 'owner' })
  const browser = core.browser()
  await arriveAt(browser, `${crm}/x`)
  await browser.follow(`${wiki}/x`)
  await arriveAt(core.browser(), `${wiki}/x`)
  const page = await browser.get(`${portal}/.gatelodge/account/sessions`)
  const rows = (page.text.match(/<li>[\s\S]*?<\/li>/g) ?? []).filter((row) => row.includes('since'))
  t.equal(rows.length, 2)
  t.match(rows[0], /crm\.localhost[\s\S]*wiki\.other\.test/)
  t.notMatch(rows[1], /crm\.localhost/)

  const list = await core.core.desk.run(listSessions, { user: 'ana' }, byCommand)
  if (list instanceof Refusal) throw new Error(list.sentence)
  const hosts = list.items.map((item) => item.hosts.join(' '))
  t.same(hosts.toSorted(), ['crm.localhost wiki.other.test', 'wiki.other.test'])
})

t.test('forward-auth leads to the portal and takes the branch of its host alone', async (t) => {
  const core = await lodges(t, {
    sites: (url) => `
  - { host: crm.localhost, upstream: none }
  - { host: wiki.other.test, upstream: "${url}" }`,
    more: 'forwardAuth: { peers: [127.0.0.1/32] }',
  })
  await core.addUser('ana')
  const browser = core.browser()
  const ask = async (host: string, uri: string) => {
    const at = browser.at(host)
    const cookie = [...at.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = {
      host: 'gate.internal',
      'x-forwarded-host': host,
      'x-forwarded-uri': uri,
      'x-forwarded-method': 'GET',
      'x-forwarded-for': '192.0.2.1',
      'sec-fetch-mode': 'navigate',
      accept: 'text/html',
      ...(cookie === '' ? {} : { cookie }),
    }
    return core.browser().at('asker').send('GET', '/.gatelodge/forward-auth', { headers })
  }
  const asked = await ask('crm.localhost', '/x?a=1')
  t.equal(asked.status, 302)
  t.equal(asked.headers['location'], `${crm}/.gatelodge/sign-in?return=%2Fx%3Fa%3D1`)
  const { way } = await browser.follow(asked.headers['location'] as string)
  t.match(way.at(-1), `${portal}/.gatelodge/sign-in?`)
  const { next } = await signInAt(browser, asked.headers['location'] as string)
  const arrived = await browser.follow(next).catch((error: unknown) => error as Error)
  t.ok(arrived)
  t.equal((await ask('crm.localhost', '/x')).headers['remote-user'], 'ana')
  browser.at('wiki.other.test').cookies.set('gatelodge', browser.at('crm.localhost').cookies.get('gatelodge') ?? '')
  t.equal((await ask('wiki.other.test', '/x')).status, 302)
})

t.test('where requests are only observed, nobody is led anywhere, and a branch is known', async (t) => {
  const core = await lodges(t, {
    sites: (url) => `
  - { host: crm.localhost, upstream: "${url}", enforce: false }
  - { host: wiki.other.test, upstream: "${url}" }`,
  })
  await core.addUser('ana')
  const browser = core.browser()
  t.equal((await browser.get(`${crm}/x`)).text, 'GET /x')
  t.equal(core.app.requests.at(-1)?.headers['remote-user'], undefined)
  await arriveAt(browser, `${crm}/.gatelodge/sign-in?return=%2Fx`)
  await browser.get(`${crm}/x`)
  t.equal(core.app.requests.at(-1)?.headers['remote-user'], 'ana')
})
