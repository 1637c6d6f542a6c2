import t from 'tap'
import { request } from 'undici'
import type { SecondFactor } from '../../../src/contracts.js'
import { codeAt } from '../../support/authenticator-app.js'
import { PASSWORD } from '../../support/core.js'
import { type Answer, formOf, type Visitor } from '../../support/visitor.js'
import { type Lodge, lodge, prefix } from './lodge.js'

const at = (page: string) => `${prefix}${page}`
const titleOf = ({ text }: Answer) => /<title>([^<]*)<\/title>/.exec(text)?.[1]
/** Everything of an answer that a stranger could compare, without what is different in every answer. */
const likeness = ({ status, headers, text }: Answer) => {
  const { date, 'set-cookie': cookies, ...rest } = headers
  const names = [cookies ?? []].flat().map((line) => line.replace(/=[^;]*/, ''))
  return { status, headers: rest, names, text: text.replace(/name="token" value="[^"]*"/g, '') }
}

async function signIn(visitor: Visitor, username: string, returnTo = '/', password = PASSWORD): Promise<Answer> {
  return visitor.fillIn(`${at('/sign-in')}?return=${encodeURIComponent(returnTo)}`, { username, password })
}

/** Where a browser goes after its first second factor: past the codes that come with it. */
const pastCodes = (next: string) => `${at('/account/backup-codes/new')}?${new URLSearchParams({ return: next })}`

/** Signs in where a second factor must be set up first, sets it up, and gives its key back. */
async function enrol(lodge: Lodge, visitor: Visitor, username: string): Promise<string> {
  await signIn(visitor, username, '/secret/plans')
  const page = await visitor.get(at('/enrol/totp'))
  const key = /data-copy="([A-Z2-7]+)"/.exec(page.text)?.[1] ?? ''
  const done = await visitor.post(at('/enrol/totp'), { ...formOf(page.text).fields, code: codeAt(key, lodge.clock.ms) })
  if (done.location !== pastCodes('/secret/plans')) throw new Error(`${done.status} ${done.text}`)
  lodge.clock.forward(30)
  return key
}

t.test('signing in is a page, a form and a redirect to where one wanted to go', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  const visitor = core.visitor()

  const page = await visitor.get(at('/sign-in?return=%2Freports%3Fyear%3D2024'))
  t.equal(page.status, 200)
  t.equal(titleOf(page), 'Sign in – Riverside CRM')
  t.match(page.text, /<input id="username" name="username"[^>]*autocomplete="username"[^>]*autofocus/)
  t.match(page.text, /<input id="password" name="password" type="password" autocomplete="current-password"/)
  t.notMatch(page.text, /maxlength|onpaste|autocomplete="off"/)
  t.same([...visitor.cookies.keys()], ['gatelodge-pending'], 'one cookie, which opens nothing')
  t.equal(await core.sessions.find(visitor.cookies.get('gatelodge-pending')), undefined)

  const done = await visitor.post(at('/sign-in'), {
    ...formOf(page.text).fields,
    username: ' ada ',
    password: PASSWORD,
  })
  t.equal(done.status, 303)
  t.equal(done.location, '/reports?year=2024')
  t.same(
    [...visitor.cookies.keys()],
    ['gatelodge', 'gatelodge-browser'],
    'the session has come, the other cookie has gone',
  )
  const open = await core.sessions.find(visitor.cookies.get('gatelodge'))
  t.equal(open?.account.username, 'ada')
  const [cookie = ''] = [done.headers['set-cookie'] ?? ''].flat()
  t.match(cookie, /^gatelodge=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/, 'it ends with the browser')

  const again = await visitor.get(at('/sign-in?return=%2Freports'))
  t.same([again.status, again.location], [303, '/reports'], 'who is signed in is sent on')
  const secret = await visitor.get(at('/sign-in?return=%2Fsecret%2Fplans'))
  t.equal(secret.location, at('/enrol?return=%2Fsecret%2Fplans'), 'as far as the wanted page allows')
})

