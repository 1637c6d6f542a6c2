import type { FastifyReply } from 'fastify'
import type { Visit } from './visit.js'

/** A link changes nothing: it leads to this page, whose button does. */
export async function showSignOut(visit: Visit): Promise<FastifyReply> {
  const open = await visit.session()
  return visit.page('sign-out', {
    token: visit.formToken('sign-out', visit.sessionToken),
    username: open?.session.user.username,
  })
}

export async function submitSignOut(visit: Visit): Promise<FastifyReply> {
  const page = visit.own('/sign-out')
  const open = await visit.session()
  // A form that is too old gets the button again.
  if (open !== undefined && !visit.hasFormToken('sign-out', visit.sessionToken)) return visit.goTo(page)
  await visit.parts.sessions.end(visit.sessionToken, visit.parts.entrance.client(visit.request))
  visit.endSession()
  return visit.goTo(page)
}
