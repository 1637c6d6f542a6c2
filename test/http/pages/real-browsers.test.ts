import type { IncomingMessage, ServerResponse } from 'node:http'
import type { BrowserContext, Page } from 'playwright-core'
import t from 'tap'
import { codeAt } from '../../support/authenticator-app.js'
import { launchChromium, openWindow, skipWithoutChromium } from '../../support/chromium.js'
import { type Application, application } from '../../support/front-door.js'
import { housePassword, type OpenHouse, startHouse } from '../../support/house.js'
import { MailServer } from '../../support/mail-server.js'
import { until } from '../../support/poll.js'

t.setTimeout(240_000)

/** What browsers do that no standard of ours says, tried in one: a portal, an application beside it, and one of its own host. */
const portal = 'http://login.localhost'
const crm = 'http://crm.localhost'
/** A stranger's site, whose pages the test writes. */
const elsewhere = 'http://elsewhere.test'
const secret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'
/** Of the browser: a gateway at port 80 would need to be somebody. */
let core: OpenHouse
let app: Application

function answer(request: IncomingMessage, response: ServerResponse): void {
  const { url = '', headers, method } = request
  if (url.startsWith('/hop')) {
    response.writeHead(302, { location: `${elsewhere}/landed` }).end()
    return
  }
  if (url.includes('/within?')) {
    const address = new URL(url, elsewhere).searchParams.get('address')
    response
      .writeHead(200, { 'content-type': 'text/html' })
      .end(`<title>around</title><iframe src="${address}"></iframe>`)
    return
  }
  if (url.startsWith('/sends')) {
    const action = new URL(url, elsewhere).searchParams.get('address')
    const fields = '<input name="SAMLResponse" value="a+b/c= &quot;é&quot;"><input name="submit" value="&lt;b&gt;">'
    const page = `<form method="post" action="${action}">${fields}<button>Pay</button></form>`
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page)
    return
  }
  let body = ''
  request.setEncoding('utf8').on('data', (part: string) => {
    body += part
  })
  request.on('end', () => {
    response.writeHead(200, { 'content-type': 'text/html' })
    const who = headers['remote-user'] ?? 'nobody'
    const shown = body.replaceAll('<', '?').replaceAll('&', '&amp;')
    response.end(`<!doctype html><title>app</title><p id="who">${who}</p><p id="what">${method} ${url} ${shown}</p>`)
  })
}

