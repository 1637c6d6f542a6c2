import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { withCore } from '../../src/cli/with-config.js'
import { addUser } from '../../src/identity/accounts/add-user.js'
import { codeAt, untilTwoCodesAreGood } from '../support/authenticator-app.js'
import { Canaries, ObservantVisitor, type SecretKind, type Sights } from '../support/canary.js'
import { type RunningGateway, startGateway } from '../support/gateway.js'
import { MailServer, reply } from '../support/mail-server.js'
import { until } from '../support/poll.js'
import { rawExchange } from '../support/raw-socket.js'
import { accepted, SmsProvider, status } from '../support/sms-provider.js'
import { type Answer, formOf, type Visitor } from '../support/visitor.js'

t.setTimeout(300_000)

/**
 * No secret is in logs, audit, upstream traffic, headers of mails, addresses after use or error pages, and the store has
 * of what opens something only hashes (invariant 9): everybody walks every way in, then everything that was written
 * anywhere is searched for everything that was secret.
 */

const own = (page: string) => `/.gatelodge${page}`
const mailPassword = 'canary-mail-password-1'
const smsToken = 'canary-auth-token-0123456789'

interface House {
  readonly gateway: RunningGateway
  readonly provider: SmsProvider
  readonly mail: MailServer
  readonly canaries: Canaries
  readonly seen: Sights
  /** Requests as the application received them. */
  readonly received: string[]
  readonly outputs: string[]
  visitor(): ObservantVisitor
  /** A user whose password nobody else may read. */
  addUser(name: string, mobile?: string): Promise<string>
  run(args: readonly string[], input?: string): Promise<void>
  texted(mobile: string): Promise<string>
  mailed(name: string, what: RegExp): Promise<string>
}

async function openHouse(t: Test): Promise<House> {
  const canaries = new Canaries()
  const seen: Sights = { pages: [], locations: [] }
  const received: string[] = []
  const outputs: string[] = []
  const application = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method, url, rawHeaders } = request
      received.push(`${method} ${url}\n${rawHeaders.join('\n')}\n\n${Buffer.concat(chunks)}`)
      response.setHeader('set-cookie', ['app=1; Path=/', 'gatelodge=planted; Path=/'])
      response.end('The application')
    })
  })
  application.on('upgrade', ({ method, url, rawHeaders }, socket) => {
    received.push(`${method} ${url}\n${rawHeaders.join('\n')}`)
    socket.end('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n')
  })
  application.listen(0, '127.0.0.1')
  await once(application, 'listening')
  const provider = await SmsProvider.start()
  const mail = await MailServer.start({
    authOptional: false,
    allowInsecureAuth: true,
    onAuth: ({ username, password }, _session, done) =>
      done(password === mailPassword ? null : new Error('wrong'), { user: username }),
  })
  t.teardown(async () => {
    application.closeAllConnections()
    application.close()
    await Promise.all([provider.stop(), mail.stop()])
  })
  const gateway = await startGateway(t, {
    yaml: `
sites:
  - upstream: http://127.0.0.1:${(application.address() as AddressInfo).port}
    rules:
      - { path: /open/**, access: public }
      - { path: /admin/**, access: second-factor }
  - path: /down
    upstream: http://127.0.0.1:1
secondFactor:
  methods:
    - { use: totp }
    - use: sms
      countries: [US]
      transport:
        { use: twilio, accountSid: AC1, authToken: ${smsToken}, from: "+12025550100", apiBaseUrl: "${provider.url}" }
    - { use: email }
    - { use: magic-link, signIn: true }
sending: { wait: 1s, accountPerHour: 100, accountPerDay: 100, numberPerHour: 100, networkPerHour: 1000, linksPerHour: 100 }
mail: { use: smtp, url: "smtp://gate:${mailPassword}@127.0.0.1:${mail.port}", from: "Sign-in <no-reply@example.com>" }
log: { level: debug }
`,
  })
  canaries.add('credential', mailPassword, smsToken)
  return {
    gateway,
    provider,
    mail,
    canaries,
    seen,
    received,
    outputs,
    visitor: () => new ObservantVisitor(t, gateway.url, canaries, seen),
    async run(args, input) {
      const { code, stdout, stderr } = await gateway.run(args, input)
      if (code !== 0) throw new Error(`${args.join(' ')}: ${stderr}`)
      outputs.push(stdout, stderr)
    },
    async addUser(username, mobile) {
      const password = `canary-password of ${username} 1`
      canaries.add('password', password)
      canaries.add('number', mobile)
      const email = `${username}@example.com`
      await inside(gateway, (services) =>
        addUser(services, { username, email, password, ...(mobile === undefined ? {} : { mobile }) }),
      )
      return password
    },
    texted: async (mobile) => {
      const code = await until(`a text message to ${mobile}`, () => {
        const bodies = provider.requests.map(({ body }) => new URLSearchParams(body))
        return /\b\d{6}\b/.exec(bodies.findLast((body) => body.get('To') === mobile)?.get('Body') ?? '')?.[0]
      })
      canaries.add('code', code)
      return code
    },
    mailed: async (name, what) => {
      const found = await until(`${what} in a mail to ${name}`, () => {
        const mails = mail.arrived.filter(({ envelope }) => envelope.to.includes(`${name}@example.com`))
        return mails.map(({ email }) => what.exec(email.text ?? '')?.[0]).findLast((each) => each !== undefined)
      })
      canaries.add(/^\d+$/.test(found) ? 'code' : 'link', /^\d+$/.test(found) ? found : found.split('token=')[1])
      return found
    },
  }
}

