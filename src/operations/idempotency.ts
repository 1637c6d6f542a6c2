import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import type { Store } from '../contracts.js'
import { hashOf } from '../identity/store/random-token.js'
import { Records } from '../identity/store/records.js'
import { openBytes, sealBytes } from '../secrets/aead.js'

/** What was answered, to be answered again. */
export interface Kept {
  readonly status: number
  readonly body: string
}

/** Whoever sends a key for the first time does the work; the same again gets what came of it. */
export type Turn =
  | { readonly turn: 'first'; keep(answer: Kept): Promise<void>; giveBack(): Promise<void> }
  | { readonly turn: 'again'; readonly answer: Kept }
  /** The first one is not done yet. */
  | { readonly turn: 'underway' }
  /** The key was used for something else. */
  | { readonly turn: 'other' }

interface KeptRecord {
  /** SHA-256 over what was asked for. */
  readonly asked: string
  /** Of the answer, sealed; left out while it is being worked on. */
  readonly sealed?: string
}

/**
 * Requests that carry a key are done once in 24 hours, over all processes (draft-ietf-httpapi-idempotency-key-header). An
 * answer can have a recovery code in it, so it is sealed with a key made of the token, which the store never sees.
 */
export class Idempotency {
  readonly #records: Records<KeptRecord>

  constructor({ store }: { store: Store }) {
    this.#records = new Records(store, 'idempotency/')
  }

  /**
   * @param secret the token itself: with another token a key is another key
   * @param asked what tells one request from another: method, path, body
   */
  async begin({ secret, key, asked }: { secret: string; key: string; asked: string }): Promise<Turn> {
    const id = hashOf(`${secret}\n${key}`)
    const record: KeptRecord = { asked: hashOf(asked) }
    if (await this.#records.add(id, record, WORKING_SECONDS)) {
      return {
        turn: 'first',
        keep: async (answer) => {
          await this.#records.set(id, { ...record, sealed: seal(secret, id, JSON.stringify(answer)) }, KEPT_SECONDS)
        },
        giveBack: async () => void (await this.#records.delete(id)),
      }
    }
    const before = await this.#records.get(id)
    if (before === undefined) return { turn: 'underway' }
    if (before.asked !== record.asked) return { turn: 'other' }
    if (before.sealed === undefined) return { turn: 'underway' }
    const answer = open(secret, id, before.sealed)
    // What was changed in the store is no answer, and the work is not done a second time.
    return answer === undefined ? { turn: 'other' } : { turn: 'again', answer: JSON.parse(answer) as Kept }
  }
}

const KEPT_SECONDS = 24 * 60 * 60

/** A gateway that dies in the middle holds the same request up no longer than this. */
const WORKING_SECONDS = 60

function seal(secret: string, id: string, text: string): string {
  const { nonce, sealed } = sealBytes(keyOf(secret, id), Buffer.from(text), id)
  return Buffer.concat([nonce, sealed]).toString('base64url')
}

function open(secret: string, id: string, sealed: string): string | undefined {
  const bytes = Buffer.from(sealed, 'base64url')
  return openBytes(keyOf(secret, id), bytes.subarray(0, 12), bytes.subarray(12), id)?.toString('utf8')
}

function keyOf(secret: string, id: string): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', secret, id, 'gatelodge idempotency', 32)))
}
