import type { Store, WatchedKey } from '../../contracts.js'
import { drawToken } from './random-token.js'

/**
 * One value in the store that is new after every change that can take something away. A local copy of a record is
 * good while the epoch is the one that was read before the record: so a request with a known session costs one read,
 * and a revocation in any process is seen by the next request in every other.
 *
 * It is drawn, not counted: only equality matters, and a drawn value needs no atomic step and never comes back.
 */
export class Epoch {
  readonly #store: Store
  readonly #watched: WatchedKey | undefined
  readonly #everyMs: number
  readonly #listeners = new Set<() => void>()
  #companion: ((epoch: string) => Promise<void> | undefined) | undefined
  #seen: string | undefined
  #timer: NodeJS.Timeout | undefined

  constructor({ store, everyMs = 500 }: { store: Store; everyMs?: number }) {
    this.#store = store
    this.#watched = store.watch?.(KEY)
    this.#everyMs = everyMs
  }

  /** The epoch as of now, over all processes. */
  async read(): Promise<string> {
    const value = this.#watched?.current() ?? (await this.#store.get(KEY))
    if (typeof value !== 'string') return this.#begin()
    if (value !== this.#seen) this.#notice(value)
    const behind = this.#companion?.(value)
    if (behind !== undefined) await behind
    return value
  }

  /** As {@link read}, where there is nothing to wait for; `undefined`: there is. */
  known(): string | undefined {
    const value = this.#watched?.current()
    if (typeof value !== 'string') return undefined
    if (value !== this.#seen) this.#notice(value)
    return this.#companion?.(value) === undefined ? value : undefined
  }

  /**
   * Takes something along that everybody goes by who reads the epoch: nobody is told an epoch that it is behind of.
   * @param companion makes sure that it is as new; gives nothing where there is nothing to wait for
   */
  takeAlong(companion: (epoch: string) => Promise<void> | undefined): void {
    this.#companion = companion
  }

  /** To be awaited after the change and before its success is told to anybody. */
  async raise(): Promise<void> {
    const value = drawToken()
    await this.#store.set(KEY, value)
    this.#notice(value)
  }

  /**
   * Calls the listener after each change, made here or elsewhere, within about half a second even when no request
   * comes in.
   * @returns what ends it
   */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    this.#timer ??= setInterval(() => this.#look(), this.#everyMs).unref()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size === 0) this.close()
    }
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  async #begin(): Promise<string> {
    await this.#store.add(KEY, drawToken())
    return this.read()
  }

  #look(): void {
    // A store that is away now is asked again at the next turn; requests meanwhile fail on their own.
    this.read().catch(() => undefined)
  }

  #notice(value: string): void {
    const first = this.#seen === undefined
    this.#seen = value
    if (first) return
    for (const listener of this.#listeners) listener()
  }
}

const KEY = 'epoch'
