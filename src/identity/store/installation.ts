import { createSecretKey, type KeyObject, randomBytes, randomInt } from 'node:crypto'
import type { Logger, Store } from '../../contracts.js'
import { GatelodgeError } from '../../errors.js'
import { missingKey, type Sealer } from '../../secrets/sealer.js'
import { type ClearRule, withRule } from './clear-rules.js'
import type { Epoch } from './epoch.js'
import { Records } from './records.js'

interface InstallationRecord {
  /** Raised to end every session of everybody. */
  readonly generation: number
  /** The key of forms: 32 random bytes in base64url, sealed. */
  readonly sealed?: string
  /** The same in the clear, as versions kept it that sealed nothing. */
  readonly formKey?: string
  /** What was cleared of a part of everybody's. */
  readonly cleared?: readonly ClearRule[]
}

/** What a session or device has to be held against. */
export type InstallationState = Pick<InstallationRecord, 'generation' | 'cleared'>

/** What belongs to the whole installation: made once, by whichever process comes first. */
export class Installation {
  readonly #records: Records<InstallationRecord>
  readonly #epoch: Epoch
  readonly #unsubscribe: () => void
  readonly #forms: FormKeys
  #formKey: FormKey

  private constructor(records: Records<InstallationRecord>, epoch: Epoch, forms: FormKeys, formKey: FormKey) {
    this.#records = records
    this.#epoch = epoch
    this.#forms = forms
    this.#formKey = formKey
    this.#unsubscribe = epoch.onChange(() => void this.standing().catch(() => undefined))
  }

  static async open({ store, epoch, sealer, log }: InstallationParts): Promise<Installation> {
    const records = new Records<InstallationRecord>(store, '')
    const forms = { sealer, log }
    const record = await findOrMake(records, forms, drawFormKey())
    return new Installation(records, epoch, forms, await readFormKey(records, forms, record))
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
  async standing(): Promise<InstallationState> {
    const record = (await this.#records.get(KEY)) ?? (await this.#beginAnew())
    // Known by its sealed form: of a request with a session nothing is opened.
    if (keptForm(record) !== this.#formKey.kept) {
      this.#formKey = await readFormKey(this.#records, this.#forms, record, this.#formKey)
    }
    return record
  }

  close(): void {
    this.#unsubscribe()
  }

  async #beginAnew(): Promise<InstallationRecord> {
    const record = await findOrMake(this.#records, this.#forms, this.#formKey.text)
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
async function findOrMake(
  records: Records<InstallationRecord>,
  { sealer }: FormKeys,
  formKey: string,
): Promise<InstallationRecord> {
  await records.add(KEY, { generation: randomInt(1, 2 ** 47), sealed: sealer.seal(KEY, formKey) })
  const record = await records.get(KEY)
  if (record === undefined) throw new GatelodgeError('store.unavailable')
  return record
}

/** One that does not open is drawn anew, once for all processes: forms that are open now have to be opened again. */
async function readFormKey(
  records: Records<InstallationRecord>,
  { sealer, log }: FormKeys,
  record: InstallationRecord,
  before?: FormKey,
): Promise<FormKey> {
  const text = openFormKey(sealer, record)
  if (text !== undefined) return { kept: keptForm(record), text, key: createSecretKey(text, 'base64url') }
  const foreign = sealer.foreign(record.sealed)
  if (foreign !== undefined) {
    if (before === undefined) throw missingKey(foreign)
    // Another gateway has a newer key: what it drew stays, and forms of here go on until this one has it, too.
    log.error(
      { kid: foreign },
      'the key of forms was sealed with a key that is not here: name it under secrets.oldKeys',
    )
    return { ...before, kept: keptForm(record) }
  }
  log.error({}, 'the key of forms could not be opened, or was changed in the store: another one is drawn')
  const sealed = sealer.seal(KEY, drawFormKey())
  const now = await records.change(KEY, (other) => {
    if (other === undefined || openFormKey(sealer, other) !== undefined) return other
    const { formKey: _, ...rest } = other
    return { ...rest, sealed }
  })
  if (now === undefined) throw new GatelodgeError('store.unavailable')
  return readFormKey(records, { sealer, log }, now)
}

function openFormKey(sealer: Sealer, { sealed, formKey }: InstallationRecord): string | undefined {
  if (sealed === undefined) return sealer.takesClear ? formKey : undefined
  const opened = sealer.open(KEY, sealed)?.value
  return typeof opened === 'string' ? opened : undefined
}

function keptForm({ sealed, formKey }: InstallationRecord): string | undefined {
  return sealed ?? formKey
}

function drawFormKey(): string {
  return randomBytes(32).toString('base64url')
}

interface FormKey {
  /** As the store has it. */
  readonly kept: string | undefined
  /** In base64url. */
  readonly text: string
  readonly key: KeyObject
}

interface FormKeys {
  readonly sealer: Sealer
  readonly log: Logger
}

export interface InstallationParts extends FormKeys {
  readonly store: Store
  readonly epoch: Epoch
}

const KEY = 'installation'
