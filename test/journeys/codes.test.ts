import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { startDemoApplication } from '../../demo/application.js'
import { axeViolations } from '../support/axe.js'
import { launchChromium, openWindow, skipWithoutChromium } from '../support/chromium.js'
import { type RunningGateway, startGateway } from '../support/gateway.js'
import { MailServer } from '../support/mail-server.js'
import { ownTime } from '../support/own-time.js'
import { until } from '../support/poll.js'
import { inEveryView, isTooWide } from '../support/screenshots.js'
import { accepted, nonsense, reset, SmsProvider, silence, status } from '../support/sms-provider.js'
import { type Answer, formOf, Visitor } from '../support/visitor.js'

// Processes start here and a browser looks at every page three times, on machines that run other tests meanwhile.
t.setTimeout(600_000)

const password = 'correct horse 7 battery'

/** The built gateway as a process, with an SMTP server and an HTTP endpoint in Twilio's place that are real. */
interface House {
  readonly gateway: RunningGateway
  readonly provider: SmsProvider
  readonly mail: MailServer
  /** Another process over the same store. */
  beside(): Promise<RunningGateway>
  addUser(name: string, mobile?: string): Promise<void>
  visitor(gateway?: RunningGateway): Visitor
  /** The newest code that went to the number. */
  texted(mobile: string): Promise<string>
  mailed(name: string): Promise<string>
  audited(name: string): ReadonlyArray<Record<string, unknown>>
}

const numbers = { ana: '+12025550111', ben: '+12025550112' }

async function openHouse(t: Test, more: { secondFactor?: string; sending?: string } = {}): Promise<House> {
  const [application, provider, mail] = await Promise.all([
    startDemoApplication(),
    SmsProvider.start(),
    MailServer.start(),
  ])
  t.teardown(async () => {
    await Promise.all([application.close(), provider.stop(), mail.stop()])
  })
  const yaml = (store: string) => `
name: Riverside CRM
publicUrl: "http://localhost:\${GATEWAY_PORT}"
sites:
  - upstream: ${application.url}
    identity: remote-user
    rules:
      - { path: /assets/**, access: public }
      - { path: /admin/**, access: second-factor }
secondFactor:
  ${more.secondFactor ?? ''}
  methods:
    - { use: totp }
    - use: sms
      countries: [US]
      transport:
        use: twilio
        accountSid: AC1
        authToken: canary-auth-token
        from: "+12025550100"
        apiBaseUrl: ${provider.url}
        timeoutSeconds: 2
    - { use: email }
sending: ${more.sending ?? '{ networkPerHour: 1000 }'}
mail: { use: smtp, url: "${mail.url}", from: "Sign-in <no-reply@example.com>" }
${store}
`
  const gateway = await startGateway(t, { yaml: yaml('') })
  const codeIn = (text: string | undefined) => /\b\d{6}\b/.exec(text ?? '')?.[0]
  return {
    gateway,
    provider,
    mail,
    beside: () => startGateway(t, { yaml: yaml(`store: { use: embedded, path: "${gateway.directory}/data" }`) }),
    async addUser(name, mobile) {
      const number = mobile === undefined ? [] : ['--mobile', mobile]
      const args = ['user', 'add', name, '--email', `${name}@example.com`, ...number, '--role', 'user']
      const added = await gateway.run([...args, '--password-stdin'], `${password}\n`)
      t.equal(added.code, 0, added.stderr)
    },
    visitor: (at = gateway) => new Visitor(t, at.url),
    texted: (mobile) =>
      until(`a text message to ${mobile}`, () => {
        const bodies = provider.requests.map(({ body }) => new URLSearchParams(body))
        return codeIn(bodies.findLast((body) => body.get('To') === mobile)?.get('Body') ?? undefined)
      }),
    mailed: (name) =>
      until(`a mail to ${name}`, () =>
        mail.arrived
          .filter(({ envelope }) => envelope.to.includes(`${name}@example.com`))
          .map(({ email }) => codeIn(email.text))
          .findLast((code) => code !== undefined),
      ),
    audited: (name) =>
      gateway
        .logLines()
        .map(({ audit }) => audit as Record<string, unknown> | undefined)
        .filter((entry) => entry !== undefined)
        .filter(({ username }) => username === name),
  }
}

