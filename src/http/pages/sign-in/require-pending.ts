import type { FastifyReply } from 'fastify'
import { usableEnrolments } from '../../../identity/accounts/account.js'
import type { PendingView } from '../../../identity/sign-in/sign-in.js'
import { confirmFirst } from '../confirm-first.js'
import type { Visit } from '../visit.js'

/** Where a visitor stands between password and session, or the redirect to where this visitor has to go instead. */
export type PendingAccess =
  | { readonly view: PendingView; readonly elsewhere?: undefined }
  | { readonly view?: undefined; readonly elsewhere: FastifyReply }

/**
 * The pending sign-in this page is for. Without one, a visitor with a session gets one: the gate sent them here because
 * the wanted page asks for more than the session has.
 */
export async function requirePending(
  visit: Visit,
  mode: PendingView['mode'],
  returnTo: string,
): Promise<PendingAccess> {
  const { signIn } = visit.parts
  const view = await signIn.pending(visit.pendingToken)
  if (view?.mode === mode) return { view }

  const { pagePolicy, isPortalShared } = visit.parts
  const open = await visit.session()
  // A script of an application on this origin could read the key of an authenticator app here, and confirm it.
  const hasFactor = mode === 'enrol' && open !== undefined && usableEnrolments(open.account).length > 0
  if (hasFactor && isPortalShared) return { elsewhere: await confirmEnrolment(visit, returnTo) }
  const mayWait = mode === 'enrol' && open !== undefined && pagePolicy.mayPutOffEnrolment(visit.request, returnTo, open)
  const isMailEnough = mode === 'verify' && open !== undefined && pagePolicy.isMailEnough(visit.request, returnTo, open)
  const step = await signIn.stepUp(visit.sessionToken, returnTo, mode, mayWait, isMailEnough)
  if (step.outcome === 'sign-in') {
    if (view !== undefined) return { elsewhere: visit.goTo(visit.own(`/${view.mode}`, returnTo)) }
    return { elsewhere: visit.goTo(visit.own('/sign-in', returnTo, await whySignIn(visit))) }
  }
  visit.startPending(step.pendingToken)
  const begun = step.outcome === mode ? await signIn.pending(step.pendingToken) : undefined
  return begun === undefined ? { elsewhere: visit.goTo(visit.own(`/${step.outcome}`, returnTo)) } : { view: begun }
}

function confirmEnrolment(visit: Visit, returnTo: string): Promise<FastifyReply> {
  return confirmFirst(visit, {
    action: 'enrol',
    subject: returnTo,
    says: { what: 'Set up a second factor', details: [] },
  })
}

/** Takes another factor over, in a session that was asked for a proof for this alone. */
export async function beginConfirmedEnrolment(visit: Visit, returnTo: string): Promise<FastifyReply> {
  const open = await visit.session()
  const mayWait = open !== undefined && visit.parts.pagePolicy.mayPutOffEnrolment(visit.request, returnTo, open)
  const step = await visit.parts.signIn.stepUp(visit.sessionToken, returnTo, 'enrol', mayWait)
  if (step.outcome === 'sign-in') return visit.goTo(visit.own('/sign-in', returnTo, 'again'))
  visit.startPending(step.pendingToken)
  return visit.goTo(visit.own(`/${step.outcome}`, returnTo))
}

async function whySignIn(visit: Visit): Promise<'again' | 'expired' | undefined> {
  // With `again` the sign-in page asks for the password although there is a session: without it, the two pages would
  // send each other the visitor for ever.
  if ((await visit.session()) !== undefined) return 'again'
  return visit.pendingToken === undefined ? undefined : 'expired'
}
