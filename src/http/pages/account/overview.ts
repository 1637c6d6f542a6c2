import type { FastifyReply } from 'fastify'
import type { User } from '../../../contracts.js'
import { usableEnrolments } from '../../../identity/accounts/account.js'
import type { OpenSession } from '../../../identity/sessions/sessions.js'
import type { Visit } from '../visit.js'
import { doneNotice, requireSession } from './require.js'

/** Who is signed in, how they prove it, and the way to everything that can be changed. */
export async function showAccount(visit: Visit): Promise<FastifyReply> {
  const { open, elsewhere } = await requireSession(visit, '/account')
  if (open === undefined) return elsewhere
  const { own } = visit.parts
  const user = await own.contact.read(open)
  const { username, email, mobile } = user
  return visit.page('account', {
    token: visit.formToken('sign-out', visit.sessionToken),
    done: doneNotice(visit),
    username,
    email,
    mobile,
    apps: visit.parts.portal.isShared ? visit.own('/apps') : undefined,
    mayAdminister: open.account.role === 'owner' || open.account.role === 'support',
    methods: methods(visit, open, user),
  })
}

/** What is in use; before there is any, what could be. */
function methods(visit: Visit, { account }: OpenSession, user: User): readonly object[] {
  const { secondFactors, signIn } = visit.parts
  const enrolled = usableEnrolments(account)
  if (enrolled.length > 0) {
    const methods = [...new Set(enrolled.map(({ method }) => method))]
    return methods.map((method) => ({ label: secondFactors.get(method)?.label ?? method }))
  }
  return signIn.available(account, user).map(({ id, label }) => {
    return { label, setUp: visit.own(`/enrol/${id}`, visit.own('/account')) }
  })
}
