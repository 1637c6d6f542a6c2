import type { JWK } from 'jose'
import type { Json, Logger, Store } from '../../contracts.js'
import { GatelodgeError } from '../../errors.js'
import { missingKey, type Sealer } from '../../secrets/sealer.js'
import { Records } from '../store/records.js'

/** One key of the installation. */
interface StoredKey {
  readonly kid: string
  /** The public part; versions that sealed nothing kept all of it here. */
  readonly jwk: JWK
  /** All of it, sealed. */
  readonly sealed?: string
  /** ms since 1970. */
  readonly activeFrom: number
}

interface KeyRecord {
  /** In order of `activeFrom`: previous ones, the active one, the next. */
  readonly keys: readonly StoredKey[]
}

/** A public key as applications fetch it (RFC 7517), with nothing of the private one. */
export type PublicKey = Readonly<Record<'kty' | 'crv' | 'x' | 'y' | 'kid' | 'alg' | 'use', string>>

/**
 * The keys that assertions are signed with. Whichever process comes first makes them. Each is published long before it
 * signs and for a day after it has signed last, so that applications may keep a copy of the list.
 */
export class AssertionKeys {
  readonly #records: Records<KeyRecord>
  readonly #now: () => number
  readonly #rotateMs: number
  readonly #sealer: Sealer
  readonly #log: Logger
  #copy: { readonly record: KeyRecord; readonly readAt: number } | undefined

  constructor({ store, now, rotateSeconds, sealer, log }: AssertionKeysParts) {
    this.#sealer = sealer
    this.#log = log
    this.#records = new Records(store, '')
    this.#now = now
    this.#rotateMs = rotateSeconds * 1000
  }

  /** The key that signs now, as a private JWK. */
  async active(): Promise<{ readonly kid: string; readonly jwk: JWK }> {
    const { keys } = await this.#read()
    const now = this.#now()
    const active = keys.findLast(({ activeFrom }) => activeFrom <= now)
    const jwk = active && this.#open(active)
    if (active === undefined || jwk === undefined) throw new GatelodgeError('store.unavailable')
    return { kid: active.kid, jwk }
  }

  /** Those that were, the one that is and the one that will be. */
  async published(): Promise<readonly PublicKey[]> {
    const { keys } = await this.#read()
    return keys.map(({ kid, jwk: { kty = '', crv = '', x = '', y = '' } }) => {
      return { kty, crv, x, y, kid, alg: ALGORITHM, use: 'sig' }
    })
  }

  async #read(): Promise<KeyRecord> {
    const now = this.#now()
    const copy = this.#copy
    if (copy !== undefined && now >= copy.readAt && now - copy.readAt < COPY_MS) return copy.record
    let record = await this.#readable(await this.#records.get(KEY))
    while (record === undefined || this.#isShort(record, now)) record = await this.#withOneMore(now)
    this.#copy = { record, readAt: now }
    return record
  }

  /**
   * Without keys that do not open: what signs for everybody is drawn anew rather than missing, and applications fetch the
   * list when they meet a key they do not know (RFC 7517, 4.5).
   */
  async #readable(record: KeyRecord | undefined): Promise<KeyRecord | undefined> {
    if (record === undefined || record.keys.every((key) => this.#open(key) !== undefined)) return record
    const foreign = record.keys.map(({ sealed }) => this.#sealer.foreign(sealed)).find((kid) => kid !== undefined)
    // Another gateway has a newer key: what it drew stays.
    if (foreign !== undefined) throw new GatelodgeError('store.unavailable', { cause: missingKey(foreign) })
    this.#log.error({}, 'a key that signs assertions could not be opened, or was changed in the store: it is dropped')
    return this.#records.change(KEY, (now) => now && { keys: now.keys.filter((key) => this.#open(key) !== undefined) })
  }

  #open({ kid, jwk, sealed }: StoredKey): JWK | undefined {
    if (sealed === undefined) return this.#sealer.takesClear && jwk.d !== undefined ? jwk : undefined
    const opened = this.#sealer.open(KEY, sealed)?.value as unknown as { kid?: string; jwk: JWK } | undefined
    // The private part of another key under this name would sign what nobody can verify.
    return opened?.kid === kid ? opened.jwk : undefined
  }

  /** Whether the one that is or the one that will be is missing. */
  #isShort({ keys }: KeyRecord, now: number): boolean {
    return (keys[0]?.activeFrom ?? now + 1) > now || (keys.at(-1)?.activeFrom ?? 0) <= now
  }

  async #withOneMore(now: number): Promise<KeyRecord | undefined> {
    const drawn = this.#sealed(await drawKey())
    return this.#records.change(KEY, (record) => {
      if (record !== undefined && !this.#isShort(record, now)) return record
      const latest = record?.keys.at(-1)
      // After a long stop the next turn would be over already: it waits until applications have seen the key.
      const soonest = now + this.#rotateMs / 2
      const activeFrom = latest === undefined ? now : Math.max(latest.activeFrom + this.#rotateMs, soonest)
      return { keys: [...stillOfUse(record?.keys ?? [], now), { ...drawn, activeFrom }] }
    })
  }

  #sealed({ kid, jwk }: Pick<StoredKey, 'kid' | 'jwk'>): Pick<StoredKey, 'kid' | 'jwk' | 'sealed'> {
    const { d: _, ...open } = jwk
    return { kid, jwk: open, sealed: this.#sealer.seal(KEY, { kid, jwk } as unknown as Json) }
  }
}

export interface AssertionKeysParts {
  readonly store: Store
  readonly sealer: Sealer
  readonly log: Logger
  readonly now: () => number
  readonly rotateSeconds: number
}

function stillOfUse(keys: readonly StoredKey[], now: number): readonly StoredKey[] {
  return keys.filter((_, at) => now < (keys[at + 1]?.activeFrom ?? now) + KEPT_MS)
}

async function drawKey(): Promise<Pick<StoredKey, 'kid' | 'jwk'>> {
  const { calculateJwkThumbprint, exportJWK, generateKeyPair } = await import('jose')
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true })
  const jwk = await exportJWK(privateKey)
  return { jwk, kid: await calculateJwkThumbprint(jwk) }
}

export const ALGORITHM = 'ES256'
const KEY = 'assertion-keys'

/** Another process may have added a key; none signs before this is over. */
const COPY_MS = 60_000

/** Longer than any assertion lives. */
const KEPT_MS = 25 * 60 * 60 * 1000
