import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { z } from 'zod'
import { configSchema } from '../../src/config/json-schema.js'

/**
 * The fault: config/reference.yaml said `keyPrefix: "gatelodge:"`, the code `{gatelodge}:`, and rights on the server that were
 * given by the reference did not fit. Whatever the reference shows is the default, or stands here as an example.
 */

const text = readFileSync('config/reference.yaml', 'utf8')
const reference: unknown = parse(text.replace(/^(\s*)#(?=[^\s#])/gm, '$1'))

/** Shown with another value than the default, each with a word beside it that says so. */
const examples: ReadonlySet<string> = new Set([
  'sites[].upstreamTls.serverName',
  'sites[].identity.preset',
  'sites[].identity',
  'secondFactor.methods',
  'audit.outs',
  'sites',
  'networks',
])

interface Schema {
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
}

/** Every value the reference shows, with the default the code has for it. */
function* shown(schema: Schema, value: unknown, path = ''): Generator<readonly [string, unknown, unknown]> {
  const forms = [schema, ...(schema.anyOf ?? [])]
  const isNested = typeof value === 'object' && value !== null
  if (!isNested && 'default' in schema) yield [path, value, schema.default]
  if (Array.isArray(value)) {
    if (value.length === 0 && 'default' in schema) yield [path, value, schema.default]
    for (const entry of value) for (const { items } of forms) if (items) yield* shown(items, entry, `${path}[]`)
    return
  }
  for (const [key, child] of isNested ? Object.entries(value) : []) {
    for (const { properties } of forms) {
      if (properties?.[key]) yield* shown(properties[key], child, path === '' ? key : `${path}.${key}`)
    }
  }
}

t.test('every value of the reference is the default of the code', async (t) => {
  const found = [...shown(configSchema() as Schema, reference)]
  t.ok(found.length > 40, `${found.length} values have a default`)
  for (const [path, value, usual] of found) if (!examples.has(path)) t.same(value, usual, path)
})

t.test('so is every option of a plugin that it names', async (t) => {
  let compared = 0
  for (const kind of [
    'stores',
    'mail-transports',
    'second-factors',
    'sms-transports',
    'audit-outs',
    'user-directories',
  ]) {
    for (const name of readdirSync(`plugins/${kind}`).flatMap((file) => /^(.+)\.ts$/.exec(file)?.[1] ?? [])) {
      const { default: plugin } = await import(new URL(`../../plugins/${kind}/${name}.js`, import.meta.url).href)
      const schema = z.toJSONSchema(plugin.options, { io: 'input', unrepresentable: 'any' }) as Schema
      for (const [option, { default: usual }] of Object.entries(schema.properties ?? {})) {
        if (usual === undefined || typeof usual === 'object') continue
        for (const said of namedNear(name, option)) {
          compared += 1
          t.equal(said, String(usual), `${kind}, ${name}: ${option}`)
        }
      }
    }
  }
  t.ok(compared >= 6, `${compared} were compared`)
})

/** Values of an option in the line that names the plugin, and in the comment that goes on below it. */
function namedNear(plugin: string, option: string): string[] {
  const lines = text.split('\n')
  return lines.flatMap((line, at) => {
    if (!new RegExp(`use: ${plugin}\\b`).test(line)) return []
    const more = lines.slice(at + 1, at + 4)
    const end = more.findIndex((next) => !/^\s*(# {1,3}\S|countsAs|signIn)/.test(next) || /use: /.test(next))
    const near = [line, ...more.slice(0, end < 0 ? 3 : end)].join('\n')
    return [...near.matchAll(new RegExp(`\\b${option}: ("[^"]*"|[^\\s,;}]+)`, 'g'))].map(([, value = '']) =>
      value.replace(/^"|"$/g, ''),
    )
  })
}
