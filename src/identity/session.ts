import type { User } from '../contracts.js'
import type { Account } from './accounts.js'
import { isAhead } from './ahead.js'
import { type ClearRule, isCleared } from './clearing.js'
import type { ClientFacts } from './client-facts.js'

/** Fully signed in. The store keeps it under the hash of the token, which only the browser has. */
export interface Session {
  /** SHA-256 of the token in base64url. */
  readonly id: string
  readonly accountId: string
  /** As of the sign-in: what identity headers say. */
  readonly user: User
  readonly openedAt: number
  readonly passwordAt?: number
  readonly secondFactorAt?: number
  /** A remembered device stood for the second factor. */
  readonly deviceAt?: number
  /** What it was opened with, in order, as in `['password', 'totp']`. */
  readonly via: readonly string[]
  /** Of the account, and of the installation, when the password was judged: an older number than theirs opens nothing. */
  readonly generation: number
  readonly installation: number
  /** Canonical address at sign-in. */
  readonly client: string
  /** Host of the site it was opened on, where that has one. */
  readonly site?: string
  readonly userAgent: string
  /** Touched now and then, and only while sessions end by being idle. */
  readonly seenAt?: number
}

export interface OpenSession {
  readonly session: Session
  readonly account: Account
}

/** Read anew at every look, so that sessions that exist follow when a setting changes. */
export interface SessionSettings {
  readonly durationSeconds: number
  readonly idleSeconds?: number | undefined
}

/** What a session is opened with. */
export interface SessionStart {
  readonly user: User
  /** The generations that held when the password was judged, not those of now. */
  readonly generation: number
  readonly installation: number
  readonly passwordAt?: number
  readonly secondFactorAt?: number
  readonly deviceAt?: number
  readonly via: readonly string[]
  readonly client: ClientFacts
  /** The session this one stands in for: it ends. */
  readonly replaces?: string
}

/** Whether somebody cleared it, alone or with others. */
export function wasCleared(
  { openedAt, passwordAt = openedAt, site, user, client: address }: Session,
  { clearedAt = 0 }: Account,
  rules: readonly ClearRule[] | undefined,
): boolean {
  const since = Math.min(openedAt, passwordAt)
  return since <= clearedAt || isCleared(rules, { since, site, groups: user.groups, address })
}

export function isAlive({ openedAt, seenAt }: Session, settings: SessionSettings, now: number): boolean {
  const { durationSeconds, idleSeconds } = settings
  if (now >= openedAt + durationSeconds * 1000 || isAhead(openedAt, now)) return false
  return idleSeconds === undefined || now < (seenAt ?? openedAt) + idleSeconds * 1000
}

/** Whether the store should hear that it is in use: only where sessions end by being idle, and not at every request. */
export function wantsTouch({ openedAt, seenAt }: Session, { idleSeconds }: SessionSettings, now: number): boolean {
  return idleSeconds !== undefined && now >= (seenAt ?? openedAt) + (idleSeconds * 1000) / TOUCHES
}

/** Whether a copy of it is enough: alive as far as the copy knows, for another process may have touched it since. */
export function isFresh(session: Session, settings: SessionSettings, now: number): boolean {
  return isAlive(session, settings, now) && !wantsTouch(session, settings, now)
}

/** An idle time is measured in tenths, so that most requests write nothing. */
const TOUCHES = 10
