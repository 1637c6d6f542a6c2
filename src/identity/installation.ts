import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import type { Store } from '../contracts.js'
import { GatelodgeError } from '../errors.js'
import { type ClearRule, withRule } from './clearing.js'
import type { Epoch } from './epoch.js'
import { Records } from './records.js'

interface InstallationRecord {
  /** Raised to end every session of everybody. */
  readonly generation: number
  /** 32 random bytes in base64url. */
  readonly formKey: string
  /** What was cleared of a part of everybody's. */
  readonly cleared?: readonly ClearRule[]
}

/** What a session or device has to be held against. */
export type Standing = Pick<InstallationRecord, 'generation' | 'cleared'>

/** What belongs to the whole installation: made once, by whichever process comes first. */
export class Installation {
  readonly #records: Records<InstallationRecord>
  readonly #epoch: Epoch
  /** Signs form tokens; the same in every process and after every restart. */
  readonly formKey: KeyObject

  private constructor(records: Records<InstallationRecord>, epoch: Epoch, formKey: string) {
    this.#records = records
    this.#epoch = epoch
    this.formKey = createSecretKey(formKey, 'base64url')
  }

  static async open({ store, epoch }: { store: Store; epoch: Epoch }): Promise<Installation> {
    const records = new Records<InstallationRecord>(store, '')
    await records.add(KEY, { generation: 1, formKey: randomBytes(32).toString('base64url') })
    const record = await records.get(KEY)
    if (record === undefined) throw new GatelodgeError('store.unavailable')
    return new Installation(records, epoch, record.formKey)
  }

  async generation(): Promise<number> {
    return (await this.standing()).generation
  }

  async standing(): Promise<Standing> {
    const record = await this.#records.get(KEY)
    // Without the record nobody knows which sessions were cleared, so none counts.
    if (record === undefined) throw new GatelodgeError('store.unavailable')
    return record
  }

  /**
   * Clears what the rule says; constant in time, whatever there is of it.
   * @param keptMs how long what it clears can be kept at most
   * @returns false: there are too many rules already
   */
  async clear(rule: ClearRule, keptMs: number): Promise<boolean> {
    let isFull = false
    await this.#records.change(KEY, (record) => {
      const cleared = record && withRule(record.cleared, rule, keptMs)
      isFull = cleared === undefined
      return record && cleared && { ...record, cleared }
    })
    await this.#epoch.raise()
    return !isFull
  }

  /** Ends everything opened before. */
  async raise(): Promise<void> {
    await this.#records.change(KEY, (record) => record && { ...record, generation: record.generation + 1 })
    await this.#epoch.raise()
  }
}

const KEY = 'installation'
