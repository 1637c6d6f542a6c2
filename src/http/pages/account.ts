import type { FastifyReply } from 'fastify'
import type { OpenSession } from '../../identity/sessions.js'
import type { Visit } from './visit.js'

/** Who is signed in, and how they prove it. */
export async function showAccount(visit: Visit): Promise<FastifyReply> {
  const here = visit.own('/account')
  const open = await visit.session()
  if (open === undefined) return visit.goTo(visit.own('/sign-in', here))
  const outcome = visit.parts.entrance.outcome(visit.request, here, open)
  if (outcome === 'second-factor') return visit.goTo(visit.own('/verify', here))
  if (outcome === 'enrol') return visit.goTo(visit.own('/enrol', here))
  if (outcome !== 'allow') return visit.goTo(visit.own('/sign-in', here, 'again'))
  const { username, email, mobile } = open.session.user
  return visit.page('account', {
    token: visit.formToken('sign-out', visit.sessionToken),
    done: visit.parameter('done'),
    username,
    email,
    mobile,
    methods: methods(visit, open),
  })
}

/** What is in use; before there is any, what could be. */
function methods(visit: Visit, { session, account }: OpenSession): readonly object[] {
  const { secondFactors, signIn } = visit.parts
  if (account.enrolled.length > 0) {
    return account.enrolled.map(({ method }) => ({ label: secondFactors.get(method)?.label ?? method }))
  }
  return signIn.available(session.user).map(({ id, label }) => {
    return { label, setUp: visit.own(`/enrol/${id}`, visit.own('/account')) }
  })
}
