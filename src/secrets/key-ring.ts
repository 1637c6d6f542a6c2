import { performance } from 'node:perf_hooks'
import { readKeyFile, stampOf } from './key-file.js'
import { MasterKey } from './master-key.js'

/** How long a process may go on sealing with a key after another one was put before it in the file. */
export const NOTICED_MS = 1000

/** The keys of this gateway: one that seals, and those that still open what they sealed. */
export class KeyRing {
  readonly #file: string | undefined
  readonly #others: readonly MasterKey[]
  #keys: readonly [MasterKey, ...MasterKey[]]
  #stamp: string | undefined
  #lookedAt = performance.now()

  /**
   * @param keys the one that seals first
   * @param more.file where the keys come from: it is read anew when it changes, so that keys are exchanged while gateways run
   * @param more.others that are not in that file
   */
  constructor(
    keys: readonly [MasterKey, ...MasterKey[]],
    { file, others = [] }: { file?: string | undefined; others?: readonly MasterKey[] } = {},
  ) {
    this.#keys = keys
    this.#file = file
    this.#others = others
    this.#stamp = file && stampOf(file)
  }

  /** For what lasts no longer than this process. */
  static random(): KeyRing {
    return new KeyRing([MasterKey.draw()])
  }

  /** The one that seals. */
  get current(): MasterKey {
    if (this.#file !== undefined && performance.now() - this.#lookedAt > NOTICED_MS) this.#look()
    return this.#keys[0]
  }

  /** The one that sealed it, if it is here. */
  find(kid: string): MasterKey | undefined {
    const known = this.all().find((key) => key.kid === kid)
    // Another process may have put a new one into the file a moment ago.
    return known ?? (this.#look() ? this.all().find((key) => key.kid === kid) : undefined)
  }

  all(): readonly MasterKey[] {
    return [...this.#keys, ...this.#others]
  }

  /** @returns whether the file had changed. One that is damaged meanwhile changes nothing: what was read last holds. */
  #look(): boolean {
    this.#lookedAt = performance.now()
    if (this.#file === undefined) return false
    try {
      const stamp = stampOf(this.#file)
      if (stamp === undefined || stamp === this.#stamp) return false
      const [first, ...rest] = readKeyFile(this.#file) ?? []
      if (first === undefined) return false
      this.#keys = [first, ...rest]
      this.#stamp = stamp
      return true
    } catch {
      return false
    }
  }
}
