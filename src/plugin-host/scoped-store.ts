import type { Json, Store } from '../contracts.js'

/** A part of the gateway's store under one prefix, so that plugins cannot read or write each other's keys or the gateway's. */
export class ScopedStore implements Store {
  readonly #store: () => Store
  readonly #prefix: string

  /** @param store asked for at each call: it is opened after the first plugins are built */
  constructor(store: () => Store, prefix: string) {
    this.#store = store
    this.#prefix = prefix
  }

  async get(key: string): Promise<Json | undefined> {
    return this.#store().get(this.#prefix + key)
  }

  async set(key: string, value: Json, ttlSeconds?: number): Promise<void> {
    return this.#store().set(this.#prefix + key, value, ttlSeconds)
  }

  async add(key: string, value: Json, ttlSeconds?: number): Promise<boolean> {
    return this.#store().add(this.#prefix + key, value, ttlSeconds)
  }

  async replace(key: string, expected: Json, value: Json, ttlSeconds?: number): Promise<boolean> {
    return this.#store().replace(this.#prefix + key, expected, value, ttlSeconds)
  }

  async delete(key: string): Promise<boolean> {
    return this.#store().delete(this.#prefix + key)
  }

  async increment(key: string, ttlSeconds: number): Promise<number> {
    return this.#store().increment(this.#prefix + key, ttlSeconds)
  }

  async list(prefix: string, page: { readonly after?: string; readonly limit?: number } = {}) {
    const { after, limit } = page
    const found = await this.#store().list(this.#prefix + prefix, {
      ...(after !== undefined && { after: this.#prefix + after }),
      ...(limit !== undefined && { limit }),
    })
    return found.map(([key, value]) => [key.slice(this.#prefix.length), value] as const)
  }

  /** The store is the gateway's to close. */
  async close(): Promise<void> {}
}
