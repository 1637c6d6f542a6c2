import type { Json, Store, User } from '../../contracts.js'
import type { Sealer } from '../../secrets/sealer.js'
import { isFromTheFuture } from '../store/clock-skew.js'
import { drawToken, hashOf, isToken } from '../store/random-token.js'
import { Records } from '../store/records.js'

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
  /** The page it leads to takes a code that went by mail because the text message failed. */
  readonly mayFallBack?: true
  readonly secondFactorAt?: number
  /** As of the session. */
  readonly passkeyAt?: number
  /** As of the session it leads to. */
  readonly isBrief?: true
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
  /** Where a script asks it. */
  readonly asked?: AskedQuestion
}

/** What the answer to a question that a script asks has to carry. */
export interface AskedQuestion {
  readonly nonce: string
  /** ms since 1970. */
  readonly at: number
}

export interface Enrolling {
  readonly method: string
  readonly secret: Json
  readonly show: Json
  readonly asked?: AskedQuestion
}

/** As it is kept: questions, and secrets that are being taken over, are sealed. */
interface KeptPending extends Omit<PendingSignIn, 'challenge' | 'enrolling'> {
  readonly sealed?: string
}

/** Half-way sign-ins: ten minutes each, ended once. */
export class PendingSignIns {
  readonly #records: Records<KeptPending>
  readonly #sealer: Sealer
  readonly #now: () => number

  constructor({ store, sealer, now }: { store: Store; sealer: Sealer; now: () => number }) {
    this.#records = new Records(store, PREFIX)
    this.#sealer = sealer
    this.#now = now
  }

  async open(start: Omit<PendingSignIn, 'id' | 'openedAt' | 'expiresAt'>): Promise<OpenedPending> {
    const token = drawToken()
    const openedAt = this.#now()
    const pending = { ...start, id: hashOf(token), openedAt, expiresAt: openedAt + LIFETIME_MS }
    await this.#records.set(pending.id, this.#close(pending), LONGEST_MS / 1000)
    return { token, pending }
  }

  async find(token: string | undefined): Promise<PendingSignIn | undefined> {
    if (token === undefined || !isToken(token)) return undefined
    const pending = this.#open(await this.#records.get(hashOf(token)))
    const now = this.#now()
    return pending !== undefined && now < pending.expiresAt && !isFromTheFuture(pending.openedAt, now)
      ? pending
      : undefined
  }

  /**
   * Changes it atomically; `change` may run more than once and returns its argument to leave it.
   * @returns what stands now; `undefined` when it ended meanwhile
   */
  async change(
    { id }: PendingSignIn,
    change: (pending: PendingSignIn) => PendingSignIn,
  ): Promise<PendingSignIn | undefined> {
    const kept = await this.#records.change(id, (kept) => {
      const before = this.#open(kept)
      const after = before && change(before)
      return after === before || after === undefined ? kept : this.#close(after)
    })
    return this.#open(kept)
  }

  /**
   * Takes a question that a script asked back, before its answer is judged: whatever comes of it, it is answered once.
   * @returns true for one caller only, over all processes
   */
  async take(pending: PendingSignIn, { nonce }: AskedQuestion): Promise<boolean> {
    let isMine = false
    await this.change(pending, (now) => {
      const challenge = now.challenge?.asked?.nonce === nonce ? withoutNonce(now.challenge) : undefined
      const enrolling = now.enrolling?.asked?.nonce === nonce ? withoutNonce(now.enrolling) : undefined
      isMine = challenge !== undefined || enrolling !== undefined
      return isMine ? { ...now, ...(challenge && { challenge }), ...(enrolling && { enrolling }) } : now
    })
    return isMine
  }

  #close({ challenge, enrolling, ...rest }: PendingSignIn): KeptPending {
    if (challenge === undefined && enrolling === undefined) return rest
    const secret = { ...(challenge && { challenge }), ...(enrolling && { enrolling }) }
    return { ...rest, sealed: this.#sealer.seal(PREFIX + rest.id, secret as unknown as Json) }
  }

  /** One that does not open is none: whoever has it begins again. */
  #open(kept: KeptPending | undefined): PendingSignIn | undefined {
    if (kept === undefined) return undefined
    if (kept.sealed === undefined) {
      const isClear = 'challenge' in kept || 'enrolling' in kept
      return isClear && !this.#sealer.takesClear ? undefined : kept
    }
    const { sealed, ...rest } = kept
    const opened = this.#sealer.open(PREFIX + kept.id, sealed)
    return opened && { ...rest, ...(opened.value as unknown as Pick<PendingSignIn, 'challenge' | 'enrolling'>) }
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

function withoutNonce<Question extends { readonly asked?: AskedQuestion }>({ asked: _, ...question }: Question) {
  return question
}

/** Whether a question that a script asks may still be answered, ms since 1970. */
export function isStanding({ at }: AskedQuestion, now: number, spareMs = 0): boolean {
  return now < at + QUESTION_MS - spareMs && !isFromTheFuture(at, now)
}

/** For how long a question that a script asks may be answered. */
export const QUESTION_MS = 5 * 60_000

const PREFIX = 'pending/'
const LIFETIME_MS = 10 * 60_000
const LONGEST_MS = 30 * 60_000
