import type { FastifyReply } from 'fastify'
import { GatelodgeError } from '../../../errors.js'
import { capableFacts, pastOffer } from '../account/offer.js'
import { followOn } from '../portal/hand-over.js'
import { showLocked, showSignedIn, showThrottled } from '../refusals.js'
import type { Visit } from '../visit.js'
import { isBrief, keepFacts } from './keep-signed-in.js'
import { passkeyFacts } from './passkey-facts.js'

/** A visitor who is signed in as far as the wanted page asks is sent on to it. */
export async function showSignIn(visit: Visit): Promise<FastifyReply> {
  const returnTo = visit.returnPath(visit.parameter('return'))
  const notice = visit.parameter('notice')
  const onward = notice === 'again' ? undefined : await findWayOnward(visit, returnTo)
  if (onward !== undefined) return followOn(visit, onward)
  const open = await visit.session()
  const keep = open !== undefined && open.session.isBrief !== true
  return visit.page('sign-in', { ...form(visit, returnTo, ''), keep, notice })
}

export async function submitSignIn(visit: Visit): Promise<FastifyReply> {
  const { signIn, pagePolicy, strangers } = visit.parts
  const returnTo = visit.returnPath(visit.field('return'))
  const username = visit.field('username').trim()
  const password = visit.field('password')
  const client = pagePolicy.client(visit.request)
  const wait = strangers.enter('sign-in', client)
  if (wait !== undefined) return showThrottled(visit, wait, visit.own('/sign-in', returnTo))

  if (!visit.hasFormToken('sign-in', visit.pendingToken)) {
    // Of several tabs that were opened at once, the others' forms have nothing to do any more when one of them signed in.
    const onward = await findWayOnward(visit, returnTo)
    if (onward !== undefined) return onward === returnTo ? showSignedIn(visit, returnTo) : visit.goTo(onward)
  }
  const fault = visit.formFault('sign-in')
  if (fault !== undefined) return visit.refuseForm(fault, 'sign-in', form(visit, returnTo, username))
  const missing = username === '' ? 'no-username' : password === '' ? 'no-password' : undefined
  if (missing !== undefined) {
    return visit.refuse('sign-in.refused', 'sign-in', { ...form(visit, returnTo, username), fault: missing })
  }

  const attempt = signIn.password({
    username,
    password,
    client,
    returnTo,
    policy: pagePolicy.asks(visit.request, returnTo),
    ...(visit.sessionToken === undefined ? {} : { sessionToken: visit.sessionToken }),
    ...(visit.deviceToken === undefined ? {} : { deviceToken: visit.deviceToken }),
    ...(visit.browserToken === undefined ? {} : { browserToken: visit.browserToken }),
    isBrief: isBrief(visit),
  })
  const result = await attempt.catch(busyOrThrow)
  if (result instanceof GatelodgeError) {
    const again = { ...form(visit, returnTo, username), fault: 'busy' }
    return visit.refuse(result.code, 'sign-in', again, result.retryAfterSeconds)
  }
  if (result.outcome === 'refused') {
    if (result.isLocked) return showLocked(visit, returnTo)
    if (result.retryAfterSeconds !== undefined) {
      return showThrottled(visit, result.retryAfterSeconds, visit.own('/sign-in', returnTo))
    }
    return visit.refuse('sign-in.refused', 'sign-in', { ...form(visit, returnTo, username), fault: 'refused' })
  }
  if (result.outcome === 'session') {
    visit.startSession(result)
    if (result.deviceToken !== undefined) visit.rememberDevice(result.deviceToken)
    return visit.goTo(await pastOffer(visit, result.token, returnTo))
  }
  visit.startPending(result.pendingToken)
  return visit.goTo(visit.own(`/${result.outcome}`, returnTo))
}

/** Too many sign-ins at once are no reason to lose the way: the form stays, and is sent again in a moment. */
function busyOrThrow(error: unknown): GatelodgeError {
  if (error instanceof GatelodgeError && error.code === 'password.busy') return error
  throw error
}

/** What the page is made with, whatever it has to say. */
export function form(visit: Visit, returnTo: string, username: string): object {
  const linkRequest = visit.parts.linkSignIn.isOffered ? visit.own('/sign-in/link', returnTo) : undefined
  const { byEmail, helpDesk } = visit.parts
  const canHelp = helpDesk.isOpen
  const token = visit.formTokenForAnybody('sign-in')
  const passkey = passkeyFacts(visit, returnTo)
  return {
    token,
    returnTo,
    username,
    linkRequest,
    byEmail,
    canHelp,
    ...passkey,
    ...capableFacts(visit),
    ...keepFacts(visit),
  }
}

/** Where a visitor with a session goes instead of signing in; `undefined` when the password is needed (again). */
export async function findWayOnward(visit: Visit, returnTo: string): Promise<string | undefined> {
  const open = await visit.session()
  if (open === undefined) return undefined
  const outcome = visit.parts.pagePolicy.outcome(visit.request, returnTo, open)
  if (outcome === 'sign-in') return undefined
  // A site that does not know this browser yet sends it here whatever is missing; what that is the portal knows.
  if (outcome === 'reauthenticate') return visit.onward(returnTo) && visit.own('/verify', returnTo)
  if (outcome === 'second-factor') return visit.own('/verify', returnTo)
  if (outcome === 'enrol') return visit.own('/enrol', returnTo)
  // Also for `deny`: the gate says so there, in its own words.
  return returnTo
}
