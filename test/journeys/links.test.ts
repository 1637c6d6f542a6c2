import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { startDemoApplication } from '../../demo/application.js'
import { codeAt } from '../support/authenticator-app.js'
import { axeViolations } from '../support/axe.js'
import { launchChromium, openWindow, skipWithoutChromium } from '../support/chromium.js'
import { type RunningGateway, startGateway } from '../support/gateway.js'
import { type ArrivedMail, MailServer, reply } from '../support/mail-server.js'
import { until } from '../support/poll.js'
import { inEveryView, isTooWide } from '../support/screenshots.js'
import { type Answer, formOf, Visitor } from '../support/visitor.js'

// Processes start here and a browser looks at every page three times, on machines that run other tests meanwhile.
t.setTimeout(600_000)

const password = 'correct horse 7 battery'

/** The built gateway as a process, with a real SMTP server. */
interface House {
  readonly gateway: RunningGateway
  readonly mail: MailServer
  /** Another process over the same store. */
  beside(): Promise<RunningGateway>
  addUser(name: string, more?: readonly string[]): Promise<void>
  visitor(gateway?: RunningGateway): Visitor
  /** Waits until so many mails have come to the user, and gives back the newest. */
  mailTo(name: string, count?: number): Promise<ArrivedMail>
  audited(event: string): ReadonlyArray<Record<string, unknown>>
}

async function openHouse(t: Test, more: { magic?: string; sending?: string } = {}): Promise<House> {
  const [application, mail] = await Promise.all([startDemoApplication(), MailServer.start()])
  t.teardown(async () => {
    await Promise.all([application.close(), mail.stop()])
  })
  const yaml = (store: string) => `
name: Riverside CRM
publicUrl: "http://localhost:\${GATEWAY_PORT}"
trustedProxies: [127.0.0.0/8]
sites:
  - upstream: ${application.url}
    identity: remote-user
    rules:
      - { path: /assets/**, access: public }
      - { path: /admin/**, access: second-factor }
secondFactor:
  methods:
    - { use: totp }
    - { use: email }
    - ${more.magic ?? '{ use: magic-link, signIn: true }'}
sending: ${more.sending ?? '{ networkPerHour: 1000 }'}
mail: { use: smtp, url: "${mail.url}", from: "Sign-in <no-reply@example.com>" }
${store}
`
  const gateway = await startGateway(t, { yaml: yaml('') })
  const mailsTo = (name: string) =>
    mail.arrived.filter(({ envelope }) => envelope.to.some((to) => to.toLowerCase() === `${name}@example.com`))
  return {
    gateway,
    mail,
    beside: () => startGateway(t, { yaml: yaml(`store: { use: embedded, path: "${gateway.directory}/data" }`) }),
    async addUser(name, more = []) {
      const args = ['user', 'add', name, '--email', `${name}@example.com`, '--role', 'user', ...more]
      const added = await gateway.run([...args, '--password-stdin'], `${password}\n`)
      t.equal(added.code, 0, added.stderr)
    },
    visitor: (at = gateway) => new Visitor(t, at.url),
    mailTo: (name, count = 1) =>
      until(`mail ${count} to ${name}`, () => (mailsTo(name).length >= count ? mailsTo(name).at(-1) : undefined)),
    audited: (event) =>
      gateway
        .logLines()
        .map(({ audit }) => audit as Record<string, unknown> | undefined)
        .filter((entry) => entry !== undefined)
        .filter((entry) => entry['event'] === event),
  }
}

/** Path and query of the link in the mail, which must start with the public address. */
function linkIn({ gateway }: House, { email }: ArrivedMail): string {
  const link = /https?:\/\/\S+\/link\?\S+/.exec(email.text ?? '')?.[0] ?? ''
  if (!link.startsWith(`${gateway.url}/.gatelodge/link?`)) throw new Error(`this is no link of ours: ${link}`)
  if (!email.html?.includes(link)) throw new Error('the HTML has another link than the text')
  return link.slice(gateway.url.length)
}

