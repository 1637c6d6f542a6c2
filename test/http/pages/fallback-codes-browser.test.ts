import { readFile } from 'node:fs/promises'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { codeAt } from '../../support/authenticator-app.js'
import { axeViolations } from '../../support/axe.js'
import { launchChromium, openWindow, skipWithoutChromium } from '../../support/chromium.js'
import { PASSWORD } from '../../support/core.js'
import { inEveryView, isTooWide } from '../../support/screenshots.js'
import { type Lodge, lodge, prefix } from './lodge.js'

/** What can be pressed or typed into and is smaller than a fingertip: 44 by 44 CSS pixels. */
const smallTargets = `[...document.querySelectorAll('button, input:not([type=hidden]), .button, .ways a')]
  .filter((each) => each.checkVisibility())
  .map((each) => [each.outerHTML.slice(0, 80), each.getBoundingClientRect()])
  .filter(([, { width, height }]) => width < 44 || height < 44)
  .map(([html, { width, height }]) => html + ' ' + width + 'x' + height)`

const address = (core: Lodge, path: string) => `${core.origin}${prefix}${path}`

async function look(t: Test, page: Page, name: string): Promise<void> {
  await inEveryView(page, name, async (view) => {
    t.same(await axeViolations(page), [], `${name}, ${view}: axe`)
    t.notOk(await isTooWide(page), `${name}, ${view}: fits`)
    t.same(await page.evaluate(smallTargets), [], `${name}, ${view}: targets`)
  })
}

