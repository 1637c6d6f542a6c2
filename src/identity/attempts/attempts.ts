import type { Store } from '../../contracts.js'
import { networkSteps } from '../../messages/network-steps.js'
import { Records } from '../store/records.js'
import {
  DAY_SECONDS,
  delayMs,
  failedAgain,
  inARow,
  isLocked,
  keptSeconds,
  MINUTE,
  type NetworkTries,
  NONE,
  networkWaitMs,
  notFailed,
  type PasswordFailures,
  passwordWaitMs,
  recent,
  SECOND_STEP,
  type SecondStepTries,
  secondStepWaitMs,
  seconds,
  today,
  tried,
} from './attempt-limits.js'
import { Locks } from './locks.js'

/** A try is spent before it is evaluated; only who holds the receipt can give it back. */
export type Spend =
  | {
      readonly allowed: true
      readonly receipt: Receipt /** Set by this try: nobody gets another one for so long. */
      readonly blocksSeconds?: number
      /** Of a password: if this one is wrong, no other is judged until a mailed link or support says so. */
      readonly locks?: boolean
      /** How many have failed of late, this one among them if it does. */
      readonly failures?: number
    }
  | { readonly allowed: false; readonly retryAfterSeconds: number; readonly isLocked?: undefined }

export type PasswordSpend =
  | Spend
  /** There were a hundred wrong ones in a row, and time alone does not help. */
  | { readonly allowed: false; readonly isLocked: true; readonly retryAfterSeconds?: undefined }

export interface Receipt {
  readonly at: number
  /** Of a password: the budget it came out of. */
  readonly key?: string
  /** What stood before, when this try is the one that began a block. */
  readonly beforeBlock?: SecondStepTries
}

/** Whose password is tried: the hash of the folded name, so that unknown names behave like known ones. */
export interface PasswordTry {
  readonly nameHash: string
  readonly network: string
  /** Of a remembered device, or of a browser the account was opened in: it has a budget of its own, so that no stranger can slow its owner down. */
  readonly deviceId?: string
}

/**
 * The guess budgets. They are in the store, so that they hold over sessions, addresses, processes and restarts, and
 * every try is taken from them atomically before it is evaluated: of fifty guesses sent at once, no more are judged
 * than of fifty sent one by one.
 */
export class Attempts {
  readonly #passwords: Records<PasswordFailures>
  readonly #networks: Records<NetworkTries>
  readonly #secondSteps: Records<SecondStepTries>
  readonly #locks: Locks
  readonly #now: () => number

  constructor({ store, now }: { store: Store; now: () => number }) {
    this.#locks = new Locks({ store, now })
    this.#passwords = new Records(store, 'attempts/password/')
    this.#networks = new Records(store, 'attempts/network/')
    this.#secondSteps = new Records(store, 'attempts/second-factor/')
    this.#now = now
  }

  /**
   * From the fifth failure on, a delay of 1 s that doubles up to 15 min; at a hundred in a row, a lock; and 20 tries a minute from
   * one network: an IPv4 address or IPv6 /64, with three times as many from a /56 and ten times from a /48. A browser that is
   * known has all of that for itself, and shares the strangers' budget when its own is locked.
   */
  async spendPassword(attempt: PasswordTry): Promise<PasswordSpend> {
    const network = await this.#spendNetwork(attempt.network)
    if (!network.allowed) return network
    const now = this.#now()
    const own = attempt.deviceId === undefined ? undefined : await this.#take(passwordKey(attempt), now)
    const taken = own === undefined || own.isLocked ? await this.#take(attempt.nameHash, now) : own
    if (taken.isLocked) return { allowed: false, isLocked: true }
    const { key, kept, waitMs } = taken
    if (waitMs > 0) return { allowed: false, retryAfterSeconds: seconds(waitMs) }
    // Whichever of the two this try was the last of; both is rare, and the longer one is worth writing down.
    const failures = kept?.failures ?? 0
    const spent = allowed(now, Math.max(delayMs(failures), (network.blocksSeconds ?? 0) * 1000))
    // The network's own receipt: its try is found again by its time, and some passed since.
    const receipt = { ...network.receipt, key }
    return { ...spent, receipt, failures, ...(isLocked(kept) ? { locks: true } : {}) }
  }

  /**
   * The password was right: what failed out of the same budget is forgotten, and the network gets its one try back. What
   * strangers tried stays counted when a known browser signs in: its user does so every day, and would give them a hundred
   * more each time.
   */
  async passwordWasRight(attempt: PasswordTry, receipt: Receipt): Promise<{ readonly wasSlowed: boolean }> {
    const key = receipt.key ?? passwordKey(attempt)
    const past = await this.#passwords.get(key)
    await Promise.all([
      this.#passwords.delete(key),
      key === passwordKey(attempt) ? undefined : this.#passwords.delete(passwordKey(attempt)),
      this.#refundNetwork(attempt.network, receipt),
    ])
    return { wasSlowed: past !== undefined && delayMs(past.failures - 1) > 0 }
  }

