import { dirname, resolve } from 'node:path'
import type { Json } from '../contracts.js'
import { paletteOf } from './checks/brand-colors.js'
import { checkTogether } from './checks/cross-checks.js'
import { signInAt } from './checks/sign-in.js'
import { type Complaint, complaintsFor, placeAt } from './complaints.js'
import { type ConfigProblem, formatPath, type Path, sortProblems } from './problem.js'
import { setByProfile, withProfile } from './profile.js'
import { type Config, runtimeKeys, type Settings, settingsSchema } from './schema.js'
import { Locator } from './source/locator.js'
import { readText } from './source/read-text.js'
import { type Place, readSource, type SourceFault } from './source/source.js'

/** A file that was read: the configuration if it is right, the problems if not, and the means to say more about it. */
export interface ReadConfig {
  readonly config: Config | undefined
  readonly problems: readonly ConfigProblem[]
  /** The tree of the file, where there is one: problems do not keep the rest from being looked at. */
  readonly root: Place | undefined
  readonly locator: Locator | undefined
  readonly baseDirectory: string
}

/** Reads a YAML file and says everything there is to say without asking a plugin. Never throws. */
export function readConfig(file: string, env: NodeJS.ProcessEnv): ReadConfig {
  const absolute = resolve(file)
  const baseDirectory = dirname(absolute)
  const nothing = { config: undefined, root: undefined, locator: undefined, baseDirectory }
  const read = readText(absolute)
  if ('message' in read)
    return { ...nothing, problems: [{ file, line: 1, column: 1, path: '', message: read.message }] }
  const source = readSource(read.text, env, baseDirectory)
  const locator = new Locator(file, source)
  const faults = source.faults.map((fault) =>
    locator.problemAt(fault.span, fault.path, isKeyMissing(fault) ? { ...fault, accepted: keyWanted } : fault),
  )
  const { root } = source
  if (!root) return { ...nothing, problems: sortProblems(faults) }
  const { settings, complaints } = checkValue(root, locator, baseDirectory)
  const problems = sortProblems([...faults, ...locator.problems(complaints)])
  const config =
    settings && problems.length === 0 ? finish(settings, root, locator, absolute, baseDirectory) : undefined
  return { config, problems, root, locator, baseDirectory }
}

/** Without it nothing that is sealed opens: a new one in its place would not help. */
const keyWanted =
  'the key that the store was sealed with: put that file back; for a store with nothing in it, gatelodge keys new makes one'

function isKeyMissing({ path, message }: SourceFault): boolean {
  return path[0] === 'secrets' && message.endsWith('does not exist')
}

function checkValue(root: Place, locator: Locator, baseDirectory: string) {
  const valueAt = (path: Path) => {
    const { place, depth } = placeAt(root, path)
    return depth === path.length ? place.value : undefined
  }
  const checked = settingsSchema.safeParse(withProfile(root.value))
  const complaints = (checked.error?.issues ?? []).flatMap((issue) =>
    complaintsFor({ ...issue }, settingsSchema, valueAt, (path) => locator.mayQuote(path)),
  )
  const together = checkTogether(root.value, baseDirectory, (path) => locator.lineOf(path))
  const all = withoutConsequences([...complaints, ...together], root)
  return { settings: checked.data, complaints: all }
}

/** What is wrong already is not said twice in other words: what could not be read, and keys that are only misspelt. */
export function withoutConsequences(complaints: readonly Complaint[], root: Place): Complaint[] {
  const misspelt = new Set(
    complaints.flatMap(({ at, path, suggestion }) =>
      at === 'key' && suggestion !== undefined ? [formatPath([...path.slice(0, -1), suggestion])] : [],
    ),
  )
  return complaints.filter(({ at, path, message }) => {
    if (at === 'value' && message.startsWith('is missing') && misspelt.has(formatPath(path))) return false
    return !root.faulty && !path.some((_key, index) => placeAt(root, path.slice(0, index + 1)).place.faulty)
  })
}

function finish(settings: Settings, root: Place, locator: Locator, file: string, baseDirectory: string): Config {
  const { templates, publicUrl, profile, secrets, brand, ...rest } = settings
  const keyFile = locator.fileOf(['secrets', 'key'])
  return freeze({
    ...rest,
    name: brand.name ?? rest.name,
    brand: {
      ...brand,
      ...(brand.logo !== undefined && { logo: resolve(baseDirectory, brand.logo) }),
      ...(brand.color !== undefined && { palette: paletteOf(brand.color) }),
      line: locator.lineOf(['brand']),
    },
    secrets: { ...secrets, ...(keyFile !== undefined && { keyFile: resolve(baseDirectory, keyFile) }) },
    ...(templates !== undefined && { templates: resolve(baseDirectory, templates) }),
    ...(profile !== undefined && {
      profile: { name: profile, sets: setByProfile(root.value), line: locator.lineOf(['profile']) },
    }),
    trustedProxiesLine: locator.lineOf(['trustedProxies']),
    signIn: { ...settings.signIn, at: signInAt(settings) },
    publicUrl: publicUrl ?? `http://localhost:${settings.listen.port}`,
    sites: settings.sites.map(({ upstreamTls: { ca, ...tls }, icon, ...site }, index) => ({
      ...site,
      ...(icon !== undefined && { icon: resolve(baseDirectory, icon) }),
      line: locator.lineOf(['sites', index]),
      upstreamTls: { ...tls, ...(ca !== undefined && { ca: resolve(baseDirectory, ca) }) },
      networks: site.networks.map((network, at) => ({
        ...network,
        line: locator.lineOf(['sites', index, 'networks', at]),
      })),
      rules: site.rules.map((rule, at) => ({ ...rule, line: locator.lineOf(['sites', index, 'rules', at]) })),
    })),
    networks: settings.networks.map((network, index) => ({ ...network, line: locator.lineOf(['networks', index]) })),
    settings: { ...settings.settings, written: writtenSettings(root, locator) },
    file,
    baseDirectory,
  })
}

/** Settings that may be changed later, as they are written in the file. */
function writtenSettings(root: Place, locator: Locator): Config['settings']['written'] {
  const found = runtimeKeys.flatMap((key) => {
    const path = key.split('.')
    const { place, depth } = placeAt(root, path)
    return depth < path.length ? [] : [[key, { line: locator.lineOf(path), value: place.value as Json }] as const]
  })
  return Object.fromEntries(found)
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const part of Object.values(value)) freeze(part)
  return Object.freeze(value)
}