/** Name and password; the page they lead to, with its address. */
async function signIn(
  visitor: Visitor,
  name: string,
  path = '/admin/',
): Promise<{ answer: Answer; page: Answer; at: string }> {
  const asked = await visitor.get(path)
  const answer = await visitor.fillIn(asked.location ?? '/', { username: name, password }, '/sign-in')
  const at = answer.location ?? ''
  return { answer, page: await visitor.get(at), at }
}

/** Sends the form of a page that goes to this place. */
function submit(visitor: Visitor, page: Answer, action: string, fields: Record<string, string> = {}): Promise<Answer> {
  const form = formOf(page.text, action)
  if (form.action === undefined) throw new Error(`the page has no form to ${action}:\n${page.text}`)
  return visitor.post(form.action, { ...form.fields, ...fields })
}

/** Password, method, code to the number, code back. */
async function enrol(core: House, visitor: Visitor, name: string, mobile: string): Promise<string> {
  await signIn(visitor, name)
  const page = await visitor.get('/.gatelodge/enrol/sms?return=%2Fadmin%2F')
  const sent = await submit(visitor, page, '/enrol/sms/send')
  const code = await core.texted(mobile)
  const done = await submit(visitor, await visitor.get(sent.location ?? ''), '/enrol/sms', { code })
  // The first enrolment shows the backup codes on the way.
  if (!visitor.cookies.has('gatelodge')) throw new Error(`the enrolment led to ${done.status} ${done.location}`)
  return code
}

