import type { Audit } from '../audit/audit.js'
import type { Json, Logger, Store } from '../contracts.js'
import { GatelodgeError } from '../errors.js'
import { networkSteps } from './network-steps.js'
import { Quota, type Window } from './quota.js'

/** How much may be asked for without any proof, as `sending.unproven` in YAML says. */
export interface UnprovenLimits {
  /** Of one IPv4 address or IPv6 /64 while few ask; a /56 gets three times as much, a /48 ten times. */
  readonly networkPerHour: number
  /** Of the whole installation in any 24 hours. */
  readonly perDay: number
}

/** Why nothing may be asked for now. `early`: the form was read too short a time ago. */
export interface Held {
  readonly limit: 'network' | 'day' | 'early'
  readonly retryAfterSeconds: number
}

interface Parts {
  readonly store: Store
  readonly audit: Pick<Audit, 'record'>
  readonly log: Logger
  readonly now: () => number
  readonly limits: UnprovenLimits
}

/** What was asked for: it runs out at a steady rate. */
interface Level {
  readonly level: number
  /** ms since 1970. */
  readonly at: number
}

/**
 * What may be asked for by whoever has proved nothing: help with signing in, and links in place of the password. It is apart
 * from what codes and security mails are sent from, so a flood of such requests keeps no code from anybody (5,001 requests
 * from 261 networks used to stop every mailed code until midnight).
 *
 * There is no stop until midnight either. The budget is a bucket that runs out all day long, and the fuller it is, the dearer
 * a request: a network gets fewer in an hour, at last one a day, so that what runs out is left to networks that did not
 * flood; and a form must have been open for some seconds before it is sent. Requests count the same whether or not there is
 * such an account, so that what the page says tells nothing about it.
 */
export class UnprovenBudget {
  readonly #parts: Parts
  readonly #quota: Quota

  constructor(parts: Parts) {
    this.#parts = parts
    this.#quota = new Quota(parts)
  }

  /**
   * Whether one could be asked for now. Takes nothing.
   * @param ageSeconds for how long the form has been open
   */
  async look(network: string, ageSeconds: number): Promise<Held | undefined> {
    const fullness = await this.#fullness()
    for (const { key, windows } of this.#quotas(network, fullness)) {
      const wait = await this.#quota.look(key, windows)
      if (wait !== undefined) return this.#held('network', wait, network)
    }
    if (fullness > 1 - 1 / this.#capacity) return this.#held('day', this.#oneRunsOut(), network)
    const early = openSeconds(fullness) - ageSeconds
    return early > 0 ? { limit: 'early', retryAfterSeconds: Math.ceil(early) } : undefined
  }

  /** Takes one. Atomic over all processes. */
  async take(network: string): Promise<Held | undefined> {
    for (const { key, windows } of this.#quotas(network, await this.#fullness())) {
      const wait = await this.#quota.take(key, windows)
      if (wait !== undefined) return this.#held('network', wait, network)
    }
    return (await this.#pour()) ? undefined : this.#held('day', this.#oneRunsOut(), network)
  }

  /** From 0 to 1: how much of the budget is used up. */
  async #fullness(): Promise<number> {
    if (this.#capacity === 0) return 1
    return this.#leftOf(await this.#parts.store.get(LEVEL)).level / this.#capacity
  }

  /** Half of a day's budget at once, and the other half evenly over the day: never more than the whole in 24 hours. */
  get #capacity(): number {
    return this.#parts.limits.perDay / 2
  }

  #oneRunsOut(): number {
    return this.#capacity === 0 ? DAY_SECONDS : Math.ceil(DAY_SECONDS / this.#capacity)
  }

  async #pour(): Promise<boolean> {
    const { store } = this.#parts
    for (let race = 0; race < RACES; race++) {
      const seen = await store.get(LEVEL)
      const { level, at } = this.#leftOf(seen)
      if (level + 1 > this.#capacity) return false
      const next = { level: level + 1, at } satisfies Level
      const won =
        seen === undefined
          ? await store.add(LEVEL, next, 2 * DAY_SECONDS)
          : await store.replace(LEVEL, seen, next, 2 * DAY_SECONDS)
      if (won) return true
    }
    throw new GatelodgeError('store.unavailable')
  }

  #leftOf(kept: Json | undefined): Level {
    const now = this.#parts.now()
    const { level = 0, at = now } = (kept ?? {}) as Partial<Level>
    // A clock that was set back makes nothing run in.
    const ranOut = (Math.max(0, now - at) / (DAY_SECONDS * 1000)) * this.#capacity
    return { level: Math.max(0, level - ranOut), at: Math.max(now, at) }
  }

  #quotas(network: string, fullness: number): readonly { readonly key: string; readonly windows: readonly Window[] }[] {
    const { networkPerHour } = this.#parts.limits
    return networkSteps(network).map((step) => {
      const shared = (count: number) => Math.max(1, Math.ceil(count * step.times * (1 - fullness) ** 2))
      // While few ask, a day has as much as three full hours; when nearly all is used up, an hour and a day have one.
      const windows = [
        { seconds: HOUR_SECONDS, count: shared(networkPerHour) },
        { seconds: DAY_SECONDS, count: shared(3 * networkPerHour) },
      ]
      return { key: `sending/unproven/network/${step.network}`, windows }
    })
  }

  async #held(limit: 'network' | 'day', retryAfterSeconds: number, network: string): Promise<Held> {
    if (limit === 'day') await this.#alert(network)
    return { limit, retryAfterSeconds }
  }

  /** Once a day. */
  async #alert(network: string): Promise<void> {
    const { store, audit, log, now } = this.#parts
    const today = new Date(now()).toISOString().slice(0, 10)
    if (!(await store.add(`sending/alert/unproven/${today}`, true, 2 * DAY_SECONDS))) return
    const reason = 'budget of what is asked for without a proof'
    log.error({ reason, network }, 'Help with signing in is held up; codes are not. See `sending.unproven`')
    await audit.record({ event: 'throttle.on', outcome: 'refused', reason, details: { channel: 'email', network } })
  }
}

/** For how long a form must have been open before it is sent: nothing while few ask, and a minute at last. */
export function openSeconds(fullness: number): number {
  if (fullness < 0.25) return 0
  if (fullness < 0.5) return 5
  return fullness < 0.75 ? 20 : 60
}

const LEVEL = 'sending/unproven/level'
const HOUR_SECONDS = 60 * 60
const DAY_SECONDS = 24 * HOUR_SECONDS

/** Each lost race is somebody else's request, and those are limited by network before. */
const RACES = 500
