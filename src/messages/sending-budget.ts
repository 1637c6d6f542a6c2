import { createHash } from 'node:crypto'
import type { Audit } from '../audit/audit.js'
import type { Logger, Store } from '../contracts.js'
import type { Channel } from './mask.js'
import { Costs, type Money, type Prices } from './prices.js'
import { Quota, type Window } from './quota.js'

const hour = 60 * 60
const day = 24 * hour

/** How much may be sent, as `sending` in YAML says. */
export interface SendingLimits {
  /** Between two codes to one account. */
  readonly waitSeconds: number
  readonly accountPerHour: number
  readonly accountPerDay: number
  readonly numberPerHour: number
  readonly networkPerHour: number
  readonly linksPerHour: number
  readonly smsPerDay: number
  readonly mailPerDay: number
  /** Left out: messages are counted, and nothing is said of money. */
  readonly price?: Prices | undefined
}

/** What went out of a day's budget. */
export interface Spent {
  readonly sent: number
  readonly perDay: number
  /** Left out where no price is known. */
  readonly cost?: Money
}

/** What a message is for. `help` is asked for by anybody, so it counts by address; the others belong to an account. */
export type Purpose = 'code' | 'link' | 'help'

/** One message somebody wants sent. */
export interface Spending {
  readonly channel: Channel
  readonly purpose: Purpose
  readonly accountId?: string
  readonly to: string
  /** What the per-network limit counts by. */
  readonly network: string
}

export type Limit = 'wait' | 'account' | 'number' | 'network' | 'day'

/** Why a message may not be sent now, and when it may. */
export interface OverBudget {
  readonly limit: Limit
  readonly retryAfterSeconds: number
}

interface Parts {
  readonly store: Store
  readonly audit: Pick<Audit, 'record'>
  readonly log: Logger
  readonly now: () => number
  readonly limits: SendingLimits
}

/**
 * What sending may cost. Spent before anything is sent, atomic over parallel requests and all processes, never given back:
 * an attacker who makes sending fail gains no further try. Limits of one's own are spent before shared ones, so that whoever
 * is over the former does not use up the latter.
 */
export class SendingBudget {
  /** How often each limit said no in this process, for the metrics. */
  readonly refusals: Record<Limit, number> = { wait: 0, account: 0, number: 0, network: 0, day: 0 }
  readonly #parts: Parts
  readonly #quota: Quota
  readonly #costs: Costs | undefined

  constructor(parts: Parts) {
    this.#parts = parts
    this.#quota = new Quota(parts)
    const { store, limits } = parts
    this.#costs = limits.price && new Costs({ store, prices: limits.price })
  }

