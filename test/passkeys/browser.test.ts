import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { axeViolations } from '../support/axe.js'
import { launchChromium, openWindow, skipWithoutChromium } from '../support/chromium.js'
import { application } from '../support/front-door.js'
import { type RunningGateway, startGateway } from '../support/gateway.js'
import { inEveryView, isTooWide } from '../support/screenshots.js'
import { VirtualDevices } from '../support/virtual-authenticators.js'

t.setTimeout(300_000)

/** Chromium's own authenticators at a portal and a site behind it. `*.localhost` counts as secure without a certificate. */

const password = 'a lamp over the lodge gate'
const asks = '[data-asks]'

async function look(t: Test, page: Page, name: string): Promise<void> {
  await inEveryView(page, name, async (view) => {
    t.same(await axeViolations(page), [], `${name}, ${view}: axe`)
    t.notOk(await isTooWide(page), `${name}, ${view}: fits`)
  })
  await page.setViewportSize({ width: 390, height: 760 })
  t.notOk(await isTooWide(page), `${name} fits 390 pixels`)
  await page.setViewportSize({ width: 1100, height: 800 })
}

interface Place {
  readonly gateway: RunningGateway
  readonly portal: string
  readonly crm: string
}

async function open(t: Test): Promise<Place> {
  const app = await application(t, ({ headers }, response) => {
    response.writeHead(200, { 'content-type': 'text/html' })
    response.end(`<!doctype html><title>Customers</title><p id="who">${headers['remote-user']}</p>`)
  })
  const gateway = await startGateway(t, {
    yaml: `
name: Riverside
publicUrl: "http://login.localhost:\${GATEWAY_PORT}"
sites:
  - host: crm.localhost
    name: Customers
    upstream: "${app.url}"
    identity: remote-user
    rules: [{ path: /keys/**, access: second-factor, proof: passkey }]
mail: { use: outbox }
secondFactor: { methods: [{ use: passkey, signIn: true }, { use: totp }] }
`,
  })
  for (const name of ['ada', 'bob', 'eve']) {
    await gateway.run(['user', 'add', name, '--email', `${name}@example.com`, '--password-stdin'], `${password}\n`)
  }
  return {
    gateway,
    portal: `http://login.localhost:${gateway.port}/.gatelodge`,
    crm: `http://crm.localhost:${gateway.port}`,
  }
}

async function givePassword(page: Page, username: string): Promise<void> {
  await page.fill('#username', username)
  await page.fill('#password', password)
  await page.locator('#password').press('Enter')
}

const who = (page: Page) => page.locator('#who').textContent()
/** At the site, and not on the way to it. */
const atCrm = (url: URL) => url.hostname === 'crm.localhost' && !url.pathname.startsWith('/.gatelodge')
const isAt = (path: string) => (url: URL) => url.pathname === `/.gatelodge${path}`

/** Where whoever signs in without a destination lands: the applications, at the portal's own start. */
const isStart = (url: URL) => url.hostname === 'login.localhost' && url.pathname === '/'

async function saveCodes(page: Page): Promise<void> {
  await page.waitForURL(isAt('/account/backup-codes/new'))
  await page.getByRole('button', { name: /saved|kept|done/i }).click()
}

