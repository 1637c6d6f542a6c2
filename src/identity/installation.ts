import { createSecretKey, type KeyObject, randomBytes, randomInt } from 'node:crypto'
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
  readonly #unsubscribe: () => void
  #formKey: { readonly text: string; readonly key: KeyObject }

  private constructor(records: Records<InstallationRecord>, epoch: Epoch, formKey: string) {
    this.#records = records
    this.#epoch = epoch
    this.#formKey = readKey(formKey)
    this.#unsubscribe = epoch.onChange(() => void this.standing().catch(() => undefined))
  }

  static async open({ store, epoch }: { store: Store; epoch: Epoch }): Promise<Installation> {
    const records = new Records<InstallationRecord>(store, '')
    const record = await findOrMake(records, randomBytes(32).toString('base64url'))
    return new Installation(records, epoch, record.formKey)
  }

  /** Signs form tokens; the same in every process and after every restart. */
  get formKey(): KeyObject {
    return this.#formKey.key
  }

  async generation(): Promise<number> {
    return (await this.standing()).generation
  }

  /**
   * A store that lost the record, as one that was restarted empty, gets another: nothing opened before holds any more, for
   * nobody knows what of it was cleared, and forms that people have before them go on.
   */
  async standing(): Promise<Standing> {
    const record = (await this.#records.get(KEY)) ?? (await this.#beginAnew())
    if (record.formKey !== this.#formKey.text) this.#formKey = readKey(record.formKey)
    return record
  }

  close(): void {
    this.#unsubscribe()
  }

  async #beginAnew(): Promise<InstallationRecord> {
    const record = await findOrMake(this.#records, this.#formKey.text)
    await this.#epoch.raise()
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

/** The generation is drawn, not 1: one that held before a record was lost must never hold again. */
async function findOrMake(records: Records<InstallationRecord>, formKey: string): Promise<InstallationRecord> {
  await records.add(KEY, { generation: randomInt(1, 2 ** 47), formKey })
  const record = await records.get(KEY)
  if (record === undefined) throw new GatelodgeError('store.unavailable')
  return record
}

function readKey(text: string) {
  return { text, key: createSecretKey(text, 'base64url') }
}

const KEY = 'installation'
