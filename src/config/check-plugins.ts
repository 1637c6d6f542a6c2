import type { PluginKind } from '../contracts.js'
import type { PluginCatalog } from '../plugin-host/catalog.js'
import { type Complaint, placeAt } from './complaints.js'
import type { Locator } from './locator.js'
import type { ConfigProblem, Path } from './problem.js'
import { withoutConsequences } from './read-config.js'
import type { Place } from './source.js'

/** Checks the options of every plugin the file names, as they are written. */
export async function checkPlugins(root: Place, locator: Locator, catalog: PluginCatalog): Promise<ConfigProblem[]> {
  const complaints: Complaint[] = []
  for (const [path, kind] of referencesIn(root)) {
    const { place } = placeAt(root, path)
    const reference: unknown = place.value
    if (!isReference(reference) || place.faulty) continue
    const mayQuote = (option: Path) => locator.mayQuoteOption([...path, ...option])
    const found = await catalog.check(kind, reference, mayQuote)
    complaints.push(...found.map((complaint) => ({ ...complaint, path: [...path, ...complaint.path] })))
  }
  return locator.problems(withoutConsequences(complaints, root), true)
}

function referencesIn(root: Place): ReadonlyArray<readonly [Path, PluginKind]> {
  const fixed: ReadonlyArray<readonly [Path, PluginKind]> = [
    [['mail'], 'mail-transports'],
    [['store'], 'stores'],
  ]
  const methods = root.children.get('secondFactor')?.children.get('methods')?.children.keys() ?? []
  const factors = [...methods].map((index) => [['secondFactor', 'methods', index], 'second-factors'] as const)
  const users = root.children.get('users')
  const listed = Array.isArray(users?.value)
    ? [...(users?.children.keys() ?? [])].map((index) => ['users', index])
    : [['users']]
  const directories = listed.map((path) => [path, 'user-directories'] as const)

  const outs = root.children.get('audit')?.children.get('outs')?.children.keys() ?? []
  const auditOuts = [...outs].map((index) => [['audit', 'outs', index], 'audit-outs'] as const)
  return [...fixed, ...directories, ...factors, ...auditOuts].filter(
    ([path]) => placeAt(root, path).depth === path.length,
  )
}

function isReference(value: unknown): value is { readonly use: string } {
  return typeof value === 'object' && value !== null && 'use' in value && typeof value.use === 'string'
}
