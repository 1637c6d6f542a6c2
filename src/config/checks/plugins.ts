import type { PluginKind } from '../../contracts.js'
import { type Complaint, placeAt } from '../complaints.js'
import type { ConfigProblem, Path } from '../problem.js'
import { withoutConsequences } from '../read-config.js'
import type { Locator } from '../source/locator.js'
import type { Place } from '../source/source.js'

/** Looks a plugin up by name and checks the options it is given, without building it. */
export interface PluginChecker {
  /** @param mayQuote whether the value of an option may stand in a message: secrets may not */
  check(
    kind: PluginKind,
    reference: { readonly use: string },
    mayQuote: (option: Path) => boolean,
  ): Promise<readonly Complaint[]>
}

/** Checks the options of every plugin the file names, as they are written. */
export async function checkPlugins(root: Place, locator: Locator, catalog: PluginChecker): Promise<ConfigProblem[]> {
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
