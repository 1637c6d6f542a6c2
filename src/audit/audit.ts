import type { Logger, Store } from '../contracts.js'
import { CHECKPOINT, type Checkpoint } from './blocks.js'
import { BATCH, Chain } from './chain.js'
import { type ChainKey, chainHashOf } from './chain-hash.js'
import type { AuditEntry, AuditRecord, KeptRecord } from './entry.js'
import { EntryIndex } from './entry-index.js'
import {
  type AuditPage,
  type AuditPageRequest,
  type AuditQuery,
  numberAt,
  recordsOf,
  SKEW_MS,
  searchAudit,
} from './search.js'
import type { Verification } from './verify.js'

export type { AuditEntry, AuditEvent, AuditOutcome, AuditRecord, KeptRecord } from './entry.js'
export type { AuditPage, AuditPageRequest, AuditQuery } from './search.js'
export type { Verification } from './verify.js'

export interface AuditParts {
  readonly store: Store
  readonly log: Logger
  readonly now: () => number
  /** How long entries are kept, in seconds: 90 days unless told otherwise; `'for-ever'`. */
  readonly keptSeconds?: number | 'for-ever'
  /** Link the chain by a secret that is not in the store: the first what is written from now on, the others what was. */
  readonly keys?: readonly ChainKey[]
  /** False: the keys are all old ones, and what is written from now on has none. */
  readonly writesWithKey?: boolean
}

/** An entry as it leaves the house. */
export interface ChainedEntry {
  readonly number: number
  readonly hash: string
  /** JSON of its {@link AuditRecord}: what was hashed. */
  readonly line: string
}

/** The entry with number and hash in front, as one line of JSON. Without the two it is the text that was hashed. */
export function textOf({ number, hash, line }: ChainedEntry): string {
  return `{"number":${number},"hash":"${hash}",${line.slice(1)}`
}

/** What a thing that was done adds to its entry. */
export type Ending = Partial<Pick<AuditEntry, 'outcome' | 'reason' | 'details'>>

/**
 * What happened, in one chain over all processes and in the log as one JSON line each.
 *
 * An operation whose audit cannot be written does not happen. For what is done to others and to the installation that is
 * {@link around}; what users do themselves is written down by {@link record} before its result is handed out.
 */
export class Audit {
  readonly #store: Store
  readonly #log: Logger
  readonly #now: () => number
  readonly #chain: Chain
  readonly #finding: EntryIndex
  readonly #keys: readonly ChainKey[]
  readonly #listeners = new Set<(record: AuditRecord) => void>()

