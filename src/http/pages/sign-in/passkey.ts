import type { FastifyReply } from 'fastify'
import { QUESTION_MS } from '../../../identity/sessions/pending-sign-ins.js'
import { showSignedIn, showThrottled } from '../refusals.js'
import type { Visit } from '../visit.js'
import { isBrief } from './keep-signed-in.js'
import { findWayOnward, form } from './sign-in.js'

/** Signs in by a passkey, without a username: the form that the page's script fills in. */
export async function submitPasskey(visit: Visit): Promise<FastifyReply> {
  const { browserSignIn, formTokens, pagePolicy, strangers } = visit.parts
  const returnTo = visit.returnPath(visit.field('return'))
  const client = pagePolicy.client(visit.request)
  const wait = strangers.enter('passkey', client)
  if (wait !== undefined) return showThrottled(visit, wait, visit.own('/sign-in', returnTo))
  const nonce = visit.field('nonce')
  if (!formTokens.check(nonce, 'passkey', visit.pendingToken)) {
    const onward = await findWayOnward(visit, returnTo)
    if (onward !== undefined) return onward === returnTo ? showSignedIn(visit, returnTo) : visit.goTo(onward)
    return visit.refuse('sign-in.expired', 'sign-in', { ...form(visit, returnTo, ''), notice: 'expired' })
  }
  // A tab that was open for longer: the page comes again with a question that stands.
  if (formTokens.ageSeconds(nonce) * 1000 >= QUESTION_MS) return refuse(visit, returnTo, 'stale')
  const result = await browserSignIn.redeem({
    answer: visit.field('answer'),
    nonce,
    client,
    returnTo,
    policy: pagePolicy.asks(visit.request, returnTo),
    isBrief: isBrief(visit),
    ...(visit.sessionToken === undefined ? {} : { sessionToken: visit.sessionToken }),
  })
  if (result.outcome === 'refused') return refuse(visit, returnTo, result.isCopied ? 'copied' : 'unknown')
  if (result.outcome === 'session') {
    visit.startSession(result)
    return visit.goTo(returnTo)
  }
  visit.startPending(result.pendingToken)
  return visit.goTo(visit.own(`/${result.outcome}`, returnTo))
}

function refuse(visit: Visit, returnTo: string, fault: 'stale' | 'copied' | 'unknown'): FastifyReply {
  return visit.refuse('sign-in.refused', 'sign-in', { ...form(visit, returnTo, ''), passkeyFault: fault })
}
