import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join, resolve } from 'node:path'

/** What of the configuration says where a running gateway is found. */
export interface ControlledBy {
  /** Absolute path of the YAML file. */
  readonly file: string
  readonly baseDirectory: string
  readonly store?: { readonly use?: unknown; readonly path?: unknown } | undefined
}

/** A socket's path has 108 bytes on Linux, 104 elsewhere, its end included. */
const longestPath = 103

/**
 * Where the gateway that runs with a file listens for its commands: in the data directory, which is this user's alone;
 * without one, in a directory of this user's under `XDG_RUNTIME_DIR` or the one for temporary files.
 */
export function controlSocket({ file, baseDirectory, store }: ControlledBy): string {
  const name = `gateway-${createHash('sha256').update(file).digest('hex').slice(0, 12)}.sock`
  if ((store?.use ?? 'embedded') === 'embedded') {
    const path = typeof store?.path === 'string' ? store.path : './data'
    const inData = join(resolve(baseDirectory, path), name)
    if (Buffer.byteLength(inData) <= longestPath) return inData
  }
  return join(ownDirectory(), name)
}

/** @throws when it is somebody else's: whoever owns the directory could answer in the gateway's place */
function ownDirectory(): string {
  const { uid } = userInfo()
  const directory = join(process.env['XDG_RUNTIME_DIR'] ?? tmpdir(), `gatelodge-${uid}`)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const found = lstatSync(directory)
  if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o077) !== 0) {
    throw new Error(`${directory} is not a directory that only this user can open.`)
  }
  return directory
}
