import type { FastifyReply } from 'fastify'
import { usableEnrolments } from '../../identity/accounts.js'
import type { PendingView } from '../../identity/sign-in.js'
import { loadPending } from './pending.js'
import { showExpired, showThrottled } from './refusals.js'
import { rememberFacts, rememberIfWanted } from './remember.js'
import { afterSending, lookAgain, sentFacts } from './sent.js'
import type { Visit } from './visit.js'

export async function showVerify(visit: Visit): Promise<FastifyReply> {
  const wanted = visit.returnPath(visit.parameter('return'))
  const open = await visit.session()
  const outcome = open && visit.parts.entrance.outcome(visit.request, wanted, open)
  // What lets somebody in is not always enough to change the account.
  const isProof = open && wanted.startsWith(visit.own('/account')) && visit.parts.own.missingProof(open) !== undefined
  if (outcome === 'allow' && !isProof) return visit.goTo(wanted)
  // A fresh proof is wanted of somebody who has only the password to give.
  if (outcome === 'reauthenticate' && open !== undefined && usableEnrolments(open.account).length === 0) {
    return visit.goTo(visit.own('/sign-in', wanted, 'again'))
  }
  const { view, elsewhere } = await loadPending(visit, 'verify', wanted)
  if (elsewhere !== undefined) return elsewhere
  const returnTo = wanted === '/' ? view.returnTo : wanted
  if (view.recoveryCodeOnly) return visit.goTo(visit.own('/verify/recovery-code', returnTo))
  if (view.retryAfterSeconds !== undefined) {
    return showThrottled(visit, view.retryAfterSeconds, visit.own('/verify', returnTo))
  }
  lookAgain(visit, view.sent, visit.own('/verify', returnTo))
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
    await rememberIfWanted(visit, result.session)
    return visit.goTo(returnTo)
  }
  if (result.outcome === 'expired') return showExpired(visit)
  const fault = result.outcome === 'no-code' ? 'late' : 'wrong'
  const left = await signIn.pending(visit.pendingToken)
  const wait = result.outcome === 'throttled' ? result.retryAfterSeconds : left?.retryAfterSeconds
  if (wait !== undefined) return showThrottled(visit, wait, visit.own('/verify', returnTo))
  return visit.refuse('sign-in.wrong-code', 'verify', { ...form(visit, left ?? view, returnTo), fault })
}

/** Another of the user's own methods, and its question. */
export async function chooseMethod(visit: Visit): Promise<FastifyReply> {
  if (!visit.hasFormToken('verify', visit.pendingToken)) return showExpired(visit)
  const { signIn, entrance } = visit.parts
  const chosen = await signIn.choose(visit.pendingToken, visit.field('method'), entrance.client(visit.request))
  if (chosen.outcome === 'expired') return showExpired(visit)
  // What became of a code that had to be sent is on the page.
  return visit.goTo(visit.own('/verify', visit.returnPath(visit.field('return'))))
}

/** Another code by the method that is chosen. */
export async function sendCode(visit: Visit): Promise<FastifyReply> {
  const { signIn, entrance } = visit.parts
  const before = await signIn.pending(visit.pendingToken)
  if (!visit.hasFormToken('verify', visit.pendingToken) || before?.mode !== 'verify') return showExpired(visit)
  const returnTo = visit.returnPath(visit.field('return') || before.returnTo)
  const outcome = await signIn.send(visit.pendingToken, entrance.client(visit.request))
  if (outcome.outcome === 'expired') return showExpired(visit)
  return afterSending(visit, outcome, visit.own('/verify', returnTo), async () => {
    const view = await signIn.pending(visit.pendingToken)
    return view && { name: 'verify', data: form(visit, view, returnTo) }
  })
}

function form(visit: Visit, view: PendingView, returnTo: string): object {
  const method = view.methods.find(({ id }) => id === view.method)
  const otherMethods = view.methods.filter(({ id }) => id !== view.method)
  const addresses = { sendTo: visit.own('/verify/send'), here: visit.own('/verify', returnTo) }
  return {
    ...sentFacts(method, view.sent, addresses),
    ...rememberFacts(visit),
    token: visit.formToken('verify', visit.pendingToken),
    returnTo,
    username: view.username,
    backupCodePage: visit.own('/verify/backup-code', returnTo),
    method,
    otherMethods,
    hasOtherWay: otherMethods.length > 0,
    show: view.show,
    mailProvesNothing: view.mailProvesNothing,
    triesLeft: view.triesLeft,
    partial: visit.parts.templates.secondFactor(method?.use ?? '', 'verify'),
    startAgain: visit.own('/sign-in', returnTo, 'again'),
  }
}
