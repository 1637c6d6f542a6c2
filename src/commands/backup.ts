import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { confirm, isCancel } from '@clack/prompts'
import type { Audit } from '../audit/audit.js'
import { backupText, checkBackup, entriesOf, writeBackup } from '../backup/backup-file.js'
import type { Store, StoredEntry } from '../contracts.js'
import { isHeld } from '../identity/held.js'
import { backupStore } from '../operations/backup.js'
import { Refusal } from '../operations/operation.js'
import { type AtDesk, byCommand, complain, done, failed, refusedAt, say, type Terminal, wrongUse } from './terminal.js'

/** The rooms that commands about the whole store work on. */
export interface StoreRooms {
  readonly store: Store
  readonly audit: Pick<Audit, 'record'>
}

/** `backup FILE`: everything that lasts in the store, while the gateway runs. */
export async function backup({ desk }: AtDesk, terminal: Terminal, file: string): Promise<number> {
  const copy = await desk.run(backupStore, {}, byCommand)
  if (copy instanceof Refusal) return refusedAt(terminal, copy)
  const entries = await writeBackup(file, copy.content)
  say(terminal, `${entries} entries were written to ${file}. It holds secrets: keep it as you keep the store itself.`)
  return done
}

/**
 * `restore FILE`: what the backup has takes the place of everything in the store. Sessions, remembered devices, links and
 * codes stay behind: everybody signs in again, and nothing that was ended since opens anything.
 */
export async function restore(
  { store, audit }: StoreRooms,
  terminal: Terminal,
  file: string,
  { yes = false }: { yes?: boolean } = {},
): Promise<number> {
  if (store.replaceAll === undefined) return cannot(terminal, 'restored')
  if (!existsSync(file)) return complain(terminal, failed, `There is no file ${file}.`)
  const { createdAt, entries } = checkBackup(file)
  const question = `Put the ${entries} entries of ${createdAt} in the place of everything in the store?`
  if (!yes && !(await isConfirmed(terminal, question))) {
    return complain(terminal, wrongUse, `${question} Nothing was done: say --yes.`)
  }
  const kept = await store.replaceAll(lasting(entriesOf(file)))
  await audit.record({ event: 'admin.restore', outcome: 'success', details: { createdAt, entries: kept } })
  say(terminal, `${kept} entries were restored. Everybody signs in again.`)
  return done
}

/** `migrate-store --to FILE`: everything in this store into the empty one that another YAML file names. */
export async function migrateStore(from: Store, to: Store, terminal: Terminal): Promise<number> {
  const copy = from.snapshot?.()
  if (copy === undefined || to.replaceAll === undefined) return cannot(terminal, 'copied into another')
  const [first] = await to.list('', { limit: 1 })
  if (first !== undefined) {
    return complain(terminal, failed, 'The store to copy to is not empty. Name another one, or empty it first.')
  }
  // By way of a file, so that any number of entries needs little memory; for this user alone, as the store is.
  const directory = await mkdtemp(join(tmpdir(), 'gatelodge-'))
  try {
    const file = join(directory, 'copy')
    await writeBackup(file, backupText(copy, ''))
    const count = await to.replaceAll(entriesOf(file))
    say(terminal, `${count} entries were copied. What a gateway wrote to the old store meanwhile is not among them.`)
    return done
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function* lasting(entries: Iterable<StoredEntry>): Generator<StoredEntry> {
  for (const entry of entries) if (!isHeld(entry.key)) yield entry
}

async function isConfirmed({ stdin }: Terminal, message: string): Promise<boolean> {
  if (stdin.isTTY !== true) return false
  const answer = await confirm({ message, initialValue: false })
  return !isCancel(answer) && answer
}

function cannot(terminal: Terminal, what: string): number {
  return complain(terminal, failed, `This store cannot be ${what} from here: use the means of its server.`)
}
