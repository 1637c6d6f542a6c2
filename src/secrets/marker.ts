import type { Json, Store, StoredEntry } from '../contracts.js'
import type { Sealer } from './sealer.js'

const KEY = 'secrets'

/** What a store says of the keys that its secrets were sealed with. */
interface Marker {
  /** Ids of keys without which something in the store may not open. */
  readonly kids: readonly string[]
  /** {@link Seen}, so that nobody who can only write the store takes secrets in the clear for allowed again. */
  readonly sealed: string
}

interface Seen {
  /** Nothing was left in the clear when everything was looked through. */
  readonly complete: boolean
}

/** @returns the ids of the keys that the store needs; `undefined` where nothing was sealed in it yet */
export async function kidsOf(store: Pick<Store, 'get'>): Promise<readonly string[] | undefined> {
  return ((await store.get(KEY)) as unknown as Marker | undefined)?.kids
}

/** Whether this is where {@link markSealing} writes. */
export function isMarker(key: string): boolean {
  return key === KEY
}

/** The entry itself, to be taken over where everything else in the store is replaced. */
export async function markerOf(store: Pick<Store, 'get'>): Promise<StoredEntry | undefined> {
  const value = await store.get(KEY)
  return value === undefined ? undefined : { key: KEY, value }
}

/** Writes down that this gateway seals, and with which key. @returns whether nothing is left in the clear */
export async function markSealing(store: Store, sealer: Sealer): Promise<boolean> {
  const { kid } = sealer.ring.current
  // Without a gateway's own record there is nothing yet that an earlier version could have kept.
  const isNew = (await store.get('installation')) === undefined
  const marker = await change(store, (before) => {
    if (before === undefined) return made(sealer, [kid], isNew)
    return before.kids.includes(kid) ? before : made(sealer, [kid, ...before.kids], isComplete(sealer, before))
  })
  return isComplete(sealer, marker)
}

/** Writes down that nothing is left in the clear. */
export async function markComplete(store: Store, sealer: Sealer): Promise<void> {
  await change(store, (before) => {
    if (before !== undefined && isComplete(sealer, before)) return before
    return made(sealer, before?.kids ?? [sealer.ring.current.kid], true)
  })
}

/** Writes down that everything is sealed with the key that seals now. */
export async function markOnly(store: Store, sealer: Sealer): Promise<void> {
  const { kid } = sealer.ring.current
  await change(store, (before) => made(sealer, [kid], before !== undefined && isComplete(sealer, before)))
}

/** A marker that does not open was changed by somebody: nothing in the clear is taken then. */
function isComplete(sealer: Sealer, { sealed }: Marker): boolean {
  const opened = sealer.open(KEY, sealed)
  return opened === undefined || (opened.value as unknown as Seen).complete
}

function made(sealer: Sealer, kids: readonly string[], complete: boolean): Marker {
  return { kids, sealed: sealer.seal(KEY, { complete }) }
}

async function change(store: Store, change: (before: Marker | undefined) => Marker): Promise<Marker> {
  for (;;) {
    const kept = await store.get(KEY)
    const before = kept as unknown as Marker | undefined
    const after = change(before)
    if (after === before) return after
    const value = after as unknown as Json
    if (kept === undefined ? await store.add(KEY, value) : await store.replace(KEY, kept, value)) return after
  }
}
