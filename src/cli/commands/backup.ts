import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { confirm, isCancel } from '@clack/prompts'
import type { Audit } from '../../audit/audit.js'
import type { Store, StoredEntry } from '../../contracts.js'
import { done, failed, wrongUse } from '../../exit-codes.js'
import { isNeverRestored } from '../../identity/store/never-restored.js'
import { Refusal } from '../../operations/operation.js'
import { backupStore } from '../../operations/transfer/backup.js'
import { checkBackup, entriesOf, sealedBackup, writeBackup } from '../../operations/transfer/backup-file.js'
import { factsOf, resealed } from '../../secrets/entries.js'
import { readKeyFile } from '../../secrets/key-file.js'
import { KeyRing } from '../../secrets/key-ring.js'
import { isMarker, markComplete, markerOf } from '../../secrets/marker.js'
import type { MasterKey } from '../../secrets/master-key.js'
import { isSealedKey } from '../../secrets/purposes.js'
import { missingKey, Sealer } from '../../secrets/sealer.js'
import { byCommand, complain, refusedAt, say, type Terminal, type WithOperations } from '../terminal.js'

/** The rooms that commands about the whole store work on. */
export interface StoreRooms {
  readonly store: Store
  readonly sealer: Sealer
  readonly audit: Pick<Audit, 'record'>
}

/** `backup FILE`: everything that lasts in the store, while the gateway runs. */
export async function backup(
  { desk, sealer }: WithOperations & Pick<StoreRooms, 'sealer'>,
  terminal: Terminal,
  file: string,
): Promise<number> {
  const copy = await desk.run(backupStore, {}, byCommand)
  if (copy instanceof Refusal) return refusedAt(terminal, copy)
  await writeBackup(file, copy.content)
  // Read back, as restore would: a backup that does not open is found today.
  const { entries, kid } = checkBackup(file, sealer.ring)
  say(
    terminal,
    `${entries} entries were written to ${file}, sealed with the key ${kid}. Without that key nobody can restore it: ` +
      'keep a copy of the key, and not beside the backup.',
  )
  return done
}

/**
 * `restore FILE`: what the backup has takes the place of everything in the store. Sessions, remembered devices, links and
 * codes stay behind: everybody signs in again, and nothing that was ended since opens anything. Its secrets are sealed anew,
 * with the key of this gateway.
 * @param options.key the key file of the gateway that made it, where that was another
 */
export async function restore(
  { store, sealer, audit }: StoreRooms,
  terminal: Terminal,
  file: string,
  { yes = false, key }: { yes?: boolean; key?: string } = {},
): Promise<number> {
  if (store.replaceAll === undefined) return cannot(terminal, 'restored')
  if (!existsSync(file)) return complain(terminal, failed, `There is no file ${file}.`)
  const theirs = key === undefined ? [] : readKeyFile(key)
  if (theirs === undefined) return complain(terminal, wrongUse, `There is no key file ${key}.`)
  const own = sealer.ring.all() as [MasterKey, ...MasterKey[]]
  const from = new Sealer(new KeyRing(own, { others: theirs }))
  const { createdAt, entries, kid } = checkBackup(file, from.ring, (entry) => refuseForeign(entry, from))
  if (kid === undefined) {
    const words =
      'This backup is not sealed: whoever had it could read hashes of passwords and seeds of authenticator apps.'
    terminal.stderr.write(`${words} Make a new one, and remove it.\n`)
  }
  const question = `Put the ${entries} entries of ${createdAt} in the place of everything in the store?`
  if (!yes && !(await isConfirmed(terminal, question))) {
    return complain(terminal, wrongUse, `${question} Nothing was done: say --yes.`)
  }
  const marker = await markerOf(store)
  const turn = { from, to: sealer, takesClear: true }
  const kept = await store.replaceAll(withMarker(marker, sealedAnew(lasting(entriesOf(file, from.ring)), turn)))
  await audit.record({ event: 'admin.restore', outcome: 'success', details: { createdAt, entries: kept } })
  say(terminal, `${kept} entries were restored. Everybody signs in again.`)
  return done
}

/** `migrate-store --to FILE`: everything in this store into the empty one that another YAML file names. */
export async function migrateStore(old: StoreWithKeys, fresh: StoreWithKeys, terminal: Terminal): Promise<number> {
  const { store: to } = fresh
  const copy = old.store.snapshot?.()
  if (copy === undefined || to.replaceAll === undefined) return cannot(terminal, 'copied into another')
  const [first] = await to.list('', { limit: 1 })
  if (first !== undefined) {
    return complain(terminal, failed, 'The store to copy to is not empty. Name another one, or empty it first.')
  }
  const from = await old.sealer()
  const sealer = await fresh.sealer()
  // By way of a file, so that any number of entries needs little memory; sealed with a key that is nowhere else.
  const ring = KeyRing.random()
  const directory = await mkdtemp(join(tmpdir(), 'gatelodge-'))
  try {
    const file = join(directory, 'copy')
    await writeBackup(file, sealedBackup(copy, '', ring.current))
    checkBackup(file, ring, (entry) => refuseForeign(entry, from))
    const turn = { from, to: sealer, takesClear: from.takesClear }
    const count = await to.replaceAll(sealedAnew(entriesOf(file, ring), turn))
    // What lay in the clear was sealed on the way.
    await markComplete(to, sealer)
    say(terminal, `${count} entries were copied. What a gateway wrote to the old store meanwhile is not among them.`)
    return done
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** A store, and the keys its YAML file has for it. */
export interface StoreWithKeys {
  readonly store: Store
  readonly sealer: () => Promise<Sealer>
}

/** Before anything is touched: what could not be read afterwards is not taken. */
function refuseForeign({ key, value }: StoredEntry, { ring }: Sealer): void {
  const foreign = isSealedKey(key) ? factsOf(key, value).kids.find((kid) => ring.find(kid) === undefined) : undefined
  if (foreign !== undefined) throw missingKey(foreign)
}

/** Which keys the store has says its own marker, not the one of the copy. */
function* sealedAnew(entries: Iterable<StoredEntry>, turn: Parameters<typeof resealed>[2]): Generator<StoredEntry> {
  for (const entry of entries) {
    if (!isMarker(entry.key)) yield { ...entry, value: resealed(entry.key, entry.value, turn) }
  }
}

function* withMarker(marker: StoredEntry | undefined, entries: Iterable<StoredEntry>): Generator<StoredEntry> {
  if (marker !== undefined) yield marker
  yield* entries
}

function* lasting(entries: Iterable<StoredEntry>): Generator<StoredEntry> {
  for (const entry of entries) if (!isNeverRestored(entry.key)) yield entry
}

async function isConfirmed({ stdin }: Terminal, message: string): Promise<boolean> {
  if (stdin.isTTY !== true) return false
  const answer = await confirm({ message, initialValue: false })
  return !isCancel(answer) && answer
}

function cannot(terminal: Terminal, what: string): number {
  return complain(terminal, failed, `This store cannot be ${what} from here: use the means of its server.`)
}
