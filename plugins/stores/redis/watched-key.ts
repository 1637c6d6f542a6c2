import type { Json } from '../../../src/contracts.js'
import type { Connection } from './connection.js'

/**
 * A copy of one key here. The server says over the same connection when somebody changes it (Redis documentation,
 * "Client-side caching", broadcasting mode), and because a connection keeps the order, an answer to anything that was asked
 * later proves that no such word is still on its way. Where no answer has come for a while (nothing was asked, the server
 * hangs, the connection is cut) there is no copy: whoever wants to know asks the server.
 */
export class WatchedKey {
  readonly #connection: Connection
  readonly #key: string
  readonly #parse: (stored: string) => Json | undefined
  #copy: { readonly value: Json | undefined } | undefined
  /** Of changes heard of: what was asked for before one is no copy any more. */
  #changes = 0

  /** @param key as it is called on the server */
  constructor(connection: Connection, key: string, parse: (stored: string) => Json | undefined) {
    this.#connection = connection
    this.#key = key
    this.#parse = parse
  }

  begin(): Promise<void> {
    return this.#connection.watch(this.#key, () => this.forget())
  }

  /** What is there, as of at most {@link FRESH_MS} ago. */
  current(): Json | undefined {
    return this.#copy !== undefined && this.#connection.isHeard(FRESH_MS) ? this.#copy.value : undefined
  }

  /** Also called before and after a change that is made here. */
  forget(): void {
    this.#changes += 1
    this.#copy = undefined
  }

  /** Asks the server, and keeps a copy if it was not changed meanwhile. */
  async read(): Promise<Json | undefined> {
    const before = this.#changes
    const stored = await this.#connection.ask((client) => client.get(this.#key))
    if (stored === null) return undefined
    const value = this.#parse(stored)
    if (before === this.#changes) this.#copy = { value }
    return value
  }
}

/** A revocation holds within a second everywhere, also where the server has fallen silent. */
const FRESH_MS = 500
