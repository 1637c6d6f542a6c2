import type { Json, Store } from '../contracts.js'
import { factsOf, resealed } from './entries.js'
import { sealedPrefixes } from './purposes.js'
import type { Sealer } from './sealer.js'

/** How secrets stand in a store. */
export interface SealedCounts {
  /** Of texts, by the id of the key that sealed them. */
  readonly byKid: ReadonlyMap<string, number>
  /** Entries with a secret in the clear. */
  readonly clear: number
}

/** Looks through everything that is sealed, or should be. */
export async function countSealed(store: Store): Promise<SealedCounts> {
  const byKid = new Map<string, number>()
  let clear = 0
  for await (const [key, value] of everySealed(store)) {
    const { kids, isClear } = factsOf(key, value)
    for (const kid of kids) byKid.set(kid, (byKid.get(kid) ?? 0) + 1)
    if (isClear) clear += 1
  }
  return { byKid, clear }
}

/** What {@link resealAll} did. */
export interface Resealing {
  /** Entries that were written. */
  readonly changed: number
  /** Entries that had a secret in the clear. */
  readonly clear: number
  /** Entries with something that did not open: it stays as it is. */
  readonly unreadable: number
}

export interface ResealSettings {
  /** Also what was sealed with an older key; otherwise only what lies in the clear. */
  readonly all: boolean
  readonly signal?: AbortSignal
}

/**
 * Seals what lies in the clear, as far as the sealer takes it, and what an older key sealed, with the key that seals now.
 * Each entry in one atomic step, so that it can end anywhere and be done again, while gateways write.
 */
export async function resealAll(store: Store, sealer: Sealer, { all, signal }: ResealSettings): Promise<Resealing> {
  let changed = 0
  let clear = 0
  let unreadable = 0
  for await (const [key, listed] of everySealed(store)) {
    if (signal?.aborted) break
    const turn = { from: sealer, to: sealer, takesClear: sealer.takesClear }
    if (factsOf(key, listed).isClear) clear += 1
    else if (!all) continue
    for (let value: Json | undefined = listed; value !== undefined; value = await store.get(key)) {
      const anew = resealed(key, value, turn)
      if (anew === value || (await store.replace(key, value, anew))) {
        if (anew !== value) changed += 1
        if (all && factsOf(key, anew).kids.some((kid) => kid !== sealer.ring.current.kid)) unreadable += 1
        break
      }
    }
  }
  return { changed, clear, unreadable }
}

async function* everySealed(store: Store): AsyncGenerator<readonly [key: string, value: Json]> {
  for (const prefix of sealedPrefixes) {
    let after: string | undefined
    for (;;) {
      const rows = await store.list(prefix, { limit: PAGE, ...(after === undefined ? {} : { after }) })
      yield* rows
      after = rows.at(-1)?.[0]
      if (rows.length < PAGE) break
    }
  }
}

const PAGE = 200
