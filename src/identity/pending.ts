import type { Json, Store, User } from '../contracts.js'
import { Records } from './records.js'
import { drawToken, hashOf, isToken } from './secret.js'

/** The password was right, the second factor is outstanding. It has its own token, and it opens nothing. */
export interface PendingSignIn {
  /** SHA-256 of the token in base64url. */
  readonly id: string
  readonly accountId: string
  readonly user: User
  readonly passwordAt?: number
  readonly via: readonly string[]
  /** As they were when the password was judged: a revocation since then ends this as well. */
  readonly generation: number
  readonly installation: number
  /** `verify`: answers with a factor that is enrolled; `enrol`: has none yet and takes one over first. */
  readonly mode: 'verify' | 'enrol'
  /** The question that stands now. */
  readonly challenge?: Challenge
  /** The factor being taken over: not active before its first right answer. */
  readonly enrolling?: Enrolling
  readonly returnTo: string
  /** The session this sign-in steps up; it ends when the new one opens. */
  readonly replaces?: string
  readonly expiresAt: number
}

/** One question put to one pending sign-in. */
export interface Challenge {
  readonly enrolmentId: string
  readonly method: string
  readonly question: Json
}

export interface Enrolling {
  readonly method: string
  readonly secret: Json
  readonly show: Json
}

/** Half-way sign-ins: ten minutes each, ended once. */
export class PendingSignIns {
  readonly #records: Records<PendingSignIn>
  readonly #now: () => number

  constructor({ store, now }: { store: Store; now: () => number }) {
    this.#records = new Records(store, 'pending/')
    this.#now = now
  }

  async open(start: Omit<PendingSignIn, 'id' | 'expiresAt'>): Promise<string> {
    const token = drawToken()
    const id = hashOf(token)
    await this.#records.set(id, { ...start, id, expiresAt: this.#now() + LIFETIME_SECONDS * 1000 }, LIFETIME_SECONDS)
    return token
  }

  async find(token: string | undefined): Promise<PendingSignIn | undefined> {
    if (token === undefined || !isToken(token)) return undefined
    const pending = await this.#records.get(hashOf(token))
    return pending !== undefined && this.#now() < pending.expiresAt ? pending : undefined
  }

  /** @returns what stands now; `undefined` when it changed or ended meanwhile */
  async change(
    pending: PendingSignIn,
    change: Pick<PendingSignIn, 'challenge'> | Pick<PendingSignIn, 'enrolling'>,
  ): Promise<PendingSignIn | undefined> {
    const changed = { ...pending, ...change }
    return (await this.#records.replace(pending.id, pending, changed)) ? changed : undefined
  }

  /** Atomic: true for one caller only, who may open the session. */
  win(pending: PendingSignIn): Promise<boolean> {
    return this.#records.delete(pending.id)
  }
}

const LIFETIME_SECONDS = 10 * 60
