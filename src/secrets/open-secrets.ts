import type { Logger, Store } from '../contracts.js'
import { KeyError } from './key-error.js'
import { makeKeyFile, readKeyFile } from './key-file.js'
import { KeyRing } from './key-ring.js'
import { kidsOf, markComplete, markSealing } from './marker.js'
import { MasterKey } from './master-key.js'
import { resealAll } from './reseal.js'
import { Sealer } from './sealer.js'

/** Where keys come from. */
export interface KeySettings {
  /** As the file says it: one key, or several of which the first seals. */
  readonly key?: string | undefined
  readonly oldKeys: readonly string[]
  /** The file that `key` was read from, where nothing but that file is in it. */
  readonly keyFile?: string | undefined
  /** Where a key is made when the file names none: beside the data directory. `undefined`: nowhere. */
  readonly ownFile?: string | undefined
}

/** The file that keys can be exchanged in: what the configuration names, or the one beside the data directory. */
export function changeableFile({ key, keyFile, ownFile }: KeySettings): string | undefined {
  return key === undefined ? ownFile : keyFile
}

/**
 * The keys there are; makes none.
 * @returns `undefined` where there is none yet
 * @throws {@link KeyError}
 */
export function readKeys(settings: KeySettings): KeyRing | undefined {
  const others = settings.oldKeys.flatMap((text) => keysOf(text, 'secrets.oldKeys'))
  const file = changeableFile(settings)
  const inFile = settings.key === undefined && file !== undefined ? readKeyFile(file) : undefined
  const [first, ...rest] = settings.key === undefined ? (inFile ?? []) : keysOf(settings.key, 'secrets.key')
  return first && new KeyRing([first, ...rest], { file, others })
}

/**
 * The keys of this gateway, which has to have those that its store was sealed with. Where none is named and the store has
 * nothing sealed, one is made beside the data directory.
 * @throws {@link KeyError} one sentence that says which key is missing, and what to do
 */
export async function openSecrets(store: Store, settings: KeySettings, log: Logger): Promise<Sealer> {
  const needed = await kidsOf(store)
  let ring = readKeys(settings)
  if (ring === undefined && needed === undefined) ring = makeKey(settings, log)
  const missing = (needed ?? []).filter((kid) => ring?.find(kid) === undefined)
  if (ring === undefined || missing.length > 0) throw keyMissing(settings, missing)
  const sealer = new Sealer(ring)
  sealer.takesClear = !(await markSealing(store, sealer))
  return sealer
}

/**
 * Seals, beside everything else, what an earlier version kept in the clear. Once a start finds nothing of it, nothing in the
 * clear is taken any more.
 * @returns ends it, and resolves when it has ended
 */
export function keepSealing(store: Store, sealer: Sealer, log: Logger): () => Promise<void> {
  if (!sealer.takesClear) return async () => undefined
  const ending = new AbortController()
  const { signal } = ending
  const done = resealAll(store, sealer, { all: false, signal })
    .then(async ({ changed, clear }) => {
      if (changed > 0) log.info({ entries: changed }, 'secrets that lay in the clear in the store were sealed')
      if (clear > 0 || signal.aborted) return
      await markComplete(store, sealer)
      sealer.takesClear = false
    })
    .catch((err: unknown) =>
      log.warn({ err }, 'not all secrets in the store could be sealed: it goes on at the next start'),
    )
  return async () => {
    ending.abort()
    await done
  }
}

function makeKey({ ownFile }: KeySettings, log: Logger): KeyRing | undefined {
  if (ownFile === undefined) return undefined
  if (makeKeyFile(ownFile, [MasterKey.draw()])) {
    const words =
      'made the key that secrets in the store and backups are sealed with: keep a copy of it, and not beside them'
    log.info({ file: ownFile }, words)
  }
  const [first, ...rest] = readKeyFile(ownFile) ?? []
  return first && new KeyRing([first, ...rest], { file: ownFile })
}

function keyMissing(settings: KeySettings, missing: readonly string[]): KeyError {
  const file = changeableFile(settings)
  if (missing.length === 0) {
    const todo = 'gatelodge keys new FILE makes one; then name it: secrets: { key: "${file:FILE}" }.'
    return new KeyError('secrets.key-missing', `There is no key to seal secrets in the store with: ${todo}`)
  }
  const where =
    settings.key !== undefined
      ? 'secrets.key and secrets.oldKeys do not have it'
      : `${file ?? 'a key file'} is not there or has another`
  return new KeyError(
    'secrets.key-missing',
    `The store was sealed with the key ${missing.join(', ')}, and ${where}. ` +
      `Put that key back${file === undefined ? '' : ` into ${file}`}, or name it under secrets.oldKeys. ` +
      'Without it no second factor can be read: then only an empty store begins anew, or a backup and its key ' +
      '(gatelodge restore --key).',
  )
}

function keysOf(text: string, name: string): readonly MasterKey[] {
  const read = MasterKey.read(text)
  if ('fault' in read) throw new KeyError('secrets.key-malformed', `${name} ${read.fault}.`)
  return read.keys
}
