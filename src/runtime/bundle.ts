import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Script } from 'node:vm'
import type { StopSignals } from './stop-signals.js'

/** What can be run of it: each resolves when there is no more for it to do. */
export type BundleEntry = 'program' | 'worker'

type Entries = Partial<Record<BundleEntry, (stop?: StopSignals) => Promise<unknown>>>

/**
 * @param importModule which scripts that come from V8's cache cannot do themselves
 * @param url of the bundle itself
 */
type Run = (
  require: NodeJS.Require,
  importModule: (name: string) => Promise<unknown>,
  exports: Entries,
  url: string,
) => void

const compiled = fileURLToPath(new URL('../../', import.meta.url))

/** `dist/bundle`, beside the modules it is made of. */
export const bundleDirectory = join(compiled, 'bundle')
const file = join(bundleDirectory, 'gatelodge.cjs')

/** What V8 made of it at the build. It looks itself whether this is of the same version of it, and else does without. */
export const codeFile = join(bundleDirectory, `gatelodge-${process.versions.v8}-${process.arch}.code`)

/**
 * Runs the program from the one file that the build makes of it and of the packages it needs to start (`build/bundle.ts`):
 * finding, reading and compiling them one by one takes most of a start.
 * @param stop what whoever runs it has begun to hear
 * @returns whether there was one: without it the modules are run as they are
 */
export async function runBundle(entry: BundleEntry, stop?: StopSignals): Promise<boolean> {
  if (!isThere()) return false
  await evaluate(compile(readCode()))[entry]?.(stop)
  return true
}

/** @param code of {@link codeFile} */
export function compile(code: Buffer | undefined): Script {
  return new Script(readFileSync(file, 'latin1'), {
    filename: file,
    ...(code === undefined ? {} : { cachedData: code }),
  })
}

export function evaluate(script: Script): Entries {
  const exports: Entries = {}
  const run: Run = script.runInThisContext()
  run(createRequire(file), (name) => import(name), exports, pathToFileURL(file).href)
  return exports
}

function readCode(): Buffer | undefined {
  try {
    return readFileSync(codeFile)
  } catch {
    return undefined
  }
}

/** Where the sources lie beside it, it may be older than what was compiled. */
function isThere(): boolean {
  if (!existsSync(file)) return false
  if (!existsSync(join(compiled, '../src/main.ts'))) return true
  const { mtimeMs } = statSync(file)
  return ['src', 'plugins', 'demo'].every((folder) => isOlder(join(compiled, folder), mtimeMs))
}

function isOlder(directory: string, thanMs: number): boolean {
  return readdirSync(directory, { withFileTypes: true }).every((entry) => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return isOlder(path, thanMs)
    return !entry.name.endsWith('.js') || statSync(path).mtimeMs <= thanMs
  })
}
