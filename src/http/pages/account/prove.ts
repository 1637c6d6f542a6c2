import type { FastifyReply } from 'fastify'
import { GatelodgeError } from '../../../errors.js'
import { usableEnrolments } from '../../../identity/accounts.js'
import type { OpenSession } from '../../../identity/sessions.js'
import type { PasswordInput } from '../../../identity/sign-in.js'
import { showThrottled } from '../refusals.js'
import type { Visit } from '../visit.js'

/** The password once more, before anything about the account is changed. */
export async function showProve(visit: Visit): Promise<FastifyReply> {
  const returnTo = wanted(visit, visit.parameter('return'))
  const open = await visit.session()
  if (open === undefined) return visit.goTo(visit.own('/sign-in', returnTo))
  if (visit.parts.own.missingProof(open) === undefined) return visit.goTo(returnTo)
  return visit.page('account-prove', form(visit, open, returnTo))
}

/** Judged as any sign-in is, within the same budgets; what it opens is a new session in the place of this one. */
export async function submitProve(visit: Visit): Promise<FastifyReply> {
  const { signIn, entrance } = visit.parts
  const returnTo = wanted(visit, visit.field('return'))
  const open = await visit.session()
  if (open === undefined) return visit.goTo(visit.own('/sign-in', returnTo))
  if (!visit.hasFormToken('prove', visit.sessionToken)) {
    return visit.refuse('sign-in.expired', 'expired', { startAgain: visit.own('/account/prove', returnTo) })
  }
  const again = form(visit, open, returnTo)
  const password = visit.field('password')
  if (password === '') return visit.refuse('sign-in.refused', 'account-prove', { ...again, fault: 'no-password' })

  const attempt = signIn.password({
    username: open.account.username,
    password,
    client: entrance.client(visit.request),
    returnTo,
    policy: asksBoth(entrance.asks(visit.request, returnTo)),
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
    visit.startSession(result.token)
    return visit.goTo(returnTo)
  }
  visit.startPending(result.pendingToken)
  return visit.goTo(visit.own(`/${result.outcome}`, returnTo))
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
  return returnTo === '/' ? visit.own('/account') : returnTo
}

function form(visit: Visit, { account }: OpenSession, returnTo: string): object {
  const token = visit.formToken('prove', visit.sessionToken)
  return { token, returnTo, username: account.username }
}
