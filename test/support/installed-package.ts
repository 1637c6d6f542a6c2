import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, readdir, readFile, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Scope } from './scope.js'
import { temporaryDirectory } from './temporary-directory.js'

/** Without the hooks that the test runner puts into every Node below it: with them the compiler does not load on each version. */
const run = (program: string, args: readonly string[], options: { readonly cwd?: string } = {}) =>
  promisify(execFile)('env', ['-u', 'NODE_OPTIONS', program, ...args], options)
const root = fileURLToPath(new URL('../../../', import.meta.url))
const compiler = join(root, 'node_modules/typescript/bin/tsc')

/** A directory in which the package is installed as somebody else would have it. */
export interface InstalledPackage {
  readonly directory: string
  readonly tarball: string
  /** The program, as `npx gatelodge` finds it. */
  readonly program: string
}

/**
 * Packs what is compiled and installs the tarball. Its dependencies are the ones installed here, and only those that the lock
 * file calls none of development: what the package needs and does not name is not there. No registry is asked.
 */
export async function installPackage(t: Scope): Promise<InstalledPackage> {
  const directory = await temporaryDirectory(t)
  const modules = join(directory, 'node_modules')
  await run(process.execPath, [compiler, '-p', 'tsconfig.types.json'], { cwd: root })
  // Scripts would build anew, and take away what runs here.
  await run('npm', ['pack', '--ignore-scripts', '--offline', '--pack-destination', directory], { cwd: root })
  const [name = ''] = (await readdir(directory)).filter((file) => file.endsWith('.tgz'))
  const home = join(modules, 'gatelodge')
  await mkdir(home, { recursive: true })
  await run('tar', ['-xzf', join(directory, name), '-C', home, '--strip-components=1'])
  await linkPackages(modules, await neededPackages())
  await mkdir(join(modules, '.bin'))
  // As npm does with what `bin` names.
  await chmod(join(home, 'dist/src/main.js'), 0o755)
  await symlink('../gatelodge/dist/src/main.js', join(modules, '.bin/gatelodge'))
  return { directory, tarball: join(directory, name), program: join(modules, '.bin/gatelodge') }
}

/** An example of `examples/` as a package beside the installed one, compiled by its own settings. */
export async function installExample(name: string, { directory }: InstalledPackage): Promise<string> {
  const modules = join(directory, 'node_modules')
  await linkPackages(modules, ['typescript', '@types/node', 'undici-types'])
  const home = join(modules, name)
  await cp(join(root, 'examples', name), home, { recursive: true })
  await run(process.execPath, [compiler, '-p', home])
  return home
}

async function neededPackages(): Promise<readonly string[]> {
  const lock: { packages: Record<string, { dev?: boolean }> } = JSON.parse(
    await readFile(join(root, 'package-lock.json'), 'utf8'),
  )
  const installed = Object.entries(lock.packages).filter(([, { dev }]) => dev !== true)
  const names = installed.flatMap(([path]) => /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path)?.[1] ?? [])
  const there = await Promise.all(names.map((name) => readdir(join(root, 'node_modules', name)).catch(() => [])))
  // Machine code for other machines is in the lock file and not here.
  return names.filter((_, at) => (there[at]?.length ?? 0) > 0)
}

async function linkPackages(modules: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const link = join(modules, name)
    await mkdir(dirname(link), { recursive: true })
    await symlink(join(root, 'node_modules', name), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
}