type Rooms = Parameters<Parameters<typeof withCore>[1]>[0]

/** What commands do, without a process for each. */
async function inside<Result>(gateway: RunningGateway, work: (services: Rooms) => Promise<Result>): Promise<Result> {
  const results: Result[] = []
  await withCore(gateway.configFile, async (services) => {
    results.push(await work(services))
    return 0
  })
  const [result] = results
  if (result === undefined) throw new Error('the house could not be opened')
  return result
}

const sixDigits = /(?<!\d)\d{6}(?!\d)/
const linkTo = (page: string) => new RegExp(`${own(page)}\\?token=[\\w.-]+`)

/** Goes on as a browser does, until there is a page. */
async function follow(visitor: Visitor, answer: Answer): Promise<Answer> {
  let at = answer
  for (let hops = 0; at.location !== undefined && hops < 6; hops += 1) at = await visitor.get(at.location)
  return at
}

/** Sends the page's form that goes there. */
async function submit(visitor: Visitor, page: Answer, action: string, fields: Record<string, string> = {}) {
  const form = formOf(page.text, action)
  if (form.action === undefined) throw new Error(`no form to ${action} in ${page.status}:\n${page.text}`)
  return visitor.post(form.action, { ...form.fields, ...fields })
}

async function signIn(visitor: Visitor, username: string, password: string, path = '/admin/'): Promise<Answer> {
  const page = await follow(visitor, await visitor.get(path))
  return follow(visitor, await submit(visitor, page, '/sign-in', { username, password }))
}