t.test('what a page is sent with', async (t) => {
  const core = await lodge(t)
  for (const path of ['/sign-in', '/sign-out']) {
    const { headers } = await core.visitor().get(at(path))
    t.equal(
      headers['content-security-policy'],
      "default-src 'none';style-src 'self';script-src 'self';img-src 'self';form-action 'self';base-uri 'none';frame-ancestors 'none'",
    )
    t.equal(headers['cache-control'], 'no-store')
    t.equal(headers['referrer-policy'], 'no-referrer')
    t.equal(headers['x-content-type-options'], 'nosniff')
    t.equal(headers['x-frame-options'], 'DENY')
    t.equal(headers['content-type'], 'text/html; charset=utf-8')
    t.equal(headers['strict-transport-security'], undefined, 'not without encryption')
  }
  const outside = await core.visitor().get('/reports')
  t.equal(outside.headers['content-security-policy'], undefined, "an application's answers keep their own headers")

  const fault = await core.visitor().get(at('/nothing'))
  const page = await core.visitor().get(at('/sign-in'))
  for (const name of ['content-security-policy', 'cache-control', 'referrer-policy', 'x-frame-options']) {
    t.equal(fault.headers[name], page.headers[name], `${name} of an error page`)
  }

  const secure = await lodge(t, { secure: true })
  const { headers } = await secure.visitor().get(at('/sign-in'))
  t.equal(headers['strict-transport-security'], 'max-age=15552000')
  t.match(headers['set-cookie'], /^__Host-gatelodge-pending=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Secure$/)
})

t.test('assets are kept for a year under their own version, and not at all under another', async (t) => {
  const core = await lodge(t)
  const visitor = core.visitor()
  const page = await visitor.get(at('/sign-in'))
  const addresses = [...page.text.matchAll(/(?:href|src)="([^"]*\/assets\/[^"]*)"/g)].map(
    ([, address]) => address ?? '',
  )
  t.equal(addresses.length, 3)
  for (const address of addresses) {
    const asset = await visitor.get(address)
    t.equal(asset.status, 200, address)
    t.equal(asset.headers['cache-control'], 'public, max-age=31536000, immutable')
    t.equal(asset.headers['x-content-type-options'], 'nosniff')
    const old = await visitor.get(address.replace(/assets\/[^/]+/, 'assets/older'))
    t.same([old.status, old.headers['cache-control']], [200, 'no-store'])
  }
  t.equal((await visitor.get(at('/assets/x/nothing.css'))).status, 404)
  t.equal((await visitor.get(at('/assets/x/..%2fpackage.json'))).status, 404)
})

t.test('nobody learns from a refusal whether there is such an account', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  await core.addUser('zoe')
  await core.addUser('bot', { role: 'api' })
  await core.accounts.deactivate((await core.addUser('old')) ?? '')
  const answers: Answer[] = []
  const tries = [
    ['ada', 'a wrong password'],
    ['bob', PASSWORD],
    ['bot', PASSWORD],
    ['old', PASSWORD],
    ['zoe', ''.padEnd(3, 'x')],
  ] as const
  for (const [username, password] of tries) {
    const answer = await signIn(core.visitor(), username, '/', password)
    t.equal(answer.status, 422, username)
    t.equal(titleOf(answer), 'Error: Sign in – Riverside CRM')
    t.match(answer.text, /id="password-fault".*The username or the password is not right/)
    t.match(answer.text, /<input id="password"[^>]*aria-invalid="true" aria-describedby="password-fault" autofocus/)
    t.match(answer.text, `value="${username}"`, 'the name need not be typed again')
    t.notMatch(answer.text, password, 'the password is not sent back')
    answers.push({ ...answer, text: answer.text.replaceAll(`"${username}"`, '"***"') })
  }
  const [first, ...others] = answers.map(likeness)
  for (const other of others) t.same(other, first)
})

t.test('an empty field is said at that field and costs nothing', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  for (let round = 0; round < 6; round += 1) {
    const noName = await signIn(core.visitor(), '  ', '/', PASSWORD)
    t.match(noName.text, /id="username-fault".*Enter your username/)
    t.match(noName.text, /<input id="username"[^>]*aria-describedby="username-fault" autofocus/)
    const noPassword = await signIn(core.visitor(), 'ada', '/', '')
    t.match(noPassword.text, /id="password-fault".*Enter your password/)
  }
  t.equal((await signIn(core.visitor(), 'ada')).status, 303)
})