const other = (code: string) => String((Number(code) + 1) % 1_000_000).padStart(6, '0')
const words = (page: Answer) =>
  page.text
    .replace(/<head>[\s\S]*?<\/head>|<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()

t.test('a code by text message: enrolled, asked for by itself, right once, in this browser', async (t) => {
  const core = await openHouse(t)
  await core.addUser('ana', numbers.ana)
  await core.addUser('cyd')
  const { provider } = core
  const visitor = core.visitor()

  const cyd = await signIn(core.visitor(), 'cyd')
  t.match(words(cyd.page), 'Authenticator app')
  t.match(words(cyd.page), 'E-mail')
  t.notMatch(words(cyd.page), 'Text message', 'without a number there is no text message to choose')

  const choice = await signIn(visitor, 'ana')
  t.match(words(choice.page), 'Text message to ...111')
  t.notMatch(choice.page.text, numbers.ana, 'the number is not shown')
  const before = await visitor.get('/.gatelodge/enrol/sms')
  t.equal(provider.requests.length, 0, 'opening the page sends nothing')
  t.match(words(before), 'A code goes by text message to ...111')
  const sent = await submit(visitor, before, '/enrol/sms/send')
  t.equal(sent.status, 303)
  const page = await visitor.get(sent.location ?? '')
  t.match(words(page), 'We sent a code by text message to ...111 . The code works for 5 minutes')
  const enrolmentCode = await core.texted(numbers.ana)
  t.match(provider.requests[0]?.path, '/Accounts/AC1/Messages.json')
  const wrong = await submit(visitor, page, '/enrol/sms', { code: other(enrolmentCode) })
  t.equal(wrong.status, 422)
  t.match(words(wrong), 'You have 4 tries left')
  const spaced = `${enrolmentCode.slice(0, 3)} ${enrolmentCode.slice(3)}`
  t.match(await submit(visitor, page, '/enrol/sms', { code: spaced }), { status: 303 })
  t.equal((await visitor.get('/admin/')).status, 200)

  // Signing in again, at once: the code of the enrolment holds nothing up, and opens nothing.
  const next = core.visitor()
  const { page: verify, answer } = await signIn(next, 'ana')
  t.match(answer.location, '/.gatelodge/verify')
  t.match(words(verify), 'We sent a code by text message to ...111 . The code works for 5 minutes')
  t.match(words(verify), 'You have 4 tries', 'the wrong one before counts')
  t.match(words(verify), /Possible in \d+ seconds/)
  const code = await core.texted(numbers.ana)
  t.not(code, enrolmentCode)
  t.equal((await next.get('/admin/')).location, '/.gatelodge/sign-in?return=%2Fadmin%2F', 'half-way opens nothing')
  t.match(await submit(next, verify, '/verify', { code: enrolmentCode }), { status: 422 })

  // Whoever has the password too, in another browser: the next code is held up, and this one is not theirs.
  const thief = core.visitor()
  const theirs = await signIn(thief, 'ana')
  t.match(words(theirs.page), 'A code was sent for another sign-in a moment ago')
  const form = formOf(verify.text, '/verify')
  const stolen = await thief.post('/.gatelodge/verify', { ...form.fields, code })
  t.equal(stolen.status, 400, 'the form of another browser')
  const own = formOf(theirs.page.text, '/verify/send')
  const tried = await thief.post('/.gatelodge/verify', { ...own.fields, code })
  t.equal(tried.status, 422)
  t.equal(thief.cookies.has('gatelodge'), false)

  const early = await submit(next, verify, '/verify/send')
  t.equal(early.status, 429)
  t.ok(Number(early.headers['retry-after']) > 0)
  t.match(words(early), /You can ask for another one in \d+ seconds/)
  const opened = await submit(next, verify, '/verify', { code })
  t.match(opened, { status: 303, location: '/admin/' })
  t.match(await submit(next, verify, '/verify', { code }), { status: 200 }, 'sent twice, it did its work already')
  const old = core.visitor()
  for (const [name, value] of next.cookies) old.cookies.set(name, value)
  t.equal((await old.post('/.gatelodge/verify', { ...form.fields, code })).headers['set-cookie'], undefined)
  for (const secret of [code, enrolmentCode, 'canary-auth-token', numbers.ana]) {
    t.notOk(core.gateway.logs().includes(secret), 'no code, credential or number in the log')
  }
})

t.test('a revocation ends what waits for a code', async (t) => {
  const core = await openHouse(t)
  await core.addUser('ana', numbers.ana)
  await enrol(core, core.visitor(), 'ana', numbers.ana)
  const one = core.visitor()
  const { page } = await signIn(one, 'ana')
  const code = await core.texted(numbers.ana)
  t.equal((await core.gateway.run(['user', 'deactivate', 'ana'])).code, 0)
  t.match(await submit(one, page, '/verify', { code }), { status: 400 })
  t.equal(one.cookies.has('gatelodge'), false)
})

t.test('fifty right codes at once over two processes open one session', async (t) => {
  const core = await openHouse(t)
  const beside = await core.beside()
  await core.addUser('ana', numbers.ana)
  await enrol(core, core.visitor(), 'ana', numbers.ana)
  const one = core.visitor()
  const { page } = await signIn(one, 'ana')
  const code = await core.texted(numbers.ana)
  const two = core.visitor(beside)
  for (const [name, value] of one.cookies) two.cookies.set(name, value)
  const form = formOf(page.text, '/verify')
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, i) => (i % 2 ? one : two).post('/.gatelodge/verify', { ...form.fields, code })),
  )
  const opened = answers.filter(({ headers }) =>
    [headers['set-cookie'] ?? ''].flat().some((c) => /^gatelodge=./.test(c)),
  )
  t.equal(opened.length, 1)
  const events = core.audited('ana').filter(({ event }) => event === 'session.opened')
  t.ok(events.length <= 2, 'one by the enrolment, one by the code, wherever it was judged')
})