/** Wrong names and passwords, an app, backup codes, a remembered device, a new password, a recovery code. */
async function walkWithAnApp(core: House): Promise<void> {
  const { canaries, visitor } = core
  const password = await core.addUser('ana')
  await untilTwoCodesAreGood()
  const ana = visitor()
  canaries.add('password', 'canary wrong password', 'canary-typed-into-the-name')
  await signIn(ana, 'ana', 'canary wrong password')
  await signIn(ana, 'canary-typed-into-the-name', 'canary wrong password')
  let page = await signIn(ana, 'ana', password)
  if (!page.text.includes('class="key"')) page = await ana.get(own('/enrol/totp?return=%2Fadmin%2F'))
  const key = (/class="key"[^>]*>([\s\S]*?)<\/code>/.exec(page.text)?.[1] ?? '').replace(/<[^>]*>|\s/g, '')
  const [before, now] = [codeAt(key, Date.now() - 30_000), codeAt(key, Date.now())]
  canaries.add('code', before, now, '135790')
  page = await submit(ana, page, '/enrol/totp', { code: '135790' })
  page = await follow(ana, await submit(ana, page, '/enrol/totp', { code: before }))
  const codes = [...page.text.matchAll(/<li><code>([^<]+)<\/code>/g)].map(([, code]) => code ?? '')
  if (codes.length !== 10) throw new Error(`${codes.length} backup codes`)
  await submit(ana, page, '/download')
  await submit(ana, page, '/saved')
  await submit(ana, await ana.get(own('/sign-out')), '/sign-out')

  page = await signIn(ana, 'ana', password)
  page = await submit(ana, page, '/verify', { code: now, remember: 'yes' })
  const device = ana.cookies.get('gatelodge-device')
  if (device === undefined) throw new Error('no remembered device')
  const back = visitor()
  back.cookies.set('gatelodge-device', device)
  page = await signIn(back, 'ana', password, '/')
  if (page.text !== 'The application') throw new Error(`the device was not taken: ${page.text}`)

  page = await ana.get(own('/account/password'))
  const changed = 'canary-new-password 2'
  canaries.add('password', changed, 'canary-new-password 3')
  page = await submit(ana, page, '/account/password', { password: changed, repeated: 'canary-new-password 3' })
  await follow(ana, await submit(ana, page, '/account/password', { password: changed, repeated: changed }))
  const confirm = await ana.get(own('/verify/backup-code'))
  await submit(ana, confirm, '/verify/backup-code', { code: codes[8] ?? '' })
  for (const each of ['', '/methods', '/sessions', '/activity', '/contact', '/backup-codes'])
    await ana.get(own(`/account${each}`))

  const other = visitor()
  page = await signIn(other, 'ana', changed)
  page = await other.get(own('/verify/backup-code'))
  page = await submit(other, page, '/verify/backup-code', { code: codes[9] ?? '' })
  await follow(other, await submit(other, await other.get(own('/account/sessions')), '/end-others'))

  const recovery = await inside(core.gateway, async ({ directory, accounts, recoveryCodes }) => {
    const [user] = await directory.find({ username: 'ana' })
    const account = user && (await accounts.find(user.id))
    if (user === undefined || account === undefined) throw new Error('there is no ana')
    return (await recoveryCodes.issue(account, user, 'command-line')).code
  })
  canaries.add('recovery code', recovery, recovery.replaceAll('-', ''))
  const lost = visitor()
  await signIn(lost, 'ana', changed)
  page = await submit(lost, await lost.get(own('/verify/recovery-code')), '/verify/recovery-code', { code: recovery })
  page = await follow(lost, page)
  if (!page.text.includes('You are signed in')) throw new Error(`the recovery code was not taken: ${page.text}`)
  const notMe = await core.mailed('ana', linkTo('/not-me'))
  await submit(lost, await lost.get(notMe), '/not-me')
}

/** The code page, as soon as a code was sent: the pause between two of them may have to pass first. */
function untilSent(visitor: Visitor, first: Answer): Promise<Answer> {
  let page = first
  return until('a code to be sent', async () => {
    if (page.text.includes('name="code"')) return page
    await submit(visitor, page, '/verify/send').catch(() => undefined)
    page = await visitor.get(own('/verify'))
    return undefined
  })
}

/** Codes by text message, refused ones that go by mail, and a new mail address. */
async function walkWithMessages(core: House): Promise<void> {
  const { canaries, visitor, provider, mail } = core
  const mobile = '+12025550143'
  const password = await core.addUser('ben', mobile)
  const ben = visitor()
  await signIn(ben, 'ben', password)
  let page = await ben.get(own('/enrol/sms?return=%2Fadmin%2F'))
  page = await follow(ben, await submit(ben, page, '/enrol/sms/send'))
  await follow(ben, await submit(ben, page, '/enrol/sms', { code: await core.texted(mobile) }))

  const second = visitor()
  page = await untilSent(second, await signIn(second, 'ben', password))
  await follow(second, await submit(second, page, '/verify', { code: await core.texted(mobile) }))

  // The provider refuses and says what it was sent, as careless ones do; so does the mail server.
  provider.answer = status(400)
  const third = visitor()
  page = await untilSent(third, await signIn(third, 'ben', password, '/'))
  const code = await core.mailed('ben', sixDigits)
  await follow(third, await submit(third, page, '/verify', { code }))
  mail.verdict = ({ raw }) => reply(550, raw.replace(/\s+/g, ' '))
  const fourth = visitor()
  await signIn(fourth, 'ben', password, '/')
  await until('the refused codes', async () => {
    if (mail.received > mail.arrived.length) return true
    await submit(fourth, await fourth.get(own('/verify')), '/verify/send').catch(() => undefined)
    return undefined
  })
  for (const { body } of provider.requests) canaries.add('code', sixDigits.exec(decodeURIComponent(body))?.[0])
  provider.answer = accepted
  mail.verdict = () => undefined
}

