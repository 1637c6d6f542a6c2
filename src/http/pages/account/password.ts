import type { FastifyReply } from 'fastify'
import { GatelodgeError } from '../../../errors.js'
import { LOGIN_LINK } from '../../../identity/second-factors/factors.js'
import type { OpenSession } from '../../../identity/sessions/sessions.js'
import { showExpired } from '../refusals.js'
import type { Visit } from '../visit.js'
import { proveFirst, requireForm, requireFreshProofWhere } from './require.js'

const PAGE = '/account/password'

export async function showPassword(visit: Visit): Promise<FastifyReply> {
  const { own } = visit.parts
  const { open, elsewhere } = await requireFreshProofWhere(visit, PAGE, (session) => own.password.isPossible(session))
  if (open === undefined) return elsewhere
  return visit.page('account-password', form(visit, open))
}

export async function submitPassword(visit: Visit): Promise<FastifyReply> {
  // One that would change nothing is not worth a code.
  const isWhole = visit.field('password') !== '' && visit.field('password') === visit.field('repeated')
  const confirmed = isWhole ? { action: 'password', subject: '', what: 'Change your password' } : undefined
  const { open, elsewhere } = await requireForm(visit, PAGE, 'password', confirmed)
  if (open === undefined) return elsewhere
  const { own, pagePolicy } = visit.parts
  const again = form(visit, open)
  const refuse = (fault: string, sentence?: string) =>
    visit.refuse('account.refused', 'account-password', { ...again, fault, sentence })
  const password = visit.field('password')
  if (password === '') return refuse('empty')
  if (password !== visit.field('repeated')) return refuse('different')

  const attempt = own.password.change(open, password, pagePolicy.client(visit.request))
  const result = await attempt.catch((error: unknown) => {
    if (error instanceof GatelodgeError && error.code === 'password.busy') return error
    throw error
  })
  if (result instanceof GatelodgeError) {
    return visit.refuse(result.code, 'account-password', { ...again, fault: 'busy' }, result.retryAfterSeconds)
  }
  if (result.outcome === 'unproven') return proveFirst(visit, PAGE)
  if (result.outcome === 'refused') return refuse('refused', result.fault.sentence)
  if (result.outcome === 'elsewhere') return visit.goTo(visit.own(PAGE))
  if (result.outcome === 'expired') return showExpired(visit, visit.own('/account'))
  visit.startSession({ token: result.token, session: open.session })
  return visit.goTo(`${visit.own('/account')}?done=password`)
}

function form(visit: Visit, open: OpenSession): object {
  const { account, session } = open
  return {
    /** Came by the login helper's or support's link, and may not know the password that stands now. */
    byLink: session.via[0] === LOGIN_LINK,
    token: visit.formToken('password', visit.sessionToken),
    username: account.username,
    isPossible: visit.parts.own.password.isPossible(open),
    shortest: visit.parts.own.password.shortest(open),
  }
}
