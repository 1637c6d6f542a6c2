import type { FastifyReply } from 'fastify'
import { GatelodgeError } from '../../../errors.js'
import { usableEnrolments } from '../../../identity/accounts/account.js'
import type { OpenSession } from '../../../identity/sessions/sessions.js'
import type { PasswordInput } from '../../../identity/sign-in/sign-in.js'
import { waitingAt } from '../confirm-first.js'
import { doConfirmed } from '../confirmed.js'
import { showThrottled } from '../refusals.js'
import type { Visit } from '../visit.js'

/** The password once more, before anything about the account is changed. */
export async function showProve(visit: Visit): Promise<FastifyReply> {
  const returnTo = wanted(visit, visit.parameter('return'))
  const open = await visit.session()
  if (open === undefined) return visit.goTo(visit.own('/sign-in', returnTo))
  const waiting = await waitingAt(visit, returnTo)
  if (waiting === undefined && visit.parts.own.missingProof(open) === undefined) return visit.goTo(returnTo)
  return visit.page('account-prove', await form(visit, open, returnTo))
}

/** Judged as any sign-in is, within the same budgets; what it opens is a new session in the place of this one. */
export async function submitProve(visit: Visit): Promise<FastifyReply> {
  const { signIn, pagePolicy } = visit.parts
  const returnTo = wanted(visit, visit.field('return'))
  const open = await visit.session()
  if (open === undefined) return visit.goTo(visit.own('/sign-in', returnTo))
  if (!visit.hasFormToken('prove', visit.sessionToken)) {
    return visit.refuse('sign-in.expired', 'expired', { startAgain: visit.own('/account/prove', returnTo) })
  }
  const again = await form(visit, open, returnTo)
  const password = visit.field('password')
  if (password === '') return visit.refuse('sign-in.refused', 'account-prove', { ...again, fault: 'no-password' })

  const attempt = signIn.password({
    username: open.account.username,
    password,
    client: pagePolicy.client(visit.request),
    returnTo,
    policy: asksBoth(pagePolicy.asks(visit.request, returnTo)),
    ...(visit.sessionToken === undefined ? {} : { sessionToken: visit.sessionToken }),
  })
  const result = await attempt.catch((error: unknown) => {
    if (error instanceof GatelodgeError && error.code === 'password.busy') return error
    throw error
  })
  if (result instanceof GatelodgeError) {
    return visit.refuse(result.code, 'account-prove', { ...again, fault: 'busy' }, result.retryAfterSeconds)
  }
  if (result.outcome === 'refused') {
    const wait = result.retryAfterSeconds
    if (wait !== undefined) return showThrottled(visit, wait, visit.own('/account/prove', returnTo))
    return visit.refuse('sign-in.refused', 'account-prove', { ...again, fault: 'refused' })
  }
  if (result.outcome === 'session') {
    visit.startSession(result)
    return (await doConfirmed(visit, returnTo, result.token)) ?? visit.goTo(returnTo)
  }
  visit.startPending(result.pendingToken)
  // Whom policy leads to set a factor up by the password has confirmed that with it.
  const waiting = result.outcome === 'enrol' ? await waitingAt(visit, returnTo) : undefined
  return visit.goTo(visit.own(`/${result.outcome}`, waiting?.action === 'enrol' ? waiting.subject : returnTo))
}

/** Who has a second factor proves it as well, also where policy would let the password alone in. */
function asksBoth(policy: PasswordInput['policy']): PasswordInput['policy'] {
  return (account, user) => {
    const ask = policy(account, user)
    return ask === 'none' && usableEnrolments(account).length > 0 ? 'second-factor' : ask
  }
}

function wanted(visit: Visit, said: string): string {
  const returnTo = visit.returnPath(said)
  return returnTo === visit.start ? visit.own('/account') : returnTo
}

async function form(visit: Visit, { account }: OpenSession, returnTo: string): Promise<object> {
  const token = visit.formToken('prove', visit.sessionToken)
  const confirms = (await waitingAt(visit, returnTo))?.says
  const { browserSignIn, secondFactors } = visit.parts
  const hasPasskey = usableEnrolments(account).some(({ method }) => {
    const factor = secondFactors.get(method)
    return factor !== undefined && 'asks' in factor && factor.signIn !== undefined
  })
  // A form that waits for its proof names itself in the address, and is not done by what a browser says that it is.
  const isWay = browserSignIn.isOffered && hasPasskey && confirms === undefined
  const passkeyWay = isWay ? visit.own('/sign-in', returnTo, 'again') : undefined
  return { token, returnTo, username: account.username, confirms, passkeyWay }
}
