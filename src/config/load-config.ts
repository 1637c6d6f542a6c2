import { dirname, resolve } from 'node:path'
import { type Complaint, complaintsFor, placeAt } from './complaints.js'
import { checkTogether } from './cross-checks.js'
import { Locator } from './locator.js'
import type { ConfigProblem } from './problem.js'
import { sortProblems } from './problem.js'
import { readText } from './read-text.js'
import { type Config, type Settings, settingsSchema } from './schema.js'
import { type Place, readSource } from './source.js'

/** A configuration that is right in every part, or everything that is wrong with it. */
export type LoadedConfig =
  | { readonly config: Config; readonly locator: Locator }
  | { readonly problems: readonly ConfigProblem[] }

/**
 * Reads a YAML file into a checked, frozen configuration. All mistakes come back at once, in the order of the file.
 * Options of plugins are not looked into here: see {@link PluginHost.checkOptions}.
 */
export function loadConfig(file: string, env: NodeJS.ProcessEnv): LoadedConfig {
  const absolute = resolve(file)
  const baseDirectory = dirname(absolute)
  const read = readText(absolute)
  if ('message' in read) return { problems: [{ file, line: 1, column: 1, path: '', message: read.message }] }
  const source = readSource(read.text, env, baseDirectory)
  const locator = new Locator(file, source)
  const faults = source.faults.map((fault) => locator.problemAt(fault.span, fault.path, fault))
  if (!source.root || source.broken) return { problems: sortProblems(faults) }
  const root = source.root
  const checked = settingsSchema.safeParse(root.value, { reportInput: false })
  const complaints: Complaint[] = checked.success
    ? []
    : checked.error.issues.flatMap((issue) =>
        complaintsFor(
          { ...issue },
          settingsSchema,
          (path) => valueAt(root, path),
          (path) => locator.mayQuote(path),
        ),
      )
  complaints.push(...checkTogether(root.value, baseDirectory))
  const problems = complaints.filter((complaint) => !isFaulty(root, complaint)).map((one) => locator.problem(one))
  if (!checked.success || faults.length + problems.length > 0) {
    return { problems: sortProblems([...faults, ...problems]) }
  }
  return { config: finish(checked.data, locator, absolute, baseDirectory), locator }
}

function finish(settings: Settings, locator: Locator, file: string, baseDirectory: string): Config {
  const { templates, publicUrl, ...rest } = settings
  return freeze({
    ...rest,
    ...(templates !== undefined && { templates: resolve(baseDirectory, templates) }),
    publicUrl: publicUrl ?? `http://localhost:${settings.listen.port}`,
    sites: settings.sites.map(({ upstreamTls: { ca, ...tls }, ...site }, index) => ({
      ...site,
      line: locator.lineOf(['sites', index]),
      upstreamTls: { ...tls, ...(ca !== undefined && { ca: resolve(baseDirectory, ca) }) },
      rules: site.rules.map((rule, at) => ({ ...rule, line: locator.lineOf(['sites', index, 'rules', at]) })),
    })),
    networks: settings.networks.map((network, index) => ({ ...network, line: locator.lineOf(['networks', index]) })),
    file,
    baseDirectory,
  })
}

function valueAt(root: Place, path: ReadonlyArray<string | number>): unknown {
  const { place, depth } = placeAt(root, path)
  return depth === path.length ? place.value : undefined
}

/** What is wrong already is not said twice in other words. */
function isFaulty(root: Place, { path }: Complaint): boolean {
  return path.some((_key, index) => placeAt(root, path.slice(0, index + 1)).place.faulty)
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const part of Object.values(value)) freeze(part)
  return Object.freeze(value)
}
