import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { Assets } from '../../../src/http/pages/assets.js'
import { samples } from '../../../src/http/pages/samples.js'
import { pageHeaders } from '../../../src/http/pages/security-headers.js'
import { Templates } from '../../../src/http/pages/templates.js'
import { axeViolations } from '../../support/axe.js'
import { launchChromium, openWindow, skipWithoutChromium } from '../../support/chromium.js'
import { isTooWide } from '../../support/screenshots.js'

t.setTimeout(600_000)

const prefix = '/.gatelodge'

interface Sheet {
  readonly page: string
  readonly name: string
  readonly html: string
}

/** Every page in every turn it can take, with names as long as some are. */
function sheets(): { readonly sheets: readonly Sheet[]; readonly assets: Assets } {
  const templates = new Templates()
  const assets = new Assets()
  const own = {
    productName: 'Riverside Customer Relations',
    asset: (name: string) => `${prefix}${assets.path(name)}`,
  }
  const long = 'augusta.ada.king-noel.countess-of-lovelace@analytical-engines.example.com'
  const turns = samples((use, step) => templates.secondFactor(use, step)).map(([name, data], at) => {
    const username = 'username' in data && data.username === 'ada' ? { username: long } : {}
    return { page: name, name: `${name}, turn ${at}`, html: templates.render(name, { ...data, ...own, ...username }) }
  })
  return { sheets: turns, assets }
}

/** Shows the sheets by their number, with the headers that pages of ours have. */
async function show(t: Test): Promise<{ readonly origin: string; readonly sheets: readonly Sheet[] }> {
  const { sheets: all, assets } = sheets()
  const server = createServer(({ url = '' }, response) => {
    const asset = url.startsWith(`${prefix}/assets/`) ? assets.find(url.split('/').at(-1) ?? '') : undefined
    const sheet = all[Number(url.slice(1))]
    if (asset !== undefined) response.writeHead(200, { 'content-type': asset.type }).end(asset.bytes)
    else if (sheet !== undefined) response.writeHead(200, pageHeaders(false)).end(sheet.html)
    else response.writeHead(404).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sheets: all }
}

t.test(
  'every page is fine for everybody, in light, in dark and on a phone',
  {
    skip: skipWithoutChromium(),
  },
  async (t) => {
    const { origin, sheets: all } = await show(t)
    t.ok(all.length > 80)
    const browser = await launchChromium(t)
    const stopped: string[] = []
    /** Of each page one turn for every set of colours it can have. */
    const coloured = new Map(all.map((sheet) => [`${sheet.page} ${coloursOf(sheet.html)}`, sheet]))
    const walk = async (colorScheme: 'light' | 'dark', some: Iterable<Sheet>, only?: readonly string[]) => {
      const { page, complaints } = await openWindow(browser, { colorScheme, viewport: { width: 360, height: 740 } })
      for (const sheet of some) {
        const { name } = sheet
        await page.goto(`${origin}/${all.indexOf(sheet)}`)
        t.same(await axeViolations(page, only), [], `${name}, ${colorScheme}: axe`)
        t.notOk(await isTooWide(page), `${name}, ${colorScheme}: no scrolling sideways`)
      }
      stopped.push(...complaints)
    }
    // Of what axe looks at, the scheme changes the colours alone.
    await Promise.all([walk('light', all), walk('dark', coloured.values(), ['color-contrast'])])
    t.same(stopped, [], 'nothing was stopped by the content security policy')
  },
)

function coloursOf(html: string): string {
  const parts = [
    'fault',
    'notice warning',
    'notice"',
    'badge',
    'badge warn',
    'badge info',
    'badge unused',
    'quiet',
    'button',
    'class="key"',
    'choices',
    'grave',
  ]
  return parts.filter((part) => html.includes(part)).join()
}

t.test('what can be seen without JavaScript does something without it', async (t) => {
  for (const { name, html } of sheets().sheets) {
    for (const [button] of html.matchAll(/<button\b[^>]*type="button"[^>]*>/g)) {
      t.match(button, /\shidden>$/, `${name}: a button that needs a script is not there before it`)
    }
    // What an application was sent goes to its own address once more.
    if (name.startsWith('send-again')) continue
    for (const [form] of html.matchAll(/<form\b[^>]*>/g)) t.match(form, /method="(?:post|get)" action="\/[^"]*"/, name)
    for (const [link] of html.matchAll(/<a\b[^>]*>/g)) t.match(link, /href="(?:\/|otpauth:|mailto:|"|#)/, name)
  }
})
