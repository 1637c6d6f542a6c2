import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import type { Mail } from '../../../src/contracts.js'
import { codeAt } from '../../support/authenticator-app.js'
import { axeViolations } from '../../support/axe.js'
import { launchChromium, openWindow, skipWithoutChromium } from '../../support/chromium.js'
import { PASSWORD } from '../../support/core.js'
import { inEveryView, isTooWide } from '../../support/screenshots.js'
import { type Lodge, lodge, prefix } from './lodge.js'

const NEW = 'quite another lamp at the gate'

/** What can be pressed or typed into and is smaller than a fingertip: 44 by 44 CSS pixels. */
const smallTargets = `[...document.querySelectorAll('button, input:not([type=hidden]), .button, .ways a, .choices a')]
  .filter((each) => each.checkVisibility())
  .map((each) => [each.outerHTML.slice(0, 80), each.getBoundingClientRect()])
  .filter(([, { width, height }]) => width < 44 || height < 44)
  .map(([html, { width, height }]) => html + ' ' + width + 'x' + height)`

async function look(t: Test, page: Page, name: string): Promise<void> {
  await inEveryView(page, name, async (view) => {
    t.same(await axeViolations(page), [], `${name}, ${view}: axe`)
    t.notOk(await isTooWide(page), `${name}, ${view}: fits`)
    t.same(await page.evaluate(smallTargets), [], `${name}, ${view}: targets`)
  })
  await page.setViewportSize({ width: 320, height: 640 })
  t.notOk(await isTooWide(page), `${name} fits 320 pixels`)
  await page.setViewportSize({ width: 1100, height: 800 })
}

const address = (core: Lodge, path: string) => `${core.origin}${prefix}${path}`

