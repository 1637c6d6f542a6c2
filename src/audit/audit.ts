import { randomBytes } from 'node:crypto'
import type { Json, Logger, Store } from '../contracts.js'

/** Every event there is. `admin.` is followed by what was done. */
export type AuditEvent =
  | 'sign-in.password'
  | 'sign-in.second-factor'
  | 'sign-in.link'
  | 'code.sent'
  | 'code.fallback'
  | 'recovery-code.issued'
  | 'recovery-code.used'
  | 'recovery-code.expired'
  | 'backup-code.used'
  | 'backup-code.renewed'
  | 'factor.enrolled'
  | 'factor.removed'
  | 'factor.reset'
  | 'password.changed'
  | 'account.changed'
  | 'session.opened'
  | 'session.ended'
  | 'session.cleared'
  | 'device.remembered'
  | 'device.used'
  | 'device.revoked'
  | 'policy.changed'
  | 'access.denied'
  | 'api.used'
  | 'token.issued'
  | 'token.revoked'
  | `admin.${string}`
  | 'throttle.on'
  | 'throttle.off'
  | 'config.reloaded'
  | 'config.refused'
  | 'dependency.down'
  | 'dependency.up'
  | 'request.malformed'

/** What happened. Never a secret in any field. */
export interface AuditEntry {
  readonly event: AuditEvent
  readonly outcome: 'success' | 'refused'
  readonly accountId?: string
  readonly username?: string
  /** Stands for the account where there is none: the hash of the name that was typed. */
  readonly nameHash?: string
  readonly client?: { readonly address: string; readonly userAgent: string; readonly requestId: string }
  /** The beginning of the session's hash. */
  readonly sessionPrefix?: string
  readonly method?: string
  readonly reason?: string
  readonly details?: { readonly [key: string]: Json }
}

/** An entry as it was kept. */
export interface AuditRecord extends Omit<AuditEntry, 'client'> {
  /** UTC in ISO 8601 with milliseconds. */
  readonly time: string
  readonly requestId?: string
  readonly address?: string
  readonly userAgent?: string
}

/** What happened, kept for 90 days and written to the log as one JSON line each. */
export class Audit {
  readonly #store: Store
  readonly #log: Logger
  readonly #now: () => number
  #count = 0

  constructor({ store, log, now }: { store: Store; log: Logger; now: () => number }) {
    this.#store = store
    this.#log = log
    this.#now = now
  }

  /**
   * Resolves when the entry is kept. The log line is written first, so that a store that fails is not the end of the
   * trail; that failure is the caller's, because what cannot be written down must not be done quietly.
   */
  async record(entry: AuditEntry): Promise<void> {
    const at = this.#now()
    const { client, ...rest } = entry
    const record: AuditRecord = {
      time: new Date(at).toISOString(),
      ...rest,
      ...(client === undefined
        ? {}
        : { requestId: client.requestId, address: client.address, userAgent: client.userAgent.slice(0, 256) }),
    }
    this.#log.info({ audit: record }, entry.event)
    this.#count = (this.#count + 1) % COUNTS
    const chance = randomBytes(4).toString('hex')
    // Unknown names get the second write as well: the number of writes must not tell whether an account exists.
    const whose = entry.accountId ?? entry.nameHash
    await Promise.all([
      this.#store.set(`${ALL}${sortable(at, this.#count)}-${chance}`, record as unknown as Json, KEPT_SECONDS),
      whose === undefined
        ? undefined
        : this.#store.set(
            `${BY_ACCOUNT}${whose}/${sortable(LAST - at, COUNTS - this.#count)}-${chance}`,
            record as unknown as Json,
            KEPT_SECONDS,
          ),
    ])
  }

  /** The newest entries of one account, newest first. */
  async recent(accountId: string, limit = 50): Promise<readonly AuditRecord[]> {
    const rows = await this.#store.list(`${BY_ACCOUNT}${accountId}/`, { limit })
    return rows.map(([, value]) => value as unknown as AuditRecord)
  }

  /** Entries from a time on (ms since 1970), oldest first. */
  async since(from: number, limit = 100): Promise<readonly AuditRecord[]> {
    const rows = await this.#store.list(ALL, { after: `${ALL}${sortable(from, 0)}`, limit })
    return rows.map(([, value]) => value as unknown as AuditRecord)
  }
}

const ALL = 'audit/'
const BY_ACCOUNT = 'audit-of/'
const KEPT_SECONDS = 90 * 24 * 60 * 60

/** The last moment a `Date` can hold; taken from it, newer times sort first. */
const LAST = 8.64e15

/** Tells entries of one millisecond and process apart, in the order they were made. */
const COUNTS = 1_000_000

function sortable(ms: number, count: number): string {
  return `${String(ms).padStart(16, '0')}-${String(count).padStart(7, '0')}`
}
