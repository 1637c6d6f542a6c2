import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { AheadClock, enrolApp } from '../support/at-desk.js'
import { codeAt } from '../support/authenticator-app.js'
import { axeViolations } from '../support/axe.js'
import { launchChromium, openWindow, skipWithoutChromium } from '../support/chromium.js'
import { housePassword, startHouse } from '../support/house.js'
import { inEveryView, isTooWide } from '../support/screenshots.js'

/** The work of a support day, in a browser. */

const yaml = `
publicUrl: http://localhost:8080
name: Riverside CRM
sites: [{ host: crm.example.com, upstream: "http://127.0.0.1:1" }]
secondFactor: { methods: [{ use: totp }, { use: email }] }
mail: { use: outbox }
`

async function look(t: Test, page: Page, name: string): Promise<void> {
  await inEveryView(page, `desk-${name}`, async (view) => {
    t.same(await axeViolations(page), [], `${name}, ${view}: axe`)
    t.notOk(await isTooWide(page), `${name}, ${view}: fits`)
  })
}

t.test('the work of a support day', { skip: skipWithoutChromium(), timeout: 400_000 }, async (t) => {
  const clock = new AheadClock()
  const core = await startHouse(t, { yaml, now: clock.now })
  const { identity, directory } = core.core
  await core.addUser('olga', { role: 'owner', email: 'olga@example.com' })
  await core.addUser('sam', { role: 'support', email: 'sam@example.com' })
  for (const name of ['ada', 'bob', 'cleo']) await core.addUser(name, { email: `${name}@example.com` })
  const apps = new Map([
    ['olga', await enrolApp(core, 'olga')],
    ['sam', await enrolApp(core, 'sam')],
  ])
  const idOf = async (username: string) => (await directory.find({ username }))[0]?.id ?? ''
  const browser = await launchChromium(t)
  const desk = `${core.url}/.gatelodge/admin`
  const signIn = async (page: Page, username: string, path: string) => {
    await page.goto(`${core.url}/.gatelodge${path}`)
    await page.locator('#username').fill(username)
    await page.locator('#password').fill(housePassword)
    await page.getByRole('button', { name: 'Sign in' }).click()
    const key = apps.get(username)
    if (key === undefined) return
    clock.pass(30_000)
    await page.locator('#code').fill(codeAt(key, clock.now()))
    await page.locator('#code').press('Enter')
  }

  const { page: sams, complaints: ofSam } = await openWindow(browser)
  const { page: olgas, complaints: ofOlga } = await openWindow(browser)
  const { page: adas } = await openWindow(browser)
  const { page: bobs } = await openWindow(browser)

  // A user without phone: an app is set up, the phone is gone, support reads a recovery code to her.
  await signIn(adas, 'ada', '/account/methods/add/totp')
  const key = (await adas.locator('[data-copy]').getAttribute('data-copy')) ?? ''
  await adas.locator('#code').fill(codeAt(key, clock.now()))
  await adas.locator('#code').press('Enter')
  await adas.waitForURL('**/account/backup-codes/new*')
  await signIn(sams, 'sam', '/admin/users')
  await sams.locator('#search').fill('ad')
  await sams.getByRole('button', { name: 'Search' }).click()
  await look(t, sams, 'users')
  await sams.getByRole('link', { name: 'ada' }).click()
  await look(t, sams, 'user-by-support')
  t.equal(await sams.getByRole('button', { name: 'Deactivate' }).count(), 0, 'support sees no more than it may do')
  await sams.getByRole('button', { name: 'Recovery code' }).click()
  await look(t, sams, 'recovery-code-sure')
  await sams.getByRole('button', { name: 'Yes, make one' }).click()
  const code = (await sams.locator('.key').textContent()) ?? ''
  t.match(code, /^[0-9A-Z]{4}-/)
  await look(t, sams, 'recovery-code')
  await sams.getByRole('link', { name: 'Back to the user' }).click()
  await sams.getByRole('button', { name: 'Reset second factor' }).click()
  await sams.getByRole('button', { name: 'Yes, reset it' }).click()
  await sams.getByText('The second factors were reset').waitFor()

  // A lost laptop: everything that is open ends.
  await signIn(bobs, 'bob', '/account')
  await bobs.waitForURL('**/account')
  await sams.goto(`${desk}/users/${await idOf('bob')}`)
  await sams.getByRole('button', { name: 'End all sessions' }).click()
  await sams.getByRole('button', { name: 'Yes, end them' }).click()
  await sams.getByText('Everything of this user has ended').waitFor()
  await bobs.reload()
  await bobs.waitForURL('**/sign-in?*')

  // A user who left.
  await signIn(olgas, 'olga', '/admin')
  await olgas.waitForURL('**/admin')
  await look(t, olgas, 'today')
  // Found from wherever one is, with one key.
  await olgas.keyboard.press('/')
  await olgas.keyboard.type('bob')
  await olgas.keyboard.press('Enter')
  await olgas.waitForURL(`**/users/${await idOf('bob')}`)
  await look(t, olgas, 'user-by-owner')
  await olgas.getByRole('button', { name: 'Deactivate' }).click()
  await olgas.getByRole('button', { name: 'Yes, deactivate' }).click()
  await olgas.getByText('Nothing of this user opens anything any more').waitFor()
  t.equal((await identity.accounts.find(await idOf('bob')))?.status, 'deactivated')

  // A wrong exemption, found in the audit and taken back.
  await identity.accounts.exempt(await idOf('cleo'), { reason: 'by mistake' })
  await olgas.goto(`${desk}/users/${await idOf('cleo')}`)
  await olgas.getByText('Exempt from the second factor').click()
  await olgas.locator('#reason').fill('a phone in the sea')
  await olgas.getByRole('button', { name: 'Exempt', exact: true }).click()
  await olgas.getByText('The user is exempt').waitFor()
  await olgas.goto(`${desk}/audit?event=policy.changed`)
  await olgas.getByText('was exempted from the second factor by olga: a phone in the sea').first().waitFor()
  await look(t, olgas, 'audit')
  await olgas.getByRole('link', { name: 'cleo' }).first().click()
  await olgas.getByRole('button', { name: 'Take the exemption back' }).click()
  await olgas.getByText('The exemption was taken back').waitFor()

  // A forced roll-out, with a preview of whom it touches.
  await olgas.goto(`${desk}/settings?key=session.duration&value=soon`)
  await look(t, olgas, 'settings-refused')
  await olgas.goto(`${desk}/settings`)
  const required = olgas.locator('form', { has: olgas.locator('input[value="secondFactor.required"]') }).first()
  await required.locator('input[value=everyone]').check()
  await required.getByRole('button').click()
  await olgas.getByText(/It affects \d+ of \d+/).waitFor()
  await look(t, olgas, 'settings-preview')
  await identity.settings.set('networks', '[{ range: [10.0.0.0/8, "fd00::/8"], secondFactor: not-required }]', {
    name: 'olga',
  })
  await olgas.goto(`${desk}/settings`)
  await look(t, olgas, 'settings')
  for (const page of ['locks', 'sites', 'sending', 'find?q=settings+or']) {
    await olgas.goto(`${desk}/${page}`)
    await look(t, olgas, page.replace(/\?.*/, ''))
  }
  await olgas.goto(`${desk}/sessions/clear`)
  await look(t, olgas, 'clear')
  await olgas.goto(`${desk}/settings?key=secondFactor.required&value=everyone`)
  await olgas.getByRole('button', { name: 'Change it for everybody' }).click()
  await olgas.waitForURL('**/settings?done=settings.set')
  await signIn(bobs, 'cleo', '/account')
  await bobs.waitForURL('**/enrol*')
  const stopped = [...ofSam, ...ofOlga].filter((complaint) => !complaint.includes('422 (Unprocessable Entity)'))
  t.same(stopped, [], 'nothing was stopped by the content security policy')
})
