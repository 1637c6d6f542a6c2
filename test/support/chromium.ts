import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { findProgram, skipWithout } from './installed.js'
import type { Scope } from './scope.js'

const program = process.env['CHROMIUM'] ?? findProgram('chromium', 'chromium-browser', 'google-chrome')

/** For tap's `skip`. */
export const skipWithoutChromium = () => skipWithout('chromium', program)

/** The system's own Chromium, without a screen, talking to nobody by itself. */
export async function launchChromium(
  t: Scope,
  {
    args = [],
    home,
  }: { readonly args?: readonly string[] /** For its certificate store. */; readonly home?: string } = {},
): Promise<Browser> {
  if (program === undefined) throw new Error('chromium is not installed')
  const browser = await chromium.launch({
    executablePath: program,
    ...(home === undefined ? {} : { env: { ...process.env, HOME: home } }),
    args: [
      '--no-sandbox',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...args,
    ],
  })
  t.teardown(() => browser.close())
  return browser
}

/** A person at a browser of their own: own cookies, one page, whatever the page complained about. */
export async function openWindow(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<{ readonly context: BrowserContext; readonly page: Page; readonly complaints: readonly string[] }> {
  const context = await browser.newContext({ viewport: { width: 1100, height: 800 }, ...options })
  context.setDefaultTimeout(10_000)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (fault) => complaints.push(`page error: ${fault.message}`))
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`console: ${message.text()}`)
  })
  return { context, page, complaints }
}
