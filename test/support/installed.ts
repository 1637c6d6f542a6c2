import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** The first of these programs that is on the PATH. */
export function findProgram(...names: readonly string[]): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/sbin']
  return directories.flatMap((directory) => names.map((name) => join(directory, name))).find(isExecutable)
}

/**
 * For tap's `skip`: false when it is here, else the reason, which ends up in the run's skipped lines.
 * @throws on CI (`CI` is set), where everything has to be here
 */
export function skipWithout(what: string, path: string | undefined): string | false {
  if (path !== undefined) return false
  if (process.env['CI']) throw new Error(`${what} is not installed, and CI skips nothing`)
  return `${what} is not installed`
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
