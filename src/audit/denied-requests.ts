import type { Json, Logger, Store } from '../contracts.js'
import type { Audit, AuditEntry } from './audit.js'

/** A request that was stopped, or would have been. Nothing of its path or query but the rule's own pattern. */
export interface DeniedRequest {
  readonly requestId: string
  /** Canonical, or `unreadable`. */
  readonly address: string
  /** What one client may have several addresses in. */
  readonly network: string
  readonly userAgent: string
  readonly method: string
  /** Host and path of the site; left out for the gateway's own pages. */
  readonly site?: string
  readonly accountId?: string
  readonly username?: string
  readonly sessionPrefix?: string
  readonly outcome: string
  readonly row?: number
  readonly because?: string
  readonly reason: string
  readonly rule?: { readonly path: string; readonly access: string; readonly line?: number }
  /** Of the rule or network that decided. */
  readonly line?: number
  /** `false`: the site is only observed, and the request passed. */
  readonly enforced: boolean
  /** Nobody was turned away: a person's browser was led to a page of ours where they prove what is missing. */
  readonly isLed?: true
}

/** As it is kept for `explain`. */
export type KeptDenial = DeniedRequest & { /** UTC in ISO 8601. */ readonly time: string }

/** What was no request at all, or none that could be judged. */
export interface MalformedRequest {
  readonly requestId: string
  readonly address: string
  readonly network: string
  readonly code: string
}

/** What was stopped so far, for metrics. */
export interface DenialCount {
  readonly site: string
  readonly outcome: string
  readonly enforced: boolean
  readonly count: number
}

interface Window {
  readonly entry: AuditEntry
  readonly since: string
  /** Those after the one that was written down, or all where none was. */
  more: number
  isWritten: boolean
  kept: number
}

interface Parts {
  readonly audit: Pick<Audit, 'record'>
  readonly store: Pick<Store, 'get' | 'set'>
  readonly log: Logger
  readonly now: () => number
}

/**
 * Writes down what was stopped without ever being in its way: nothing is waited for, and a flood of requests makes no flood of
 * entries. The first of a kind (who, where, why) is written at once, the others of the same minute are counted and written as
 * one; of kinds there is a bounded number, and the rest is one number.
 */
export class DeniedRequests {
  readonly #parts: Parts
  readonly #windows = new Map<string, Window>()
  readonly #counts = new Map<string, { site: string; outcome: string; enforced: boolean; count: number }>()
  readonly #underWay = new Set<Promise<void>>()
  #timer: NodeJS.Timeout | undefined
  #written = 0
  #kept = 0
  #overflow = 0
  #second = 0
  #logged = 0
  #unlogged = 0

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Never throws and never waits. */
  note(stopped: DeniedRequest): void {
    const { requestId, address, userAgent, method, accountId, username, sessionPrefix, reason, network, ...details } =
      stopped
    this.#count(stopped)
    this.#say(stopped, stopped.enforced ? 'refused' : 'would be refused: the site is not enforced')
    // Everybody who comes to sign in is asked to, and whoever has to prove more is led to where: no event, no refusal.
    const isAsked = stopped.outcome === 'sign-in' && accountId === undefined
    if (stopped.enforced && (isAsked || stopped.isLed === true)) {
      this.#keep(stopped)
      return
    }
    const entry: AuditEntry = {
      event: 'access.denied',
      outcome: stopped.enforced ? 'refused' : 'success',
      client: { address, userAgent, requestId },
      method,
      reason,
      ...(accountId === undefined ? {} : { accountId }),
      ...(username === undefined ? {} : { username }),
      ...(sessionPrefix === undefined ? {} : { sessionPrefix }),
      details: plain(details),
    }
    const who = accountId ?? network
    const window = this.#note(`${who} ${stopped.site} ${stopped.row} ${stopped.line} ${stopped.outcome}`, entry)
    if (window === undefined || window.kept < KEPT_OF_A_KIND) this.#keep(stopped)
    if (window !== undefined) window.kept += 1
  }

