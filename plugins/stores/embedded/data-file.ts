import { chmodSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Database, open, type RootDatabase } from 'lmdb'
import { checkFile } from './check-file.js'
import { FullDisk } from './full-disk.js'
import { type ExpiryKey, expiryKeys, utf8Keys } from './keys.js'

/** An LMDB file with its two tables. */
export interface DataFile {
  readonly root: RootDatabase
  readonly entries: Database<string, string>
  readonly expiries: Database<string, ExpiryKey>
  readonly fullDisk: FullDisk
  /** Waits for what is being written. To be called once by everybody who opened it. */
  close(): Promise<void>
}

interface Shared extends DataFile {
  users: number
  closing: Promise<void> | undefined
}

/**
 * The files open in this process. Whoever opens one a second time shares it: lmdb would wait on this thread for the
 * write lock that its own writer holds while it waits for this thread.
 */
const openFiles = new Map<string, Shared>()

/**
 * Opens the file of a directory, or makes it.
 * @throws in words for the operator
 */
export async function openDataFile(directory: string, mapBytes: number): Promise<DataFile> {
  const file = join(realpathSync(directory), 'gatelodge.mdb')
  await checkFile(file)
  for (let shared = openFiles.get(file); shared?.closing; shared = openFiles.get(file)) await shared.closing
  const shared = openFiles.get(file) ?? openTables(file, mapBytes)
  openFiles.set(file, shared)
  shared.users++
  return shared
}

function openTables(file: string, mapBytes: number): Shared {
  try {
    const root = open({
      path: file,
      noSubdir: true,
      // A commit resolves after its pages, and then the page that makes them count, are flushed to disk.
      overlappingSync: false,
      // With its batches of a turn, lmdb leaves a promise that nobody can catch when the disk is full: the process dies.
      eventTurnBatching: false,
      maxDbs: 4,
      mapSize: mapBytes,
      encoding: 'string',
    })
    // Named apart from the call: lmdb's types do not list `keyEncoder` for the inner databases.
    const entries = { encoding: 'string', keyEncoder: utf8Keys } as const
    const expiries = { encoding: 'string', keyEncoder: expiryKeys } as const
    const shared: Shared = {
      root,
      entries: root.openDB<string, string>('entries', entries),
      expiries: root.openDB<string, ExpiryKey>('expiries', expiries),
      fullDisk: new FullDisk(dirname(file)),
      users: 0,
      closing: undefined,
      async close() {
        if (--shared.users > 0) return
        shared.closing = root.close().finally(() => openFiles.delete(file))
        await shared.closing
      },
    }
    for (const name of [file, `${file}-lock`]) chmodSync(name, 0o600)
    return shared
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`The store file ${file} cannot be opened: ${reason}`, { cause })
  }
}
