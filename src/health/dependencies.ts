import type { Audit, AuditEntry } from '../audit/audit.js'
import type { Logger } from '../contracts.js'

/** As it stood when it was looked at last. */
export interface Dependency {
  readonly name: string
  readonly isUp: boolean
  /** When it went down, ms since 1970. */
  readonly since?: number
  /** Of the last failure. */
  readonly reason?: string
  readonly failedAt?: number
  /** Left out for what is not told of every answer. */
  readonly workedAt?: number
}

/** What the audit itself is kept in. */
export const storeName = 'store'

/** Failures in a row after which it is said that something does not answer: one may be the request's own. */
const failuresToBeDown = 3

const closeTogetherMs = 10_000

/** Between two looks whether something is back that can be asked without anybody's request. */
const probeMs = 1000

/** What could not be written down yet; each thing is down or up, so there is never much. */
const mostUnwritten = 100

/**
 * What the gateway needs and others run: says once that it does not answer, and once that it does again, in the log and in the
 * audit. What happens while the audit's own store is away is written down when that is back.
 */
export class Dependencies {
  readonly #log: Logger
  readonly #now: () => number
  readonly #downSince = new Map<string, number>()
  readonly #failures = new Map<string, { readonly count: number; readonly at: number }>()
  readonly #known = new Set<string>()
  readonly #last = new Map<string, { reason?: string; failedAt?: number; workedAt?: number }>()
  /** Those that are told here; of others only the audit tells. */
  readonly #own = new Set<string>()
  readonly #unwritten: AuditEntry[] = []
  readonly #probes = new Map<string, NodeJS.Timeout>()
  #audit: Pick<Audit, 'record'> | undefined
  #writing: Promise<void> = Promise.resolve()
  #closed = false

  constructor({ log, now }: { readonly log: Logger; readonly now: () => number }) {
    this.#log = log
    this.#now = now
  }

  /** From now on it is written down; the audit needs a store, which is one of them. */
  writeTo(audit: Audit): void {
    this.#audit = audit
    audit.onRecord(({ event, details }) => {
      const name = details?.['dependency']
      if (typeof name !== 'string' || this.#own.has(name)) return
      if (event === 'dependency.down' && !this.#downSince.has(name)) this.#downSince.set(name, this.#now())
      if (event === 'dependency.up') this.#downSince.delete(name)
      this.#known.add(name)
    })
  }

  /** To be told as up until it fails. */
  expect(name: string): void {
    this.#own.add(name)
    this.#known.add(name)
  }

  all(): readonly Dependency[] {
    return [...this.#known].map((name) => {
      const since = this.#downSince.get(name)
      return { name, isUp: since === undefined, ...(since === undefined ? {} : { since }), ...this.#last.get(name) }
    })
  }

  isFailing(name: string): boolean {
    return this.#failures.has(name) || this.#downSince.has(name)
  }

  /**
   * It did not do what was asked: after some in a row it is down.
   * @param probe for what is asked so often that nobody says when it worked: its failures count while they come close
   * together, and it is asked from time to time whether it is back
   */
  failed(name: string, reason: string, probe?: () => Promise<unknown>): void {
    Object.assign(this.#lastOf(name), { failedAt: this.#now(), reason })
    const before = this.#failures.get(name)
    const isOld = probe !== undefined && before !== undefined && this.#now() - before.at > closeTogetherMs
    const count = before === undefined || isOld ? 1 : before.count + 1
    this.#failures.set(name, { count, at: this.#now() })
    if (count >= failuresToBeDown) this.#down(name, reason, probe)
  }

  worked(name: string): void {
    this.#lastOf(name).workedAt = this.#now()
    if (this.#failures.delete(name) || this.#downSince.has(name)) this.#up(name)
  }

  #lastOf(name: string): { reason?: string; failedAt?: number; workedAt?: number } {
    const last = this.#last.get(name) ?? {}
    this.#last.set(name, last)
    return last
  }

  #down(name: string, reason: string, probe: (() => Promise<unknown>) | undefined): void {
    if (this.#closed || this.#downSince.has(name)) return
    this.expect(name)
    this.#downSince.set(name, this.#now())
    this.#log.error({ dependency: name, reason }, 'something the gateway needs does not answer')
    const at = new Date(this.#now()).toISOString()
    this.#write({ event: 'dependency.down', outcome: 'refused', reason, details: { dependency: name, at } })
    if (probe !== undefined) this.#probe(name, probe)
  }

  /** Resolves when what can be written down is. */
  async close(): Promise<void> {
    this.#closed = true
    for (const timer of this.#probes.values()) clearTimeout(timer)
    await this.#writing
  }

  #up(name: string): void {
    const since = this.#downSince.get(name)
    if (since === undefined) return
    this.#downSince.delete(name)
    const seconds = Math.round((this.#now() - since) / 1000)
    this.#log.info({ dependency: name, seconds }, 'something the gateway needs answers again')
    this.#write({ event: 'dependency.up', outcome: 'success', details: { dependency: name, seconds } })
  }

  #probe(name: string, probe: () => Promise<unknown>): void {
    const look = async () => {
      const isBack = await probe().then(
        () => true,
        () => false,
      )
      if (this.#closed) return
      if (isBack) this.worked(name)
      else this.#probes.set(name, setTimeout(look, probeMs).unref())
    }
    this.#probes.set(name, setTimeout(look, probeMs).unref())
  }

  /** In order; while the store is away they wait for it. */
  #write(entry: AuditEntry): void {
    if (this.#unwritten.length < mostUnwritten) this.#unwritten.push(entry)
    this.#writing = this.#writing.then(() => this.#writeAll()).catch(() => undefined)
  }

  async #writeAll(): Promise<void> {
    for (let next = this.#unwritten[0]; next !== undefined; next = this.#unwritten[0]) {
      if (this.#downSince.has(storeName)) return
      await this.#audit?.record(next)
      this.#unwritten.shift()
    }
  }
}