  /** Never throws and never waits. */
  malformed({ requestId, address, network, code }: MalformedRequest): void {
    this.#note(`${network} ${code}`, {
      event: 'request.malformed',
      outcome: 'refused',
      client: { address, userAgent: '', requestId },
      reason: code,
    })
  }

  /**
   * An entry that anybody can cause as often as they like: the first of a kind in a minute is written, the others are
   * counted and written as one. Never throws and never waits.
   * @param kind what is counted together, as the network and what was tried
   */
  condense(kind: string, entry: AuditEntry): void {
    this.#note(`condensed ${kind}`, entry)
  }

  /** One of the last 30 days, unless it was one of very many. */
  async find(requestId: string): Promise<KeptDenial | undefined> {
    return (await this.#parts.store.get(PREFIX + requestId)) as unknown as KeptDenial | undefined
  }

  /** Since this process began. */
  counts(): readonly DenialCount[] {
    return [...this.#counts.values()].map((count) => ({ ...count }))
  }

  /** Writes what was counted, as every minute. */
  flush(): void {
    const windows = [...this.#windows.values()].filter(({ more }) => more > 0)
    this.#windows.clear()
    let rest = this.#overflow
    for (const [index, { entry, since, more }] of windows.entries()) {
      if (index >= MOST_WRITTEN) rest += more
      else this.#record({ ...entry, details: { ...entry.details, count: more, since } })
    }
    if (rest > 0) {
      const details = { count: rest, others: true }
      this.#record({ event: 'access.denied', outcome: 'refused', reason: 'too many kinds to tell apart', details })
    }
    this.#overflow = 0
    this.#written = 0
    this.#kept = 0
  }

  /** Resolves when nothing is under way any more. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
  }

  /** Writes what was counted so far. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.flush()
    await this.settled()
  }

  #note(kind: string, entry: AuditEntry): Window | undefined {
    this.#timer ??= setInterval(() => this.flush(), WINDOW_MS).unref()
    const known = this.#windows.get(kind)
    if (known !== undefined) {
      known.more += 1
      return known
    }
    if (this.#windows.size >= MOST_KINDS) {
      this.#overflow += 1
      return undefined
    }
    const since = new Date(this.#parts.now()).toISOString()
    const isWritten = this.#written < MOST_WRITTEN
    const window = { entry, since, more: isWritten ? 0 : 1, isWritten, kept: 0 }
    this.#windows.set(kind, window)
    if (isWritten) {
      this.#written += 1
      this.#record(entry)
    }
    return window
  }

  #count({ site = 'own pages', outcome, enforced }: DeniedRequest): void {
    const key = `${site} ${outcome} ${enforced}`
    const known = this.#counts.get(key)
    if (known === undefined) this.#counts.set(key, { site, outcome, enforced, count: 1 })
    else known.count += 1
  }

  /** For `explain`, by the number of the request. */
  #keep(stopped: DeniedRequest): void {
    if (this.#kept >= MOST_KEPT) return
    this.#kept += 1
    this.#timer ??= setInterval(() => this.flush(), WINDOW_MS).unref()
    const kept: KeptDenial = { ...stopped, time: new Date(this.#parts.now()).toISOString() }
    this.#begin(this.#parts.store.set(PREFIX + stopped.requestId, plain(kept), KEPT_SECONDS))
  }

  #record(entry: AuditEntry): void {
    this.#begin(this.#parts.audit.record(entry))
  }

  #begin(work: Promise<void>): void {
    const done: Promise<void> = work
      .catch((err: unknown) => this.#parts.log.warn({ err }, 'a refusal could not be written down'))
      .then(() => void this.#underWay.delete(done))
    this.#underWay.add(done)
  }

  #say(stopped: DeniedRequest, words: string): void {
    const second = Math.floor(this.#parts.now() / 1000)
    if (second !== this.#second) {
      if (this.#unlogged > 0) this.#parts.log.warn({ count: this.#unlogged }, 'refused and not logged one by one')
      this.#second = second
      this.#logged = 0
      this.#unlogged = 0
    }
    if (this.#logged >= LOGGED_PER_SECOND) {
      this.#unlogged += 1
      return
    }
    this.#logged += 1
    const { userAgent: _, ...fields } = stopped
    if (stopped.enforced) this.#parts.log.info(fields, words)
    else this.#parts.log.warn(fields, words)
  }
}

const PREFIX = 'stopped/'
const KEPT_SECONDS = 30 * 24 * 60 * 60
const WINDOW_MS = 60_000

/** In a minute and process: kinds told apart, entries begun and summed up, requests kept by their number. */
const MOST_KINDS = 1000
const MOST_WRITTEN = 100
const MOST_KEPT = 300
const KEPT_OF_A_KIND = 20
const LOGGED_PER_SECOND = 100

/** Without what is `undefined`. */
function plain(value: object): { [key: string]: Json } {
  return JSON.parse(JSON.stringify(value))
}
