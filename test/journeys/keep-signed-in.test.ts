import t from 'tap'
import { lodges, portal, signInAt } from '../one-sign-in/lodges.js'
import { AheadClock, enrolApp } from '../support/at-desk.js'
import { codeAt } from '../support/authenticator-app.js'
import { application } from '../support/front-door.js'
import { housePassword, type OpenHouse, startHouse } from '../support/house.js'
import { formOf } from '../support/visitor.js'

t.setTimeout(120_000)

/** Who stays signed in: whoever ticked it as long as `session.duration`, everybody else until the browser is closed. */

const hour = 3_600_000
const day = 24 * hour

async function open(t: Parameters<typeof startHouse>[0], session = '', more = '') {
  const clock = new AheadClock()
  const { url } = await application(t)
  const gateway = await startHouse(t, {
    yaml: `sites: [{ upstream: "${url}" }]\n${session === '' ? '' : `session: { ${session} }\n`}${more}`,
    now: clock.now,
  })
  await gateway.addUser('ana')
  return { gateway, clock }
}

/** @returns whoever signed in, and the attributes of the session's cookie */
async function enter(gateway: OpenHouse, more: Readonly<Record<string, string>> = {}) {
  const visitor = gateway.visitor()
  const given = { username: 'ana', password: housePassword, ...more }
  const answer = await visitor.fillIn('/.gatelodge/sign-in', given, '/sign-in')
  return { visitor, cookie: cookieOf(answer.headers['set-cookie']) }
}

function cookieOf(header: string | string[] | undefined): string {
  return [header ?? []].flat().find((line) => /^(?:__Host-)?gatelodge=/.test(line)) ?? ''
}

t.test('without the tick: the cookie is for this browser session, and twelve unused hours end it', async (t) => {
  const { gateway, clock } = await open(t)
  const { visitor, cookie } = await enter(gateway)
  t.notMatch(cookie, 'Max-Age')
  for (let n = 0; n < 6; n += 1) {
    clock.pass(10 * hour)
    t.equal((await visitor.get('/x')).status, 200, 'in use it goes on')
  }
  clock.pass(13 * hour)
  t.equal((await visitor.get('/x')).status, 302)
})

t.test('with the tick: as long as the duration says, however little it is used', async (t) => {
  const { gateway, clock } = await open(t)
  const { visitor, cookie } = await enter(gateway, { keep: 'yes' })
  t.match(cookie, 'Max-Age=34560000')
  clock.pass(89 * day)
  t.equal((await visitor.get('/x')).status, 200)
  clock.pass(2 * day)
  t.equal((await visitor.get('/x')).status, 302)
})

t.test('a shorter idle time holds for both, and a longer one does not lengthen what was not ticked', async (t) => {
  const short = await open(t, 'idle: 1h')
  const [kept, brief] = [await enter(short.gateway, { keep: 'yes' }), await enter(short.gateway)]
  short.clock.pass(2 * hour)
  for (const { visitor } of [kept, brief]) t.equal((await visitor.get('/x')).status, 302)
  const long = await open(t, 'idle: 7d')
  const [week, half] = [await enter(long.gateway, { keep: 'yes' }), await enter(long.gateway)]
  long.clock.pass(day)
  t.equal((await week.visitor.get('/x')).status, 200)
  t.equal((await half.visitor.get('/x')).status, 302)
})

t.test('keep: always asks nobody, and keeps everybody', async (t) => {
  const { gateway, clock } = await open(t, 'keep: always')
  const visitor = gateway.visitor()
  t.notMatch((await visitor.get('/.gatelodge/sign-in')).text, 'name="keep"')
  const entered = await enter(gateway)
  t.match(entered.cookie, 'Max-Age=34560000')
  clock.pass(80 * day)
  t.equal((await entered.visitor.get('/x')).status, 200)
})

t.test('the code after the password, a step-up and a new password change nothing of it', async (t) => {
  for (const keep of ['', 'yes']) {
    const { gateway, clock } = await open(t)
    const key = await enrolApp(gateway, 'ana')
    clock.pass(30_000)
    const { visitor } = await enter(gateway, keep === '' ? {} : { keep })
    const page = await visitor.get('/.gatelodge/verify')
    t.match(page.text, /Don(?:'|&#39;)t ask for a code on this device for 30 days/)
    const form = formOf(page.text, '/verify')
    const done = await visitor.post(form.action ?? '', { ...form.fields, code: codeAt(key, clock.now()) })
    t.equal(/Max-Age/.test(cookieOf(done.headers['set-cookie'])), keep === 'yes', `ticked: ${keep}`)
    const renewed = await visitor.fillIn('/.gatelodge/account/sessions', {}, '/account/sessions/end-others')
    t.equal(/Max-Age/.test(cookieOf(renewed.headers['set-cookie'])), keep === 'yes', `renewed, ticked: ${keep}`)
    const again = await visitor.get('/.gatelodge/sign-in?notice=again')
    t.equal(/id="keep"[^>]* checked/.test(again.text), keep === 'yes', 'asked for the password again it is as it was')
  }
})

t.test('cookies of other hosts are kept as long as that of the portal', async (t) => {
  const clock = new AheadClock()
  const core = await lodges(t, { now: clock.now })
  await core.addUser('ana')
  for (const keep of [false, true]) {
    const browser = core.browser()
    const { answer, way } = await browser.follow('http://crm.localhost/x')
    const { action = '', fields } = formOf(answer.text, '/sign-in')
    const given = { ...fields, username: 'ana', password: housePassword, ...(keep ? { keep: 'yes' } : {}) }
    const sent = await browser.post(new URL(action, way.at(-1)).href, given)
    let here = new URL(sent.headers['location'] as string, portal).href
    let arrived = await browser.get(here)
    while (!here.includes('/arrive?')) {
      here = new URL(arrived.headers['location'] as string, here).href
      arrived = await browser.get(here)
    }
    t.match(cookieOf(arrived.headers['set-cookie']), keep ? /Max-Age=34560000/ : /SameSite=Lax$/)
  }
  const browser = core.browser()
  const { next } = await signInAt(browser, 'http://crm.localhost/x')
  await browser.follow(next)
  clock.pass(13 * hour)
  t.match((await browser.get('http://crm.localhost/x')).headers['location'], portal, 'and end with it')
})
