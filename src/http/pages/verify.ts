import type { FastifyReply } from 'fastify'
import type { PendingView } from '../../identity/sign-in.js'
import { loadPending } from './pending.js'
import { showExpired, showThrottled } from './refusals.js'
import type { Visit } from './visit.js'

export async function showVerify(visit: Visit): Promise<FastifyReply> {
  const wanted = visit.returnPath(visit.parameter('return'))
  const open = await visit.session()
  const outcome = open && visit.parts.entrance.outcome(visit.request, wanted, open)
  if (outcome === 'allow') return visit.goTo(wanted)
  // A fresh proof is wanted of somebody who has only the password to give.
  if (outcome === 'reauthenticate' && open?.account.enrolled.length === 0) {
    return visit.goTo(visit.own('/sign-in', wanted, 'again'))
  }
  const { view, elsewhere } = await loadPending(visit, 'verify', wanted)
  if (elsewhere !== undefined) return elsewhere
  const returnTo = wanted === '/' ? view.returnTo : wanted
  if (view.retryAfterSeconds !== undefined) {
    return showThrottled(visit, view.retryAfterSeconds, visit.own('/verify', returnTo))
  }
  return visit.page('verify', form(visit, view, returnTo))
}

export async function submitVerify(visit: Visit): Promise<FastifyReply> {
  const { signIn, entrance } = visit.parts
  const view = await signIn.pending(visit.pendingToken)
  if (!visit.hasFormToken('verify', visit.pendingToken) || view?.mode !== 'verify') return showExpired(visit)
  const returnTo = visit.returnPath(visit.field('return') || view.returnTo)
  const code = visit.field('code').trim()
  if (code === '') {
    return visit.refuse('sign-in.wrong-code', 'verify', { ...form(visit, view, returnTo), fault: 'empty' })
  }
  const result = await signIn.answer(visit.pendingToken, code, entrance.client(visit.request))
  if (result.outcome === 'session') {
    visit.startSession(result.token)
    return visit.goTo(returnTo)
  }
  if (result.outcome === 'expired') return showExpired(visit)
  const left = await signIn.pending(visit.pendingToken)
  const wait = result.outcome === 'throttled' ? result.retryAfterSeconds : left?.retryAfterSeconds
  if (wait !== undefined) return showThrottled(visit, wait, visit.own('/verify', returnTo))
  return visit.refuse('sign-in.wrong-code', 'verify', { ...form(visit, left ?? view, returnTo), fault: 'wrong' })
}

/** Another of the user's own methods, and its question. */
export async function chooseMethod(visit: Visit): Promise<FastifyReply> {
  if (!visit.hasFormToken('verify', visit.pendingToken)) return showExpired(visit)
  if (!(await visit.parts.signIn.choose(visit.pendingToken, visit.field('method')))) return showExpired(visit)
  return visit.goTo(visit.own('/verify', visit.returnPath(visit.field('return'))))
}

function form(visit: Visit, view: PendingView, returnTo: string): object {
  const method = view.methods.find(({ id }) => id === view.method)
  return {
    token: visit.formToken('verify', visit.pendingToken),
    returnTo,
    username: view.username,
    method,
    otherMethods: view.methods.filter(({ id }) => id !== view.method),
    show: view.show,
    triesLeft: view.triesLeft,
    partial: visit.parts.templates.secondFactor(method?.use ?? '', 'verify'),
    startAgain: visit.own('/sign-in', returnTo, 'again'),
  }
}
