import type { Outcome } from '../../access/decide.js'
import type { SiteSettings } from '../../access/policy.js'
import { type ErrorCode, GatelodgeError } from '../../errors.js'
import type { Asked } from '../web/request-kind.js'
import type { Judged } from './gate.js'

/** What a decision that does not open comes to: an error, and for a page load the page of ours that helps. */
export interface RefusedAnswer {
  readonly error: ErrorCode
  /** Under our prefix. */
  readonly page?: string
}

const refusals: Record<Exclude<Outcome, 'allow'>, RefusedAnswer> = {
  'sign-in': { error: 'sign-in.required', page: 'sign-in' },
  'second-factor': { error: 'sign-in.second-factor-required', page: 'verify' },
  reauthenticate: { error: 'sign-in.reauthentication-required', page: 'verify' },
  enrol: { error: 'sign-in.enrolment-required', page: 'enrol' },
  deny: { error: 'access.denied' },
}

/** `undefined` for the one outcome that opens. */
export function refusalOf(outcome: Outcome): RefusedAnswer | undefined {
  return outcome === 'allow' ? undefined : refusals[outcome]
}

/** The refusal of one request: as {@link refusalOf}, in the words and headers that fit who sent it. */
export function refusalTo(
  request: Asked,
  {
    decision,
    rule,
    program,
    ownHeader,
    outside,
  }: Pick<Judged, 'decision' | 'rule' | 'program' | 'ownHeader' | 'outside'>,
): { readonly error: GatelodgeError; readonly page?: string } | undefined {
  const refusal = refusalOf(decision.outcome)
  if (refusal === undefined) return undefined
  if (outside !== undefined) {
    const headers = { 'www-authenticate': `${bearer}, error="insufficient_scope"` }
    return { error: new GatelodgeError('token.insufficient-scope', { headers }) }
  }
  const { page, error } = refusal
  if (rule.clients !== 'api') {
    const { reauthenticateSeconds } = decision.rule
    // RFC 9470, 3: what would be enough is said to programs that can ask their user.
    const stale = `Cookie realm="gatelodge", error="insufficient_user_authentication", max_age=${reauthenticateSeconds}`
    const more = decision.outcome === 'reauthenticate' ? { headers: { 'www-authenticate': stale } } : {}
    return { error: new GatelodgeError(error, more), ...(page && { page }) }
  }
  const { authorization, 'sec-fetch-mode': mode } = request.headers
  const isProgram = authorization !== undefined || ownHeader === true
  const isWrong = isProgram && decision.outcome === 'sign-in'
  // A browser answers a Basic challenge with a box of its own over the page: only programs get one.
  const challenge = mode === undefined ? { 'www-authenticate': challengeTo(authorization) } : undefined
  return {
    error: new GatelodgeError(isWrong ? 'api.credentials' : error, challenge && { headers: challenge }),
    // A program never sees a page of ours; one that is not known by its credentials is by sending some.
    ...(page && program !== true && (!isProgram || mode !== undefined) && { page }),
  }
}

/** What becomes of a WebSocket that another site's page opens, where a site is only observed: it passes, in nobody's name. */
export function observedForeign<S extends SiteSettings>(judged: Judged<S>): Judged<S> {
  const reason = 'the connection was opened from a page of another origin'
  const decision = { ...judged.decision, outcome: 'deny' as const, reason }
  return { ...judged, session: undefined, observed: { decision, session: judged.session } }
}

const bearer = 'Bearer realm="gatelodge"'

/** RFC 7617 and RFC 6750, 3: a Bearer that was wrong is told so, one that was not there is not. */
function challengeTo(authorization: string | undefined): string {
  const isWrongToken = authorization !== undefined && /^bearer /i.test(authorization)
  return `Basic realm="gatelodge", charset="UTF-8", ${bearer}${isWrongToken ? ', error="invalid_token"' : ''}`
}
