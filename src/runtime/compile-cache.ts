import { lstatSync, mkdirSync } from 'node:fs'
import module from 'node:module'
import { userInfo } from 'node:os'
import { join } from 'node:path'

/**
 * From Node 22.8 on, what was compiled at one start is taken over at the next, which then takes less. Kept in a
 * directory that this user alone can write: what lies there is run. `NODE_COMPILE_CACHE` names another,
 * `NODE_DISABLE_COMPILE_CACHE=1` does without.
 */
export function useCompileCache(): void {
  const { enableCompileCache } = module as { enableCompileCache?: (directory: string) => unknown }
  if (enableCompileCache === undefined || process.env['NODE_COMPILE_CACHE'] !== undefined) return
  try {
    const { uid, homedir } = userInfo()
    const directory = join(homedir, '.cache', 'gatelodge')
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const found = lstatSync(directory)
    if (found.isDirectory() && found.uid === uid && (found.mode & 0o022) === 0) enableCompileCache(directory)
  } catch {
    // A user without a home that can be written to, as services have: it only starts slower.
  }
}
