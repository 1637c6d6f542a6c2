import type { FastifyReply } from 'fastify'
import { hostName } from '../../../access/policy.js'
import { canonicalTarget, maximumOwnLength } from '../../../access/targets/canonical-target.js'
import { GatelodgeError } from '../../../errors.js'
import { rawTarget } from '../../gate/gate.js'
import { readCarried } from '../../web/return-path.js'
import type { Visit } from '../visit.js'

/** Served at every host: what a page there is made of, and where a sign-in arrives. */
const everywhere = new Set(['/assets/:version/:name', '/arrive'])

/** Which lead back to where somebody was, once they are done. */
const ways = /^\/(sign-in|verify|enrol)(?:\/|$)/

/**
 * What becomes of a page of ours at a host that is not the portal: whoever looks is led there, and a form is not taken. The
 * attack: an application's own script reads and sends the forms of the page beside it, as whoever is signed in.
 * @returns `undefined` for what is served here
 */
export async function leadToPortal(visit: Visit): Promise<FastifyReply | undefined> {
  const { portal, prefix, leaving } = visit.parts
  const { request, reply } = visit
  if (!portal.isElsewhere(request.headers.host)) return undefined
  if (everywhere.has((request.routeOptions.url ?? '').slice(prefix.length))) return undefined
  if (request.method !== 'GET' && request.method !== 'HEAD') throw new GatelodgeError('portal.elsewhere')
  const target = canonicalTarget(rawTarget(request.raw), maximumOwnLength)
  if (target === undefined) throw new GatelodgeError('request.target')
  const [, page] = ways.exec(target.path.slice(prefix.length)) ?? []
  if (page === undefined) return reply.redirect(portal.origin + target.forward, 302)
  const host = hostName(request.headers.host ?? '')
  const back = canonicalTarget(readCarried(visit.parameter('return')))
  const isPlace = back !== undefined && back.path !== prefix && !back.path.startsWith(`${prefix}/`)
  const { cookie } = request.headers
  const way = leaving.from({ host, cookie, page, target: isPlace ? back.forward : '/' })
  if (way === undefined) throw new GatelodgeError('not-found')
  return reply.headers(way.headers).redirect(way.location, 302)
}