t.test('of many who ask for a code at once, over two processes, one gets it', async (t) => {
  const core = await openHouse(t, { sending: '{ wait: 1h, networkPerHour: 1000 }' })
  const beside = await core.beside()
  await core.addUser('ana', numbers.ana)
  const one = core.visitor()
  await signIn(one, 'ana')
  const page = await one.get('/.gatelodge/enrol/sms')
  const two = core.visitor(beside)
  for (const [name, value] of one.cookies) two.cookies.set(name, value)
  const form = formOf(page.text, '/enrol/sms/send')
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => (i % 2 ? one : two).post('/.gatelodge/enrol/sms/send', form.fields)),
  )
  t.equal(core.provider.requests.length, 1)
  t.equal(answers.filter(({ status }) => status === 429).length, 19)
  const code = await core.texted(numbers.ana)
  t.match(await submit(one, await one.get('/.gatelodge/enrol/sms'), '/enrol/sms', { code }), { status: 303 })
})

t.test('whatever befalls the text message, the code goes by mail and the page says so', async (t) => {
  const core = await openHouse(t)
  const troubles = [
    ['refusing', status(400)],
    ['nonsense', nonsense],
    ['broken', status(500)],
    ['cut', reset],
    ['silent', silence],
  ] as const
  for (const [i, [name, answer]] of troubles.entries()) {
    const mobile = `+1202555013${i}`
    await core.addUser(name, mobile)
    core.provider.answer = accepted
    await enrol(core, core.visitor(), name, mobile)
    core.provider.answer = answer
    const visitor = core.visitor()
    const began = ownTime(t)
    const { page } = await signIn(visitor, name, '/')
    t.ok(began() < 15_000, `${name}: the page is not held for long`)
    t.match(words(page), `The text message could not be sent, so the code went by e-mail to ${name[0]}…@e…`, name)
    t.match(words(page), 'The code works for 10 minutes', name)
    t.notMatch(page.text, `${name}@example.com`, 'the address is not shown')
    const code = await core.mailed(name)
    t.match(await submit(visitor, page, '/verify', { code }), { status: 303, location: '/' }, name)
    t.equal((await visitor.get('/')).status, 200, name)
    t.match(await visitor.get('/admin/'), { status: 302, location: /\/verify/ }, `${name}: not what asks for the phone`)
    const fallback = core.audited(name).find(({ event }) => event === 'code.fallback')
    t.match(fallback, { outcome: 'success', method: 'sms', details: { via: 'email' } }, name)
    t.notOk(core.gateway.logs().includes(code), 'no code in the log')
  }
})

t.test(
  'a mail server that says nothing holds the page for ten seconds at most, and the page hears of it later',
  async (t) => {
    const core = await openHouse(t)
    await core.addUser('cyd')
    const enrolling = core.visitor()
    await signIn(enrolling, 'cyd')
    const page = await enrolling.get('/.gatelodge/enrol/email?return=%2Fadmin%2F')
    t.match(words(page), 'A code goes by e-mail to c…@e…')
    const sent = await submit(enrolling, page, '/enrol/email/send')
    const code = await core.mailed('cyd')
    await submit(enrolling, await enrolling.get(sent.location ?? ''), '/enrol/email', { code })
    t.equal((await enrolling.get('/admin/')).status, 200)

    let text = ''
    core.mail.verdict = ({ email }) => {
      text = email.text ?? ''
      return 'silence'
    }
    const visitor = core.visitor()
    const began = ownTime(t)
    const slow = await signIn(visitor, 'cyd')
    t.ok(began() < 14_000)
    t.match(words(slow.page), 'Your code is on its way to c…@e…')
    t.match(slow.page.headers['refresh'], /^3;url=\/\.gatelodge\/verify/)
    const later = await until('the page to know more', async () => {
      const now = await visitor.get(slow.at)
      return words(now).includes('on its way') ? undefined : now
    })
    t.match(words(later), 'We cannot tell whether the message got through. If a code arrives, type it here.')
    const arrived = /\b\d{6}\b/.exec(text)?.[0] ?? ''
    t.match(await submit(visitor, later, '/verify', { code: arrived }), { status: 303 })
    t.equal(await core.gateway.stop(), '0')
  },
)