async function signIn(core: Lodge, page: Page, to: string, password = PASSWORD): Promise<void> {
  await page.goto(address(core, to))
  await page.locator('#username').fill('ada.lovelace')
  await page.locator('#password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

t.test('a user looks after the account in a browser', { skip: skipWithoutChromium(), timeout: 300_000 }, async (t) => {
  const mails: Mail[] = []
  const core = await lodge(t, { mail: { send: async (mail) => void mails.push(mail) } })
  await core.addUser('ada.lovelace')
  const browser = await launchChromium(t)
  const { page, complaints } = await openWindow(browser)
  await signIn(core, page, '/account')
  await page.waitForURL('**/account')
  await look(t, page, 'account-plain')

  await page.getByRole('link', { name: 'Sign-in methods' }).click()
  await look(t, page, 'account-methods-none')
  await page.getByRole('link', { name: 'Authenticator app' }).click()
  const key = (await page.locator('[data-copy]').getAttribute('data-copy')) ?? ''
  await page.locator('#code').fill(codeAt(key, core.clock.ms))
  await page.locator('#code').press('Enter')
  await page.waitForURL('**/account/backup-codes/new*')
  await page.goto(address(core, '/account/methods?done=enrolled'))
  core.clock.forward(30)
  await page.getByRole('link', { name: 'Authenticator app', exact: true }).click()
  const second = (await page.locator('[data-copy]').getAttribute('data-copy')) ?? ''
  await page.locator('#code').fill(codeAt(second, core.clock.ms))
  await page.locator('#code').press('Enter')
  await page.waitForURL('**/account/methods?done=enrolled')
  await look(t, page, 'account-methods')

  await page.locator('a.button', { hasText: 'Authenticator app' }).last().click()
  await look(t, page, 'account-method')
  await page.locator('#name').fill('x'.repeat(60))
  await page.getByRole('button', { name: 'Save the name' }).click()
  await page.getByText('Enter a name of at most 40 characters').waitFor()
  await look(t, page, 'account-method-fault')
  await page.locator('#name').fill('The phone I have at work')
  await page.getByRole('button', { name: 'Save the name' }).click()
  await page.getByText('The name was changed').waitFor()
  await page.locator('a.button', { hasText: 'The phone I have at work' }).click()
  await page.getByRole('button', { name: 'Ask for this one first' }).click()
  await page.getByText('this one is asked first').waitFor()
  await page.locator('a.button', { hasText: 'Authenticator app' }).click()
  await page.getByRole('button', { name: 'Remove' }).click()
  await page.getByText('The sign-in method was removed').waitFor()
  await look(t, page, 'account-methods-removed')

  const other = await openWindow(browser, { userAgent: 'Mozilla/5.0 (Android 15; Mobile; rv:140.0) Firefox/140.0' })
  core.clock.forward(30)
  await signIn(core, other.page, '/account')
  await other.page.locator('#code').fill(codeAt(second, core.clock.ms))
  await other.page.locator('#code').press('Enter')
  await other.page.waitForURL('**/account')
  await page.goto(address(core, '/account/sessions'))
  await look(t, page, 'account-sessions')
  await page.getByRole('button', { name: 'Sign out everywhere else' }).click()
  await page.getByText('everywhere else you were signed out').waitFor()
  await other.page.reload()
  await other.page.waitForURL('**/sign-in?*')

  await page.goto(address(core, '/account/contact'))
  await look(t, page, 'account-contact')
  await page.locator('#mobile').fill('12345')
  await page.getByRole('button', { name: 'Change mobile number' }).click()
  await page.getByText('Enter a number with its country code').waitFor()
  await look(t, page, 'account-contact-fault')
  await page.locator('#email').fill('ada@example.net')
  await page.getByRole('button', { name: 'Change e-mail address' }).click()
  await page.getByRole('heading', { name: 'Enter the code' }).waitFor()
  await look(t, page, 'account-confirm')
  const code = mails.map(({ text }) => /^ {2}(\d{6})$/m.exec(text)?.[1]).findLast((found) => found !== undefined) ?? ''
  await page.locator('#code').fill(code)
  await page.locator('#code').press('Enter')
  await page.getByText('Your contact details were changed').waitFor()
  await look(t, page, 'account')

  core.clock.forward(16 * 60)
  await page.getByRole('link', { name: 'Password' }).click()
  await page.getByRole('heading', { name: 'Is it you?' }).waitFor()
  await look(t, page, 'account-prove')
  await page.locator('#password').fill('wrong')
  await page.locator('#password').press('Enter')
  await page.getByText('The password is not right').waitFor()
  await look(t, page, 'account-prove-fault')
  await page.locator('#password').fill(PASSWORD)
  await page.locator('#password').press('Enter')
  await page.waitForURL('**/verify*')
  await page.locator('#code').fill(codeAt(second, core.clock.ms))
  await page.locator('#code').press('Enter')
  await page.waitForURL('**/account/password')
  await look(t, page, 'account-password')
  await page.locator('#password').fill('password1')
  await page.locator('#repeated').fill('password1')
  await page.getByRole('button', { name: 'Change password' }).click()
  await page.getByText('tried first').waitFor()
  await look(t, page, 'account-password-fault')
  await page.locator('#password').fill(NEW)
  await page.locator('#repeated').fill(NEW)
  await page.getByRole('button', { name: 'Change password' }).click()
  await page.getByText('Your password was changed').waitFor()

  await page.goto(address(core, '/account/activity'))
  await look(t, page, 'account-activity')

  await core.settled()
  await core.messages.settled()
  const token = /not-me\?token=([\w-]{43})/.exec(
    mails.findLast(({ subject }) => /password/.test(subject))?.text ?? '',
  )?.[1]
  await page.goto(address(core, `/not-me?token=${token}`))
  await look(t, page, 'not-me')
  await page.getByRole('button', { name: 'It was not me' }).click()
  await page.getByRole('heading', { name: 'Everything was signed out' }).waitFor()
  await look(t, page, 'not-me-done')
  await page.goto(address(core, `/not-me?token=${token}`))
  await look(t, page, 'not-me-void')
  await page.goto(address(core, '/account'))
  await page.waitForURL('**/sign-in?*')
  t.same(
    complaints.filter((each) => !/status of (?:410|422)/.test(each)),
    [],
    'nothing was stopped by the content security policy',
  )
})

t.test('the account page without JavaScript', { skip: skipWithoutChromium(), timeout: 300_000 }, async (t) => {
  const core = await lodge(t)
  await core.addUser('ada.lovelace')
  const { page, complaints } = await openWindow(await launchChromium(t), { javaScriptEnabled: false })
  await signIn(core, page, '/account')
  await page.getByRole('link', { name: 'Password' }).click()
  await page.locator('#password').fill(NEW)
  await page.locator('#repeated').fill(NEW)
  await page.getByRole('button', { name: 'Change password' }).click()
  await page.getByText('Your password was changed').waitFor()
  await page.getByRole('link', { name: 'Where you are signed in' }).click()
  await page.getByRole('button', { name: 'Sign out everywhere else' }).click()
  await page.getByText('everywhere else you were signed out').waitFor()
  await page.getByRole('button', { name: 'Sign out here' }).click()
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor()
  t.same(complaints, [])
})
