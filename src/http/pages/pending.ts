import type { FastifyReply } from 'fastify'
import type { PendingView } from '../../identity/sign-in.js'
import type { Visit } from './visit.js'

/** Where a visitor stands between password and session, or the redirect to where this visitor has to go instead. */
export type Standing =
  | { readonly view: PendingView; readonly elsewhere?: undefined }
  | { readonly view?: undefined; readonly elsewhere: FastifyReply }

/**
 * The pending sign-in this page is for. Without one, a visitor with a session gets one: the gate sent them here because
 * the wanted page asks for more than the session has.
 */
export async function loadPending(visit: Visit, mode: PendingView['mode'], returnTo: string): Promise<Standing> {
  const { signIn } = visit.parts
  const view = await signIn.pending(visit.pendingToken)
  if (view?.mode === mode) return { view }

  const open = mode === 'enrol' ? await visit.session() : undefined
  const mayWait = open !== undefined && visit.parts.entrance.mayPutOffEnrolment(visit.request, returnTo, open)
  const step = await signIn.stepUp(visit.sessionToken, returnTo, mode, mayWait)
  if (step.outcome === 'sign-in') {
    if (view !== undefined) return { elsewhere: visit.goTo(visit.own(`/${view.mode}`, returnTo)) }
    return { elsewhere: visit.goTo(visit.own('/sign-in', returnTo, await whySignIn(visit))) }
  }
  visit.startPending(step.pendingToken)
  const begun = step.outcome === mode ? await signIn.pending(step.pendingToken) : undefined
  return begun === undefined ? { elsewhere: visit.goTo(visit.own(`/${step.outcome}`, returnTo)) } : { view: begun }
}

async function whySignIn(visit: Visit): Promise<'again' | 'expired' | undefined> {
  // With `again` the sign-in page asks for the password although there is a session: without it, the two pages would
  // send each other the visitor for ever.
  if ((await visit.session()) !== undefined) return 'again'
  return visit.pendingToken === undefined ? undefined : 'expired'
}
