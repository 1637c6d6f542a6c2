import { createHash } from 'node:crypto'
import type { Audit } from '../audit/audit.js'
import type { Logger, Store } from '../contracts.js'
import type { Channel } from './mask.js'
import { networkSteps } from './network-steps.js'
import { Costs, type Money, type Prices } from './prices.js'
import { Quota, type Window } from './quota.js'
import type { UnprovenLimits } from './unproven-budget.js'

const hour = 60 * 60
const day = 24 * hour
/** For whoever looks at two months of it; the limit asks for today alone. */
const COUNTED_DAYS = 62

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
  /** For what nobody has proved anything for. */
  readonly unproven: UnprovenLimits
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

/**
 * What a message is for. `help` is asked for by anybody: it counts by the address it goes to, and by network and day it was
 * counted before, in the budget of what nobody proved anything for. The others belong to an account.
 */
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
    if (spending.purpose === 'help') return this.#spendHelp(spending)
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
    if ((await store.increment(`sending/day/${channel}/${today}`, COUNTED_DAYS * day)) <= perDay) {
      if (channel === 'sms') await this.#costs?.noteText(spending.to, today)
      return undefined
    }
    await store.add(full, true, 2 * day)
    await this.#alert(`day/${channel}`, today, 'whole-day budget', spending)
    return this.#refuse('day', untilMidnight)
  }

  /** No stranger uses up what codes and security mails are sent from, and no code what a stranger may be helped with. */
  async #spendHelp(spending: Spending): Promise<OverBudget | undefined> {
    const own = this.#own(spending)
    for (const { limit, key, windows } of spending.channel === 'sms' ? [own, this.#number(spending)] : [own]) {
      const wait = await this.#quota.take(key, windows)
      if (wait !== undefined) return this.#refuse(limit, wait)
    }
    return undefined
  }

  /** What was sent today (UTC), what it costs, and what may be sent in a day. */
  today(): Promise<Record<Channel, Spent>> {
    return this.on(new Date(this.#parts.now()).toISOString().slice(0, 10))
  }

  /** @param day as in `2026-11-21` (UTC), of the last two months: longer ago nothing was sent, as far as is known */
  async on(day: string): Promise<Record<Channel, Spent>> {
    const { store, limits } = this.#parts
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

  #own({ channel, purpose, accountId, to }: Spending): Counted {
    const { accountPerHour, accountPerDay, linksPerHour } = this.#parts.limits
    const codes = [inAnHour(accountPerHour), { seconds: day, count: accountPerDay }]
    const whose = accountId === undefined || purpose === 'help' ? `to/${hashed(to)}` : accountId
    return {
      limit: 'account',
      key: `sending/${purpose}/${channel}/${whose}`,
      windows: purpose === 'code' ? codes : [inAnHour(linksPerHour)],
    }
  }

  #number({ to }: Spending): Counted {
    const windows = [inAnHour(this.#parts.limits.numberPerHour)]
    return { limit: 'number', key: `sending/number/${hashed(to)}`, windows }
  }

  #quotas(spending: Spending): readonly Counted[] {
    const { channel, network } = spending
    const { networkPerHour } = this.#parts.limits
    const own = this.#own(spending)
    const shared = networkSteps(network).map(
      (step): Counted => ({
        limit: 'network',
        key: `sending/network/${channel}/${step.network}`,
        windows: [inAnHour(networkPerHour * step.times)],
      }),
    )
    return channel === 'sms' ? [own, this.#number(spending), ...shared] : [own, ...shared]
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

function inAnHour(count: number): Window {
  return { seconds: hour, count }
}

/** The store need not know whom we write to. */
function hashed(address: string): string {
  return createHash('sha256').update(address.toLowerCase()).digest('base64url')
}
