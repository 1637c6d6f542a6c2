import type { Audit } from '../../audit/audit.js'
import type { Json, Logger, Store } from '../../contracts.js'
import { GatelodgeError } from '../../errors.js'
import type { ClientFacts } from './client-facts.js'
import type { Epoch } from './epoch.js'
import { Records } from './records.js'
import type { NetworkEntry, SettingForms, SettingKey, SettingProblem } from './setting-forms.js'

export type { NetworkEntry, SettingForms, SettingKey, SettingProblem } from './setting-forms.js'

/** What the YAML file says; what stands in the store comes before it. Read anew at every look. */
export interface FileSettings {
  durationSeconds: number
  idleSeconds?: number | undefined
  rememberDeviceSeconds?: number | undefined
  /** Left out: `when-enabled`. */
  required?: 'when-enabled' | 'everyone'
  /** Left out: `enrol`. */
  unenrolled?: 'enrol' | 'recovery-code'
  networks?: readonly NetworkEntry[]
  /** Characters of a new password at least: beside a second factor, and where it is all that is asked. Left out: 8. */
  passwords?: { readonly minimum: number; readonly minimumAlone: number }
}

/** Who changes a setting. */
export interface Author {
  /** A username, or `command-line`. */
  readonly name: string
  readonly accountId?: string
  readonly client?: ClientFacts
}

/** One setting as operators see it. Values are as the file would have them. */
export interface SettingView {
  readonly key: SettingKey
  readonly value: Json
  readonly origin: 'store' | 'yaml' | 'default'
  /** The file forbids anything else than what it says. */
  readonly locked: boolean
  /** Of the value in the file, where the file has one. */
  readonly line?: number
  /** What holds without the store. */
  readonly inFile: Json
  /** What stands in the store and does not count, and why. */
  readonly ignored?: { readonly value: Json; readonly reason: 'locked' | 'unreadable' }
  /** Of what stands in the store. */
  readonly changedBy?: string
  /** ms since 1970. */
  readonly changedAt?: number
}

export type SettingOutcome =
  | { readonly outcome: 'changed' | 'unchanged'; readonly setting: SettingView; readonly before: SettingView }
  | SettingRefusal

export type SettingRefusal =
  | { readonly outcome: 'refused'; readonly reason: 'unknown-key' | 'locked'; readonly sentence: string }
  | { readonly outcome: 'refused'; readonly reason: 'invalid'; readonly problems: readonly SettingProblem[] }

/** A value that may be set, as the gateway would work with it. */
export interface AcceptedSetting {
  readonly outcome: 'accepted'
  readonly key: SettingKey
  readonly written: Json
  readonly value: unknown
}

/** What stands in the store for one key. */
interface Override {
  /** As the file would have it. */
  readonly value: Json
  readonly by: string
  readonly at: number
}

type Overrides = { readonly [key: string]: Override }

/**
 * Settings that are changed while the gateway runs: the file gives the value, the store may have another one, unless the
 * file locks it. Every gateway on the store follows: requests in a session at once, since their epoch tells that the copy
 * here is old, the others within half a second.
 */
export class RuntimeSettings implements FileSettings {
  readonly #records: Records<Overrides>
  readonly #epoch: Epoch
  readonly #audit: Audit
  readonly #log: Logger
  readonly #now: () => number
  readonly #file: FileSettings
  readonly #forms: SettingForms
  readonly #listeners = new Set<() => void>()
  readonly #unsubscribe: () => void
  /** As they stand in the store. */
  #overrides: Overrides = {}
  /** Those of them that count, as the gateway works with them. */
  #counting: ReadonlyMap<SettingKey, unknown> = new Map()
  /** The epoch that was read before the copy here. */
  #epochOfCopy: string | undefined
  #loading: { readonly epoch: string; readonly done: Promise<void> } | undefined
  /** Loads in the order they were begun: what an older one brings must not come after what a newer one brought. */
  #begun = 0
  #taken = 0
  #retry: NodeJS.Timeout | undefined