t.test('after too many wrong passwords the page says how long to wait', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  for (const username of ['ada', 'nobody']) {
    for (let round = 0; round < 6; round += 1) await signIn(core.visitor(), username, '/', 'wrong')
    const answer = await signIn(core.visitor(), username, '/reports', PASSWORD)
    t.equal(answer.status, 429, username)
    t.match(answer.headers['retry-after'], /^[12]$/)
    t.equal(titleOf(answer), 'Error: Too many tries – Riverside CRM')
    t.match(answer.text, /data-countdown="[12]">[12] seconds?</)
    t.match(answer.text, `href="${at('/sign-in?return=%2Freports')}"`)
    core.clock.forward(60)
  }
})

t.test('when too many sign in at once the form stays and says when to try again', async (t) => {
  const core = await lodge(t)
  const visitors = await Promise.all(
    Array.from({ length: 60 }, async (_, index) => {
      const visitor = core.visitor()
      const page = await visitor.get(at('/sign-in?return=%2Freports'))
      const fields = { ...formOf(page.text).fields, username: `user${index}`, password: PASSWORD }
      return () => visitor.post(at('/sign-in'), fields, { headers: { 'x-forwarded-for': `192.0.2.${index}` } })
    }),
  )
  const answers = await Promise.all(visitors.map((send) => send()))
  const busy = answers.filter(({ status }) => status === 503)
  t.equal(answers.filter(({ status }) => status === 422).length + busy.length, 60)
  t.ok(busy.length > 0)
  for (const { headers, text } of busy) {
    t.match(headers['retry-after'], /^\d+$/)
    t.match(text, 'Too many people are signing in')
    t.match(text, 'name="return" value="/reports"')
  }
})

t.test('a form is taken only from our own page in the same browser', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  const visitor = core.visitor()
  const page = await visitor.get(at('/sign-in'))
  const fields = { ...formOf(page.text).fields, username: 'ada', password: PASSWORD }

  for (const headers of [
    { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
    { 'sec-fetch-site': 'same-site', origin: 'http://blog.localhost' },
    { 'sec-fetch-site': 'cross-site', origin: 'null' },
  ]) {
    const answer = await visitor.post(at('/sign-in'), fields, { headers })
    t.equal(answer.status, 403)
    t.equal(titleOf(answer), 'Error: Nothing was done – Riverside CRM')
  }
  const stranger = core.visitor()
  await stranger.get(at('/sign-in'))
  // No browser says so of a form that another site sent; one of before Fetch Metadata says nothing at all.
  const other = await stranger.send('POST', at('/sign-in'), {
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'text/html' },
    body: new URLSearchParams(fields).toString(),
  })
  t.equal(other.status, 400, "another browser's form")
  t.match(other.text, 'That page was open too long')
  t.match(other.text, 'value="ada"', 'and it can be sent again at once')
  t.notMatch(other.text, PASSWORD)
  const retried = core.visitor()
  const first = await retried.post(at('/sign-in'), { ...fields, token: 'x', return: '/reports' })
  const second = await retried.post(at('/sign-in'), {
    ...formOf(first.text).fields,
    username: 'ada',
    password: PASSWORD,
  })
  t.same([second.status, second.location], [303, '/reports'])

  core.clock.forward(13 * 3600)
  const late = await visitor.post(at('/sign-in'), fields)
  t.equal(late.status, 400, 'after half a day')

  await signIn(visitor, 'ada')
  const tab = await visitor.post(at('/sign-in'), { ...fields, return: '/reports' })
  t.match(
    tab.text,
    '<noscript><meta http-equiv="refresh" content="0;url=/reports"></noscript>',
    'another tab, once signed in, goes on',
  )
  t.match(tab.text, 'href="/reports"')
})

t.test('the forms of tabs that were opened at once all work, and those of other purposes never do', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  const visitor = core.visitor()
  const tabs = await Promise.all([1, 2, 3].map(() => visitor.get(at('/sign-in?return=%2Freports'))))
  const cookies = tabs.map(({ headers }) => headers['set-cookie'])
  t.equal(new Set(cookies.flat()).size, 3, 'each got a cookie, of which one is left')
  const forms = tabs.map(({ text }) => formOf(text).fields)
  const wrong = { username: 'ada', password: 'wrong' }
  for (const fields of forms) {
    const refused = await visitor.post(at('/sign-in'), { ...fields, ...wrong })
    t.equal(refused.status, 422, 'judged')
  }
  const right = await visitor.post(at('/sign-in'), { ...forms[0], username: 'ada', password: PASSWORD })
  t.equal(right.status, 303)

  const [fields = {}] = forms
  const crossed = await visitor.post(at('/sign-in/link'), { ...fields, username: 'ada' })
  t.not(crossed.status, 303, 'a form of another purpose')
  const [time, chance, signature, ours] = (fields['token'] ?? '').split('.')
  const token = core.visitor()
  await token.get(at('/sign-in'))
  for (const forged of [`${time}.x${chance}.${signature}.${ours}`, `${time}.${chance}.${signature}`, `${ours}`, '']) {
    const answer = await token.post(at('/sign-in'), { ...fields, ...wrong, token: forged })
    t.same([answer.status, /open too long/.test(answer.text)], [400, true], forged)
  }
})