const help = '/.gatelodge/help'
const askForLink = (visitor: Visitor, username: string) => visitor.fillIn(help, { username }, '/help')

/** Opens the link and presses its button. */
async function press(visitor: Visitor, link: string): Promise<Answer> {
  return visitor.fillIn(link, {}, '/link')
}

/** Password at the application's door. */
async function signIn(visitor: Visitor, username: string, words = password, path = '/'): Promise<Answer> {
  const asked = await visitor.get(path)
  return visitor.fillIn(asked.location ?? '/', { username, password: words }, '/sign-in')
}

/** What all of them must have in common, without what differs with every answer. */
function shape({ status, headers, text, location }: Answer): object {
  const { date: _, 'set-cookie': cookies, ...rest } = headers
  const names = [cookies ?? []].flat().map((cookie) => cookie.split('=')[0])
  return {
    status,
    location,
    names,
    headers: rest,
    text: text.replace(/value="[\w.-]+"/g, '').replace(/\/assets\/\S+"/g, ''),
  }
}

t.test('username forgotten, password forgotten: two mails, one link, a new password', async (t) => {
  const core = await openHouse(t)
  await core.addUser('ana')
  const ana = core.visitor()
  const door = await ana.get('/')
  const page = await ana.get(door.location ?? '')
  t.match(page.text, 'Forgot your username or password?')
  t.match(page.text, `href="${help}"`)

  const asked = await ana.fillIn(help, { email: 'ANA@example.com', for: 'usernames' }, '/help')
  t.equal(asked.location, `${help}?notice=sent`)
  t.match((await core.mailTo('ana')).email.text, /^ {2}ana$/m)

  t.equal((await askForLink(ana, 'Ana')).location, `${help}?notice=sent`)
  const link = linkIn(core, await core.mailTo('ana', 2))
  const looked = await ana.get(link)
  t.equal(looked.headers['referrer-policy'], 'no-referrer')
  t.equal(looked.headers['cache-control'], 'no-store')
  t.match(looked.text, 'signed in as <strong>ana</strong>')
  const pressed = await press(ana, link)
  t.equal(pressed.status, 303)
  t.equal(pressed.location, '/.gatelodge/account/password')
  t.match((await ana.get('/')).status, 200, 'ana is signed in')

  const before = core.visitor()
  await signIn(before, 'ana')
  t.equal((await before.get('/')).status, 200)
  const fields = { password: 'a new lamp for the gate', repeated: 'a new lamp for the gate' }
  const changed = await ana.fillIn('/.gatelodge/account/password', fields, '/account/password')
  t.equal(changed.status, 303, changed.text)
  t.equal((await ana.get('/')).status, 200)
  t.equal((await before.get('/')).status, 302, 'the sessions of the old password are over')
  t.equal((await signIn(core.visitor(), 'ana')).status, 422)
  t.equal((await signIn(core.visitor(), 'ana', fields.password)).status, 303)
  t.equal((await press(core.visitor(), link)).status, 410)
  const token = link.split('=')[1] ?? 'none'
  t.notMatch(core.gateway.logs(), token, 'the token is in no line of the log')
})

t.test('looking changes nothing, however and how often', async (t) => {
  const core = await openHouse(t)
  await core.addUser('ana')
  const ana = core.visitor()
  await askForLink(ana, 'ana')
  const link = linkIn(core, await core.mailTo('ana'))
  const scanner = core.visitor()
  for (let i = 0; i < 3; i++) {
    t.equal((await scanner.get(link)).status, 200)
    const head = await scanner.send('HEAD', link)
    t.equal(head.status, 200)
    t.equal(head.text, '')
  }
  t.equal((await scanner.send('POST', link)).status, 410, 'what is in the address does not count')
  const bare = await scanner.post('/.gatelodge/link', { link: link.split('=')[1] ?? '', confirmed: 'yes' })
  t.equal(bare.status, 400, 'nor does a form without what the page gave')
  const { fields } = formOf((await scanner.get(link)).text, '/link')
  const foreign = { headers: { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' } }
  t.equal((await scanner.post('/.gatelodge/link', fields, foreign)).status, 403, 'nor does another site')
  const stolen = core.visitor()
  await stolen.get(help)
  t.equal((await stolen.post('/.gatelodge/link', fields)).status, 400, 'nor does the form in another browser')
  t.equal((await scanner.get('/')).status, 302)
  t.equal(core.audited('sign-in.link').length, 0)
  t.equal((await press(ana, link)).status, 303, 'it works as if nobody had looked')
  t.equal((await press(ana, link)).status, 410)
  const over = await ana.get(link)
  t.equal(over.status, 410)
  t.match(over.text, 'This link does not work any more')
  t.match(over.text, '/.gatelodge/sign-in/link')
})

t.test('fifty presses at once over two processes: one is signed in', async (t) => {
  const core = await openHouse(t)
  await core.addUser('ana')
  const ana = core.visitor()
  await askForLink(ana, 'ana')
  const link = linkIn(core, await core.mailTo('ana'))
  const other = await core.beside()
  const presses = await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      const visitor = core.visitor(i % 2 === 0 ? core.gateway : other)
      const { fields } = formOf((await visitor.get(link)).text, '/link')
      return () => visitor.post('/.gatelodge/link', fields)
    }),
  )
  const answers = await Promise.all(presses.map((send) => send()))
  const counted = answers.map(({ status }) => status)
  t.equal(counted.filter((status) => status === 303).length, 1)
  t.equal(counted.filter((status) => status === 410).length, 49)
})

