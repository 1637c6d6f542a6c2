import type { Json } from '../contracts.js'

/** Every event there is. `admin.` is followed by what was done. */
export type AuditEvent =
  | 'sign-in.password'
  | 'sign-in.second-factor'
  | 'sign-in.link'
  | 'sign-in.passkey'
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
  | 'factor.unreadable'
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

/** `intended`: about to be done; without a later entry nobody knows whether it was. `failed`: it broke on the way. */
export type AuditOutcome = 'success' | 'refused' | 'intended' | 'failed'

/** What happened. Never a secret in any field. */
export interface AuditEntry {
  readonly event: AuditEvent
  readonly outcome: AuditOutcome
  readonly accountId?: string
  readonly username?: string
  /** Stands for the account where there is none: the hash of the name that was typed. */
  readonly nameHash?: string
  readonly client?: { readonly address: string; readonly userAgent: string; readonly requestId: string }
  /** The beginning of the session's hash. */
  readonly sessionPrefix?: string
  readonly method?: string
  readonly reason?: string
  /** Who did it, where it was done to somebody else's account or to the installation: a username, or `command-line`. */
  readonly by?: string
  readonly details?: { readonly [key: string]: Json }
}

/** An entry as it is written. */
export interface AuditRecord extends Omit<AuditEntry, 'client'> {
  /** UTC in ISO 8601 with milliseconds. */
  readonly time: string
  readonly requestId?: string
  readonly address?: string
  readonly userAgent?: string
}

/** A record with its place in the chain. Entries from before the chain have none. */
export interface KeptRecord extends AuditRecord {
  /** Counts from 1. */
  readonly number?: number
}