t.test('passkeys in a browser', { skip: skipWithoutChromium() }, async (t) => {
  const { gateway, portal, crm } = await open(t)
  const browser = await launchChromium(t)

  await t.test('set up after an offer, second step, sign-in by autofill and by the button', async (t) => {
    const { page, context, complaints } = await openWindow(browser)
    const devices = await VirtualDevices.at(page)
    const laptop = await devices.add({ synced: true })
    await devices.setPresent(laptop, false)
    await page.goto(`${crm}/x`)
    await page.waitForSelector(`${asks}:not([hidden])`)
    t.equal(await page.locator('#username').getAttribute('autocomplete'), 'username webauthn')
    await look(t, page, 'passkey-sign-in')
    await givePassword(page, 'ada')
    await page.waitForURL(isAt('/account/passkey'))
    await look(t, page, 'passkey-offer')
    await page.getByRole('link', { name: 'Set up a passkey' }).click()
    await page.waitForSelector(`${asks}:not([hidden])`)
    await look(t, page, 'passkey-enrol')
    await devices.setPresent(laptop, true)
    await page.fill('#name', 'Laptop')
    // With the keyboard alone.
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await saveCodes(page)
    await page.waitForURL(atCrm)
    t.equal(await who(page), 'ada')
    t.match(await devices.credentials(laptop), [{ rpId: 'login.localhost', isResidentCredential: true }])

    // The second step.
    await devices.setPresent(laptop, false)
    await context.clearCookies()
    await page.goto(`${crm}/x`)
    await givePassword(page, 'ada')
    await page.waitForURL(isAt('/verify'))
    await page.waitForSelector(`${asks}:not([hidden])`)
    await look(t, page, 'passkey-verify')
    await devices.setPresent(laptop, true)
    await page.click(asks)
    await page.waitForURL(atCrm)

    // A page that only a passkey opens: this session was proved by one.
    await page.goto(`${crm}/keys/1`)
    t.equal(await who(page), 'ada')

    // The browser fills in: a device that is there answers where a username would be typed.
    await context.clearCookies()
    await page.goto(`${crm}/keys/2`)
    await page.waitForURL(atCrm)
    t.equal(await who(page), 'ada', 'no name, no password, no code')

    // The button, once there is somebody to press it.
    await devices.setPresent(laptop, false)
    await context.clearCookies()
    await page.goto(`${portal}/sign-in`)
    await page.waitForSelector(`${asks}:not([hidden])`)
    await devices.setPresent(laptop, true)
    await page.getByRole('button', { name: 'Sign in with a passkey' }).press('Enter')
    await page.waitForURL(isStart)
    t.same(complaints, [])
    await context.close()
  })

  await t.test('a device that does not ask who holds it is the first factor alone', async (t) => {
    const { page, context } = await openWindow(browser)
    const devices = await VirtualDevices.at(page)
    const key = await devices.add({ transport: 'usb' })
    await devices.spoil(key, { isBadUV: true })
    await page.goto(`${portal}/sign-in`)
    await givePassword(page, 'bob')
    await page.waitForURL(isStart)
    await page.goto(`${portal}/enrol/passkey`)
    await page.click(asks)
    await saveCodes(page)
    await page.goto(`${portal}/account/methods`)
    t.match(await page.locator('main').textContent(), /Security key.*On one device only\..*Second step only/s)
    await context.clearCookies()
    await page.goto(`${portal}/sign-in`)
    await page.click(asks)
    await page.waitForURL(isAt('/verify'))
    t.match(await page.locator('main').textContent(), 'did not ask who holds it', 'the same key is no second factor')
    await devices.remove(key)
    await context.close()
  })

  await t.test('a first-generation security key (U2F), and a second device', async (t) => {
    const { page, context } = await openWindow(browser)
    const devices = await VirtualDevices.at(page)
    const old = await devices.add({ protocol: 'u2f', transport: 'usb' })
    await page.goto(`${portal}/sign-in`)
    await givePassword(page, 'eve')
    await page.waitForURL(isStart)
    await page.goto(`${portal}/enrol/passkey`)
    await page.fill('#name', 'Old key')
    await page.click(asks)
    await saveCodes(page)
    // The same one once more.
    await page.goto(`${portal}/account/methods/add/passkey`)
    await page.waitForURL(isAt('/enrol/passkey'))
    await page.click(asks)
    await page.getByText('is set up for this account already').waitFor()
    await look(t, page, 'passkey-twice')
    await devices.remove(old)
    const phone = await devices.add({ synced: true })
    await page.goto(`${portal}/account/methods/add/passkey`)
    await page.waitForURL(isAt('/enrol/passkey'))
    await page.fill('#name', 'Phone')
    await page.click(asks)
    await page.waitForURL(isAt('/account/methods'))
    await look(t, page, 'passkey-list')
    t.match(await page.locator('main').textContent(), /Old key.*Phone/s)
    // Removed: the browser is told, and forgets it where it can be told.
    await page.locator('li', { hasText: 'Synced to your other devices' }).getByRole('link').click()
    await page.locator('button.grave').click()
    await page.getByText('The sign-in method was removed.').waitFor()
    const isTold = await page.evaluate<boolean>(`'signalUnknownCredential' in PublicKeyCredential`)
    if (isTold) {
      for (let wait = 0; wait < 20 && (await devices.credentials(phone)).length > 0; wait += 1)
        await page.waitForTimeout(100)
      t.equal((await devices.credentials(phone)).length, 0, 'the phone offers it no more')
    }
    await context.close()
  })

  await t.test('an answer of a broken device, and nobody there: said on the page, with another way', async (t) => {
    const { page, context } = await openWindow(browser)
    const devices = await VirtualDevices.at(page)
    const key = await devices.add({ transport: 'usb', verifies: false })
    await page.goto(`${portal}/sign-in`)
    await page.waitForSelector(`${asks}:not([hidden])`)
    await page.click(asks)
    await page.getByText('Nothing was used.').or(page.getByText('could not do it')).waitFor()
    await look(t, page, 'passkey-none')
    await devices.remove(key)
    await context.close()
  })

  await t.test('the offer comes once a month, and "Not now" goes on to where somebody was going', async (t) => {
    await gateway.run(['user', 'add', 'carl', '--email', 'carl@example.com', '--password-stdin'], `${password}\n`)
    const { page, context } = await openWindow(browser)
    const devices = await VirtualDevices.at(page)
    await devices.setPresent(await devices.add(), false)
    await page.goto(`${crm}/x`)
    await page.waitForSelector(`${asks}:not([hidden])`)
    await givePassword(page, 'carl')
    await page.waitForURL(isAt('/account/passkey'))
    await page.getByRole('link', { name: 'Not now' }).click()
    await page.waitForURL(atCrm)
    await context.clearCookies()
    await page.goto(`${crm}/x`)
    await page.waitForSelector(`${asks}:not([hidden])`)
    await givePassword(page, 'carl')
    await page.waitForURL(atCrm)
    await page.goto(`${crm}/keys/1`)
    await page.getByRole('heading').waitFor()
    t.match(await page.locator('main').textContent(), /Protect your account|A passkey is needed/)
    await context.close()
  })

  await t.test('without JavaScript every other way is there, and the page says what needs it', async (t) => {
    const { page, context } = await openWindow(browser, { javaScriptEnabled: false })
    await page.goto(`${crm}/x`)
    t.equal(await page.locator(asks).isVisible(), false)
    t.ok(await page.getByText('needs JavaScript').isVisible())
    await inEveryView(page, 'passkey-sign-in-without-script')
    await givePassword(page, 'eve')
    await page.waitForURL(isAt('/verify'))
    t.equal(await page.locator(asks).isVisible(), false)
    t.ok(await page.getByText('This way needs JavaScript').isVisible())
    await inEveryView(page, 'passkey-verify-without-script')
    t.ok(await page.getByRole('link', { name: 'Use a backup code' }).isVisible())
    await context.close()
  })
})
