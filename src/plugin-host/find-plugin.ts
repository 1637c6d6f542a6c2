import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire, isBuiltin } from 'node:module'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { PluginKind } from '../contracts.js'

/** Where ours lie, beside the compiled `src`. */
const ownDirectory = fileURLToPath(new URL('../../plugins/', import.meta.url))

const ownName = /^[a-z0-9][a-z0-9-]{0,60}$/
const packageName = /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/

/** Names of the plugins that come with the gateway. */
export function ownPlugins(kind: PluginKind): readonly string[] {
  const directory = join(ownDirectory, kind)
  if (!existsSync(directory)) return []
  const names = readdirSync(directory).flatMap((file) => (file.endsWith('.js') ? [file.slice(0, -3)] : []))
  return names.filter((name) => ownName.test(name)).sort()
}

/**
 * The URL of the module a name in YAML stands for: one of ours, a file (`./x.js`, absolute), else an npm package as
 * seen from the directory of the YAML file. `undefined` when there is none. Never a Node module or another URL: those
 * are no plugins, and naming one must not run it.
 */
export function findPlugin(kind: PluginKind, use: string, baseDirectory: string): string | undefined {
  if (use.includes('\0')) return undefined
  if (/^\.\.?\//.test(use) || isAbsolute(use)) {
    const file = resolve(baseDirectory, use)
    return existsSync(file) ? pathToFileURL(file).href : undefined
  }
  if (ownPlugins(kind).includes(use)) return pathToFileURL(join(ownDirectory, kind, `${use}.js`)).href
  if (!packageName.test(use) || isBuiltin(use)) return undefined
  const file = findPackage(use, baseDirectory)
  return file === undefined ? undefined : pathToFileURL(file).href
}

function findPackage(name: string, baseDirectory: string): string | undefined {
  try {
    return createRequire(join(baseDirectory, 'gatelodge.yaml')).resolve(name)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    // `require` does not see packages whose `exports` are for `import` alone.
    return code === 'ERR_PACKAGE_PATH_NOT_EXPORTED' ? findModuleOnly(name, baseDirectory) : undefined
  }
}

function findModuleOnly(name: string, baseDirectory: string): string | undefined {
  for (let directory = baseDirectory; ; directory = dirname(directory)) {
    const home = join(directory, 'node_modules', name)
    const manifest = join(home, 'package.json')
    if (existsSync(manifest)) {
      const { exports }: { exports?: unknown } = JSON.parse(readFileSync(manifest, 'utf8'))
      const entry = moduleEntry(exports)
      return entry === undefined ? undefined : join(home, entry)
    }
    if (dirname(directory) === directory) return undefined
  }
}

/** The main entry for `import` (Node, "Conditional exports"). */
function moduleEntry(exports: unknown): string | undefined {
  if (typeof exports === 'string') return exports
  if (typeof exports !== 'object' || exports === null) return undefined
  for (const [condition, target] of Object.entries(exports)) {
    if (!['.', 'node', 'import', 'default'].includes(condition)) continue
    const entry = moduleEntry(target)
    if (entry !== undefined) return entry
  }
  return undefined
}
