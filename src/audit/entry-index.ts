import { createHash } from 'node:crypto'
import { foldUsername, type Store } from '../contracts.js'
import type { PlacedBlock } from './blocks.js'
import type { AuditRecord } from './entry.js'

/**
 * Where entries about one user, from one address or of a rare kind stand in the chain. Each entry of an index is a number
 * and nothing else: what is shown is read from the chain, so that an index that was tampered with can hide an entry from
 * a search, but neither change one nor hide it from `audit verify` and `audit export`.
 */
export class EntryIndex {
  readonly #store: Store
  readonly #keptSeconds: number | undefined

  constructor(store: Store, keptSeconds: number | undefined) {
    this.#store = store
    this.#keptSeconds = keptSeconds
  }

  /** Writing it twice is writing it once. */
  async add(block: PlacedBlock): Promise<void> {
    const writes: Promise<void>[] = []
    for (const [index, line] of block.lines.entries()) {
      for (const list of listsOf(JSON.parse(line))) {
        writes.push(this.#store.set(keyIn(list, block.first + index), block.first, this.#keptSeconds))
      }
    }
    await Promise.all(writes)
  }

  /** Numbers in this list before the given one, newest first, each with the first of its block. */
  async *before(list: string, number: number): AsyncGenerator<{ readonly number: number; readonly first: number }> {
    let after = keyIn(list, number)
    for (;;) {
      const rows = await this.#store.list(prefixOf(list), { after, limit: PAGE })
      for (const [key, first] of rows) {
        after = key
        if (typeof first === 'number') yield { number: ENDS - Number(key.slice(prefixOf(list).length)), first }
      }
      if (rows.length < PAGE) return
    }
  }
}

/**
 * Whom an entry is about: the id of an account, or the hash of a name that belonged to nobody at that moment, as that of a
 * user who was about to be added.
 */
export function whoseOf({ accountId, nameHash, username }: AuditRecord): string | undefined {
  if (accountId !== undefined || nameHash !== undefined) return accountId ?? nameHash
  return username === undefined ? undefined : createHash('sha256').update(foldUsername(username)).digest('base64url')
}

/** The lists an entry is in. */
function listsOf(record: AuditRecord): readonly string[] {
  const whose = whoseOf(record)
  const family = familyOf(record.event)
  // Unknown names are listed as well: the number of writes must not tell whether an account exists.
  return [
    ...(whose === undefined ? [] : [listOf.whose(whose)]),
    ...(record.address === undefined ? [] : [listOf.address(record.address)]),
    ...(common.has(family) ? [] : [listOf.family(family)]),
  ]
}

export const listOf = {
  /** Id of an account, or the hash of a name that belongs to nobody. */
  whose: (id: string) => `whose ${id}`,
  address: (address: string) => `address ${address}`,
  family: (family: string) => `family ${family}`,
}

/** What stands before the first dot. */
export function familyOf(event: string): string {
  return event.split('.', 1)[0] ?? event
}

/** Most entries are of these: whoever looks for one has passed one soon, and every sign-in is spared the writes. */
export const common: ReadonlySet<string> = new Set(['sign-in', 'code', 'session', 'device', 'access', 'api'])

const PAGE = 100

/** Taken from it, newer numbers sort first. */
const ENDS = 999_999_999_999_999

/** One length, whatever is looked for. */
function prefixOf(list: string): string {
  return `audit-index/${createHash('sha256').update(list).digest('base64url').slice(0, 22)}/`
}

function keyIn(list: string, number: number): string {
  return prefixOf(list) + String(ENDS - number).padStart(15, '0')
}
