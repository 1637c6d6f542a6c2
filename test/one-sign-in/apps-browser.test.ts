import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { axeViolations } from '../support/axe.js'
import { launchChromium, openWindow, skipWithoutChromium } from '../support/chromium.js'
import { housePassword } from '../support/house.js'
import { inEveryView, isTooWide } from '../support/screenshots.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { lodges } from './lodges.js'

t.setTimeout(120_000)

const icon = (colour: string) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><rect width="8" height="8" fill="${colour}"/></svg>`

t.test('the page of applications is used by keyboard alone', { skip: skipWithoutChromium() }, async (t) => {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, 'crm.svg'), icon('teal'))
  const core = await lodges(t, {
    directory,
    sites: (url) => `
  - { host: crm.localhost, name: Customers, icon: ./crm.svg, upstream: "${url}" }
  - { host: bills.localhost, name: Bücher, upstream: "${url}" }
  - { host: wiki.localhost, name: Wiki, upstream: "${url}", rules: [{ path: /**, access: second-factor }] }`,
  })
  await core.addUser('ana')
  // Addresses of the applications have the port of publicUrl; the browser is led to where the gateway listens.
  const browser = await launchChromium(t)
  const { page, complaints } = await openWindow(browser)
  await page.goto(`http://login.localhost:${core.port}/`)
  await page.fill('#username', 'ana')
  await page.fill('#password', housePassword)
  await page.keyboard.press('Enter')
  await page.waitForURL(/:\d+\/$/)
  await inEveryView(page, 'apps', async (view) => {
    t.same(await axeViolations(page), [], `${view}: axe`)
    t.notOk(await isTooWide(page), `${view}: no scrolling sideways`)
  })
  const width = await page.evaluate<number>('document.querySelector(".app-icon img").naturalWidth')
  t.ok(width > 0, 'the icon is shown')

  const visible = () => page.locator('#apps li:visible [data-name]').allTextContents()
  t.same(await visible(), ['Bücher', 'Customers', 'Wiki'])
  await page.keyboard.press('/')
  await page.keyboard.type('BUCH')
  t.same(await visible(), ['Bücher'])
  await page.keyboard.type('x')
  t.same(await visible(), [])
  t.equal(await page.locator('[role=status]').textContent(), 'No application has that in its name.')
  await page.fill('#q', 'cust')
  await page.keyboard.press('ArrowDown')
  t.equal(await page.evaluate('document.activeElement.href'), 'http://crm.localhost/')
  await page.keyboard.press('ArrowUp')
  const opened = page.waitForRequest('http://crm.localhost/')
  await page.keyboard.press('Enter')
  t.ok(await opened, 'Enter opens the first that matches')
  t.same(
    complaints.filter((line) => !line.includes('ERR_CONNECTION_REFUSED')),
    [],
  )
})
