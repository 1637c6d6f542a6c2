import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import type { Store } from '../contracts.js'
import { Records } from '../identity/records.js'
import { hashOf } from '../identity/secret.js'

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
    return { turn: 'again', answer: JSON.parse(open(secret, id, before.sealed)) as Kept }
  }
}

const KEPT_SECONDS = 24 * 60 * 60

/** A gateway that dies in the middle holds the same request up no longer than this. */
const WORKING_SECONDS = 60

function seal(secret: string, id: string, text: string): string {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', keyOf(secret, id), nonce)
  const bytes = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), bytes]).toString('base64url')
}

function open(secret: string, id: string, sealed: string): string {
  const bytes = Buffer.from(sealed, 'base64url')
  const decipher = createDecipheriv('aes-256-gcm', keyOf(secret, id), bytes.subarray(0, 12), { authTagLength: 16 })
  decipher.setAuthTag(bytes.subarray(12, 28))
  return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8')
}

function keyOf(secret: string, id: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, id, 'gatelodge idempotency', 32))
}
