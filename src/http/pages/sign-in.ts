import type { FastifyReply } from 'fastify'
import { GatelodgeError } from '../../errors.js'
import { showSignedIn, showThrottled } from './refusals.js'
import type { Visit } from './visit.js'

/** A visitor who is signed in as far as the wanted page asks is sent on to it. */
export async function showSignIn(visit: Visit): Promise<FastifyReply> {
  const returnTo = visit.returnPath(visit.parameter('return'))
  const notice = visit.parameter('notice')
  const onward = notice === 'again' ? undefined : await findWayOnward(visit, returnTo)
  if (onward !== undefined) return visit.goTo(onward)
  return visit.page('sign-in', { ...form(visit, returnTo, ''), notice })
}

export async function submitSignIn(visit: Visit): Promise<FastifyReply> {
  const { signIn, entrance } = visit.parts
  const returnTo = visit.returnPath(visit.field('return'))
  const username = visit.field('username').trim()
  const password = visit.field('password')

  if (!visit.hasFormToken('sign-in', visit.pendingToken)) {
    // Of several tabs that were opened at once, the others' forms are void as soon as one of them signs in.
    const onward = await findWayOnward(visit, returnTo)
    if (onward !== undefined) return onward === returnTo ? showSignedIn(visit, returnTo) : visit.goTo(onward)
    return visit.refuse('sign-in.expired', 'sign-in', { ...form(visit, returnTo, username), notice: 'expired' })
  }
  const missing = username === '' ? 'no-username' : password === '' ? 'no-password' : undefined
  if (missing !== undefined) {
    return visit.refuse('sign-in.refused', 'sign-in', { ...form(visit, returnTo, username), fault: missing })
  }

  const attempt = signIn.password({
    username,
    password,
    client: entrance.client(visit.request),
    returnTo,
    policy: entrance.asks(visit.request, returnTo),
    ...(visit.sessionToken === undefined ? {} : { sessionToken: visit.sessionToken }),
    ...(visit.deviceToken === undefined ? {} : { deviceToken: visit.deviceToken }),
  })
  const result = await attempt.catch(busyOrThrow)
  if (result instanceof GatelodgeError) {
    const again = { ...form(visit, returnTo, username), fault: 'busy' }
    return visit.refuse(result.code, 'sign-in', again, result.retryAfterSeconds)
  }
  if (result.outcome === 'refused') {
    if (result.retryAfterSeconds !== undefined) {
      return showThrottled(visit, result.retryAfterSeconds, visit.own('/sign-in', returnTo))
    }
    return visit.refuse('sign-in.refused', 'sign-in', { ...form(visit, returnTo, username), fault: 'refused' })
  }
  if (result.outcome === 'session') {
    visit.startSession(result.token)
    if (result.deviceToken !== undefined) visit.rememberDevice(result.deviceToken)
    return visit.goTo(returnTo)
  }
  visit.startPending(result.pendingToken)
  return visit.goTo(visit.own(`/${result.outcome}`, returnTo))
}

/** Too many sign-ins at once are no reason to lose the way: the form stays, and is sent again in a moment. */
function busyOrThrow(error: unknown): GatelodgeError {
  if (error instanceof GatelodgeError && error.code === 'password.busy') return error
  throw error
}

function form(visit: Visit, returnTo: string, username: string): object {
  const linkRequest = visit.parts.linkSignIn.isOffered ? visit.own('/sign-in/link', returnTo) : undefined
  return { token: visit.formTokenForAnybody('sign-in'), returnTo, username, linkRequest }
}

/** Where a visitor with a session goes instead of signing in; `undefined` when the password is needed (again). */
async function findWayOnward(visit: Visit, returnTo: string): Promise<string | undefined> {
  const open = await visit.session()
  if (open === undefined) return undefined
  const outcome = visit.parts.entrance.outcome(visit.request, returnTo, open)
  if (outcome === 'sign-in' || outcome === 'reauthenticate') return undefined
  if (outcome === 'second-factor') return visit.own('/verify', returnTo)
  if (outcome === 'enrol') return visit.own('/enrol', returnTo)
  // Also for `deny`: the gate says so there, in its own words.
  return returnTo
}
