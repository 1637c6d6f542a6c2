import type { AuditRecord } from '../../audit/audit.js'
import type { Store } from '../../contracts.js'

/** One thing that is counted by the day, and how often it happened in a stretch of days. */
export interface DailyCount {
  /** As in `way`, `wrong`, `rule`, `added`, `gone`, `total`. */
  readonly kind: DailyKind
  /** Of that kind, as in `password+totp`. */
  readonly name: string
  readonly count: number
  /** In the stretch of the same length before. */
  readonly before: number
}

/**
 * `total`: what is counted by the hour, too. `way`: sign-ins by what they were opened with. `wrong`: answers that were wrong, by
 * what was asked. `rule`: refusals by site and line of the rule. `added` and `gone`: second factors that were set up, and that were
 * removed or reset, by method.
 */
export type DailyKind = 'total' | 'way' | 'wrong' | 'rule' | 'added' | 'gone'

interface Parts {
  readonly store: Store
  readonly now: () => number
}

/**
 * What happens, counted by the day (UTC) for two months as it is written down: some ten numbers a day, however much it was. What
 * is condensed in the audit counts as often as it was written.
 */
export class DailyCounts {
  readonly #store: Store
  readonly #now: () => number
  readonly #names = new Set<string>()
  #day = ''

  constructor({ store, now }: Parts) {
    this.#store = store
    this.#now = now
  }

  /** For `audit.onRecord`. A count that is lost is no reason to stop anything. */
  readonly note = (record: AuditRecord): void => {
    const day = dayOf(this.#now())
    if (day !== this.#day) {
      this.#day = day
      this.#names.clear()
    }
    for (const counted of countedOf(record)) {
      const name = this.#bounded(counted)
      this.#store.increment(`${PREFIX}${day}/${name}`, KEPT_SECONDS).catch(() => undefined)
    }
  }

  /**
   * The last days, today among them, and the same number before.
   * @returns totals by day, the oldest first, and everything that was counted
   */
  async last(days: number): Promise<{
    readonly days: ReadonlyArray<{ readonly day: string; readonly totals: Readonly<Record<string, number>> }>
    readonly counts: readonly DailyCount[]
  }> {
    const all = Array.from({ length: 2 * days }, (_, index) => dayOf(this.#now() - (2 * days - 1 - index) * DAY_MS))
    const [first = ''] = all
    const rows = await this.#store.list(PREFIX, { after: `${PREFIX}${first}`, limit: 2 * days * (NAMES_A_DAY + 20) })
    const counts = new Map<string, { count: number; before: number }>()
    const totals = new Map<string, Record<string, number>>()
    for (const [key, value] of rows) {
      const [day = '', kind, ...rest] = key.slice(PREFIX.length).split('/')
      if (typeof value !== 'number' || kind === undefined) continue
      const name = `${kind}/${rest.join('/')}`
      const sum = counts.get(name) ?? { count: 0, before: 0 }
      const isNow = all.indexOf(day) >= days
      counts.set(name, isNow ? { ...sum, count: sum.count + value } : { ...sum, before: sum.before + value })
      if (kind === 'total') totals.set(day, { ...totals.get(day), [rest.join('/')]: value })
    }
    return {
      days: all.slice(days).map((day) => ({ day, totals: totals.get(day) ?? {} })),
      counts: [...counts]
        .map(([key, sum]) => {
          const at = key.indexOf('/')
          return { kind: key.slice(0, at) as DailyKind, name: key.slice(at + 1), ...sum }
        })
        .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1)),
    }
  }

  /** A file may have a thousand rules: those that stop somebody first have a number of their own, the others share one. */
  #bounded({ kind, name }: Counted): string {
    const key = `${kind}/${name}`
    if (this.#names.has(key)) return key
    if (this.#names.size >= NAMES_A_DAY) return `${kind}/${OTHERS}`
    this.#names.add(key)
    return key
  }
}

/** What is counted as one where there are too many to tell apart. */
export const OTHERS = 'others'

/** As in `2026-11-30`, in UTC. */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

const PREFIX = 'count-day/'
const DAY_MS = 24 * 60 * 60_000
/** Twice a month, and a day that has only begun. */
export const KEPT_SECONDS = (62 * DAY_MS) / 1000
const NAMES_A_DAY = 100

interface Counted {
  readonly kind: DailyKind
  readonly name: string
}

/** The numbers one entry counts for. Names are of the file or of a plugin, never of a client. */
function countedOf({ event, outcome, method, details }: AuditRecord): readonly Counted[] {
  if (event === 'session.opened') return [total('signIns'), { kind: 'way', name: plain(method ?? 'unknown') }]
  if (event === 'code.sent') return outcome === 'success' ? [total('codes')] : []
  if (event === 'throttle.on') return [total('locks')]
  if (event === 'factor.enrolled' && outcome === 'success') return [{ kind: 'added', name: plain(method ?? 'unknown') }]
  if (event === 'factor.removed' || event === 'factor.reset') {
    return outcome === 'success' ? [{ kind: 'gone', name: plain(method ?? 'reset') }] : []
  }
  if (outcome !== 'refused') return []
  if (event === 'access.denied') return [total('refusals'), { kind: 'rule', name: ruleOf(details) }]
  if (event === 'sign-in.password') return [total('refusals'), { kind: 'wrong', name: 'password' }]
  if (event === 'sign-in.link') return [total('refusals'), { kind: 'wrong', name: 'login-link' }]
  return event === 'sign-in.second-factor'
    ? [total('refusals'), { kind: 'wrong', name: plain(method ?? 'unknown') }]
    : []
}

function total(name: string): Counted {
  return { kind: 'total', name }
}

/** As in `crm.example.com line 12`. */
function ruleOf(details: AuditRecord['details']): string {
  const { site, line } = details ?? {}
  const where = typeof site === 'string' ? site : 'gatelodge'
  return `${where.slice(0, 300)} ${typeof line === 'number' ? `line ${line}` : ''}`.trim()
}

/** A slash would be taken for the next part of the key. */
function plain(name: string): string {
  return name.replaceAll('/', ' ').slice(0, 80)
}