t.test('a browser that keeps no cookies is told so, at every form, and nothing is judged', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  const page = await core.visitor().get(at('/sign-in'))
  const fields = { ...formOf(page.text).fields, username: 'ada', password: PASSWORD }
  for (const action of ['/sign-in', '/help', '/verify', '/enrol/later', '/verify/backup-code']) {
    const answer = await core.visitor().post(at(action), fields)
    t.equal(answer.status, 400, action)
    t.match(answer.text, 'did not send back the cookie', action)
    t.match(answer.text, 'localhost', `${action} names the address`)
  }
  const program = await core.visitor().send('POST', at('/sign-in'), {
    headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(fields).toString(),
  })
  t.match(program.json(), { code: 'sign-in.no-cookies' })
})

t.test('only forms of an ordinary size are read', async (t) => {
  const core = await lodge(t)
  const visitor = core.visitor()
  const post = (type: string, body: string) =>
    visitor.post(at('/sign-in'), {}, { headers: { 'content-type': type }, body })
  for (const type of ['application/json', 'text/plain', 'multipart/form-data; boundary=x', 'application/xml']) {
    t.equal((await post(type, '{}')).status, 415, type)
  }
  const large = `username=ada&password=${'x'.repeat(17_000)}`
  t.equal((await post('application/x-www-form-urlencoded', large)).status, 413)
  const twice = 'username=ada&username=bob&password=x&token=y&__proto__=z&constructor=w'
  const answer = await post('application/x-www-form-urlencoded', twice)
  t.equal(answer.status, 400)
  t.match(answer.text, /name="username" type="text" value=""/, 'a field that comes twice is none')
})

t.test('a program that asks for JSON gets problem documents', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  const visitor = core.visitor()
  const { fields } = formOf((await visitor.get(at('/sign-in'))).text)
  const headers = { accept: 'application/json', 'sec-fetch-mode': 'cors' }
  const wrong = await visitor.post(at('/sign-in'), { ...fields, username: 'ada', password: 'wrong' }, { headers })
  t.equal(wrong.status, 422)
  t.match(wrong.headers['content-type'], /^application\/problem\+json/)
  t.match(wrong.json(), { code: 'sign-in.refused' })
})

