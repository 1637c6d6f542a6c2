import type { FastifyReply, FastifyRequest } from 'fastify'
import { hostName } from '../../../access/policy.js'
import { canonicalTarget } from '../../../access/targets/canonical-target.js'
import { GatelodgeError } from '../../../errors.js'
import type { OpenSession } from '../../../identity/sessions/sessions.js'
import { arrivedAgain, isCircle, type Nonce, nonceText, readNonce } from '../../portal/nonce.js'
import type { Onward } from '../../portal/onward.js'
import { isPageLoad } from '../../web/request-kind.js'
import { carried, readCarried } from '../../web/return-path.js'
import type { Visit } from '../visit.js'
import { LONGEST_COOKIE_SECONDS } from '../visit.js'

/** At the portal: on to a site, or to what is still missing for it. */
export async function showGo(visit: Visit): Promise<FastifyReply> {
  const returnTo = visit.returnPath(visit.parameter('return'))
  const onward = visit.onward(returnTo)
  if (onward === undefined) return visit.goTo(returnTo)
  const open = await visit.session()
  const outcome = open && visit.parts.pagePolicy.outcome(visit.request, returnTo, open)
  if (open === undefined || outcome === 'sign-in') return visit.goTo(visit.own('/sign-in', returnTo))
  if (outcome === 'reauthenticate' || outcome === 'second-factor') return visit.goTo(visit.own('/verify', returnTo))
  if (outcome === 'enrol') return visit.goTo(visit.own('/enrol', returnTo))
  return handOver(visit, onward, open)
}

/** On to where a visitor wanted to go, who has nothing more to prove. No page is shown. */
export async function followOn(visit: Visit, returnTo: string): Promise<FastifyReply> {
  const onward = visit.onward(returnTo)
  const open = onward && (await visit.session())
  return onward === undefined || open === undefined ? visit.goTo(returnTo) : handOver(visit, onward, open)
}

async function handOver(visit: Visit, onward: Onward, open: OpenSession): Promise<FastifyReply> {
  checkPerson(visit.request)
  const { place, state, isAgain } = onward
  // Whoever did not set out there has nothing that a ticket could be bound to: they do it now.
  if (state === undefined) return visit.reply.redirect(place.origin + place.target, 302)
  const { tickets, prefix } = visit.parts
  const ticket = await tickets.issue({
    host: place.host,
    state,
    sessionId: open.session.id,
    returnTo: place.target,
  })
  const query = new URLSearchParams({ ticket, ...(place.target === '/' ? {} : { return: carried(place.target) }) })
  if (isAgain) query.set('again', '1')
  return visit.reply.redirect(`${place.origin}${prefix}/arrive?${query}`, 302)
}

/** At a site: the ticket becomes the cookie of this host, and the address with it is gone from the browser. */
export async function showArrive(visit: Visit): Promise<FastifyReply> {
  const { portal, tickets, sessions, now } = visit.parts
  const host = hostName(visit.request.headers.host ?? '')
  if (host === undefined || !portal.isElsewhere(host)) throw new GatelodgeError('not-found')
  checkPerson(visit.request)
  const nonce = readNonce(visit.pendingToken)
  const said = visit.parameter('return')
  const here = await sessions.find(visit.sessionToken, host)
  const redeemed = await tickets.redeem(visit.parameter('ticket'), { host, nonce: nonce?.token })
  if (redeemed.outcome !== 'good' || nonce === undefined) {
    // The page was loaded once more, or another tab was quicker.
    if (redeemed.outcome === 'gone' && here !== undefined) return visit.goTo(pathHere(visit, said))
    return startAgain(visit, host, pathHere(visit, said))
  }
  const { sessionId, returnTo } = redeemed.ticket
  const arrived = arrivedAgain(nonce, returnTo, now())
  if (isCircle(arrived)) {
    keepNonce(visit, { token: nonce.token })
    return notKept(visit, host, returnTo)
  }
  const branch = await sessions.branch(sessionId, host, visit.sessionToken)
  if (branch === undefined) return startAgain(visit, host, returnTo)
  if (branch.token !== undefined) {
    const { names, write } = cookiesOf(visit)
    const lifetime = branch.open.session.isBrief ? {} : { maxAgeSeconds: LONGEST_COOKIE_SECONDS }
    visit.reply.header('set-cookie', write(names.session, branch.token, lifetime))
  }
  keepNonce(visit, arrived)
  return visit.goTo(returnTo)
}

/** Once: a browser that keeps no cookies would go round for ever. */
function startAgain(visit: Visit, host: string, target: string): FastifyReply {
  if (visit.parameter('again') === '1') return notKept(visit, host, target)
  const { cookie } = visit.request.headers
  const way = visit.parts.leaving.from({ host, cookie, page: 'sign-in', target, isAgain: true })
  if (way === undefined) throw new GatelodgeError('not-found')
  return visit.reply.headers(way.headers).redirect(way.location, 302)
}

function notKept(visit: Visit, host: string, target: string): FastifyReply {
  const hasNonce = readNonce(visit.pendingToken) !== undefined
  return visit.refuse('arrive.refused', 'arrive', { host, again: target, hasNonce })
}

function keepNonce(visit: Visit, nonce: Nonce): void {
  const { names, write } = cookiesOf(visit)
  visit.reply.header('set-cookie', write(names.pending, nonceText(nonce)))
}

function cookiesOf({ parts: { cookies } }: Visit) {
  return { names: cookies.names, write: cookies.write.bind(cookies) }
}

/** A path of this host that is no page of ours. */
function pathHere({ parts: { prefix } }: Visit, said: string): string {
  const target = canonicalTarget(readCarried(said))
  if (target === undefined || target.path === prefix || target.path.startsWith(`${prefix}/`)) return '/'
  return target.forward
}

/**
 * Tickets are for people who look at a page: what a browser fetches ahead, a scanner looks at by HEAD or a script asks for
 * must not use one up, and would lose what it is given.
 */
function checkPerson({ raw, headers }: FastifyRequest): void {
  const isAhead = headers['sec-purpose'] !== undefined || headers['purpose'] !== undefined
  const destination = headers['sec-fetch-dest']
  const isDocument = destination === undefined || destination === 'document'
  if (raw.method !== 'GET' || isAhead || !isDocument || !isPageLoad(raw)) throw new GatelodgeError('sign-in.required')
}