  constructor({ store, log, now, keptSeconds = KEPT_SECONDS, keys = [], writesWithKey = true }: AuditParts) {
    this.#store = store
    this.#log = log
    this.#now = now
    this.#keys = keys
    // A day longer than the entries themselves: what leads nowhere is passed over.
    this.#finding = new EntryIndex(store, keptSeconds === 'for-ever' ? undefined : keptSeconds + DAY_SECONDS)
    this.#chain = new Chain({
      store,
      log,
      now,
      key: writesWithKey ? keys[0] : undefined,
      finish: (block) => this.#finding.add(block),
    })
  }

  /**
   * Resolves when the entry is kept. The log line is written first, so that a store that fails is not the end of the
   * trail; that failure is the caller's, because what cannot be written down must not be done quietly.
   */
  async record(entry: AuditEntry): Promise<void> {
    const { client, ...rest } = entry
    const record: AuditRecord = {
      time: new Date(this.#now()).toISOString(),
      ...rest,
      ...(client === undefined
        ? {}
        : { requestId: client.requestId, address: client.address, userAgent: client.userAgent.slice(0, 256) }),
    }
    this.#log.info({ audit: record }, entry.event)
    await this.#chain.append(JSON.stringify(record))
    for (const listener of this.#listeners) listener(record)
  }

  /**
   * Does something that must not be done unseen: first it is written down that it is about to be done (`intended`), then
   * it is done, then how it ended. Where the first cannot be written, nothing is done.
   * @param ending what the result says about the entry: an outcome other than success, a reason, details
   * @throws what `run` throws; and when the intention cannot be written. An ending that cannot be written is logged: the
   * intention stands, and what was done is done.
   */
  async around<Result>(
    entry: Omit<AuditEntry, 'outcome'>,
    run: () => Promise<Result>,
    ending: (result: Result) => Ending = () => ({}),
  ): Promise<Result> {
    await this.record({ ...entry, outcome: 'intended' })
    const end = async (more: Ending) => {
      const details = entry.details || more.details ? { details: { ...entry.details, ...more.details } } : {}
      await this.record({ outcome: 'success', ...entry, ...more, ...details }).catch((error: unknown) => {
        this.#log.error(
          { event: entry.event, reason: wordsOf(error) },
          'How it ended could not be written to the audit',
        )
      })
    }
    let result: Result
    try {
      result = await run()
    } catch (error) {
      await end({ outcome: 'failed', reason: codeOf(error) })
      throw error
    }
    await end(ending(result))
    return result
  }

  /** The newest entries of one account, newest first, without those that only announce another. */
  async recent(accountId: string, limit = 50): Promise<readonly AuditRecord[]> {
    const fits = ({ outcome }: AuditRecord) => outcome !== 'intended'
    const found: AuditRecord[] = []
    for (let after: string | undefined; ; ) {
      const page = await this.search({ whose: [accountId], fits }, { limit: limit - found.length, after })
      found.push(...page.entries)
      after = page.next
      if (found.length >= limit) return found
      if (after === undefined) break
    }
    // From before the chain.
    const rows = await this.#store.list(`${OLD_BY_ACCOUNT}${accountId}/`, { limit: limit - found.length })
    return [...found, ...rows.map(([, value]) => value as unknown as AuditRecord)]
  }

  /** Entries from a time on (ms since 1970), oldest first. */
  async since(from: number, limit = 100): Promise<readonly KeptRecord[]> {
    const old = await this.#store.list(OLD, { after: `${OLD}${String(from).padStart(16, '0')}`, limit })
    const found = old.map(([, value]) => value as unknown as KeptRecord)
    for await (const block of this.#chain.blocks.all(await this.startOf(from))) {
      for (const record of recordsOf(block)) {
        if (found.length >= limit) return found
        if (Date.parse(record.time) >= from) found.push(record)
      }
    }
    return found
  }

  /** What fits, newest first, page by page: each costs the same whatever the number of entries. */
  async search(query: AuditQuery, page: AuditPageRequest = {}): Promise<AuditPage> {
    // What was recorded here a moment ago is found.
    await this.#chain.settled()
    return searchAudit(this.#parts, query, page)
  }

  /** Every entry after this number in the order of the chain, each with its hash, as it leaves the house. */
  async *entries(after: number): AsyncGenerator<ChainedEntry> {
    // A block may have begun before it.
    const start = Math.max(0, after - BATCH)
    for await (const block of this.#chain.blocks.all(start)) {
      const key = this.#keys.find(({ id }) => id === block.key)
      let hash = block.previous
      for (const [index, line] of block.lines.entries()) {
        const number = block.first + index
        // The one hash that is known without the key is that of the last.
        hash = block.key === undefined || key !== undefined ? chainHashOf(key, hash, number, line) : block.hash
        if (number > after) yield { number, hash, line }
      }
    }
  }

  /** A number after which every entry of this time (ms since 1970) and later comes; few older ones do. */
  async startOf(time: number): Promise<number> {
    return (await numberAt(this.#parts, time - SKEW_MS)) - 1
  }

  /** Looks at the whole chain. @param anchor the hash of an entry as it was noted elsewhere */
  async verify(anchor?: string): Promise<Verification> {
    await this.#chain.settled()
    const { verifyAudit } = await import('./verify.js')
    return verifyAudit(this.#store, { keys: this.#keys, ...(anchor === undefined ? {} : { anchor }) })
  }

  /** The number of the newest entry of all processes: 0 before the first. */
  count(): Promise<number> {
    return this.#chain.count()
  }

  /** Number and hash of the newest entry that retention removed. */
  async removed(): Promise<Checkpoint | undefined> {
    return (await this.#store.get(CHECKPOINT)) as unknown as Checkpoint | undefined
  }

  /**
   * Calls the listener for every entry this process has written.
   * @returns what ends it
   */
  onRecord(listener: (record: AuditRecord) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves when nothing of this process is under way any more. */
  settled(): Promise<void> {
    return this.#chain.settled()
  }

  get #parts() {
    return {
      blocks: this.#chain.blocks,
      finding: this.#finding,
      count: () => this.count(),
      removed: async () => (await this.removed())?.count ?? 0,
    }
  }
}

const DAY_SECONDS = 24 * 60 * 60
const KEPT_SECONDS = 90 * DAY_SECONDS

/** Where entries lay before there was a chain; they expire by themselves. */
const OLD = 'audit/'
const OLD_BY_ACCOUNT = 'audit-of/'

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'internal'
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
