import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { codeAt } from '../../support/authenticator-app.js'
import { axeViolations } from '../../support/axe.js'
import { launchChromium, openWindow, skipWithoutChromium } from '../../support/chromium.js'
import { PASSWORD } from '../../support/core.js'
import { until } from '../../support/poll.js'
import { inEveryView, isTooWide } from '../../support/screenshots.js'
import { type Lodge, lodge, prefix } from './lodge.js'

/** What can be pressed or typed into and is smaller than a fingertip: 44 by 44 CSS pixels. */
const smallTargets = `[...document.querySelectorAll('button, input:not([type=hidden]), summary, .button, .ways a, .choices a')]
  .filter((each) => each.checkVisibility())
  .map((each) => [each.outerHTML.slice(0, 80), each.getBoundingClientRect()])
  .filter(([, { width, height }]) => width < 44 || height < 44)
  .map(([html, { width, height }]) => html + ' ' + width + 'x' + height)`

/** Looks at the page in every view, at 200 % text and on the narrowest screen, with the eyes of axe. */
async function look(t: Test, page: Page, name: string): Promise<void> {
  await inEveryView(page, name, async (view) => {
    t.same(await axeViolations(page), [], `${name}, ${view}: axe`)
    t.notOk(await isTooWide(page), `${name}, ${view}: fits`)
    t.same(await page.evaluate(smallTargets), [], `${name}, ${view}: targets`)
  })
  await page.setViewportSize({ width: 320, height: 640 })
  t.notOk(await isTooWide(page), `${name} fits 320 pixels: 400 % zoom of a usual window`)
  await page.setViewportSize({ width: 360, height: 740 })
  await page.evaluate(`document.documentElement.style.fontSize = '200%'`)
  t.notOk(await isTooWide(page), `${name} fits with text at 200 %`)
  await page.evaluate(`document.documentElement.style.fontSize = ''`)
  await page.setViewportSize({ width: 1100, height: 800 })
}

const keyOn = async (page: Page) => (await page.locator('[data-copy]').getAttribute('data-copy')) ?? ''
const address = (core: Lodge, path: string) => `${core.origin}${prefix}${path}`

t.test('every page in a browser', { skip: skipWithoutChromium(), timeout: 120_000 }, async (t) => {
  const core = await lodge(t)
  await core.addUser('ada.lovelace')
  const { page, context, complaints } = await openWindow(await launchChromium(t))
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])

  await page.goto(address(core, '/sign-in?return=%2Fsecret%2Fplans'))
  await page.locator('#username:focus').waitFor()
  await look(t, page, 'sign-in')
  await page.keyboard.type('ada.lovelace')
  await page.keyboard.press('Tab')
  await page.keyboard.type('wrong')
  await page.getByRole('button', { name: 'Show password' }).click()
  t.equal(await page.locator('#password').getAttribute('type'), 'text')
  await page.getByRole('button', { name: 'Hide password' }).click()
  t.equal(await page.locator('#password').getAttribute('type'), 'password')
  await page.locator('#password').press('Enter')

  await page.waitForSelector('#password-fault')
  t.equal(await page.title(), 'Error: Sign in – Riverside CRM')
  await page.locator('#password:focus').waitFor()
  await look(t, page, 'sign-in-refused')
  await page.keyboard.type(PASSWORD)
  await page.keyboard.press('Enter')

  await page.waitForURL('**/enrol/totp*')
  await look(t, page, 'enrol-totp')
  const key = await keyOn(page)
  await page.getByRole('button', { name: 'Copy key' }).click()
  await page.getByText('Copied.').waitFor()
  t.equal(await page.evaluate('navigator.clipboard.readText()'), key)
  await page.locator('#key').click()
  t.equal(
    await page.evaluate(`getSelection().toString().replaceAll(/\\s/g, '')`),
    key,
    'one click selects the whole key',
  )
  await page.locator('#code').fill('123 456')
  await page.locator('#code').press('Enter')
  await page.waitForSelector('#code-fault')
  await page.locator('#code:focus').waitFor()
  await look(t, page, 'enrol-totp-wrong')
  await page.locator('#code').fill(codeAt(key, core.clock.ms))
  await page.locator('#code').press('Enter')
  await page.waitForURL('**/account/backup-codes/new*')
  await page.getByRole('button', { name: 'I have saved them' }).click()
  await page.waitForURL('**/secret/plans')
  t.equal(await page.title(), 'Application', 'the browser follows to the application')

  await page.goto(address(core, '/account?done=enrolled'))
  await look(t, page, 'account')
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor()
  await look(t, page, 'signed-out')

  core.clock.forward(30)
  await page.goto(address(core, '/sign-in?return=%2Freports'))
  await page.locator('#username').fill('ada.lovelace')
  await page.locator('#password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL('**/verify*')
  await page.locator('#code:focus').waitFor()
  await look(t, page, 'verify')
  // The last digit sends it, and pressing Enter as well is no second try.
  let sent = 0
  page.on('request', (request) => {
    if (request.method() === 'POST' && request.url().endsWith('/verify')) sent += 1
  })
  await page.keyboard.type('000000')
  await page.waitForSelector('#code-fault')
  await look(t, page, 'verify-wrong')
  await page.keyboard.type(codeAt(key, core.clock.ms))
  await page.waitForURL('**/reports')
  t.equal(sent, 2)
  await page.goto(address(core, '/sign-out'))
  await look(t, page, 'sign-out')

  await page.goto(address(core, '/nothing'))
  await look(t, page, 'error')
  t.same(
    complaints.filter((each) => !/status of (?:404|422)/.test(each)),
    [],
    'nothing was stopped by the content security policy',
  )
})