  private constructor(parts: SettingsParts) {
    this.#records = new Records(parts.store, '')
    this.#epoch = parts.epoch
    this.#audit = parts.audit
    this.#log = parts.log
    this.#now = parts.now
    this.#file = parts.file
    this.#forms = parts.forms
    parts.epoch.takeAlong((epoch) => this.#at(epoch))
    this.#unsubscribe = parts.epoch.onChange(() => this.#follow())
  }

  /** @throws when the store cannot be read: without it nobody knows what holds */
  static async open(parts: SettingsParts): Promise<RuntimeSettings> {
    const settings = new RuntimeSettings(parts)
    try {
      await settings.fresh()
    } catch (fault) {
      settings.close()
      throw fault
    }
    return settings
  }

  get required(): 'when-enabled' | 'everyone' {
    return this.#value('secondFactor.required', this.#file.required ?? 'when-enabled')
  }

  get unenrolled(): 'enrol' | 'recovery-code' {
    return this.#value('secondFactor.unenrolled', this.#file.unenrolled ?? 'enrol')
  }

  get durationSeconds(): number {
    return this.#value('session.duration', this.#file.durationSeconds)
  }

  get idleSeconds(): number | undefined {
    return this.#value('session.idle', this.#file.idleSeconds)
  }

  get rememberDeviceSeconds(): number | undefined {
    return this.#file.rememberDeviceSeconds
  }

  /**
   * Characters a new password has at least (NIST SP 800-63B-4, 3.1.1.2): more where it is the only factor, as of programs.
   */
  shortestPassword({ role, required }: { readonly role: string; readonly required?: boolean }): number {
    const { minimum, minimumAlone } = this.#file.passwords ?? usualPasswords
    const isAlone = role === 'api' || (this.required !== 'everyone' && required !== true)
    return isAlone ? Math.max(minimum, minimumAlone) : minimum
  }

  get networks(): readonly NetworkEntry[] {
    return this.#value('networks', this.#file.networks ?? [])
  }

  /** What policy goes by, as last known. */
  current(): {
    readonly secondFactor: {
      readonly required: 'when-enabled' | 'everyone'
      readonly unenrolled: 'enrol' | 'recovery-code'
    }
    readonly networks: readonly NetworkEntry[]
  } {
    return { secondFactor: { required: this.required, unenrolled: this.unenrolled }, networks: this.networks }
  }

  /** Asks the store what holds now, by one read where nothing has changed. */
  async fresh(): Promise<void> {
    await this.#epoch.read()
  }

  /** Calls the listener after each change, made here or elsewhere. @returns what ends it */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Every setting, with its value and where that comes from. */
  describe(): readonly SettingView[] {
    return this.#forms.keys.map((key) => this.#view(key))
  }

  /** @param value as the file would have it: text is read as YAML */
  async set(key: string, value: Json, author: Author): Promise<SettingOutcome> {
    const checked = this.check(key, value)
    if (checked.outcome === 'refused') return checked
    return this.#change(checked.key, { value: checked.written, by: author.name, at: this.#now() }, author)
  }

  /** Whether {@link set} would take a value, and what that would be to the gateway. Changes nothing. */
  check(key: string, value: Json): AcceptedSetting | SettingRefusal {
    const known = this.#known(key)
    if (known === undefined) return this.#unknown(key)
    const read = this.#forms.read(known, typeof value === 'string' ? value : JSON.stringify(value))
    if ('problems' in read) return { outcome: 'refused', reason: 'invalid', problems: read.problems }
    if (this.#forms.inFile(known).locked) return locked(known)
    return { outcome: 'accepted', key: known, ...read }
  }

  /** What the file says holds again. */
  async unset(key: string, author: Author): Promise<SettingOutcome> {
    const known = this.#known(key)
    // Also where the file locks it: taking away what does not count changes nothing, and tidies up.
    return known === undefined ? this.#unknown(key) : this.#change(known, undefined, author)
  }

  close(): void {
    clearTimeout(this.#retry)
    this.#unsubscribe()
  }

  async #change(key: SettingKey, override: Override | undefined, author: Author): Promise<SettingOutcome> {
    for (let round = 0; round < ROUNDS; round += 1) {
      const order = this.#next()
      this.#take(order, await this.#records.get(KEY))
      const stood = this.#overrides
      const before = this.#view(key)
      const standing = stood[key]
      if (override === undefined ? standing === undefined : isSame(standing?.value, override.value)) {
        return { outcome: 'unchanged', setting: before, before }
      }
      const { [key]: _, ...others } = stood
      const wanted: Overrides = override === undefined ? others : { ...others, [key]: override }
      // Written down first: what is not in the audit does not happen.
      await this.#record(key, before, override, author)
      const done =
        Object.keys(stood).length === 0
          ? (await this.#records.add(KEY, wanted)) || (await this.#records.replace(KEY, stood, wanted))
          : await this.#records.replace(KEY, stood, wanted)
      if (!done) continue
      this.#take(this.#next(), wanted)
      await this.#epoch.raise()
      return { outcome: 'changed', setting: this.#view(key), before }
    }
    throw new GatelodgeError('store.unavailable')
  }

  #record(key: SettingKey, before: SettingView, override: Override | undefined, author: Author): Promise<void> {
    const { name, accountId, client } = author
    return this.#audit.record({
      event: 'policy.changed',
      outcome: 'success',
      username: name,
      ...(accountId === undefined ? {} : { accountId }),
      ...(client === undefined ? {} : { client }),
      reason: override === undefined ? 'unset' : 'set',
      details: { key, old: before.value, new: override === undefined ? before.inFile : override.value },
    })
  }

  #at(epoch: string): Promise<void> | undefined {
    return epoch === this.#epochOfCopy ? undefined : this.#load(epoch)
  }

