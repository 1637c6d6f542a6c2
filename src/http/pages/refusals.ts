import type { FastifyReply } from 'fastify'
import type { Visit } from './visit.js'

/** @param again where to try again, later */
export function showThrottled(visit: Visit, retryAfterSeconds: number, again: string): FastifyReply {
  return visit.refuse('sign-in.throttled', 'throttled', { retryAfterSeconds, again }, retryAfterSeconds)
}

/** The page was open too long, or its sign-in ended elsewhere: says so, and offers to start again towards the same page. */
export async function showExpired(
  visit: Visit,
  returnTo = visit.returnPath(visit.field('return')),
): Promise<FastifyReply> {
  const open = await visit.session()
  // A form sent twice: the first time it did its work.
  if (open !== undefined && visit.parts.entrance.outcome(visit.request, returnTo, open) === 'allow') {
    return showSignedIn(visit, returnTo)
  }
  const startAgain = visit.own('/sign-in', returnTo)
  return visit.refuse('sign-in.expired', 'expired', { startAgain })
}

/**
 * Goes on by itself, yet is no redirect: Chromium stops a form whose answer leads, over whatever redirects of the
 * application, to another site. Without a script this is the way on, when the button is pressed a second time.
 */
export function showSignedIn(visit: Visit, returnTo: string): FastifyReply {
  visit.reply.header('refresh', `0;url=${returnTo}`)
  return visit.page('signed-in', { returnTo })
}