t.test('setting up an authenticator app, then signing in with it', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  const visitor = core.visitor()
  const first = await signIn(visitor, 'ada', '/secret/plans')
  t.same([first.status, first.location], [303, at('/enrol?return=%2Fsecret%2Fplans')])
  t.same([...visitor.cookies.keys()], ['gatelodge-pending'], 'no session before the code')
  const choose = await visitor.get(first.location ?? '')
  t.equal(choose.location, at('/enrol/totp?return=%2Fsecret%2Fplans'), 'with one method there is nothing to choose')

  const page = await visitor.get(choose.location ?? '')
  t.equal(page.status, 200)
  const key = /data-copy="([A-Z2-7]{32})"/.exec(page.text)?.[1] ?? ''
  const groups = [...page.text.matchAll(/<span>([A-Z2-7]{4})<\/span>/g)].map(([, group]) => group)
  t.equal(groups.join(''), key, 'the key stands there in groups of four')
  t.match(page.text, /<svg viewBox="0 0 (\d+) \1" role="img" aria-label="QR code/)
  t.match(page.text, /<path d="M\d+ \d+h/)
  t.match(
    page.text,
    /<input class="code" id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code"/,
  )
  const reloaded = await visitor.get(choose.location ?? '')
  t.match(reloaded.text, key, 'a reload shows the same key')

  const { fields } = formOf(page.text)
  const empty = await visitor.post(at('/enrol/totp'), { ...fields, code: ' ' })
  t.match(empty.text, /id="code-fault".*Enter the code/)
  const wrong = await visitor.post(at('/enrol/totp'), { ...fields, code: '000000' })
  t.equal(wrong.status, 422)
  t.match(wrong.text, 'You have 4 tries left')
  t.match(wrong.text, key, 'with the same key')
  t.match(wrong.text, /<input class="code"[^>]*aria-describedby="code-hint code-fault" aria-invalid="true" autofocus/)
  const code = codeAt(key, core.clock.ms)
  const done = await visitor.post(at('/enrol/totp'), { ...fields, code: `${code.slice(0, 3)} ${code.slice(3)}` })
  t.same([done.status, done.location], [303, pastCodes('/secret/plans')], 'past the backup codes')
  t.same([...visitor.cookies.keys()], ['gatelodge', 'gatelodge-browser'])

  core.clock.forward(30)
  const later = core.visitor()
  const asked = await signIn(later, 'ada', '/reports')
  t.equal(asked.location, at('/verify?return=%2Freports'))
  const verify = await later.get(asked.location ?? '')
  t.equal(titleOf(verify), 'Enter your code – Riverside CRM')
  t.match(verify.text, /autocomplete="one-time-code"[^>]* autofocus/)
  t.notMatch(verify.text, 'maxlength')
  const no = await later.post(at('/verify'), { ...formOf(verify.text).fields, code: '000000' })
  t.same([no.status, titleOf(no)], [422, 'Error: Enter your code – Riverside CRM'])
  t.match(no.text, 'You have 3 tries left', 'one budget over everything: a right answer refilled nothing')
  const nothing = await later.post(at('/verify'), { ...formOf(verify.text).fields, code: '' })
  t.match(nothing.text, 'Enter the code')
  const yes = await later.post(at('/verify'), { ...formOf(no.text).fields, code: codeAt(key, core.clock.ms) })
  t.same([yes.status, yes.location], [303, '/reports'])
  const twice = await later.post(at('/verify'), { ...formOf(no.text).fields, code: codeAt(key, core.clock.ms) })
  t.equal(twice.status, 200, 'a second press of the button does no harm')
  t.match(twice.text, 'content="0;url=/reports"')
  const open = await core.sessions.find(later.cookies.get('gatelodge'))
  t.same(open?.session.via, ['password', 'totp'])

  const account = await later.get(at('/account'))
  t.match(account.text, /<dd>ada<\/dd>/)
  t.match(account.text, /Authenticator app<\/p><p class="badge">In use/)
})

t.test('guessing codes ends in a page that says when to come back', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  await enrol(core, core.visitor(), 'ada')
  const visitor = core.visitor()
  const asked = await signIn(visitor, 'ada', '/reports')
  const { fields } = formOf((await visitor.get(asked.location ?? '')).text)
  const texts: string[] = []
  let answer: Answer | undefined
  for (let round = 0; round < 5; round += 1) {
    answer = await visitor.post(at('/verify'), { ...fields, code: '000000' })
    texts.push(/You have (\d) (?:try|tries) left/.exec(answer.text)?.[1] ?? String(answer.status))
  }
  t.same(texts, ['4', '3', '2', '1', '429'])
  t.equal(answer?.headers['retry-after'], '900')
  t.match(answer?.text, '15 minutes')
  const shown = await visitor.get(at('/verify'))
  t.same([shown.status, shown.headers['retry-after']], [429, '900'])
})

t.test('a sign-in that was left half-way says so and starts again', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  const key = await enrol(core, core.visitor(), 'ada')
  const visitor = core.visitor()
  const asked = await signIn(visitor, 'ada', '/reports')
  const { fields } = formOf((await visitor.get(asked.location ?? '')).text)
  t.equal((await visitor.post(at('/verify'), { ...fields, token: 'x', code: '1' })).status, 400, 'no token')
  core.clock.forward(11 * 60)
  const late = await visitor.post(at('/verify'), { ...fields, code: codeAt(key, core.clock.ms) })
  t.equal(late.status, 400)
  t.equal(titleOf(late), 'This page has expired – Riverside CRM')
  t.match(late.text, `href="${at('/sign-in?return=%2Freports')}"`)
  const page = await visitor.get(at('/verify?return=%2Freports'))
  t.equal(page.location, at('/sign-in?return=%2Freports&notice=expired'))
  t.match((await visitor.get(page.location ?? '')).text, 'That page was open too long')
  const stranger = await core.visitor().get(at('/verify'))
  t.equal(stranger.location, at('/sign-in'))
})

