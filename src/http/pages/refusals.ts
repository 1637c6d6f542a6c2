import type { FastifyReply } from 'fastify'
import type { Visit } from './visit.js'

/** @param again where to try again, later */
export function showThrottled(visit: Visit, retryAfterSeconds: number, again: string): FastifyReply {
  return visit.refuse('sign-in.throttled', 'throttled', { retryAfterSeconds, again }, retryAfterSeconds)
}

/** The page was open too long, or its sign-in ended elsewhere: says so, and offers to start again towards the same page. */
export function showExpired(visit: Visit): FastifyReply {
  const startAgain = visit.own('/sign-in', visit.returnPath(visit.field('return')))
  return visit.refuse('sign-in.expired', 'expired', { startAgain })
}
