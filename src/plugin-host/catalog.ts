import { resolve } from 'node:path'
import { type Complaint, complaintsFor, type SchemaIssue } from '../config/complaints.js'
import { nearest } from '../config/nearest.js'
import type { Path } from '../config/problem.js'
import { childOf, noteOf } from '../config/schema-walk.js'
import { isSecretName, mayCarrySecret } from '../config/secrets.js'
import type { Host, PluginKind, PluginReference } from '../contracts.js'
import { bundledPlugins } from './bundled-plugins.js'
import { findPlugin, ownPlugins } from './find-plugin.js'

/** A plugin as it was found: checked to have the shape, not to keep the promise. */
export interface FoundPlugin {
  readonly kind: string
  readonly options: OptionsSchema
  create(options: unknown, host: Host): unknown
}

/** Perhaps of another copy of zod than ours, so this one method is all that is called. */
interface OptionsSchema {
  safeParse(value: unknown): {
    readonly success: boolean
    readonly data?: unknown
    readonly error?: { readonly issues?: readonly SchemaIssue[] }
  }
}

/** Finds plugins by name and checks their options. Builds nothing. */
export class PluginCatalog {
  readonly #baseDirectory: string

  /** @param baseDirectory of the YAML file: where relative paths and packages are looked for */
  constructor(baseDirectory: string) {
    this.#baseDirectory = baseDirectory
  }

