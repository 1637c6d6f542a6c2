import { createHmac, randomInt } from 'node:crypto'
import type { Store } from '../../contracts.js'
import type { Sending, Trouble } from '../../messages/sending.js'
import type { PendingSignIn } from '../sessions/pending-sign-ins.js'
import { isSame } from '../store/random-token.js'
import { Records } from '../store/records.js'

/** What a code is for: one that proves a number opens nothing, and one that signs in proves no number. */
export type CodePurpose = 'sign-in' | 'enrolment'

/** One code on its way, or there. The store cannot tell what it is, nor try all of them. */
export interface SentCode {
  /** Tells one code of a pending sign-in from the next. */
  readonly id: string
  readonly purpose: CodePurpose
  /** The enrolment it was asked for; while a method is being taken over, the method. */
  readonly ref: string
  /** What YAML calls the method. */
  readonly method: string
  /** Under the token that only the browser has: HMAC-SHA-256 in base64url. */
  readonly hash: string
  readonly triesLeft: number
  readonly via: Via
  readonly sentAt: number
  readonly expiresAt: number
  /** `unsure`: the provider may have taken it and may not. */
  readonly state: 'sending' | 'sent' | 'unsure'
  /** Where it went, masked. */
  readonly to?: string
  /** It went by mail in place of the method it was asked for: kept before it leaves. */
  readonly isFallback?: boolean
  /** Why it went by mail and not where it was meant to go. */
  readonly fellBack?: Trouble
}

/** Why nothing was sent when it was asked for last. The code before that is as good as it was. */
export interface SendTrouble {
  readonly ref: string
  readonly outcome: Extract<Sending, { outcome: 'limited' | 'failed' }>
  readonly at: number
}

/** All there is about codes of one pending sign-in: at most one that counts. */
export interface CodeRecord {
  readonly code?: SentCode
  readonly trouble?: SendTrouble
}

type Via = Extract<Sending, { outcome: 'sent' }>['via']

/** Six digits, as likely each as the other. */
export function drawCode(): string {
  return String(randomInt(1_000_000)).padStart(6, '0')
}

/**
 * What the store sees of a code. A million codes are tried in a second, so a plain hash would be as good as the code
 * itself: the key is the pending sign-in's token, which is in the user's browser and nowhere else. It also makes a code
 * worth nothing in another browser, whatever the store says.
 */
export function hashOfCode(token: string, { id, purpose }: Pick<SentCode, 'id' | 'purpose'>, code: string): string {
  return createHmac('sha256', token).update(`${purpose}\n${id}\n${code}`).digest('base64url')
}

/** The codes that were sent to pending sign-ins. */
export class SentCodes {
  readonly #records: Records<CodeRecord>
  readonly #now: () => number

  constructor({ store, now }: { store: Store; now: () => number }) {
    this.#records = new Records(store, 'code/')
    this.#now = now
  }

  async find({ id }: PendingSignIn): Promise<CodeRecord> {
    return (await this.#records.get(id)) ?? {}
  }

  /** The code that counts now, if any does. */
  live({ code }: CodeRecord, purpose: CodePurpose): SentCode | undefined {
    if (code?.purpose !== purpose || code.triesLeft <= 0) return undefined
    return this.#now() < code.expiresAt ? code : undefined
  }

  /** From now on this one counts; the one before is dead. */
  keep({ id }: PendingSignIn, code: Omit<SentCode, 'triesLeft'>): Promise<void> {
    return this.#records.set(id, { code: { ...code, triesLeft: TRIES } }, RECORD_SECONDS)
  }

  /** What became of the sending of this code; says nothing of a newer one. */
  async settle(pending: PendingSignIn, code: string, sending: Sending, ref: string): Promise<void> {
    const at = this.#now()
    await this.#records.change(
      pending.id,
      (record) => settled(record ?? {}, code, sending, { ref, at }),
      RECORD_SECONDS,
    )
  }

  /** Spends one of the code's tries, then compares. Only who gets the code back may {@link consume} it. */
  async check(pending: PendingSignIn, code: SentCode, token: string, answer: string): Promise<boolean> {
    let isSpent = false
    await this.#records.change(pending.id, (record) => {
      const now = record && this.live(record, code.purpose)
      isSpent = now?.id === code.id
      return isSpent && now ? { ...record, code: { ...now, triesLeft: now.triesLeft - 1 } } : record
    })
    return isSame(code.hash, hashOfCode(token, code, answer)) && isSpent
  }

  /** Atomic: true for one caller only. */
  async consume({ id }: PendingSignIn, code: SentCode): Promise<boolean> {
    const record = await this.#records.get(id)
    return record?.code?.id === code.id && this.#records.delete(id)
  }
}

/** Per code; the account's own budget of guesses counts besides. */
const TRIES = 5

/** Longer than any pending sign-in. */
const RECORD_SECONDS = 60 * 60

function settled(record: CodeRecord, id: string, sending: Sending, about: Omit<SendTrouble, 'outcome'>): CodeRecord {
  if (sending.outcome === 'wait') return record
  const { code } = record
  const isOurs = code?.id === id
  if (sending.outcome === 'sent') {
    if (!isOurs) return record
    const { to, fellBack } = sending
    return { code: { ...code, state: 'sent', to, ...(fellBack === undefined ? {} : { fellBack }) } }
  }
  // A newer code was kept while this one failed: whatever was wrong with it does not matter any more.
  if (code?.state === 'sending' && !isOurs) return record
  const trouble = { ...about, outcome: sending }
  if (!isOurs) return { ...record, trouble }
  // It may have got through all the same, and then it is good.
  if (sending.outcome === 'failed' && sending.reason === 'unknown') return { code: { ...code, state: 'unsure' } }
  return { trouble }
}