t.test('in a real browser', { skip: skipWithoutChromium() }, async (t) => {
  app = await application(t, answer)
  const mail = await MailServer.start()
  t.teardown(() => mail.stop())
  core = await startHouse(t, {
    yaml: `
listen: 127.0.0.1:0
publicUrl: ${portal}
sites:
  - { host: login.localhost, upstream: "${app.url}", rules: [{ path: /open/**, access: public }] }
  - { host: crm.localhost, upstream: "${app.url}", crossSitePosts: [/saml/*, /hop], rules: [{ path: /open/**, access: public }] }
  - { host: safe.localhost, upstream: "${app.url}", rules: [{ path: /**, access: second-factor }] }
secondFactor: { methods: [{ use: totp }, { use: magic-link, signIn: true }] }
mail: { use: smtp, url: "${mail.url}", from: no-reply@example.com }
`,
  })
  await core.addUser('ana', { email: 'ana@example.com' })
  await core.addUser('bea', { email: 'bea@example.com' })
  const { accounts, enrolments } = core.core.identity
  const tom = await accounts.find(await core.addUser('tom'))
  if (tom === undefined) throw new Error('there is no account')
  await enrolments.activate(tom, { method: 'totp', name: 'App', enrolment: { secret, lastStep: -1 } })
  const rules = `MAP elsewhere.test:80 127.0.0.1:${app.port}, MAP *:80 127.0.0.1:${core.port}`
  const browser = await launchChromium(t, { args: [`--host-resolver-rules=${rules}`] })
  const open = async (options = {}): Promise<{ context: BrowserContext; page: Page }> => openWindow(browser, options)

  t.test('a place within a page is kept through every step, and over the portal', async (t) => {
    const { context, page } = await open()
    await page.goto(`${crm}/app?x=1#/orders/5`)
    t.match(page.url(), /^http:\/\/login\.localhost\/\.gatelodge\/sign-in\?.*#\/orders\/5$/)
    await fillIn(page, 'ana', 'wrong')
    await page.waitForSelector('#password-fault')
    await fillIn(page, 'ana')
    await page.waitForURL(`${crm}/app?x=1#/orders/5`)
    await context.clearCookies()

    await page.goto(`${portal}/app#/orders/7`)
    await fillIn(page, 'tom')
    await page.waitForSelector('#code')
    await page.click('text=Use a backup code')
    await page.waitForURL(/\/verify\/backup-code/)
    await page.goBack()
    await page.fill('#code', '000000')
    await page.keyboard.press('Enter')
    await page.waitForSelector('#code-fault')
    await page.fill('#code', codeAt(secret, Date.now()))
    await page.keyboard.press('Enter')
    await page.waitForURL(`${portal}/app#/orders/7`)
    t.equal(await page.textContent('#who'), 'tom')
    await context.clearCookies()

    // As while a code is on its way: the page comes again by itself, by an address of the gateway's.
    await page.goto(`${portal}/later#/orders/8`)
    const again = '/.gatelodge/verify?return=%2Flater'
    await fillIn(page, 'tom')
    await page.waitForSelector('#code')
    const body = (await page.content()).replace('<main', '<main data-looks-again')
    const headers = { 'content-type': 'text/html', refresh: `0;url=${again}` }
    await page.route(/verify/, (route) => route.fulfill({ body, headers }), { times: 1 })
    await page.reload({ waitUntil: 'commit' })
    await page.waitForURL(portal + again)
    t.equal(await page.locator('form').first().getAttribute('action'), '/.gatelodge/verify#/orders/8')
    t.notMatch(app.requests.map(({ url }) => url).join(' '), /orders/, 'nobody but the browser is told')
  })

  t.test(
    'an application that shares our origin leaves nothing for our pages that changes where a password goes',
    async (t) => {
      const { page } = await open()
      const ours = '/.gatelodge/sign-in?return=%2Fapp'
      for (const place of ['/../../open/collect', '?x=/open/collect', `.evil#${'x'.repeat(10)}`, 7]) {
        await page.goto(`${portal}/open/page`)
        const kept = JSON.stringify(JSON.stringify([ours, place]))
        await page.evaluate(`sessionStorage.setItem('gatelodge-place', ${kept})`)
        await page.goto(portal + ours)
        t.equal(await page.locator('form').first().getAttribute('action'), '/.gatelodge/sign-in', String(place))
      }
      await fillIn(page, 'ana')
      await page.waitForSelector('#what')
      t.equal(await page.textContent('#what'), 'GET /app ')
    },
  )

  t.test('of tabs that are restored at once the first signs in, and the others go on', async (t) => {
    const { context } = await open()
    const addresses = [`${crm}/one#a`, `${crm}/two#b`, `${portal}/three#c`]
    const tabs = await Promise.all(
      addresses.map(async (address) => {
        const page = await context.newPage()
        await page.goto(address)
        return page
      }),
    )
    for (const [at, page] of tabs.entries()) {
      await fillIn(page, 'ana', at === 0 ? 'wrong' : housePassword)
      if (at === 0) {
        await page.waitForSelector('#password-fault')
        await fillIn(page, 'ana')
      }
      await page.waitForSelector('#what')
      t.equal(page.url(), addresses[at])
    }
  })

  t.test('a form of another site comes with the session where its path is listed, and nowhere else', async (t) => {
    const { page } = await open()
    await page.goto(`${crm}/app`)
    await fillIn(page, 'ana')
    await page.waitForURL(`${crm}/app`)
    const send = async (path: string) => {
      await page.goto(`${elsewhere}/sends?address=${encodeURIComponent(crm + path)}`)
      const before = app.requests.length
      await page.click('text=Pay')
      return () =>
        app.requests
          .slice(before)
          .filter(({ method, url }) => method === 'POST' || url?.startsWith('/transfer'))
          .map(({ method, url, headers }) => [method, url, headers['remote-user']])
    }
    const arrived = await send('/saml/acs?x=1')
    await page.waitForSelector('#what')
    t.equal(await page.textContent('#who'), 'ana')
    const body = `SAMLResponse=${encodeURIComponent('a+b/c= "é"').replaceAll('%20', '+')}&submit=%3Cb%3E`
    t.equal(await page.textContent('#what'), `POST /saml/acs?x=1 ${body}`)
    t.same(arrived(), [['POST', '/saml/acs?x=1', 'ana']], 'once')
    const onward = await send('/hop')
    await page.waitForURL(`${elsewhere}/landed`)
    t.same(onward(), [['POST', '/hop', 'ana']], 'also where its answer leads elsewhere')

    const forged = await send('/transfer?to=evil')
    await page.getByRole('heading', { name: 'Sign in first' }).waitFor()
    t.same(forged(), [], 'an application that has not asked for it is sent nothing in her name')
    const [tab] = await Promise.all([page.context().waitForEvent('page'), page.click('a.button')])
    await tab.waitForURL(`${crm}/transfer?to=evil`)
    t.equal(await tab.textContent('#what'), 'GET /transfer?to=evil ', 'the button goes there, without what was sent')
    await page.context().clearCookies()
    const stranger = await send('/saml/acs')
    await page.getByRole('heading', { name: 'Sign in first' }).waitFor()
    t.same(stranger(), [], 'who is nobody goes round once, and is asked to sign in')
  })

  t.test('within a frame there is a page that opens the sign-in at the top', async (t) => {
    const { page } = await open()
    const around = `${crm}/open/within?address=/report`
    await page.goto(around)
    await page.frameLocator('iframe').locator('text=Sign in').last().click()
    await fillIn(page, 'ana')
    await page.waitForURL(around)
    t.equal(await page.frameLocator('iframe').locator('#who').textContent(), 'ana', 'back to the page around it')
    await page.context().clearCookies()
    await page.goto(`${elsewhere}/within?address=${encodeURIComponent(`${crm}/report`)}`)
    const foreign = page.frameLocator('iframe').locator('a')
    t.equal(await foreign.textContent(), 'Open it')
    const [tab] = await Promise.all([page.context().waitForEvent('page'), foreign.click()])
    await fillIn(tab, 'ana')
    await tab.waitForURL(`${crm}/report`)
    await page.context().clearCookies()

    await page.goto(`${elsewhere}/within?address=${encodeURIComponent(`${portal}/.gatelodge/sign-in`)}`)
    t.equal(
      await page.frameLocator('iframe').locator('#password').count(),
      0,
      'no page of ours is shown within another',
    )
  })

  t.test('after a sign-out Back shows nothing that the browser had kept', async (t) => {
    const { page } = await open()
    await page.goto(`${portal}/payslips`)
    await fillIn(page, 'ana')
    await page.waitForURL(`${portal}/payslips`)
    await page.goto(`${portal}/.gatelodge/account`)
    await page.goBack()
    t.equal(await page.textContent('#who'), 'ana')
    const before = app.requests.length
    await page.goForward()
    await page.goto(`${portal}/.gatelodge/sign-out`)
    await page.click('button.primary')
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor()
    await page.goBack()
    await page.goBack()
    await page.goBack()
    await page.waitForSelector('#password')
    t.notMatch(await page.content(), 'id="who"')
    t.equal(app.requests.slice(before).filter(({ url }) => url === '/payslips').length, 0)
  })

  t.test('whoever is led on to another site by the application gets there from every form', async (t) => {
    const byPassword = await open()
    await byPassword.page.goto(`${portal}/hop`)
    await fillIn(byPassword.page, 'ana')
    await byPassword.page.waitForSelector('#what')
    t.equal(byPassword.page.url(), `${elsewhere}/landed`)

    for (const [name, javaScriptEnabled] of [
      ['ana', true],
      ['bea', false],
    ] as const) {
      const { page } = await open({ javaScriptEnabled })
      await page.goto(`${portal}/.gatelodge/sign-in/link?return=%2Fhop`)
      await page.fill('#username', name)
      await page.click('button.primary')
      await page.waitForURL(/notice=sent/)
      const link = await until('the link', () => linkTo(name, mail))
      await page.goto(link)
      await page.click('button.primary')
      // Stopped by the browser, which says nothing. Without a script people press again.
      if (!javaScriptEnabled) await page.click('button.primary')
      await page.waitForSelector('#what')
      t.equal(page.url(), `${elsewhere}/landed`, javaScriptEnabled ? 'by script' : 'by pressing again')
    }
  })
})

async function fillIn(page: Page, username: string, password = housePassword): Promise<void> {
  await page.fill('#username', username)
  await page.fill('#password', password)
  await page.keyboard.press('Enter')
}

function linkTo(name: string, { arrived }: MailServer): string | undefined {
  const texts = arrived.filter(({ raw }) => raw.includes(`${name}@`)).map(({ email }) => email.text ?? '')
  return texts.map((text) => /http:\S+\/link\?\S+/.exec(text)?.[0]).find((link) => link !== undefined)
}
