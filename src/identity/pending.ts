import type { Json, Store, User } from '../contracts.js'
import { isAhead } from './ahead.js'
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
  /** The session it was begun in: it ends with it. */
  readonly within?: string
  /** Takes a factor over beside those there are: only with a session that proved both, and only while that lives. */
  readonly adds?: true
  /** With `enrol`: it can be put off, while some time is left to do it in. */
  readonly mayWait?: true
  readonly secondFactorAt?: number
  readonly returnTo: string
  /** The session this sign-in steps up; it ends when the new one opens. */
  readonly replaces?: string
  readonly openedAt: number
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

  async open(start: Omit<PendingSignIn, 'id' | 'openedAt' | 'expiresAt'>): Promise<OpenedPending> {
    const token = drawToken()
    const openedAt = this.#now()
    const pending = { ...start, id: hashOf(token), openedAt, expiresAt: openedAt + LIFETIME_MS }
    await this.#records.set(pending.id, pending, LONGEST_MS / 1000)
    return { token, pending }
  }

  async find(token: string | undefined): Promise<PendingSignIn | undefined> {
    if (token === undefined || !isToken(token)) return undefined
    const pending = await this.#records.get(hashOf(token))
    const now = this.#now()
    return pending !== undefined && now < pending.expiresAt && !isAhead(pending.openedAt, now) ? pending : undefined
  }

  /**
   * Changes it atomically; `change` may run more than once and returns its argument to leave it.
   * @returns what stands now; `undefined` when it ended meanwhile
   */
  change({ id }: PendingSignIn, change: (pending: PendingSignIn) => PendingSignIn): Promise<PendingSignIn | undefined> {
    return this.#records.change(id, (pending) => pending && change(pending))
  }

  /** Atomic: true for one caller only, who may open the session. */
  win(pending: PendingSignIn): Promise<boolean> {
    return this.#records.delete(pending.id)
  }
}

/** A pending sign-in and the token that only its browser gets. */
export interface OpenedPending {
  readonly token: string
  readonly pending: PendingSignIn
}

/** With as much time left as a code has that is sent now, as long as it is not kept half-open for ever by that. */
export function prolonged(pending: PendingSignIn, now: number): PendingSignIn {
  const until = Math.min(now + LIFETIME_MS, pending.openedAt + LONGEST_MS)
  return until > pending.expiresAt ? { ...pending, expiresAt: until } : pending
}

const LIFETIME_MS = 10 * 60_000
const LONGEST_MS = 30 * 60_000
