import type { FastifyReply } from 'fastify'
import { usableEnrolments } from '../../../identity/accounts/account.js'
import { LOGIN_LINK } from '../../../identity/second-factors/factors.js'
import type { OpenSession } from '../../../identity/sessions/sessions.js'
import type { WaitingForm } from '../../../identity/sessions/waiting-forms.js'
import type { FormPurpose } from '../../web/form-token.js'
import { confirmFirst } from '../confirm-first.js'
import type { Visit } from '../visit.js'

/** Whose account a page is about, or the redirect to where this visitor has to go first. */
export type AccountAccess =
  | { readonly open: OpenSession; readonly elsewhere?: undefined }
  | { readonly open?: undefined; readonly elsewhere: FastifyReply }

/** For looking at one's own account: signed in, as far as policy asks. @param page under the prefix, with its slash */
export function requireSession(visit: Visit, page: string): Promise<AccountAccess> {
  return requireSessionFor(visit, visit.own(page))
}

/** The same for a page of ours that is not under the prefix. @param here its path */
export async function requireSessionFor(visit: Visit, here: string): Promise<AccountAccess> {
  const open = await visit.session()
  if (open === undefined) return { elsewhere: visit.goTo(visit.own('/sign-in', here)) }
  const outcome = visit.parts.pagePolicy.outcome(visit.request, here, open)
  if (outcome === 'second-factor') return { elsewhere: visit.goTo(visit.own('/verify', here)) }
  if (outcome === 'enrol') return { elsewhere: visit.goTo(visit.own('/enrol', here)) }
  if (outcome !== 'allow') return { elsewhere: visit.goTo(visit.own('/sign-in', here, 'again')) }
  return { open }
}

/** For changing something: who it is must have been proven a moment ago. */
export async function requireFreshProof(visit: Visit, page: string): Promise<AccountAccess> {
  const standing = await requireSession(visit, page)
  if (standing.open === undefined || visit.parts.own.missingProof(standing.open) === undefined) return standing
  return { elsewhere: await proveFirst(visit, page) }
}

/** The same where there is something to change for this user; else for looking. */
export async function requireFreshProofWhere(
  visit: Visit,
  page: string,
  isPossible: (open: OpenSession) => boolean,
): Promise<AccountAccess> {
  const standing = await requireSession(visit, page)
  return standing.open !== undefined && isPossible(standing.open) ? requireFreshProof(visit, page) : standing
}

/** The same for a form that was sent: it must have been read by this browser, too. */
export async function requireForm(
  visit: Visit,
  page: string,
  purpose: FormPurpose,
  confirmed?: Pick<WaitingForm, 'action' | 'subject'> & { readonly what: string },
): Promise<AccountAccess> {
  const standing = await requireSession(visit, page)
  if (standing.open !== undefined && !visit.hasFormToken(purpose, visit.sessionToken)) {
    return { elsewhere: visit.refuse('sign-in.expired', 'expired', { startAgain: visit.own(page) }) }
  }
  if (standing.open === undefined) return standing
  return loadConfirmed(visit, page, confirmed)
}

/**
 * For what would give the account to somebody else. Where scripts of an application share the origin with this page, it asks for
 * a proof of its own; elsewhere one that was given a moment ago is enough.
 */
export async function loadConfirmed(
  visit: Visit,
  page: string,
  form?: Pick<WaitingForm, 'action' | 'subject'> & { readonly what: string },
): Promise<AccountAccess> {
  if (form === undefined || !visit.parts.isPortalShared || visit.isConfirmed) return requireFreshProof(visit, page)
  const standing = await requireSession(visit, page)
  if (standing.open === undefined) return standing
  const { session, account } = standing.open
  // Who came by the login helper's link has forgotten the password, and without a second factor has nothing else to say.
  if (session.via[0] === LOGIN_LINK && usableEnrolments(account).length === 0) return requireFreshProof(visit, page)
  const { what, ...named } = form
  return { elsewhere: await confirmFirst(visit, { ...named, says: { what, details: [] } }) }
}

/** Leads through the proof that is missing, and back to the page. */
export async function proveFirst(visit: Visit, page: string): Promise<FastifyReply> {
  const here = visit.own(page)
  const open = await visit.session()
  const missing = open && visit.parts.own.missingProof(open)
  if (missing === 'password') return visit.goTo(visit.own('/account/prove', here))
  return visit.goTo(missing === 'second-factor' ? visit.own('/verify', here) : here)
}

/** What is said at the top of the page after something was done: one of these words, never the client's own. */
export function doneNotice(visit: Visit): string | undefined {
  const done = visit.parameter('done')
  return /^[a-z-]{1,30}$/.test(done) ? done : undefined
}