t.test('the pages nobody hopes to see', { skip: skipWithoutChromium(), timeout: 120_000 }, async (t) => {
  const core = await lodge(t)
  await core.addUser('ada.lovelace')
  const { page } = await openWindow(await launchChromium(t))
  await page.goto(address(core, '/sign-in'))
  await page.evaluate(`document.querySelector('[name=token]').value = 'old'`)
  await page.locator('#username').fill('ada.lovelace')
  await page.locator('#password').fill(PASSWORD)
  await page.locator('#password').press('Enter')
  await page.getByText('That page was open too long').waitFor()
  t.equal(await page.locator('#username').inputValue(), 'ada.lovelace')
  await page.locator('#password:focus').waitFor()
  await look(t, page, 'sign-in-expired')

  await page.goto(address(core, '/sign-in?return=%2Fsecret%2Fplans'))
  await page.locator('#username').fill('ada.lovelace')
  await page.locator('#password').fill(PASSWORD)
  await page.locator('#password').press('Enter')
  await page.waitForURL('**/enrol/totp*')
  core.clock.forward(11 * 60)
  await page.locator('#code').fill('123456')
  await page.locator('#code').press('Enter')
  await page.getByRole('heading', { name: 'This page has expired' }).waitFor()
  await look(t, page, 'expired')
  await page.getByRole('link', { name: 'Start again' }).click()
  await page.waitForURL('**/sign-in?return=%2Fsecret%2Fplans')

  for (let round = 0; round < 5; round += 1) {
    await page.locator('#username').fill('ada.lovelace')
    await page.locator('#password').fill('wrong')
    await page.locator('#password').press('Enter')
    await page.waitForSelector('#password-fault')
  }
  await page.locator('#password').fill('wrong')
  await page.locator('#password').press('Enter')
  await page.getByRole('heading', { name: 'Please wait a moment' }).waitFor()
  await look(t, page, 'throttled')
  await page.getByText('You can try again now.').waitFor()
  t.notOk(await page.getByText('You can try again in').isVisible(), 'the countdown has ended')
})

t.test(
  'an application that sends people on to another site',
  { skip: skipWithoutChromium(), timeout: 300_000 },
  async (t) => {
    const core = await lodge(t)
    await core.addUser('ada.lovelace')
    const browser = await launchChromium(t)
    const arrived = core.origin.replace('localhost', '127.0.0.1') + '/arrived'
    const signIn = async (page: Page) => {
      await page.goto(address(core, '/sign-in?return=%2Felsewhere'))
      await page.locator('#username').fill('ada.lovelace')
      await page.locator('#password').fill(PASSWORD)
      await page.getByRole('button', { name: 'Sign in' }).click()
    }
    const { page } = await openWindow(browser)
    await signIn(page)
    await page.waitForURL(arrived)

    const { page: plain, complaints } = await openWindow(browser, { javaScriptEnabled: false })
    await signIn(plain)
    await until('the form to be stopped', () => complaints.length > 0)
    await plain.getByRole('button', { name: 'Sign in' }).click()
    await plain.waitForURL(arrived)
  },
)

t.test('everything without JavaScript', { skip: skipWithoutChromium(), timeout: 300_000 }, async (t) => {
  const core = await lodge(t)
  await core.addUser('ada.lovelace')
  const { page, complaints } = await openWindow(await launchChromium(t), { javaScriptEnabled: false })
  await page.goto(address(core, '/sign-in?return=%2Fsecret%2Fplans'))
  t.equal(await page.getByRole('button', { name: 'Show' }).isVisible(), false, 'no button that would do nothing')
  await page.locator('#username').fill('ada.lovelace')
  await page.locator('#password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL('**/enrol/totp*')
  t.equal(await page.getByRole('button', { name: 'Copy key' }).isVisible(), false)
  const key = ((await page.locator('#key').textContent()) ?? '').trim()
  await page.locator('#code').fill(codeAt(key, core.clock.ms))
  await page.getByRole('button', { name: 'Finish setting up' }).click()
  await page.getByRole('button', { name: 'I have saved them' }).click()
  await page.waitForURL('**/secret/plans')
  await page.goto(address(core, '/sign-out'))
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByRole('link', { name: 'Sign in' }).click()

  core.clock.forward(30)
  await page.locator('#username').fill('ada.lovelace')
  await page.locator('#password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.locator('#code').fill(codeAt(key, core.clock.ms))
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.waitForURL(`${core.origin}/`)
  t.same(complaints, [])
})
