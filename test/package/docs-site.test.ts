import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { launchChromium, openWindow, skipWithoutChromium } from '../support/chromium.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

t.setTimeout(300_000)

/** The documentation as a site on a disk: what `npm run docs` makes. */

const site = await temporaryDirectory(t)
const build = fileURLToPath(new URL('../../build/docs/site.js', import.meta.url))
await promisify(execFile)(process.execPath, [build, site])
const pages = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.html'))
const text = new Map(pages.map((page) => [join(site, page), readFileSync(join(site, page), 'utf8')]))

const attributes = (html: string, name: string) =>
  [...html.matchAll(new RegExp(` ${name}="([^"]*)"`, 'g'))].map(([, value = '']) =>
    value.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code))),
  )

t.test('every paper is a page', async (t) => {
  const papers = readdirSync('docs', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'))
  const expected = papers.map((name) => join('docs', name.replace(/\.md$/, '.html')))
  const fromRoot = ['index.html', 'ARCHITECTURE.html', 'CONTRIBUTING.html', 'SECURITY.html', 'CHANGELOG.html']
  t.same([...pages].sort(), [...expected, ...fromRoot].sort())
})

t.test('no link inside of the site leads to nothing, by page or by anchor', async (t) => {
  const dead: string[] = []
  let followed = 0
  for (const [file, html] of text) {
    for (const href of [...attributes(html, 'href'), ...attributes(html, 'src')]) {
      if (/^[a-z]+:/.test(href)) continue
      const [path = '', anchor] = href.split('#')
      const target = path === '' ? file : join(dirname(file), path)
      followed += 1
      const isThere =
        existsSync(target) && (anchor === undefined || attributes(text.get(target) ?? '', 'id').includes(anchor))
      if (!isThere) dead.push(`${relative(site, file)}: ${href}`)
    }
  }
  t.ok(followed > 500, `${followed} links`)
  t.same(dead, [])
})

t.test('no page loads anything from elsewhere, and no anchor is there twice', async (t) => {
  for (const [file, html] of text) {
    const loaded = [...html.matchAll(/<(?:script|link|img)\b[^>]*(?:src|href)="([^"]*)"/g)].map(([, url = '']) => url)
    t.same(
      loaded.filter((url) => /^(?:[a-z]+:|\/)/.test(url)),
      [],
      relative(site, file),
    )
    const ids = attributes(html, 'id')
    t.equal(new Set(ids).size, ids.length, relative(site, file))
  }
})

t.test('the search finds sections from the disk, and goes there', { skip: skipWithoutChromium() }, async (t) => {
  const { page, complaints } = await openWindow(await launchChromium(t), { viewport: { width: 360, height: 740 } })
  const start = join(site, 'docs/policy.html')
  await page.goto(pathToFileURL(start).href)
  await page.fill('#search', 'test your plugin')
  await page.locator('#results a').first().click()
  await page.waitForURL(/docs\/plugins\.html#test-your-plugin$/)
  await page.fill('#search', 'zzzz')
  t.match(await page.textContent('#results'), 'Nothing has all of these words')
  for (const [file] of text) {
    await page.goto(pathToFileURL(file).href)
    const wide = await page.evaluate<number>(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    )
    t.ok(wide <= 0, `${relative(site, file)} fits a phone`)
  }
  const ground = async (colorScheme: 'light' | 'dark') => {
    await page.emulateMedia({ colorScheme })
    return page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
  }
  t.not(await ground('dark'), await ground('light'))
  t.same(complaints, [])
})
