import axe from 'axe-core'
import type { Page } from 'playwright-core'

/**
 * What axe finds wrong on the page, one line each; empty when it is fine. Runs through the debugger, which no content
 * security policy stops.
 * @param only these rules of axe; left out: all of WCAG 2.2 AA and its best practices
 */
export async function axeViolations(page: Page, only?: readonly string[]): Promise<readonly string[]> {
  await page.evaluate(`${axe.source}; undefined`)
  const tags = JSON.stringify(only ?? ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
  const found = await page.evaluate<axe.Result[]>(
    `axe.run(document, { runOnly: ${tags}, resultTypes: ['violations'] }).then((results) => results.violations)`,
  )
  return found.map(
    ({ id, help, nodes }) => `${id}: ${help} (${nodes.map((node) => node.html.slice(0, 120)).join(' | ')})`,
  )
}