/** A new mail address, confirmed by the password and by a code that goes there. */
async function walkWithANewAddress(core: House): Promise<void> {
  const password = await core.addUser('eve')
  const eve = core.visitor()
  await signIn(eve, 'eve', password, '/')
  let page = await eve.get(own('/account/contact'))
  page = await follow(eve, await submit(eve, page, '/account/contact/email', { email: 'eve2@example.com' }))
  page = await follow(eve, await submit(eve, page, '/account/prove', { password }))
  page = await submit(eve, page, '/contact/confirm', { code: await core.mailed('eve2', sixDigits) })
  if (page.status !== 303) throw new Error(`the address was not taken: ${page.status}`)
}

/** A magic link, the login helper, a new password after it, and words of support's. */
async function walkWithLinks(core: House): Promise<void> {
  const { visitor, canaries } = core
  await core.addUser('cyd')
  const cyd = visitor()
  let page = await cyd.get(own('/sign-in/link?return=%2Fopen%2Fafter'))
  await follow(cyd, await submit(cyd, page, '/sign-in/link', { username: 'cyd' }))
  page = await cyd.get(await core.mailed('cyd', linkTo('/link')))
  page = await follow(cyd, await submit(cyd, page, '/link'))
  if (page.text !== 'The application') throw new Error(`the link was not taken: ${page.text}`)

  const seen = core.mail.arrived.length
  const lost = visitor()
  page = await lost.get(own('/help'))
  await follow(lost, await submit(lost, page, '/help', { username: 'cyd', email: '' }))
  await until('the login link', () => core.mail.arrived.length > seen)
  await submit(lost, await lost.get(own('/help')), '/help', { username: '', email: 'cyd@example.com' })
  const link = await core.mailed('cyd', linkTo('/link'))
  page = await follow(lost, await submit(lost, await lost.get(link), '/link'))
  const changed = 'canary-after-a-link 1'
  canaries.add('password', changed)
  await submit(lost, page, '/account/password', { password: changed, repeated: changed })
  await lost.get(link)
}