  /** The plugin, or what is wrong with its name or file. */
  async find(
    kind: PluginKind,
    use: string,
  ): Promise<{ readonly plugin: FoundPlugin } | { readonly complaint: Complaint }> {
    const complain = (message: string, accepted?: string, suggestion?: string) => ({
      complaint: {
        path: ['use'],
        at: 'value' as const,
        message,
        ...(accepted !== undefined && { accepted }),
        ...(suggestion !== undefined && { suggestion }),
      },
    })
    const url = findPlugin(kind, use, this.#baseDirectory)
    if (url === undefined) {
      const names = ownPlugins(kind)
      return complain(
        'names no plugin there is',
        [...names, 'a path that starts with ./', 'an npm package installed beside this file'].join(', '),
        nearest(use, names),
      )
    }
    const found = bundledPlugins[`${kind}/${use}`]?.() ?? import(url)
    const loaded = await found.catch((error: unknown) => ({ failure: firstLine(error) }))
    if ('failure' in loaded) return complain(`cannot be loaded: ${loaded.failure}`)
    const plugin: unknown = loaded.default
    if (!isPlugin(plugin)) return complain('is no plugin', 'a module whose default export has kind, options and create')
    if (plugin.kind !== kind) return complain(`is a plugin for another place: its kind is not ${kind}`)
    return { plugin }
  }

  /**
   * Everything wrong with a reference and what it nests, with paths relative to it.
   * @param mayQuote whether the value of an option may be repeated in a message
   */
  async check(
    kind: PluginKind,
    reference: PluginReference,
    mayQuote: (option: Path) => boolean = () => false,
  ): Promise<Complaint[]> {
    const found = await this.find(kind, reference.use)
    if ('complaint' in found) return [found.complaint]
    const { plugin } = found
    const parsed = parseOptions(plugin, reference)
    const own = 'complaints' in parsed ? parsed.complaints(mayQuote) : []
    const nested: Complaint[] = []
    for (const { path, kind, reference: inner } of nestedReferences(plugin.options, reference)) {
      const complaints = await this.check(kind, inner, (option) => mayQuote([...path, ...option]))
      nested.push(...complaints.map((complaint) => ({ ...complaint, path: [...path, ...complaint.path] })))
    }
    return [...own, ...nested]
  }

  /** The options as `create` takes them, relative paths resolved; or the complaints. */
  parse(
    plugin: FoundPlugin,
    reference: PluginReference,
  ): { readonly options: unknown } | { readonly complaints: readonly Complaint[] } {
    const parsed = parseOptions(plugin, reference)
    if ('complaints' in parsed) return { complaints: parsed.complaints(soundsHarmless(reference)) }
    return { options: withAbsolutePaths(plugin.options, parsed.options, this.#baseDirectory) }
  }
}

function isPlugin(value: unknown): value is FoundPlugin {
  if (typeof value !== 'object' || value === null) return false
  const { kind, options, create }: { kind?: unknown; options?: unknown; create?: unknown } = value
  const hasSchema = typeof options === 'object' && options !== null && 'safeParse' in options
  return (
    typeof kind === 'string' && hasSchema && typeof options.safeParse === 'function' && typeof create === 'function'
  )
}

/** The plugin's own: `use` is not, nor what the gateway itself does with a directory. */
function ownOptions(kind: string, { use: _, ...options }: PluginReference): Readonly<Record<string, unknown>> {
  if (kind !== 'user-directories') return options
  const { name: _name, recheck: _recheck, ...rest } = options
  return rest
}

function parseOptions({ kind, options: schema }: FoundPlugin, reference: PluginReference) {
  const options = ownOptions(kind, reference)
  try {
    const result = schema.safeParse(options)
    if (result.success) return { options: result.data }
    const issues = result.error?.issues ?? [{ path: [], message: 'is not accepted' }]
    const complaints = (mayQuote: (option: Path) => boolean) =>
      issues
        .flatMap((issue) => complaintsFor({ ...issue }, schema, (path) => valueAt(options, path), mayQuote))
        .map((complaint) => ({ ...complaint, message: censor(complaint.message, options, mayQuote) }))
    return { complaints }
  } catch (error) {
    const message = `has options that its plugin cannot check: ${firstLine(error)}`
    return {
      complaints: (mayQuote: (option: Path) => boolean): Complaint[] => [
        { path: ['use'], at: 'value', message: censor(message, options, mayQuote) },
      ],
    }
  }
}

function valueAt(value: unknown, path: Path): unknown {
  let at = value
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined
    at = Reflect.get(at, key)
  }
  return at
}

function entriesOf(value: unknown): ReadonlyArray<readonly [string | number, unknown]> {
  if (Array.isArray(value)) return [...value.entries()]
  return typeof value === 'object' && value !== null ? Object.entries(value) : []
}

/** A plugin's own words may repeat what it was given: values that may not be quoted are taken out. */
export function censor(message: string, value: unknown, mayQuote: (option: Path) => boolean, path: Path = []): string {
  if (typeof value === 'string' || typeof value === 'number') {
    const secrets = mayQuote(path) ? [] : [String(value), ...credentialsIn(String(value))]
    return secrets.reduce((text, secret) => (secret.length < 3 ? text : text.replaceAll(secret, '***')), message)
  }
  return entriesOf(value).reduce((text, [key, inner]) => censor(text, inner, mayQuote, [...path, key]), message)
}

/** A library that was given a URL may name its parts. */
function credentialsIn(value: string): string[] {
  if (!value.includes('@') || !URL.canParse(value)) return []
  const { username, password } = new URL(value)
  return [password, username, ...[password, username].map((part) => part.replace(/(%[0-9A-Fa-f]{2})+/g, decodeAll))]
}

function decodeAll(escapes: string): string {
  return Buffer.from(escapes.replaceAll('%', ''), 'hex').toString('utf8')
}

/** What may be quoted where only the options are known, and not which of them came from outside. */
export function soundsHarmless(reference: PluginReference): (option: Path) => boolean {
  return (option) =>
    !option.some((key) => isSecretName(String(key))) && !mayCarrySecret(String(valueAt(reference, option)))
}

interface NestedReference {
  readonly path: Path
  readonly kind: PluginKind
  readonly reference: PluginReference
}

/** Where options name further plugins (`pluginReference` in the schema). */
function nestedReferences(schema: unknown, value: unknown, path: Path = []): NestedReference[] {
  return entriesOf(value).flatMap(([key, inner]) => {
    const child = childOf(schema, key)
    if (child === undefined) return []
    const kind = noteOf(child, 'pluginKind')
    if (isPluginKind(kind) && isReference(inner)) return [{ path: [...path, key], kind, reference: inner }]
    return nestedReferences(child, inner, [...path, key])
  })
}

const pluginKinds: ReadonlySet<unknown> = new Set<PluginKind>([
  'user-directories',
  'second-factors',
  'sms-transports',
  'mail-transports',
  'stores',
  'audit-outs',
])

function isPluginKind(value: unknown): value is PluginKind {
  return pluginKinds.has(value)
}

function isReference(value: unknown): value is PluginReference {
  return typeof value === 'object' && value !== null && 'use' in value && typeof value.use === 'string'
}

/** What a schema calls a path (`filePath` in the contracts) starts at the directory of the YAML file. */
function withAbsolutePaths(schema: unknown, value: unknown, baseDirectory: string): unknown {
  if (typeof value === 'string') return noteOf(schema, 'filePath') === true ? resolve(baseDirectory, value) : value
  if (Array.isArray(value))
    return value.map((inner, index) => withAbsolutePaths(childOf(schema, index), inner, baseDirectory))
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, withAbsolutePaths(childOf(schema, key), inner, baseDirectory)]),
  )
}

/** For people: no stack. */
export function firstLine(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n', 1)
  return line.slice(0, 200)
}