t.test('without the way round, the page says that nothing came and offers the other ways', async (t) => {
  const core = await openHouse(t, { secondFactor: 'fallback: false' })
  await core.addUser('ana', numbers.ana)
  await core.addUser('ben', '+18765550143')
  const ben = await signIn(core.visitor(), 'ben')
  t.notMatch(words(ben.page), 'Text message', '+1 is the Caribbean as well, and Jamaica is not served')
  const asked = core.visitor()
  await signIn(asked, 'ben')
  t.equal((await asked.get('/.gatelodge/enrol/sms')).status, 404)
  await enrol(core, core.visitor(), 'ana', numbers.ana)
  core.provider.answer = status(400)
  const visitor = core.visitor()
  const { page } = await signIn(visitor, 'ana')
  t.equal(page.status, 200)
  t.match(page.text, /<title>Error: /)
  t.match(words(page), 'The code could not be sent. This is not your fault.')
  t.notOk(
    core.mail.arrived.some(({ email }) => /\b\d{6}\b/.test(email.text ?? '')),
    'no code went by mail',
  )
  t.match(await submit(visitor, page, '/verify/send'), { status: 429 }, 'the wait holds also after a failure')
  t.match(core.audited('ana').at(-1), { event: 'code.sent', outcome: 'refused' })
})

t.test('text messages and codes in a browser', { skip: skipWithoutChromium() }, async (t) => {
  const core = await openHouse(t, { sending: '{ wait: 2s, networkPerHour: 1000, numberPerHour: 4 }' })
  await core.addUser('ana', numbers.ana)
  const { page, complaints } = await openWindow(await launchChromium(t))
  const start = async (path = '/admin/') => {
    await page.goto(`${core.gateway.url}${path}`)
    await page.fill('[name=username]', 'ana')
    await page.fill('[name=password]', password)
    await page.click('button.primary')
  }
  const asksFor = (code: string) => page.fill('[name=code]', code).then(() => page.click('button.primary'))

  await start()
  await page.waitForURL('**/enrol?*')
  await look(t, page, 'codes-enrol')
  await page.click('text=Text message')
  await look(t, page, 'codes-enrol-sms')
  await page.click('text=Send a code')
  await page.waitForSelector('[name=code]')
  await look(t, page, 'codes-enrol-sms-code')
  const first = await core.texted(numbers.ana)
  await asksFor(other(first))
  await page.waitForSelector('#code-fault')
  await look(t, page, 'codes-enrol-sms-wrong')
  await asksFor(first)
  await page.waitForURL('**/backup-codes/**')
  await page.goto(`${core.gateway.url}/admin/`)
  t.equal(await page.innerText('h1'), 'The office')

  await page.context().clearCookies()
  await start()
  await page.waitForURL('**/verify?*')
  await page.locator('#code:focus').waitFor()
  await look(t, page, 'codes-verify-sms')
  await page.getByText('You can ask for a new code now.').waitFor()
  const texts = core.provider.requests.length
  await page.click('text=Send a new code')
  await until('a new text message', () => core.provider.requests.length > texts)
  await page.waitForSelector('[name=code]')
  await page.click('text=Send a new code')
  await page.getByText('You can ask for another one').waitFor()
  await look(t, page, 'codes-verify-wait')
  const second = await core.texted(numbers.ana)
  await asksFor(other(second))
  await page.waitForSelector('#code-fault')
  await look(t, page, 'codes-verify-wrong')
  await asksFor(second)
  await page.waitForURL('**/admin/')

  await page.context().clearCookies()
  core.provider.answer = status(400)
  await until('the wait to be over', async () => {
    await start('/')
    await page.waitForURL('**/verify')
    return (await page.locator('[name=code]').count()) > 0
  })
  await look(t, page, 'codes-verify-fallback')
  await asksFor(await core.mailed('ana'))
  await page.waitForURL(`${core.gateway.url}/`)
  const expected = /status of 4(22|29)/
  t.same(
    complaints.filter((complaint) => !expected.test(complaint)),
    [],
    'the browser complains of nothing else',
  )
})

async function look(t: Test, page: Page, name: string): Promise<void> {
  await inEveryView(page, name, async (view) => {
    t.same(await axeViolations(page), [], `${name} in ${view} is accessible`)
    t.notOk(await isTooWide(page), `${name} in ${view} fits`)
  })
}
