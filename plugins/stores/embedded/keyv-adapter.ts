import { EventEmitter } from 'node:events'
import type { KeyvStoreAdapter, StoredData } from 'keyv'
import type { Entries } from './entries.js'

/** {@link Entries} as Keyv wants a storage. Texts come from Keyv's serializer and go back as they are. */
export class KeyvAdapter extends EventEmitter implements KeyvStoreAdapter {
  /** Keyv lends `iterator()` only to storages whose dialect it knows by name; it reads the name for nothing else. */
  opts: Record<string, unknown> = { dialect: 'sqlite' }
  namespace: string | undefined
  readonly #entries: Entries
  readonly #now: () => number

  constructor(entries: Entries, now: () => number) {
    super()
    this.#entries = entries
    this.#now = now
  }

  async get<Value>(key: string): Promise<StoredData<Value> | undefined> {
    return this.#entries.read(key) as StoredData<Value> | undefined
  }

  async getMany<Value>(keys: string[]): Promise<Array<StoredData<Value | undefined>>> {
    return keys.map((key) => this.#entries.read(key) as StoredData<Value | undefined>)
  }

  async has(key: string): Promise<boolean> {
    return this.#entries.read(key) !== undefined
  }

  /** @param ttl ms; none: for ever */
  async set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    if (typeof value !== 'string') throw new TypeError('The store keeps texts: give Keyv a serializer.')
    const expiresAt = ttl === undefined ? Number.POSITIVE_INFINITY : this.#now() + ttl
    return this.#entries.change(key, () => ({ answer: true, write: { text: value, expiresAt } }))
  }

  async delete(key: string): Promise<boolean> {
    return this.#entries.change(key, (entry) => ({ answer: entry !== undefined, remove: true }))
  }

  /** True when at least one of them was there. */
  async deleteMany(keys: string[]): Promise<boolean> {
    const removed = await Promise.all(keys.map((key) => this.delete(key)))
    return removed.includes(true)
  }

  async clear(): Promise<void> {
    await this.#entries.clear(this.namespace === undefined ? '' : `${this.namespace}:`)
  }

  async *iterator<Value>(namespace?: string): AsyncGenerator<Array<string | Awaited<Value> | undefined>, void> {
    for await (const [key, text] of this.#entries.scan(namespace === undefined ? '' : `${namespace}:`)) {
      yield [key, text]
    }
  }

  async disconnect(): Promise<void> {
    await this.#entries.close()
  }
}