t.test('a session with less than a page asks for is led to give the rest', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  const key = await enrol(core, core.visitor(), 'ada')
  const visitor = core.visitor()
  const simple = await signIn(visitor, 'ada', '/simple/list')
  t.equal(simple.location, '/simple/list', 'the password is enough here')
  const token = visitor.cookies.get('gatelodge')
  const verify = await visitor.get(at('/verify?return=%2Freports'))
  t.equal(verify.status, 200, 'as the gate sends them')
  t.equal(visitor.cookies.get('gatelodge'), token, 'the session stays meanwhile')
  const { fields } = formOf(verify.text)
  const done = await visitor.post(at('/verify'), { ...fields, code: codeAt(key, core.clock.ms) })
  t.equal(done.location, '/reports')
  t.not(visitor.cookies.get('gatelodge'), token, 'a new one at the step up')
  t.equal(await core.sessions.find(token), undefined, 'and the old one is over')
  const enough = await visitor.get(at('/verify?return=%2Freports'))
  t.same([enough.status, enough.location], [303, '/reports'], 'who has given it already is sent on')
})

t.test(
  'an old session is asked for the password before a factor can be set up, and no two pages chase each other',
  async (t) => {
    const core = await lodge(t)
    await core.addUser('ada')
    const visitor = core.visitor()
    await signIn(visitor, 'ada')
    core.clock.forward(3600)
    let place = at('/enrol?return=%2Fsecret%2Fplans')
    const way: string[] = []
    let page = await visitor.get(place)
    for (let steps = 0; page.location !== undefined && steps < 5; steps += 1) {
      place = page.location
      way.push(place)
      page = await visitor.get(place)
    }
    t.same(way, [at('/sign-in?return=%2Fsecret%2Fplans&notice=again')])
    t.match(page.text, 'enter your password again')
    const done = await visitor.post(at('/sign-in'), {
      ...formOf(page.text).fields,
      username: 'ada',
      password: PASSWORD,
    })
    t.equal(done.location, at('/enrol?return=%2Fsecret%2Fplans'))
  },
)

t.test('a page that wants a fresh proof asks for what the user has', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  const visitor = core.visitor()
  await signIn(visitor, 'ada')
  core.clock.forward(600)
  const page = await visitor.get(at('/verify?return=%2Ffresh%2Fdeal'))
  t.equal(page.location, at('/sign-in?return=%2Ffresh%2Fdeal&notice=again'), 'the password')
  const form = await visitor.get(page.location ?? '')
  const done = await visitor.post(at('/sign-in'), { ...formOf(form.text).fields, username: 'ada', password: PASSWORD })
  t.equal(done.location, '/fresh/deal')

  visitor.cookies.clear()
  await enrol(core, visitor, 'ada')
  core.clock.forward(600)
  const asked = await visitor.get(at('/verify?return=%2Ffresh%2Fdeal'))
  t.equal(titleOf(asked), 'Enter your code – Riverside CRM', 'the code')
})

t.test('signing in on the way to a page that is for others, or for everybody, is still signing in', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  await enrol(core, core.visitor(), 'ada')
  for (const wanted of ['/closed/x', '/staff/x', '/open/x']) {
    t.equal((await signIn(core.visitor(), 'ada', wanted)).location, at(`/verify?return=${encodeURIComponent(wanted)}`))
  }
})

t.test('signing out takes a button', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  const visitor = core.visitor()
  await signIn(visitor, 'ada')
  const token = visitor.cookies.get('gatelodge')
  const page = await visitor.get(at('/sign-out'))
  t.match(page.text, /You are signed in as <strong>ada<\/strong>/)
  t.ok(await core.sessions.find(token), 'opening the page changes nothing')
  const bare = await visitor.post(at('/sign-out'), {})
  t.same([bare.status, bare.location], [303, at('/sign-out')], 'without a token the button is shown again')
  t.ok(await core.sessions.find(token))

  const done = await visitor.post(at('/sign-out'), formOf(page.text).fields)
  t.same([done.status, done.location], [303, at('/sign-out')])
  t.equal(await core.sessions.find(token), undefined)
  t.same([...visitor.cookies.keys()], ['gatelodge-browser'], 'which opens nothing')
  t.match((await visitor.get(at('/sign-out'))).text, 'You are signed out')
  t.equal((await visitor.get(at('/account'))).location, at('/sign-in?return=%2F.gatelodge%2Faccount'))
})

