import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'

const desk = { width: 1100, height: 800 }
const phone = { width: 360, height: 740 }

/** The three ways a page is looked at. */
const views = [
  { name: 'light', viewport: desk, colorScheme: 'light' },
  { name: 'dark', viewport: desk, colorScheme: 'dark' },
  { name: 'phone', viewport: phone, colorScheme: 'light' },
] as const

/**
 * Shows the page in light, in dark and at phone width, calls back in each view, and leaves it as it was. With `SCREENSHOTS`
 * set to a directory a picture of each goes there, as `NAME-light.png`.
 */
export async function inEveryView(
  page: Page,
  name: string,
  look: (view: (typeof views)[number]['name']) => Promise<void> = async () => {},
): Promise<void> {
  const directory = process.env['SCREENSHOTS']
  if (directory !== undefined) await mkdir(directory, { recursive: true })
  for (const view of views) {
    await page.setViewportSize(view.viewport)
    await page.emulateMedia({ colorScheme: view.colorScheme })
    if (directory !== undefined)
      await page.screenshot({ path: join(directory, `${name}-${view.name}.png`), fullPage: true })
    await look(view.name)
  }
  await page.setViewportSize(desk)
  await page.emulateMedia({ colorScheme: null })
}

/** Whether a reader has to scroll sideways. */
export function isTooWide(page: Page): Promise<boolean> {
  return page.evaluate<boolean>('document.documentElement.scrollWidth > document.documentElement.clientWidth')
}