/** What the application gets to see of a session, and what becomes of requests that are broken. */
async function walkPastTheGate(core: House, t: Test): Promise<void> {
  const { gateway, visitor } = core
  const password = await core.addUser('dan')
  const dan = visitor()
  await signIn(dan, 'dan', password, '/')
  dan.cookies.set('app', '1')
  const cookie = [...dan.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const token = dan.cookies.get('gatelodge') ?? ''
  await dan.post('/form', { note: 'hello' })
  await dan.get('/open/page', { headers: { 'x-forwarded-for': '203.0.113.9' } })
  await dan.get('/down/page')
  await dan.get('/open/from-our-page', { headers: { referer: `${gateway.url}${own(`/link?token=${token}`)}` } })
  const bad = [
    `GET /%zz?token=${token} HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie}\r\n\r\n`,
    `GET /a//b?token=${token} HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie}\r\n\r\n`,
    `GET ${own(`/link?token=${token}%00`)} HTTP/1.1\r\nHost: localhost:${gateway.port}\r\nCookie: ${cookie}\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: a b\r\nCookie: ${cookie}\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie}\r\nContent-Length: x\r\n\r\n`,
    `GET /\x01${token} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    `GET /open/socket HTTP/1.1\r\nHost: localhost:${gateway.port}\r\nOrigin: ${gateway.url}\r\nConnection: Upgrade\r\n` +
      `Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: ${cookie}\r\n\r\n`,
  ]
  for (const bytes of bad) core.seen.pages.push((await rawExchange(t, gateway.port, bytes, 1_000)).text)
  const big = 'x'.repeat(20_000)
  await dan.post(own('/sign-in'), { username: 'dan', password, big })
  await dan.post(own('/sign-in'), { username: 'dan', password }, { headers: { 'content-type': 'application/json' } })
  await dan.post(own('/sign-in'), { username: 'dan', password }, { headers: { 'sec-fetch-site': 'cross-site' } })
}

t.test('nothing secret is where it does not belong', async (t) => {
  const core = await openHouse(t)
  const { gateway, canaries, provider, mail, seen } = core
  const walks = [walkPastTheGate, walkWithLinks, walkWithMessages, walkWithANewAddress, walkWithAnApp]
  for (const walk of walks) {
    const began = performance.now()
    await walk(core, t)
    t.comment(`${walk.name}: ${Math.round(performance.now() - began)} ms`)
  }
  const message = ['user', 'message', 'cyd', '--title', 'Your account', '--copy', 'boss@example.com']
  await Promise.all([
    core.run(message, 'Use [loginLink] today.\n'),
    core.run(['user', 'show', 'ana', '--json']),
    core.run(['sessions', 'list', '--json']),
  ])
  t.equal(await gateway.stop(), '0', 'what was on its way is done')

  for (const { email } of mail.arrived) {
    for (const [, token] of (email.text ?? '').matchAll(/token=([\w.-]+)/g)) canaries.add('link', token)
    canaries.add('code', sixDigits.exec(email.text ?? '')?.[0])
  }
  const least: Partial<Record<SecretKind, number>> = {
    password: 9,
    code: 6,
    link: 5,
    cookie: 15,
    'form token': 30,
    'app key': 1,
    'backup code': 20,
    'recovery code': 2,
    number: 1,
    credential: 2,
  }
  const audit = await inside(gateway, async (services) => JSON.stringify(await services.audit.since(0, 10_000)))
  const kinds = Object.keys(least) as SecretKind[]
  for (const kind of kinds) t.ok(canaries.count(kind) >= (least[kind] ?? 0), `${kind}: ${canaries.count(kind)} seen`)
  const but = (...allowed: SecretKind[]) => kinds.filter((kind) => !allowed.includes(kind))
  const clean = (place: string, text: string, forbidden = kinds, contains: string | RegExp = /./) => {
    t.match(text, contains, `${place}: there is something to look at`)
    t.same(canaries.find(text, forbidden), [], place)
  }

  clean('the log', gateway.logs(), kinds, '"event":"sign-in.second-factor"')
  clean('the audit', audit, kinds, '"event":"recovery-code.used"')
  clean('what the application received', core.received.join('\n\n'), kinds, /remote-user\s+dan/i)
  clean('redirects', seen.locations.join('\n'), kinds, '/.gatelodge/verify')
  // What was typed into the field for the name stands in it again, for its author to see.
  const pages = seen.pages.join('\n').replaceAll('value="canary-typed-into-the-name"', '')
  clean('pages', pages, ['password', 'cookie', 'credential'], 'Enter your code')
  clean('headers of mails', mail.arrived.map(({ raw }) => raw.split('\r\n\r\n')[0]).join('\n'), kinds, 'Subject:')
  clean('bodies of mails', mail.arrived.map(mailBody).join('\n'), but('code', 'link', 'number'), 'recovery code')
  clean('text messages', provider.requests.map(({ body }) => body).join('\n'), but('code', 'link', 'number'))
  clean('answers of commands', core.outputs.join('\n'), but('number'), 'ana')
  const copies = mail.arrived.filter(({ envelope }) => envelope.to.includes('boss@example.com')).map(mailBody)
  clean('the copy of a mail', copies.join('\n'), kinds, '[loginLink]')
  const files = await filesOf(join(gateway.directory, 'data'))
  clean('the files of the store', files, but('number'), 'ana@example.com')
  const backup = join(gateway.directory, 'backup')
  const made = await gateway.run(['backup', backup])
  t.equal(made.code, 0, made.stderr)
  const bytes = await readFile(backup, 'latin1')
  clean('a backup', bytes, kinds, 'gatelodge-backup')
  t.notMatch(bytes, /ana@example\.com|argon2/, 'nor whose they are, or what their passwords were made into')
})

const mailBody = ({ email }: MailServer['arrived'][number]) => `${email.text}\n${email.html}`

/** Every byte, also of what was deleted and not yet overwritten. */
async function filesOf(directory: string): Promise<string> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => readFile(join(entry.parentPath, entry.name)))
  return (await Promise.all(files)).map((bytes) => bytes.toString('latin1')).join('\n')
}