  /** The password was not evaluated, because something is broken or busy. */
  async passwordWasNotJudged(attempt: PasswordTry, receipt: Receipt): Promise<void> {
    await Promise.all([
      this.#passwords.change(
        receipt.key ?? passwordKey(attempt),
        (past) => (past === undefined || inARow(past) === 0 ? past : notFailed(past)),
        keptSeconds,
      ),
      this.#refundNetwork(attempt.network, receipt),
    ])
  }

  /** One budget over every second factor of the account: 5 in 15 min, then 15, 30, 60 min; 20 a day. */
  async spendSecondStep(accountId: string): Promise<Spend> {
    const now = this.#now()
    let waitMs = 0
    let previous: SecondStepTries = NONE
    const kept = await this.#secondSteps.change(
      accountId,
      (past) => {
        previous = today(past, now)
        waitMs = secondStepWaitMs(previous, now)
        if (waitMs > 0) return past
        return tried(previous, now)
      },
      DAY_SECONDS,
    )
    if (waitMs > 0) return { allowed: false, retryAfterSeconds: seconds(waitMs) }
    const blocksMs = kept === undefined ? 0 : secondStepWaitMs(kept, now)
    if (blocksMs > 0) await this.#locks.note('second-factor', accountId, accountId, seconds(blocksMs))
    const receipt = blocksMs > 0 ? { at: now, beforeBlock: previous } : { at: now }
    return { ...allowed(now, blocksMs), receipt, failures: kept?.tries.length ?? 0 }
  }

  /** The answer was right, so it was no failure: this one try is given back, and nothing else. */
  async secondStepWasRight(accountId: string, receipt: Receipt): Promise<void> {
    await this.#secondSteps.change(
      accountId,
      (past) => {
        if (past === undefined) return past
        const index = past.tries.indexOf(receipt.at)
        if (index < 0) return past
        const tries = past.tries.toSpliced(index, 1)
        // The block this very try began goes with it; one that another try began stays.
        if (receipt.beforeBlock === undefined) return { ...past, tries }
        const { blocks, blockedAt, blockedUntil } = receipt.beforeBlock
        return { tries, blocks, blockedAt, blockedUntil }
      },
      DAY_SECONDS,
    )
  }

  /** How many answers would be judged now, and how long to wait when it is none. */
  async secondStepLeft(accountId: string): Promise<{ readonly tries: number; readonly retryAfterSeconds?: number }> {
    const now = this.#now()
    const past = today(await this.#secondSteps.get(accountId), now)
    const waitMs = secondStepWaitMs(past, now)
    if (waitMs > 0) return { tries: 0, retryAfterSeconds: seconds(waitMs) }
    return { tries: Math.min(SECOND_STEP.burst - recent(past, now), SECOND_STEP.perDay - past.tries.length) }
  }

  /** Takes a try out of one budget of a password, if there is one in it. */
  async #take(key: string, now: number): Promise<Taken> {
    let waitMs = 0
    let wasLocked = false
    const kept = await this.#passwords.change(
      key,
      (past) => {
        waitMs = passwordWaitMs(past, now)
        wasLocked = isLocked(past)
        // A try that is turned away does not count: otherwise asking again and again would lock the account for good.
        return wasLocked || waitMs > 0 ? past : failedAgain(past, now)
      },
      keptSeconds,
    )
    return { key, kept, waitMs, isLocked: wasLocked }
  }

  /** A try counts in every network it came from. One that a wider network turns away is given back to the narrower ones. */
  async #spendNetwork(network: string): Promise<Spend> {
    const now = this.#now()
    let blocksMs = 0
    const spent: string[] = []
    for (const step of networkSteps(network)) {
      let waitMs = 0
      const kept = await this.#networks.change(
        step.network,
        (past = []) => {
          waitMs = networkWaitMs(step.network, past, now)
          return waitMs > 0 ? past : [...past.filter((at) => at > now - MINUTE), now]
        },
        MINUTE / 1000,
      )
      if (waitMs > 0) {
        await Promise.all(spent.map((narrower) => this.#refundOne(narrower, now)))
        return { allowed: false, retryAfterSeconds: seconds(waitMs) }
      }
      spent.push(step.network)
      const blocks = networkWaitMs(step.network, kept ?? [], now)
      if (blocks > 0) await this.#locks.note('network', step.network, step.network, seconds(blocks))
      blocksMs = Math.max(blocksMs, blocks)
    }
    return allowed(now, blocksMs)
  }

  async #refundNetwork(network: string, { at }: Receipt): Promise<void> {
    await Promise.all(networkSteps(network).map((step) => this.#refundOne(step.network, at)))
  }

  async #refundOne(network: string, at: number): Promise<void> {
    await this.#networks.change(network, (past) => {
      const index = past?.indexOf(at) ?? -1
      return index < 0 ? past : past?.toSpliced(index, 1)
    })
  }
}

interface Taken {
  readonly key: string
  readonly kept: PasswordFailures | undefined
  readonly waitMs: number
  readonly isLocked: boolean
}

/** What the budget of a password is kept by. */
export function passwordKey({ nameHash, deviceId }: PasswordTry): string {
  return deviceId === undefined ? nameHash : `${nameHash}/${deviceId}`
}

function allowed(at: number, blocksMs: number): Spend & { allowed: true } {
  return { allowed: true, receipt: { at }, ...(blocksMs > 0 ? { blocksSeconds: seconds(blocksMs) } : {}) }
}
