import { isDeepStrictEqual } from 'node:util'
import type { Json, Store } from '../contracts.js'
import { isSealedValue } from './entries.js'
import type { Sealer } from './sealer.js'

/** A store in which a plugin keeps what may be a secret: every value is sealed as a whole. Counters are not. */
export class SealingStore implements Store {
  readonly #store: Store
  readonly #sealer: Sealer

  constructor(store: Store, sealer: Sealer) {
    this.#store = store
    this.#sealer = sealer
  }

  async get(key: string): Promise<Json | undefined> {
    const kept = await this.#store.get(key)
    return kept === undefined ? undefined : this.#open(key, kept)
  }

  set(key: string, value: Json, ttlSeconds?: number): Promise<void> {
    return this.#store.set(key, this.#seal(key, value), ttlSeconds)
  }

  add(key: string, value: Json, ttlSeconds?: number): Promise<boolean> {
    return this.#store.add(key, this.#seal(key, value), ttlSeconds)
  }

  /** Compares what was sealed, and then, atomically, that it still is that very text. */
  async replace(key: string, expected: Json, value: Json, ttlSeconds?: number): Promise<boolean> {
    const plain: unknown = JSON.parse(JSON.stringify(expected))
    for (;;) {
      const kept = await this.#store.get(key)
      if (kept === undefined || !isDeepStrictEqual(this.#open(key, kept), plain)) return false
      if (await this.#store.replace(key, kept, this.#seal(key, value), ttlSeconds)) return true
    }
  }

  delete(key: string): Promise<boolean> {
    return this.#store.delete(key)
  }

  increment(key: string, ttlSeconds: number): Promise<number> {
    return this.#store.increment(key, ttlSeconds)
  }

  async list(prefix: string, page?: { readonly after?: string; readonly limit?: number }) {
    const rows = await this.#store.list(prefix, page)
    return rows.map(([key, kept]) => [key, this.#open(key, kept)] as const)
  }

  /** The store is the gateway's to close. */
  async close(): Promise<void> {}

  #seal(key: string, value: Json): Json {
    return { sealed: this.#sealer.seal(key, value) }
  }

  /** @throws when it does not open: a plugin must not take it for something that is not there */
  #open(key: string, kept: Json): Json {
    // A number is a counter's.
    if (typeof kept === 'number') return kept
    if (!isSealedValue(kept)) {
      if (this.#sealer.takesClear) return kept
      throw new Error('a value in the clear is not taken: all of them were sealed before')
    }
    const opened = this.#sealer.open(key, kept.sealed)
    if (opened === undefined) throw new Error('a sealed value could not be opened')
    return opened.value
  }
}
