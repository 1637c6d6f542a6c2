import type { Outcome } from '../access/decide.js'
import type { ErrorCode } from '../errors.js'

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
