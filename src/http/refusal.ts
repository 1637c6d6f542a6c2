import type { Outcome } from '../access/decide.js'
import type { Rule } from '../access/policy.js'
import type { ErrorCode } from '../errors.js'
import type { Asked } from './page-load.js'

/** What a decision that does not open comes to: an error, and for a page load the page of ours that helps. */
export interface Refusal {
  readonly error: ErrorCode
  /** Under our prefix. */
  readonly page?: string
}

const refusals: Record<Exclude<Outcome, 'allow'>, Refusal> = {
  'sign-in': { error: 'sign-in.required', page: 'sign-in' },
  'second-factor': { error: 'sign-in.second-factor-required', page: 'verify' },
  reauthenticate: { error: 'sign-in.second-factor-required', page: 'verify' },
  enrol: { error: 'sign-in.enrolment-required', page: 'enrol' },
  deny: { error: 'access.denied' },
}

/** `undefined` for the one outcome that opens. */
export function refusalOf(outcome: Outcome): Refusal | undefined {
  return outcome === 'allow' ? undefined : refusals[outcome]
}

/**
 * What a refused client may sign in by, besides what every 401 says. A browser answers a Basic challenge with a box of its
 * own over the page: only programs get one.
 */
export function challengeFor({ clients }: Rule, { headers }: Asked): Readonly<Record<string, string>> {
  const isForProgram = clients === 'api' && headers['sec-fetch-mode'] === undefined
  return isForProgram ? { 'www-authenticate': 'Basic realm="gatelodge", charset="UTF-8"' } : {}
}
