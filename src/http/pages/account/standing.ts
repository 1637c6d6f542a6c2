import type { FastifyReply } from 'fastify'
import type { OpenSession } from '../../../identity/sessions.js'
import type { FormPurpose } from '../../form-token.js'
import type { Visit } from '../visit.js'

/** Whose account a page is about, or the redirect to where this visitor has to go first. */
export type Standing =
  | { readonly open: OpenSession; readonly elsewhere?: undefined }
  | { readonly open?: undefined; readonly elsewhere: FastifyReply }

/** For looking at one's own account: signed in, as far as policy asks. @param page under the prefix, with its slash */
export async function loadOwn(visit: Visit, page: string): Promise<Standing> {
  const here = visit.own(page)
  const open = await visit.session()
  if (open === undefined) return { elsewhere: visit.goTo(visit.own('/sign-in', here)) }
  const outcome = visit.parts.entrance.outcome(visit.request, here, open)
  if (outcome === 'second-factor') return { elsewhere: visit.goTo(visit.own('/verify', here)) }
  if (outcome === 'enrol') return { elsewhere: visit.goTo(visit.own('/enrol', here)) }
  if (outcome !== 'allow') return { elsewhere: visit.goTo(visit.own('/sign-in', here, 'again')) }
  return { open }
}

/** For changing something: who it is must have been proven a moment ago. */
export async function loadProven(visit: Visit, page: string): Promise<Standing> {
  const standing = await loadOwn(visit, page)
  if (standing.open === undefined || visit.parts.own.missingProof(standing.open) === undefined) return standing
  return { elsewhere: await proveFirst(visit, page) }
}

/** The same where there is something to change for this user; else for looking. */
export async function loadProvenWhere(
  visit: Visit,
  page: string,
  isPossible: (open: OpenSession) => boolean,
): Promise<Standing> {
  const standing = await loadOwn(visit, page)
  return standing.open !== undefined && isPossible(standing.open) ? loadProven(visit, page) : standing
}

/** The same for a form that was sent: it must have been read by this browser, too. */
export async function loadSubmitted(visit: Visit, page: string, purpose: FormPurpose): Promise<Standing> {
  const standing = await loadOwn(visit, page)
  if (standing.open !== undefined && !visit.hasFormToken(purpose, visit.sessionToken)) {
    return { elsewhere: visit.refuse('sign-in.expired', 'expired', { startAgain: visit.own(page) }) }
  }
  return loadProven(visit, page)
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
