import type { AuditRecord } from '../../audit/audit.js'
import type { Store } from '../../contracts.js'

/** What is counted by the hour. */
export const counted = ['signIns', 'refusals', 'codes', 'locks'] as const

export type Counted = (typeof counted)[number]

export interface HourCounts extends Readonly<Record<Counted, number>> {
  /** ms since 1970: when it began. */
  readonly from: number
}

/**
 * What happens, counted by the hour as it is written down: a page that shows the day reads a hundred numbers, whatever
 * happened. Every process counts what it writes, all into the same numbers.
 */
export class DayCounts {
  readonly #store: Store
  readonly #now: () => number

  constructor({ store, now }: { store: Store; now: () => number }) {
    this.#store = store
    this.#now = now
  }

  /** For `audit.onRecord`. A count that is lost is no reason to stop anything. */
  readonly note = (record: AuditRecord): void => {
    const what = kindOf(record)
    if (what === undefined) return
    this.#store.increment(`${PREFIX}${hourOf(this.#now())}/${what}`, KEPT_SECONDS).catch(() => undefined)
  }

  /**
   * The last 24 hours, the oldest first, this one among them.
   * @param daysBefore the same hours so many days before, eight at most
   */
  async day(daysBefore = 0): Promise<readonly HourCounts[]> {
    const end = this.#now() - daysBefore * 24 * HOUR_MS
    const hours = Array.from({ length: 24 }, (_, index) => end - (23 - index) * HOUR_MS)
    const rows = await this.#store.list(PREFIX, {
      after: `${PREFIX}${hourOf(hours[0] ?? 0)}`,
      limit: 24 * counted.length,
    })
    const found = new Map(rows.map(([key, value]) => [key, typeof value === 'number' ? value : 0]))
    return hours.map((hour) => {
      const of = (what: Counted) => found.get(`${PREFIX}${hourOf(hour)}/${what}`) ?? 0
      const from = Math.floor(hour / HOUR_MS) * HOUR_MS
      return { from, signIns: of('signIns'), refusals: of('refusals'), codes: of('codes'), locks: of('locks') }
    })
  }
}

const PREFIX = 'count/'
const HOUR_MS = 60 * 60_000
/** A week, the day that is compared with the one before it, and an hour that has only begun. */
const KEPT_SECONDS = 9 * 24 * 60 * 60

function hourOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 13)
}

function kindOf({ event, outcome }: AuditRecord): Counted | undefined {
  if (event === 'session.opened') return 'signIns'
  if (event === 'code.sent' && outcome === 'success') return 'codes'
  if (event === 'throttle.on') return 'locks'
  return outcome === 'refused' && (event === 'access.denied' || event.startsWith('sign-in.')) ? 'refusals' : undefined
}