t.test('another browser is told where it is, and asked', async (t) => {
  const core = await openHouse(t)
  await core.addUser('ana')
  await askForLink(core.visitor(), 'ana')
  const link = linkIn(core, await core.mailTo('ana'))
  const other = core.visitor()
  const page = await other.get(link)
  t.match(page.text, 'You are about to sign in <strong>in this browser</strong> as <strong>ana</strong>')
  const { fields } = formOf(page.text, '/link')
  const { confirmed: _, ...unconfirmed } = fields
  const asked = await other.post('/.gatelodge/link', unconfirmed)
  t.equal(asked.status, 200)
  t.match(asked.text, 'Yes, sign in here')
  t.equal((await other.post('/.gatelodge/link', fields)).status, 303)
  t.equal((await other.get('/')).status, 200)
})

t.test('a link dies with the account, and Host says nothing about where it leads', async (t) => {
  const core = await openHouse(t)
  await core.addUser('ana')
  const ana = core.visitor()
  const page = await ana.get(help)
  const { fields } = formOf(page.text, '/help')
  const evil = { headers: { host: 'evil.example', 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' } }
  t.equal((await ana.post(help, { ...fields, username: 'ana' }, evil)).status, 303)
  const mail = await core.mailTo('ana')
  t.notMatch(mail.raw, 'evil')
  const link = linkIn(core, mail)
  t.equal((await core.gateway.run(['user', 'deactivate', 'ana'])).code, 0)
  t.equal((await ana.get(link)).status, 410)
  t.equal((await press(ana, link)).status, 410)
  t.equal((await core.gateway.run(['user', 'activate', 'ana'])).code, 0)
  t.equal((await ana.get(link)).status, 410, 'and does not come back')
  await askForLink(ana, 'ana')
  const second = linkIn(core, await core.mailTo('ana', 2))
  t.equal((await core.gateway.run(['sessions', 'end', 'ana'])).code, 0)
  t.equal((await ana.get(second)).status, 410)
})

t.test('nobody learns from the helper, or from asking for a link, who has an account', async (t) => {
  const core = await openHouse(t)
  await core.addUser('ana')
  await core.addUser('gone')
  await core.addUser('robot', ['--role', 'api'])
  t.equal((await core.gateway.run(['user', 'deactivate', 'gone'])).code, 0)
  const names = ['ana', 'gone', 'robot', 'nobody', 'x'.repeat(200)]
  const ways = [
    { path: help, fields: (name: string) => ({ username: name }) },
    { path: help, fields: (name: string) => ({ email: `${name.slice(0, 60)}@example.com`, for: 'usernames' }) },
    { path: '/.gatelodge/sign-in/link', fields: (name: string) => ({ username: name }) },
  ]
  let network = 0
  for (const { path, fields } of ways) {
    const shapes: object[] = []
    for (let round = 0; round < 5; round++) {
      for (const name of names) {
        const visitor = core.visitor()
        const page = await visitor.get(path)
        const form = formOf(page.text, path)
        // From networks of their own: what limits one of them is no part of this.
        network += 1
        const headers = { 'x-forwarded-for': `198.51.100.${network}` }
        const answer = await visitor.post(path, { ...form.fields, ...fields(name) }, { headers })
        shapes.push(shape(answer), shape(await visitor.get(answer.location ?? '')))
      }
    }
    for (let i = 2; i < shapes.length; i++) t.same(shapes[i], shapes[i % 2])
  }
  await core.mailTo('ana', 3)
  const to = core.mail.arrived.map(({ envelope }) => envelope.to[0] ?? '')
  t.notOk(
    to.some((address) => /^(gone|robot)@/.test(address)),
    String(to),
  )
  t.ok(to.filter((address) => address === 'ana@example.com').length <= 3, 'three an hour, however often one asks')
  t.ok(to.filter((address) => address === 'nobody@example.com').length <= 3)
})

t.test('an app is asked for after a link, and a mail is not', async (t) => {
  const core = await openHouse(t)
  await core.addUser('ana')
  const ana = core.visitor()
  await signIn(ana, 'ana')
  const enrol = '/.gatelodge/enrol/totp?return=/.gatelodge/account'
  const first = await ana.get(enrol)
  const begun = first.location === undefined ? first : await ana.get(first.location)
  const shown = /<code class="key"[^>]*>([\s\S]*?)<\/code>/.exec(begun.text)?.[1] ?? ''
  const key = shown.replace(/<[^>]*>|\s/g, '')
  const form = formOf(begun.text, '/enrol/totp')
  const enrolled = await ana.post(form.action ?? '', { ...form.fields, code: await codeAt(key, Date.now()) })
  t.equal(enrolled.status, 303, enrolled.text)
  const asking = core.visitor()
  await askForLink(asking, 'ana')
  const mail = await until('the link', () =>
    core.mail.arrived.find(({ email }) => email.subject === 'A link to sign in to Riverside CRM'),
  )
  const pressed = await press(asking, linkIn(core, mail))
  t.equal(pressed.location, '/.gatelodge/verify?return=%2F.gatelodge%2Faccount%2Fpassword')
  t.equal((await asking.get('/')).status, 302, 'the link alone opens nothing')
  t.equal((await asking.get('/.gatelodge/account/password')).status, 303)
})

t.test('after the password a link is the second step, in the browser that gave it and in no other', async (t) => {
  const core = await openHouse(t, { magic: '{ use: magic-link }' })
  await core.addUser('ana')
  const ana = core.visitor()
  await signIn(ana, 'ana')
  t.equal((await ana.get('/.gatelodge/sign-in/link')).status, 404, 'not in place of the password')
  const enrol = '/.gatelodge/enrol/magic-link'
  await ana.get(`${enrol}?return=/.gatelodge/account`)
  await ana.fillIn(enrol, {}, '/send')
  const code = /^ {2}(\d{6})$/m.exec((await core.mailTo('ana')).email.text ?? '')?.[1] ?? ''
  t.equal((await ana.fillIn(enrol, { code }, '/enrol/magic-link')).status, 303)

  const again = core.visitor()
  const asked = await signIn(again, 'ana', password, '/admin/')
  t.match(asked.location, '/.gatelodge/verify')
  t.match((await again.get(asked.location ?? '')).text, 'We sent a link to <strong><bdi dir="ltr">a…@e…')
  const mail = await until('the link', () => core.mail.arrived.find(({ email }) => email.text?.includes('/link?')))
  t.match(mail.email.text, /^ {2}\d{6}$/m, 'with a code for another device')
  const link = linkIn(core, mail)
  const other = core.visitor()
  const page = await other.get(link)
  t.match(page.text, 'Go back to where you began')
  t.notMatch(page.text, '<form', 'there is nothing to press')
  const { fields } = formOf((await again.get(link)).text, '/link')
  await other.get(help)
  const tried = await other.post('/.gatelodge/link', { ...fields, confirmed: 'yes' })
  t.match(tried.text, 'Go back to where you began')
  t.equal((await other.get('/')).status, 302)
  const pressed = await press(again, link)
  t.equal(pressed.location, '/admin/')
  t.match(await again.get('/admin/'), { status: 200, text: 'The office' })
  t.equal((await press(again, link)).status, 410)
})

t.test('support writes: a link for the user, the word for the others', async (t) => {
  const core = await openHouse(t)
  const { gateway } = core
  await core.addUser('ana')
  const words = 'Hello Ana,\n\nuse this: [loginLink]\n\nYours, support\n'
  const args = ['user', 'message', 'ana', '--title', 'Your access', '--copy', 'boss@example.com']
  const sent = await gateway.run([...args, '--json'], words)
  t.equal(sent.code, 0, sent.stderr)
  t.same(JSON.parse(sent.stdout), { username: 'ana', outcome: 'sent', link: true, copies: 1 })
  const mine = await core.mailTo('ana')
  const copy = await core.mailTo('boss')
  t.match(copy.email.text, 'use this: [loginLink]')
  t.notMatch(copy.raw, 'token=')
  t.match(mine.email.subject, 'Your access')
  const link = linkIn(core, mine)
  t.notMatch(sent.stdout + sent.stderr, link.split('=')[1] ?? 'none', 'it is shown to nobody else')
  const ana = core.visitor()
  t.equal((await press(ana, link)).status, 303)
  t.equal((await ana.get('/')).status, 200)
  t.equal((await press(core.visitor(), link)).status, 410)

  const mailed = await gateway.run(['user', 'login-link', 'Ana'])
  t.equal(mailed.code, 0, mailed.stderr)
  t.match((await core.mailTo('ana', 2)).email.text, 'for 24 hours')
  t.equal((await gateway.run(['user', 'login-link', 'nobody'])).code, 1)
  t.equal((await gateway.run(['user', 'message', 'ana'], 'x')).code, 2, 'a title is needed')
  t.equal((await gateway.run(['user', 'message', 'ana', '--title', 'T'], '  \n')).code, 2)
  t.equal((await gateway.run(['user', 'message', 'ana', '--title', 'T', '--copy', 'a@b, c@d'], 'x')).code, 2)
  core.mail.verdict = () => reply(550)
  const failed = await gateway.run(['user', 'login-link', 'ana', '--json'])
  t.equal(failed.code, 1)
  t.same(JSON.parse(failed.stdout), { username: 'ana', outcome: 'refused', reason: 'not-sent' })
})

t.test('with the mail server down, the helper says what it always says', async (t) => {
  const core = await openHouse(t)
  await core.addUser('ana')
  core.mail.verdict = () => reply(451)
  const answer = await askForLink(core.visitor(), 'ana')
  t.equal(answer.location, `${help}?notice=sent`)
  await until('the operator to hear of it', () => /A mail was not sent/.test(core.gateway.logs()))
  core.mail.verdict = () => undefined
  const again = core.visitor()
  await askForLink(again, 'ana')
  t.equal((await press(again, linkIn(core, await core.mailTo('ana')))).status, 303)
})

t.test('links in a browser', { skip: skipWithoutChromium() }, async (t) => {
  const core = await openHouse(t)
  await core.addUser('ana')
  const browser = await launchChromium(t)
  const { page, complaints } = await openWindow(browser)
  const look = async (name: string, at: Page = page) =>
    inEveryView(at, `links-${name}`, async (view) => {
      t.same(await axeViolations(at), [], `${name}, ${view}`)
      t.equal(await isTooWide(at), false, `${name} fits, ${view}`)
    })

  await page.goto(core.gateway.url)
  await look('sign-in')
  await page.getByRole('link', { name: 'Forgot your username or password?' }).click()
  await look('help')
  await page.getByRole('button', { name: 'Send me my username' }).click()
  await page.getByText('Enter one e-mail address').waitFor()
  await look('help-fault')
  await page.getByLabel('Username').fill('ana')
  await page.getByRole('button', { name: 'Send me a link' }).click()
  await page.getByRole('heading', { name: 'Check your mail' }).waitFor()
  await look('help-sent')
  const link = linkIn(core, await core.mailTo('ana'))

  const elsewhere = await openWindow(browser)
  await elsewhere.page.goto(core.gateway.url + link)
  await elsewhere.page.getByRole('heading', { name: 'Sign in here?' }).waitFor()
  await look('elsewhere', elsewhere.page)

  await page.goto(core.gateway.url + link)
  await look('here')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('heading', { name: 'Choose a new password' }).waitFor()
  t.equal(new URL(page.url()).search, '', 'the token is in no address any more')
  await look('new-password')
  await page.getByLabel('New password', { exact: true }).fill('a new lamp for the gate')
  await page.getByLabel('New password again').fill('a new lamp for the gate')
  await page.getByRole('button', { name: 'Save the new password' }).click()
  await page.waitForURL(/\/account\?done=password$/)

  await elsewhere.page.getByRole('button', { name: 'Yes, sign in here' }).click()
  await elsewhere.page.getByRole('heading', { name: 'This link does not work any more' }).waitFor()
  await look('over', elsewhere.page)
  await elsewhere.page.getByRole('link', { name: 'Send me a new link' }).click()
  await look('request', elsewhere.page)
  await elsewhere.page.getByLabel('Username').fill('ana')
  await elsewhere.page.getByRole('button', { name: 'Send me a link' }).click()
  await look('request-sent', elsewhere.page)
  const magic = await until('the link', () =>
    core.mail.arrived.find(({ email }) => email.subject === 'Your sign-in link for Riverside CRM'),
  )
  await elsewhere.page.goto(core.gateway.url + linkIn(core, magic))
  await elsewhere.page.getByRole('button', { name: 'Sign in' }).click()
  await elsewhere.page.waitForURL(`${core.gateway.url}/`)

  await page.goto(`${core.gateway.url}/.gatelodge/enrol/magic-link?return=/.gatelodge/account`)
  await look('enrol', page)
  const begun = await openWindow(browser)
  await core.addUser('ben')
  const ben = core.visitor()
  await signIn(ben, 'ben')
  await ben.get('/.gatelodge/enrol/magic-link?return=/.gatelodge/account')
  await ben.fillIn('/.gatelodge/enrol/magic-link', {}, '/send')
  const code = /^ {2}(\d{6})$/m.exec((await core.mailTo('ben')).email.text ?? '')?.[1] ?? ''
  t.equal((await ben.fillIn('/.gatelodge/enrol/magic-link', { code }, '/enrol/magic-link')).status, 303)
  await begun.page.goto(core.gateway.url)
  await begun.page.getByLabel('Username').fill('ben')
  await begun.page.getByLabel('Password', { exact: true }).fill(password)
  await begun.page.getByRole('button', { name: 'Sign in' }).click()
  await begun.page.getByText('We sent a link to').waitFor()
  await look('verify', begun.page)
  const second = await until('the link', () =>
    core.mail.arrived.find(
      ({ envelope, email }) => envelope.to.includes('ben@example.com') && email.text?.includes('/link?'),
    ),
  )
  await elsewhere.page.goto(core.gateway.url + linkIn(core, second))
  await look('other-browser', elsewhere.page)
  const tab = await begun.context.newPage()
  await tab.goto(core.gateway.url + linkIn(core, second))
  await tab.getByRole('button', { name: 'Sign in' }).click()
  await tab.waitForURL(`${core.gateway.url}/`)
  t.same(
    complaints.filter((each) => !/status of (422|410|400)/.test(each)),
    [],
  )
})
