import { accessSync, chmodSync, constants, existsSync, mkdirSync, type Stats, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Logger } from '../../../src/contracts.js'

/**
 * The directory, made if it is not there, that this user alone can read: everything the gateway knows lies in it.
 * @returns its absolute path
 * @throws in words for the operator
 */
export function openDataDirectory(path: string, log: Logger): string {
  const directory = resolve(path)
  const found = makeDirectory(directory)
  if (!found.isDirectory()) throw new Error(`The data directory ${directory} is not a directory.`)

  const user = process.getuid?.()
  if (user !== undefined && found.uid !== user) {
    throw new Error(
      `The data directory ${directory} belongs to the user with id ${found.uid}, but this process runs as ${user}. ` +
        `Run it as the owner, or give the directory to this user: chown -R ${user} ${directory}`,
    )
  }
  // Whoever could write here may have put a file or a link in place already: tightening now would bless it.
  if ((found.mode & 0o002) !== 0 && user !== undefined) {
    throw new Error(
      `Everybody can write to the data directory ${directory}. Name a directory of the gateway's own, ` +
        `or, when what is in it can be trusted: chmod 700 ${directory}`,
    )
  }
  if ((found.mode & 0o077) !== 0 && user !== undefined) {
    chmodSync(directory, 0o700)
    log.warn({ directory }, 'the data directory could be read by others on this machine: closed it (mode 0700)')
  }
  checkWritable(directory)
  return directory
}

function makeDirectory(directory: string): Stats {
  try {
    if (!existsSync(directory)) makeWithParents(directory)
    return statSync(directory)
  } catch (cause) {
    throw new Error(`The data directory ${directory} cannot be opened or made: ${reason(cause)}`, { cause })
  }
}

/** Not `recursive: true`, which goes round in circles for ever where nothing can be made, as under `/proc`. */
function makeWithParents(directory: string): void {
  const parent = dirname(directory)
  if (!existsSync(parent)) makeWithParents(parent)
  try {
    mkdirSync(directory, { mode: 0o700 })
  } catch (error) {
    // Another process that starts at the same time may have been first.
    if (!existsSync(directory)) throw error
  }
}

function checkWritable(directory: string): void {
  try {
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw new Error(`The data directory ${directory} cannot be written to: ${reason(cause)}`, { cause })
  }
}

const reason = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))
