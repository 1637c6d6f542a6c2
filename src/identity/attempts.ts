import type { Store } from '../contracts.js'
import { nameHash } from './names.js'
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

interface PasswordFailures {
  readonly failures: number
  /** When the last one was. */
  readonly at: number
}

/** When each try of the last minute was. */
type NetworkTries = readonly number[]

interface SecondStepTries {
  /** When each try of the last 24 hours was. */
  readonly tries: readonly number[]
  /** How often the account was blocked in this time. */
  readonly blocks: number
  readonly blockedAt: number
  readonly blockedUntil: number
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
  readonly #now: () => number

  constructor({ store, now }: { store: Store; now: () => number }) {
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

  /** Accounts of which no answer is judged now; of a thousand at most. */
  async blocked(): Promise<readonly { readonly accountId: string; readonly retryAfterSeconds: number }[]> {
    const now = this.#now()
    const rows = await this.#secondSteps.list('', { limit: LISTED })
    return rows.flatMap(([accountId, past]) => {
      const waitMs = secondStepWaitMs(today(past, now), now)
      return waitMs > 0 ? [{ accountId, retryAfterSeconds: seconds(waitMs) }] : []
    })
  }

  /** Somebody who knows better says that it was no attack: both budgets of the account begin anew. */
  async forgive(accountId: string, username: string): Promise<void> {
    await Promise.all([this.#secondSteps.delete(accountId), this.#passwords.delete(nameHash(username))])
  }

  async #spendNetwork(network: string): Promise<Spend> {
    const now = this.#now()
    let waitMs = 0
    const kept = await this.#networks.change(
      network,
      (past = []) => {
        const running = past.filter((at) => at > now - MINUTE)
        waitMs = running.length >= PASSWORD.perNetworkAndMinute ? (running[0] ?? now) + MINUTE - now : 0
        return waitMs > 0 ? past : [...running, now]
      },
      MINUTE / 1000,
    )
    if (waitMs > 0) return { allowed: false, retryAfterSeconds: seconds(waitMs) }
    return allowed(now, kept?.length === PASSWORD.perNetworkAndMinute ? (kept[0] ?? now) + MINUTE - now : 0)
  }

  async #refundNetwork(network: string, { at }: Receipt): Promise<void> {
    await this.#networks.change(network, (past) => {
      const index = past?.indexOf(at) ?? -1
      return index < 0 ? past : past?.toSpliced(index, 1)
    })
  }
}

const LISTED = 1000
const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const DAY_SECONDS = DAY / 1000
const PASSWORD = { free: 4, longestMs: 15 * MINUTE, perNetworkAndMinute: 20 }
const SECOND_STEP = { burst: 5, windowMs: 15 * MINUTE, blocksMs: [15 * MINUTE, 30 * MINUTE, 60 * MINUTE], perDay: 20 }
const NONE: SecondStepTries = { tries: [], blocks: 0, blockedAt: 0, blockedUntil: 0 }

function passwordKey({ nameHash, deviceId }: PasswordTry): string {
  return deviceId === undefined ? nameHash : `${nameHash}/${deviceId}`
}

/** How long after this many failures the next try has to wait. */
function delayMs(failures: number): number {
  return failures <= PASSWORD.free ? 0 : Math.min(1000 * 2 ** (failures - PASSWORD.free - 1), PASSWORD.longestMs)
}

function today(past: SecondStepTries | undefined, now: number): SecondStepTries {
  if (past === undefined) return NONE
  const tries = past.tries.filter((at) => at > now - DAY)
  return tries.length === 0 && past.blockedUntil <= now ? NONE : { ...past, tries }
}

/** Tries since the last block began, as far as the window reaches. */
function recent({ tries, blockedAt }: SecondStepTries, now: number): number {
  return tries.filter((at) => at > now - SECOND_STEP.windowMs && at > blockedAt).length
}

function secondStepWaitMs({ tries, blockedUntil }: SecondStepTries, now: number): number {
  const oldest = tries.length >= SECOND_STEP.perDay ? (tries[0] ?? now) + DAY : 0
  return Math.max(blockedUntil, oldest) - now
}

function tried(past: SecondStepTries, now: number): SecondStepTries {
  const after = { ...past, tries: [...past.tries, now] }
  if (recent(after, now) < SECOND_STEP.burst) return after
  const { blocksMs } = SECOND_STEP
  const blockMs = blocksMs[Math.min(past.blocks, blocksMs.length - 1)] ?? DAY
  return { ...after, blocks: past.blocks + 1, blockedAt: now, blockedUntil: now + blockMs }
}

function allowed(at: number, blocksMs: number): Spend & { allowed: true } {
  return { allowed: true, receipt: { at }, ...(blocksMs > 0 ? { blocksSeconds: seconds(blocksMs) } : {}) }
}

function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000))
}