async function signIn(core: Lodge, page: Page, username = 'ada.lovelace'): Promise<void> {
  await page.goto(address(core, '/sign-in?return=%2Freports'))
  await page.locator('#username').fill(username)
  await page.locator('#password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
}

async function signOut(core: Lodge, page: Page): Promise<void> {
  await page.goto(address(core, '/sign-out'))
  await page.getByRole('button', { name: 'Sign out' }).click()
  core.clock.forward(60)
}

async function setUp(core: Lodge, page: Page): Promise<string> {
  await page.goto(address(core, '/sign-in?return=%2Fsecret%2Fplans'))
  await page.locator('#username').fill('ada.lovelace')
  await page.locator('#password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.waitForURL('**/enrol/totp*')
  const key = ((await page.locator('#key').textContent()) ?? '').trim()
  await page.locator('#code').fill(codeAt(key, core.clock.ms))
  await page.getByRole('button', { name: 'Finish setting up' }).click()
  await page.waitForURL('**/backup-codes/new*')
  return key
}

async function recoveryCode(core: Lodge, username: string): Promise<string> {
  const [user] = await core.directory.find({ username })
  if (user === undefined) throw new Error('no such user')
  return (await core.recoveryCodes.issue(await core.accounts.open(user), user, 'command-line')).code
}

t.test(
  'backup codes, a remembered browser and a recovery code',
  { skip: skipWithoutChromium(), timeout: 180_000 },
  async (t) => {
    const core = await lodge(t)
    await core.addUser('ada.lovelace')
    const { page, context, complaints } = await openWindow(await launchChromium(t))
    await context.grantPermissions(['clipboard-read', 'clipboard-write'])
    const key = await setUp(core, page)
    const codes = await page.locator('#codes code').allTextContents()
    t.equal(codes.length, 10)
    await look(t, page, 'backup-codes-new')
    await page.getByRole('button', { name: 'Copy' }).click()
    await page.getByText('Copied.').waitFor()
    t.equal(await page.evaluate('navigator.clipboard.readText()'), codes.join('\n'))
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download' }).click(),
    ])
    t.equal(download.suggestedFilename(), 'backup-codes.txt')
    t.match(await readFile(await download.path(), 'utf8'), codes.join('\r\n'))
    t.ok(await page.getByRole('button', { name: 'Print' }).isVisible())
    await page.emulateMedia({ media: 'print' })
    if (process.env['SCREENSHOTS'])
      await page.screenshot({ path: `${process.env['SCREENSHOTS']}/backup-codes-print.png` })
    t.notOk(await page.getByRole('button', { name: 'I have saved them' }).isVisible(), 'paper has no buttons')
    t.ok(await page.getByText(codes[9] ?? '').isVisible())
    await page.emulateMedia({ media: null })
    await page.getByRole('button', { name: 'I have saved them' }).click()
    await page.waitForURL('**/secret/plans')
    await page.goto(address(core, '/account/backup-codes'))
    await look(t, page, 'backup-codes')
    await signOut(core, page)

    await signIn(core, page)
    await look(t, page, 'verify-remember')
    await page.getByRole('link', { name: 'Use a backup code' }).click()
    await page.locator('#code:focus').waitFor()
    t.pass('the field waits for the code')
    await look(t, page, 'verify-backup-code')
    await page.keyboard.type('not one of them')
    await page.keyboard.press('Enter')
    await page.waitForSelector('#code-fault')
    t.match(await page.title(), /^Error: /)
    await look(t, page, 'verify-backup-code-wrong')
    await page.locator('#code').fill(codes[3]?.toLowerCase().replaceAll('-', ' ') ?? '')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/reports')
    await signOut(core, page)

    await signIn(core, page)
    await page.getByRole('link', { name: 'Use a backup code' }).click()
    await page.getByRole('link', { name: 'Use a recovery code' }).click()
    await look(t, page, 'verify-recovery-code')
    await page.locator('#code').fill(await recoveryCode(core, 'ada.lovelace'))
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByRole('heading', { name: 'You are signed in' }).waitFor()
    await look(t, page, 'recovered')
    await page.getByRole('link', { name: 'Later' }).click()
    await page.waitForURL('**/reports')
    await signOut(core, page)

    await signIn(core, page)
    await page.locator('#code').fill(codeAt(key, core.clock.ms))
    await page.getByLabel("Don't ask for a code on this device").check()
    await look(t, page, 'verify-ticked')
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.waitForURL('**/reports')
    const kept = (await context.cookies()).filter(({ name }) => name === 'gatelodge-device')
    t.match(kept, [{ httpOnly: true, sameSite: 'Lax' }])
    await context.clearCookies({ name: 'gatelodge' })
    await signIn(core, page)
    await page.waitForURL('**/reports')
    t.same(
      complaints.filter((each) => !/status of (?:404|422)/.test(each)),
      [],
    )
  },
)

t.test('strict, without JavaScript', { skip: skipWithoutChromium(), timeout: 120_000 }, async (t) => {
  const core = await lodge(t, {
    policy: { secondFactor: { required: 'everyone', unenrolled: 'recovery-code' } },
  })
  await core.addUser('ada.lovelace')
  const { page, complaints } = await openWindow(await launchChromium(t), { javaScriptEnabled: false })
  await signIn(core, page)
  await page.getByRole('heading', { name: 'Use a recovery code' }).waitFor()
  await page.locator('#code').fill(await recoveryCode(core, 'ada.lovelace'))
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByRole('link', { name: 'Set up a second step now' }).click()
  await page.waitForURL('**/enrol/totp*')
  const key = ((await page.locator('#key').textContent()) ?? '').trim()
  await page.locator('#code').fill(codeAt(key, core.clock.ms))
  await page.getByRole('button', { name: 'Finish setting up' }).click()
  await page.getByRole('heading', { name: 'Save your backup codes' }).waitFor()
  t.notOk(await page.getByRole('button', { name: 'Copy' }).isVisible(), 'no button that would do nothing')
  t.notOk(await page.getByRole('button', { name: 'Print' }).isVisible())
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download' }).click(),
  ])
  t.equal(download.suggestedFilename(), 'backup-codes.txt')
  await page.getByRole('button', { name: 'I have saved them' }).click()
  await page.waitForURL('**/reports')
  t.same(complaints, [])
})