  #load(epoch: string): Promise<void> {
    if (this.#loading?.epoch === epoch) return this.#loading.done
    const order = this.#next()
    const done = this.#records.get(KEY).then((overrides) => {
      this.#take(order, overrides)
      this.#epochOfCopy = epoch
    })
    const loading = { epoch, done }
    this.#loading = loading
    const over = () => {
      if (this.#loading === loading) this.#loading = undefined
    }
    done.then(over, over)
    return done
  }

  #next(): number {
    this.#begun += 1
    return this.#begun
  }

  #take(order: number, overrides: Overrides = {}): void {
    if (order < this.#taken) return
    this.#taken = order
    if (isSame(overrides as unknown as Json, this.#overrides as unknown as Json)) return
    const counting = new Map<SettingKey, unknown>()
    for (const key of this.#forms.keys) {
      const override = overrides[key]
      if (override === undefined || this.#forms.inFile(key).locked) continue
      const read = this.#forms.read(key, JSON.stringify(override.value))
      if ('value' in read) counting.set(key, read.value)
      else this.#log.error({ key }, 'a setting in the store cannot be read and does not count: set or unset it')
    }
    this.#overrides = overrides
    this.#counting = counting
    for (const listener of this.#listeners) listener()
  }

  /** In the background, for requests that do not ask. A store that is away now is asked again. */
  #follow(): void {
    clearTimeout(this.#retry)
    this.fresh().catch(() => {
      this.#retry = setTimeout(() => this.#follow(), RETRY_MS).unref()
    })
  }

  #value<Value>(key: SettingKey, inFile: Value): Value {
    return this.#counting.has(key) ? (this.#counting.get(key) as Value) : inFile
  }

  #view(key: SettingKey): SettingView {
    const { value, origin, line, locked: isLocked } = this.#forms.inFile(key)
    const override = this.#overrides[key]
    const counts = this.#counting.has(key)
    const place = line === undefined ? {} : { line }
    const view = { key, value, origin, locked: isLocked, inFile: value, ...place }
    if (override === undefined) return view
    const changed = { changedBy: override.by, changedAt: override.at }
    if (counts) return { ...view, ...changed, value: override.value, origin: 'store' }
    return { ...view, ...changed, ignored: { value: override.value, reason: isLocked ? 'locked' : 'unreadable' } }
  }

  #known(key: string): SettingKey | undefined {
    return this.#forms.keys.find((one) => one === key)
  }

  #unknown(key: string): SettingRefusal {
    const nearest = this.#forms.nearest(key)
    const advice = nearest === undefined ? `There are: ${this.#forms.keys.join(', ')}.` : `Did you mean ${nearest}?`
    return { outcome: 'refused', reason: 'unknown-key', sentence: `There is no such setting to change. ${advice}` }
  }
}

interface SettingsParts {
  readonly store: Store
  readonly epoch: Epoch
  readonly audit: Audit
  readonly log: Logger
  readonly file: FileSettings
  readonly forms: SettingForms
  readonly now: () => number
}

const usualPasswords = { minimum: 8, minimumAlone: 8 }

const KEY = 'settings'
const RETRY_MS = 500

/** Every round somebody wins, so only a store that lies about `replace` can use them up. */
const ROUNDS = 200

function locked(key: SettingKey): SettingRefusal {
  return { outcome: 'refused', reason: 'locked', sentence: `The configuration file locks ${key}: change it there.` }
}

/** Both are JSON as they were written, key by key in the same order. */
function isSame(one: Json | undefined, other: Json | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
