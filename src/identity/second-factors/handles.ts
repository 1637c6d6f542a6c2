import type { Store } from '../../contracts.js'
import { Records } from '../store/records.js'

/** Whose an enrolment is that a script asks. */
export interface Handle {
  readonly accountId: string
  readonly id: string
  /** What YAML calls the second factor. */
  readonly method: string
  /** What it is good for and nothing else, as the RP ID of a passkey. */
  readonly scope?: string
}

/** Whom the names belong to that answers have, and what those were made for that people have. */
export class Handles {
  readonly #records: Records<Handle>
  /** By method. A start reads this alone, whatever the number of people. */
  readonly #scopes: Records<readonly string[]>

  constructor(store: Store) {
    this.#records = new Records(store, 'factor-handle/')
    this.#scopes = new Records(store, 'factor-scopes/')
  }

  /** @param key of method and handle */
  find(key: string): Promise<Handle | undefined> {
    return this.#records.get(key)
  }

  /** @returns false where it is somebody's already */
  async add(key: string, handle: Handle): Promise<boolean> {
    const { method, scope } = handle
    if (scope !== undefined) {
      await this.#scopes.change(method, (known = []) => (known.includes(scope) ? known : [...known, scope]))
    }
    return this.#records.add(key, handle)
  }

  async remove(key: string): Promise<void> {
    await this.#records.delete(key)
  }

  /** How many people have one of this method that is good for something else than this, and for nothing here. */
  async peopleOutside(method: string, scope: string): Promise<number> {
    const known = (await this.#scopes.get(method)) ?? []
    if (known.every((each) => each === scope)) return 0
    const people = new Set<string>()
    for await (const [, handle] of this.#records.all()) {
      if (handle.method === method && handle.scope !== undefined && handle.scope !== scope) people.add(handle.accountId)
    }
    return people.size
  }
}
