import type { FastifyReply } from 'fastify'
import { CLEAR_CACHE } from '../../applications/caching.js'
import type { Visit } from '../visit.js'

/** A link changes nothing: it leads to this page, whose button does. */
export async function showSignOut(visit: Visit): Promise<FastifyReply> {
  const open = await visit.session()
  return visit.page('sign-out', {
    token: visit.formToken('sign-out', visit.sessionToken),
    username: open?.session.user.username,
    everywhere: visit.parts.portal.isShared,
  })
}

export async function submitSignOut(visit: Visit): Promise<FastifyReply> {
  const page = visit.own('/sign-out')
  const open = await visit.session()
  // A form that is too old gets the button again.
  if (open !== undefined && !visit.hasFormToken('sign-out', visit.sessionToken)) return visit.goTo(page)
  const { sessions, devices, pagePolicy } = visit.parts
  const client = pagePolicy.client(visit.request)
  await Promise.all([sessions.end(visit.sessionToken, client), devices.forget(visit.deviceToken, client)])
  visit.endSession()
  visit.forgetDevice()
  visit.reply.header('clear-site-data', CLEAR_CACHE)
  return visit.goTo(page)
}
