import type { Json, Store } from '../../contracts.js'
import { GatelodgeError } from '../../errors.js'

/** Records of one kind under one prefix of the store. What is read back is what this kind wrote. */
export class Records<Value> {
  readonly #store: Store
  readonly #prefix: string

  constructor(store: Store, prefix: string) {
    this.#store = store
    this.#prefix = prefix
  }

  async get(key: string): Promise<Value | undefined> {
    return (await this.#store.get(this.#prefix + key)) as Value | undefined
  }

  set(key: string, value: Value, ttlSeconds?: number): Promise<void> {
    return this.#store.set(this.#prefix + key, value as Json, ttlSeconds)
  }

  add(key: string, value: Value, ttlSeconds?: number): Promise<boolean> {
    return this.#store.add(this.#prefix + key, value as Json, ttlSeconds)
  }

  replace(key: string, expected: Value, value: Value, ttlSeconds?: number): Promise<boolean> {
    return this.#store.replace(this.#prefix + key, expected as Json, value as Json, ttlSeconds)
  }

  delete(key: string): Promise<boolean> {
    return this.#store.delete(this.#prefix + key)
  }

  /** Entries whose key begins with `under`, in order of key, without this kind's own prefix. */
  async list(
    under = '',
    page: { readonly after?: string; readonly limit?: number } = {},
  ): Promise<Array<readonly [key: string, value: Value]>> {
    const rows = await this.#store.list(this.#prefix + under, {
      ...(page.after === undefined ? {} : { after: this.#prefix + page.after }),
      ...(page.limit === undefined ? {} : { limit: page.limit }),
    })
    return rows.map(([key, value]) => [key.slice(this.#prefix.length), value as Value])
  }

  /** Every entry under a prefix, page by page, so that any number of them needs little memory. */
  async *all(under = ''): AsyncGenerator<readonly [key: string, value: Value]> {
    let after: string | undefined
    for (;;) {
      const rows = await this.list(under, { ...(after === undefined ? {} : { after }), limit: PAGE })
      yield* rows
      if (rows.length < PAGE) return
      after = rows.at(-1)?.[0]
    }
  }

  /**
   * Changes one record atomically over all processes. `change` may run several times, so it must be pure; when it
   * returns what it was given, or `undefined`, nothing is written.
   * @param ttlSeconds also as what it is for the new value
   * @returns what stands there now: what `change` made, or what it left
   */
  async change(
    key: string,
    change: (value: Value | undefined) => Value | undefined,
    ttlSeconds?: number | ((after: Value) => number),
  ): Promise<Value | undefined> {
    for (let round = 0; round < ROUNDS; round += 1) {
      const before = await this.get(key)
      const after = change(before)
      if (after === undefined || after === before) return before
      const ttl = typeof ttlSeconds === 'function' ? ttlSeconds(after) : ttlSeconds
      const done = before === undefined ? await this.add(key, after, ttl) : await this.replace(key, before, after, ttl)
      if (done) return after
    }
    throw new GatelodgeError('store.unavailable')
  }
}

const PAGE = 200

/** Every round somebody wins, so only a store that lies about `replace` can use them up. */
const ROUNDS = 2000
