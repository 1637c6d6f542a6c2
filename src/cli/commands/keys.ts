import type { Store } from '../../contracts.js'
import { done, failed } from '../../exit-codes.js'
import { makeKeyFile } from '../../secrets/key-file.js'
import { kidsOf } from '../../secrets/marker.js'
import { MasterKey } from '../../secrets/master-key.js'
import { changeableFile, type KeySettings, readKeys } from '../../secrets/open-secrets.js'
import { countSealed } from '../../secrets/reseal.js'
import { complain, say, type Terminal } from '../terminal.js'

/** A store, opened alone, and where its keys are. */
export interface StoreAndKeys {
  readonly store: Store
  readonly keys: KeySettings
}

/** `keys show`: never a key itself. */
export async function keysShow(
  { store, keys }: StoreAndKeys,
  terminal: Terminal,
  { json = false }: { json?: boolean },
): Promise<number> {
  const ring = readKeys(keys)
  const { byKid, clear } = await countSealed(store)
  const needed = (await kidsOf(store)) ?? []
  const file = changeableFile(keys)
  const kids = [...new Set([...(ring?.all() ?? []).map(({ kid }) => kid), ...needed, ...byKid.keys()])]
  const rows = kids.map((kid) => ({
    kid,
    here: ring?.find(kid) !== undefined,
    seals: ring?.current.kid === kid,
    needed: needed.includes(kid) || byKid.has(kid),
    sealed: byKid.get(kid) ?? 0,
  }))
  const isWhole = rows.every(({ here, needed: isNeeded }) => here || !isNeeded)
  if (json) {
    say(terminal, JSON.stringify({ from: file ?? 'secrets.key', keys: rows, clear }, null, 2))
    return isWhole ? done : failed
  }
  say(terminal, `Keys come from ${file ?? 'secrets.key in the YAML file'}.`)
  if (rows.length === 0) say(terminal, 'There is none yet: the first start makes one.')
  for (const { kid, here, seals, sealed, needed: isNeeded } of rows) {
    const words = !here
      ? 'is not here'
      : seals
        ? 'seals'
        : isNeeded
          ? 'opens what it sealed before'
          : 'is needed no more'
    say(terminal, `  ${kid}  ${words}, ${sealed} sealed with it`)
  }
  if (clear > 0) say(terminal, `${clear} secrets lie in the clear: the next start of the gateway seals them.`)
  return isWhole ? done : failed
}

/** `keys new [FILE]` */
export async function keysNew(
  terminal: Terminal,
  file: string | undefined,
  { json = false }: { json?: boolean } = {},
): Promise<number> {
  const key = MasterKey.draw()
  if (file === undefined) {
    say(terminal, json ? JSON.stringify({ kid: key.kid, key: key.text }) : key.text)
    return done
  }
  if (!makeKeyFile(file, [key])) return complain(terminal, failed, `${file} is there already and stays as it is.`)
  const words = `Made the key ${key.kid} in ${file}, for this user alone. Keep a copy of it, and not beside the store or its backups.`
  say(terminal, json ? JSON.stringify({ kid: key.kid, file }) : words)
  return done
}