t.test('the account page leads to setting up an app and back', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  const visitor = core.visitor()
  await signIn(visitor, 'ada', at('/account'))
  const account = await visitor.get(at('/account'))
  t.match(account.text, /<dd>ada@example\.com<\/dd>/)
  const setUp = /href="([^"]*\/enrol\/totp[^"]*)"/.exec(account.text)?.[1] ?? ''
  const page = await visitor.get(setUp.replaceAll('&amp;', '&'))
  t.match(page.text, 'Not now', 'nobody has to')
  const key = /data-copy="([A-Z2-7]+)"/.exec(page.text)?.[1] ?? ''
  const { fields } = formOf(page.text)
  const done = await visitor.post(at('/enrol/totp'), { ...fields, code: codeAt(key, core.clock.ms) })
  t.equal(done.location, pastCodes(at('/account?done=enrolled')))
  const saved = await visitor.fillIn(done.location ?? '', {}, '/saved')
  t.match((await visitor.get(saved.location ?? '')).text, 'From now on you will be asked for a code')
})

/** A factor nobody has templates for: the answer is the word the user chose from a card. */
const card: SecondFactor = {
  label: 'Code card',
  available: () => true,
  enrol: {
    begin: async () => ({ secret: 'heron', show: { text: 'Your word is heron.' } }),
    confirm: async (secret, answer) => (answer === secret ? { word: secret } : undefined),
  },
  begin: async () => null,
  verify: async (_challenge, enrolment, answer) => JSON.stringify(enrolment) === JSON.stringify({ word: answer }),
}

t.test('a factor without templates of its own has the pages that suit any', async (t) => {
  const core = await lodge(t, {
    factors: new Map([
      ['card', card],
      ['other', { ...card, label: 'Other card' }],
    ]),
  })
  await core.addUser('ada')
  const visitor = core.visitor()
  const start = await signIn(visitor, 'ada', '/secret/plans')
  const choose = await visitor.get(start.location ?? '')
  t.equal(titleOf(choose), 'Protect your account – Riverside CRM')
  const places = [...choose.text.matchAll(/<li><a href="([^"]*)">([^<]*)/g)].map(([, place, label]) => [label, place])
  t.same(places.slice(0, 2), [
    ['Code card', at('/enrol/card?return=%2Fsecret%2Fplans')],
    ['Other card', at('/enrol/other?return=%2Fsecret%2Fplans')],
  ])
  const page = await visitor.get(places[0]?.[1] ?? '')
  t.match(page.text, 'Your word is heron.')
  t.match(page.text, 'Choose another way')
  const done = await visitor.post(at('/enrol/card'), { ...formOf(page.text).fields, code: 'heron' })
  t.equal(done.location, pastCodes('/secret/plans'))

  const later = core.visitor()
  const asked = await signIn(later, 'ada', '/reports')
  const verify = await later.get(asked.location ?? '')
  t.match(verify.text, 'Use Code card to finish')
  const answer = await later.post(at('/verify'), { ...formOf(verify.text).fields, code: 'osprey' })
  t.equal(answer.status, 422)
})

t.test('what is not there is not found, whatever its name', async (t) => {
  const core = await lodge(t)
  await core.addUser('ada')
  const visitor = core.visitor()
  await signIn(visitor, 'ada', '/secret/plans')
  for (const name of ['sms', '__proto__', '..%2ftotp', '%00']) {
    const { status } = await visitor.get(at(`/enrol/${name}`))
    t.ok(status === 404 || status === 400, `${name}: ${status}`)
  }
  for (const page of ['/nothing', '/', '/sign-in/', '/Sign-In', '/account/x']) {
    const answer = await visitor.get(at(page))
    if (page === '/') t.equal(answer.location, at('/account'))
    else t.same([answer.status, titleOf(answer)], [404, 'Error: Page not found – Riverside CRM'], page)
  }
  t.equal((await visitor.post(at('/account'), {})).status, 404)
  t.equal((await visitor.send('PUT', at('/sign-in'))).status, 404)
})

t.test('one answer says nothing of the machine', async (t) => {
  const core = await lodge(t)
  const { headers } = await request(`${core.origin}${at('/sign-in')}`, { method: 'HEAD' })
  t.equal(headers['x-powered-by'], undefined)
  t.equal(headers['server'], undefined)
  t.match(headers['content-security-policy'], "default-src 'none'")
})
