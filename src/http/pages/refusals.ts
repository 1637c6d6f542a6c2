import type { FastifyReply } from 'fastify'
import type { AnswerOutcome } from '../../identity/sign-in/sign-in.js'
import type { Visit } from './visit.js'

/** What the field for a code says of one that was not right. */
export function faultOf(
  result: Pick<AnswerOutcome, 'outcome'> & { readonly isOfAnotherTime?: true; readonly isCopied?: true },
): string {
  if (result.outcome === 'no-question') return 'stale'
  if (result.isCopied) return 'copied'
  if (result.outcome === 'no-code') return 'late'
  return result.isOfAnotherTime ? 'clock' : 'wrong'
}

/** @param again where to try again, later */
export function showThrottled(visit: Visit, retryAfterSeconds: number, again: string): FastifyReply {
  return visit.refuse('sign-in.throttled', 'throttled', { retryAfterSeconds, again }, retryAfterSeconds)
}

/** No password is taken from this browser for the name that was typed, whoever's it is: a mailed link opens it again. */
export function showLocked(visit: Visit, returnTo: string): FastifyReply {
  return visit.refuse('sign-in.locked', 'locked', {
    help: visit.own('/help', returnTo),
    again: visit.own('/sign-in', returnTo),
  })
}

/** The page was open too long, or its sign-in ended elsewhere: says so, and offers to start again towards the same page. */
export async function showExpired(
  visit: Visit,
  returnTo = visit.returnPath(visit.field('return')),
): Promise<FastifyReply> {
  const open = await visit.session()
  // A form sent twice: the first time it did its work.
  if (open !== undefined && visit.parts.pagePolicy.outcome(visit.request, returnTo, open) === 'allow') {
    return showSignedIn(visit, returnTo)
  }
  const startAgain = visit.own('/sign-in', returnTo)
  if (visit.sendsNoCookies) return visit.refuseForm('no-cookies', 'expired', { startAgain })
  return visit.refuse('sign-in.expired', 'expired', { startAgain })
}

/**
 * Goes on by itself, yet is no redirect: Chromium stops a form whose answer leads, over whatever redirects of the
 * application, to another site. Without a script this is the way on, when the button is pressed a second time. The page goes
 * on by script where there is one, which keeps the place within the page that was wanted: a `Refresh` would lose it.
 */
export function showSignedIn(visit: Visit, returnTo: string): FastifyReply {
  return visit.page('signed-in', { returnTo, goesOn: true })
}
