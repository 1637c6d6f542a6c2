import type { Store } from '../contracts.js'
import {
  DAY_SECONDS,
  delayMs,
  MINUTE,
  type NetworkTries,
  NONE,
  networkWaitMs,
  type PasswordFailures,
  recent,
  SECOND_STEP,
  type SecondStepTries,
  secondStepWaitMs,
  seconds,
  today,
  tried,
} from './attempt-limits.js'
import { Locks } from './locks.js'
import { Records } from './records.js'

/** A try is spent before it is evaluated; only who holds the receipt can give it back. */
export type Spend =
  | {
      readonly allowed: true
      readonly receipt: Receipt /** Set by this try: nobody gets another one for so long. */
      readonly blocksSeconds?: number
      /** How many have failed of late, this one among them if it does. */
      readonly failures?: number
    }
  | { readonly allowed: false; readonly retryAfterSeconds: number }

export interface Receipt {
  readonly at: number
  /** What stood before, when this try is the one that began a block. */
  readonly beforeBlock?: SecondStepTries
}

/** Whose password is tried: the hash of the folded name, so that unknown names behave like known ones. */
export interface PasswordTry {
  readonly nameHash: string
  readonly network: string
  /** The hash of a remembered device's id: it has a budget of its own, so a stranger cannot slow its owner down. */
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

  /** From the fifth failure on, a delay of 1 s that doubles up to 15 min; and 20 tries a minute from one network. */
  async spendPassword(attempt: PasswordTry): Promise<Spend> {
    const network = await this.#spendNetwork(attempt.network)
    if (!network.allowed) return network
    const now = this.#now()
    let waitMs = 0
    const kept = await this.#passwords.change(
      passwordKey(attempt),
      (past) => {
        waitMs = past === undefined ? 0 : past.at + delayMs(past.failures) - now
        // A try that is turned away does not count: otherwise asking again and again would lock the account for good.
        if (waitMs > 0) return past
        return { failures: (past?.failures ?? 0) + 1, at: now }
      },
      DAY_SECONDS,
    )
    if (waitMs > 0) return { allowed: false, retryAfterSeconds: seconds(waitMs) }
    // Whichever of the two this try was the last of; both is rare, and the longer one is worth writing down.
    const failures = kept?.failures ?? 0
    const spent = allowed(now, Math.max(delayMs(failures), (network.blocksSeconds ?? 0) * 1000))
    // The network's own receipt: its try is found again by its time, and some passed since.
    return { ...spent, receipt: network.receipt, failures }
  }

  /** The password was right: the account's failures are forgotten, and the network gets its one try back. */
  async passwordWasRight(attempt: PasswordTry, receipt: Receipt): Promise<{ readonly wasSlowed: boolean }> {
    const key = passwordKey(attempt)
    const past = await this.#passwords.get(key)
    await Promise.all([this.#passwords.delete(key), this.#refundNetwork(attempt.network, receipt)])
    return { wasSlowed: past !== undefined && delayMs(past.failures - 1) > 0 }
  }

  /** The password was not evaluated, because something is broken or busy. */
  async passwordWasNotJudged(attempt: PasswordTry, receipt: Receipt): Promise<void> {
    await Promise.all([
      this.#passwords.change(
        passwordKey(attempt),
        (past) => past && { ...past, failures: Math.max(0, past.failures - 1) },
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

  async #spendNetwork(network: string): Promise<Spend> {
    const now = this.#now()
    let waitMs = 0
    const kept = await this.#networks.change(
      network,
      (past = []) => {
        waitMs = networkWaitMs(past, now)
        return waitMs > 0 ? past : [...past.filter((at) => at > now - MINUTE), now]
      },
      MINUTE / 1000,
    )
    if (waitMs > 0) return { allowed: false, retryAfterSeconds: seconds(waitMs) }
    const blocksMs = networkWaitMs(kept ?? [], now)
    if (blocksMs > 0) await this.#locks.note('network', network, network, seconds(blocksMs))
    return allowed(now, blocksMs)
  }

  async #refundNetwork(network: string, { at }: Receipt): Promise<void> {
    await this.#networks.change(network, (past) => {
      const index = past?.indexOf(at) ?? -1
      return index < 0 ? past : past?.toSpliced(index, 1)
    })
  }
}

/** What the budget of a password is kept by. */
export function passwordKey({ nameHash, deviceId }: PasswordTry): string {
  return deviceId === undefined ? nameHash : `${nameHash}/${deviceId}`
}

function allowed(at: number, blocksMs: number): Spend & { allowed: true } {
  return { allowed: true, receipt: { at }, ...(blocksMs > 0 ? { blocksSeconds: seconds(blocksMs) } : {}) }
}
