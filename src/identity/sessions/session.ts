import type { User } from '../../contracts.js'
import type { Account } from '../accounts/account.js'
import { type ClearRule, isCleared } from '../store/clear-rules.js'
import type { ClientFacts } from '../store/client-facts.js'
import { isFromTheFuture } from '../store/clock-skew.js'
import { type BranchOf, hostsOf } from './branches.js'

/** Fully signed in. The store keeps it under the hash of the token, which only the browser has. */
export interface Session {
  /** SHA-256 of the token in base64url. */
  readonly id: string
  readonly accountId: string
  /** What identity headers say: as of the sign-in, or of the last look at the directory that found a change. */
  readonly user: User
  readonly openedAt: number
  readonly passwordAt?: number
  readonly secondFactorAt?: number
  /**
   * The code for the second factor came by mail, because the transport of the method that is set up failed. It lets people
   * in where a second factor is asked of them, and is not enough where a rule, a network or the account requires one, nor
   * for a change of the account: whoever holds the mailbox must not become whoever holds the phone.
   */
  readonly fellBack?: true
  /** When a factor was given that no other site can ask for, as the first or the second. */
  readonly passkeyAt?: number
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
  /** Nobody asked to be kept signed in: it ends with the browser, and after {@link BRIEF_IDLE_SECONDS} without use. */
  readonly isBrief?: true
  /** Touched now and then, and only while sessions end by being idle. */
  readonly seenAt?: number
  /** Of other hosts it was carried to from the portal, in the order it came there. */
  readonly branches?: readonly BranchOf[]
  /** Of the session that took its place: it opens nothing any more, and its branches what that one opens. */
  readonly replacedBy?: string
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
  readonly fellBack?: true
  readonly passkeyAt?: number
  readonly deviceAt?: number
  readonly isBrief?: true
  readonly via: readonly string[]
  readonly client: ClientFacts
  /** The session this one takes the place of: it ends. */
  readonly replaces?: string
  /** The session it was proven on top of, which it takes the place of: where that has ended, nothing opens. */
  readonly within?: string
}

/** Whether somebody cleared it, alone or with others. */
export function wasCleared(
  { openedAt, passwordAt = openedAt, site, user, client: address, branches }: Session,
  { clearedAt = 0 }: Account,
  rules: readonly ClearRule[] | undefined,
): boolean {
  const since = Math.min(openedAt, passwordAt)
  const sites = site === undefined ? hostsOf(branches) : [site, ...hostsOf(branches)]
  return since <= clearedAt || isCleared(rules, { since, sites, groups: user.groups, address })
}

/** A browser that is never closed, as on phones, is no reason to stay signed in. */
export const BRIEF_IDLE_SECONDS = 12 * 60 * 60

/** For how long it may go unused; `undefined`: as long as it lives. */
function idleSecondsOf({ isBrief }: Session, { idleSeconds }: SessionSettings): number | undefined {
  return isBrief ? Math.min(idleSeconds ?? BRIEF_IDLE_SECONDS, BRIEF_IDLE_SECONDS) : idleSeconds
}

export function isAlive(session: Session, settings: SessionSettings, now: number): boolean {
  const { openedAt, seenAt } = session
  const { durationSeconds } = settings
  const idleSeconds = idleSecondsOf(session, settings)
  if (now >= openedAt + durationSeconds * 1000 || isFromTheFuture(openedAt, now)) return false
  return idleSeconds === undefined || now < (seenAt ?? openedAt) + idleSeconds * 1000
}

/** Whether the store should hear that it is in use: only where sessions end by being idle, and not at every request. */
export function wantsTouch(session: Session, settings: SessionSettings, now: number): boolean {
  const { openedAt, seenAt } = session
  const idleSeconds = idleSecondsOf(session, settings)
  return idleSeconds !== undefined && now >= (seenAt ?? openedAt) + (idleSeconds * 1000) / TOUCHES
}

/** Whether a copy of it is enough: alive as far as the copy knows, for another process may have touched it since. */
export function isFresh(session: Session, settings: SessionSettings, now: number): boolean {
  return isAlive(session, settings, now) && !wantsTouch(session, settings, now)
}

/** An idle time is measured in tenths, so that most requests write nothing. */
const TOUCHES = 10