  /**
   * The pause between two codes to one account, whatever they travel by; of parallel calls one passes.
   * @param excused for the first code of a sign-in right after an enrolment, which the code of the enrolment does not hold up
   */
  async takeTurn(accountId: string, purpose: Purpose, excused = false): Promise<OverBudget | undefined> {
    const windows = [{ seconds: this.#parts.limits.waitSeconds, count: excused ? 2 : 1 }]
    const wait = await this.#quota.take(`sending/turn/${purpose}/${accountId}`, windows)
    return wait === undefined ? undefined : this.#refuse('wait', wait)
  }

  /** Seconds until the account's next turn; `undefined`: now. Takes nothing. */
  waitForTurn(accountId: string, purpose: Purpose): Promise<number | undefined> {
    return this.#quota.look(`sending/turn/${purpose}/${accountId}`, [
      { seconds: this.#parts.limits.waitSeconds, count: 1 },
    ])
  }

  /** `undefined`: spent, send it. */
  async spend(spending: Spending): Promise<OverBudget | undefined> {
    const { store, now, limits } = this.#parts
    const { channel } = spending
    const today = new Date(now()).toISOString().slice(0, 10)
    const untilMidnight = day - Math.floor((now() / 1000) % day)
    const full = `sending/full/${channel}/${today}`
    if ((await store.get(full)) !== undefined) return this.#refuse('day', untilMidnight)
    const quotas = this.#quotas(spending)
    // Looking first keeps what is free from being spent on a message that another limit stops.
    for (const step of ['look', 'take'] as const) {
      for (const { limit, key, windows } of quotas) {
        const wait = await this.#quota[step](key, windows)
        if (wait === undefined) continue
        if (limit === 'network') await this.#alert(`network/${spending.network}`, today, 'network limit', spending)
        return this.#refuse(limit, wait)
      }
    }
    const perDay = channel === 'sms' ? limits.smsPerDay : limits.mailPerDay
    if ((await store.increment(`sending/day/${channel}/${today}`, 2 * day)) <= perDay) {
      if (channel === 'sms') await this.#costs?.noteText(spending.to, today)
      return undefined
    }
    await store.add(full, true, 2 * day)
    await this.#alert(`day/${channel}`, today, 'whole-day budget', spending)
    return this.#refuse('day', untilMidnight)
  }

  /** What was sent today (UTC), what it costs, and what may be sent in a day. */
  async today(): Promise<Record<Channel, Spent>> {
    const { store, now, limits } = this.#parts
    const day = new Date(now()).toISOString().slice(0, 10)
    const [sms, email] = await Promise.all(
      (['sms', 'email'] as const).map(async (channel) =>
        Number((await store.get(`sending/day/${channel}/${day}`)) ?? 0),
      ),
    )
    const [texts, mails] = [Math.min(sms ?? 0, limits.smsPerDay), Math.min(email ?? 0, limits.mailPerDay)]
    const costs = this.#costs && { sms: await this.#costs.ofTexts(texts, day), email: this.#costs.ofMails(mails) }
    return {
      sms: { sent: texts, perDay: limits.smsPerDay, ...(costs && { cost: costs.sms }) },
      email: { sent: mails, perDay: limits.mailPerDay, ...(costs && { cost: costs.email }) },
    }
  }

  #quotas({ channel, purpose, accountId, to, network }: Spending): readonly Counted[] {
    const { accountPerHour, accountPerDay, linksPerHour, numberPerHour, networkPerHour } = this.#parts.limits
    const inAnHour = (count: number): Window => ({ seconds: hour, count })
    const codes = [inAnHour(accountPerHour), { seconds: day, count: accountPerDay }]
    const whose = accountId === undefined || purpose === 'help' ? `to/${hashed(to)}` : accountId
    const own: Counted = {
      limit: 'account',
      key: `sending/${purpose}/${channel}/${whose}`,
      windows: purpose === 'code' ? codes : [inAnHour(linksPerHour)],
    }
    const number: Counted = {
      limit: 'number',
      key: `sending/number/${hashed(to)}`,
      windows: [inAnHour(numberPerHour)],
    }
    const shared: Counted = {
      limit: 'network',
      key: `sending/network/${channel}/${network}`,
      windows: [inAnHour(networkPerHour)],
    }
    return channel === 'sms' ? [own, number, shared] : [own, shared]
  }

  #refuse(limit: Limit, retryAfterSeconds: number): OverBudget {
    this.refusals[limit] += 1
    return { limit, retryAfterSeconds }
  }

  /** Once a day for each reason and place: in the log and in the audit. */
  async #alert(what: string, today: string, reason: string, { channel, network }: Spending): Promise<void> {
    const { store, log, audit } = this.#parts
    if (!(await store.add(`sending/alert/${what}/${today}`, true, 2 * day))) return
    log.error({ reason, channel, network }, 'Sending is stopped by a limit; see `sending` in the configuration')
    await audit.record({ event: 'throttle.on', outcome: 'refused', reason, details: { channel, network } })
  }
}

interface Counted {
  readonly limit: Limit
  readonly key: string
  readonly windows: readonly Window[]
}

/** The store need not know whom we write to. */
function hashed(address: string): string {
  return createHash('sha256').update(address.toLowerCase()).digest('base64url')
}
