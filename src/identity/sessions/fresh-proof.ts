import { usableEnrolments } from '../accounts/account.js'
import type { OpenSession } from './sessions.js'

/** What has to be proven again before anything about the account may be changed. */
export type MissingProof = 'password' | 'second-factor'

/** For how long a proof is fresh, ms. */
export const FRESH_MS = 15 * 60_000

/**
 * What is missing before this session may change the account: a session somebody left open, or a stolen cookie, must not be
 * enough to take it over. A remembered device stands for no proof here, so a session without a second factor changes nothing
 * of an account that has one; neither does one whose code came by mail because the text message failed.
 */
export function missingProof({ session, account }: OpenSession, now: number): MissingProof | undefined {
  const isFresh = (at: number | undefined) => at !== undefined && now - at < FRESH_MS
  if (!isFresh(session.passwordAt)) return 'password'
  const secondFactorAt = session.fellBack ? undefined : session.secondFactorAt
  return usableEnrolments(account).length > 0 && !isFresh(secondFactorAt) ? 'second-factor' : undefined
}
