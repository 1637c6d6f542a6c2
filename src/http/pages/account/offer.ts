import type { FastifyReply } from 'fastify'
import { usableEnrolments } from '../../../identity/accounts/account.js'
import type { Visit } from '../visit.js'
import { requireSession } from './require.js'

const PAGE = '/account/passkey'

/** What a form before a session is made with, so that its script can say that the device could keep a passkey. */
export function capableFacts({ parts }: Visit): { readonly capableScript?: string } {
  if (!parts.browserSignIn.isOffered) return {}
  return { capableScript: parts.prefix + parts.assets.path('passkeys.js') }
}

/**
 * After a sign-in without a passkey: where to go on to, which is the offer of one where the device could keep one, and there was
 * none for a month.
 * @param token of the session that was just opened
 */
export async function pastOffer(visit: Visit, token: string, returnTo: string): Promise<string> {
  if (visit.field('capable') !== 'yes' || !visit.parts.browserSignIn.isOffered) return returnTo
  const { sessions, own, pagePolicy } = visit.parts
  const open = await sessions.find(token)
  // Whoever could not set one up at once is not asked whether they would like to.
  if (open === undefined || own.missingProof(open) !== undefined) return returnTo
  if (usableEnrolments(open.account).length === 0 && !pagePolicy.mayEnrolByPassword) return returnTo
  if (pagePolicy.outcome(visit.request, visit.own(PAGE), open) !== 'allow') return returnTo
  return (await own.factors.offer(open)) === undefined ? returnTo : visit.own(PAGE, returnTo)
}

export async function showOffer(visit: Visit): Promise<FastifyReply> {
  const { open, elsewhere } = await requireSession(visit, PAGE)
  if (open === undefined) return elsewhere
  const returnTo = visit.returnPath(visit.parameter('return'))
  const use = [...visit.parts.secondFactors].find(([, factor]) => 'asks' in factor && factor.signIn !== undefined)?.[0]
  return visit.page('passkey-offer', {
    returnTo,
    setUp: use === undefined ? undefined : visit.own(`/enrol/${use}`, returnTo),
  })
}
