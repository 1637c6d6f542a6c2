import type { FastifyReply } from 'fastify'
import { GatelodgeError } from '../../../errors.js'
import { factorName } from '../../../identity/own-account/own-factors.js'
import type { Begun, Method, PendingView } from '../../../identity/sign-in/sign-in.js'
import { carried } from '../../web/return-path.js'
import { pastFirstCodes } from '../account/backup-codes.js'
import { spoken } from '../account/words.js'
import { faultOf, showExpired, showThrottled } from '../refusals.js'
import type { Visit } from '../visit.js'
import { askedFacts } from './asked-facts.js'
import { afterSending, lookAgain, sentFacts } from './code-delivery.js'
import { requirePending } from './require-pending.js'

/** Which second factor to take over; with only one there is nothing to choose. */
export async function showEnrol(visit: Visit): Promise<FastifyReply> {
  const wanted = visit.returnPath(visit.parameter('return'))
  const { view, elsewhere } = await requirePending(visit, 'enrol', wanted)
  if (elsewhere !== undefined) return elsewhere
  const returnTo = wanted === visit.start ? view.returnTo : wanted
  if (view.awaiting !== undefined) return showAwaiting(visit, view, view.awaiting, returnTo)
  const [only, ...others] = view.methods
  if (only !== undefined && others.length === 0) return visit.goTo(visit.own(`/enrol/${only.id}`, returnTo))
  const methods = view.methods.map((method) => ({ ...method, address: visit.own(`/enrol/${method.id}`, returnTo) }))
  return visit.page('enrol', { ...(await common(visit, view, returnTo)), methods })
}

export async function showEnrolMethod(visit: Visit, id: string): Promise<FastifyReply> {
  const wanted = visit.returnPath(visit.parameter('return'))
  const { view, elsewhere } = await requirePending(visit, 'enrol', wanted)
  if (elsewhere !== undefined) return elsewhere
  const returnTo = wanted === visit.start ? view.returnTo : wanted
  if (view.awaiting !== undefined) return visit.goTo(visit.own('/enrol', returnTo))
  if (view.retryAfterSeconds !== undefined) {
    return showThrottled(visit, view.retryAfterSeconds, visit.own(`/enrol/${id}`, returnTo))
  }
  const method = findMethod(view, id)
  const begun = await visit.parts.signIn.beginEnrolment(visit.pendingToken, id, { isRenewed: true })
  if (begun === undefined) return showExpired(visit)
  lookAgain(visit, begun.sent, visit.own(`/enrol/${id}`, returnTo))
  return visit.page('enrol-method', await form(visit, view, method, begun, returnTo))
}

export async function submitEnrolMethod(visit: Visit, id: string): Promise<FastifyReply> {
  const { signIn, pagePolicy } = visit.parts
  const submitted = await loadSubmitted(visit, id)
  if (submitted === undefined) return showExpired(visit)
  const { view, method, returnTo, begun } = submitted

  const code = method.asks === 'browser' ? visit.field('answer') : visit.field('code').trim()
  const typedName = method.asks === 'browser' ? visit.field('name') : ''
  const name = factorName(typedName)
  const again = await form(visit, view, method, begun, returnTo)
  if (code === '') return visit.refuse('sign-in.wrong-code', 'enrol-method', { ...again, fault: 'empty' })
  if (typedName.trim() !== '' && name === undefined) {
    return visit.refuse('account.refused', 'enrol-method', { ...again, fault: 'name' })
  }
  const result = await signIn.confirmEnrolment(visit.pendingToken, code, pagePolicy.client(visit.request), name)
  if (result.outcome === 'session') {
    visit.startSession(result)
    const isOwn = [visit.own('/account'), visit.own('/account/methods')].includes(returnTo)
    return visit.goTo(
      await pastFirstCodes(
        visit,
        result.token,
        isOwn ? `${returnTo}?done=${method.asks === 'browser' ? 'set-up' : 'enrolled'}` : returnTo,
      ),
    )
  }
  if (result.outcome === 'held') {
    visit.forgetPending()
    return visit.goTo(`${visit.own('/enrol/waiting')}?${new URLSearchParams({ return: carried(returnTo) })}`)
  }
  if (result.outcome === 'expired') return showExpired(visit)
  const left = await signIn.pending(visit.pendingToken)
  const wait = result.outcome === 'throttled' ? result.retryAfterSeconds : left?.retryAfterSeconds
  if (wait !== undefined) return showThrottled(visit, wait, visit.own(`/enrol/${id}`, returnTo))
  const shown = await signIn.beginEnrolment(visit.pendingToken, id, { isRenewed: true })
  const sent = left?.sent && { sent: left.sent }
  const now = await form(visit, left ?? view, method, { ...(shown ?? begun), ...sent }, returnTo)
  const fault = faultOf(result)
  return visit.refuse('sign-in.wrong-code', 'enrol-method', { ...now, fault })
}

/** The code that proves an address: it goes out only when it is asked for, because a link anybody sets must not send. */
export async function sendEnrolCode(visit: Visit, id: string): Promise<FastifyReply> {
  const { signIn, pagePolicy } = visit.parts
  const submitted = await loadSubmitted(visit, id)
  if (submitted === undefined) return showExpired(visit)
  const { view, method, returnTo, begun } = submitted
  const outcome = begun.sent && (await signIn.send(visit.pendingToken, pagePolicy.client(visit.request)))
  if (outcome === undefined || outcome.outcome === 'expired') return showExpired(visit)
  return afterSending(visit, outcome, visit.own(`/enrol/${id}`, returnTo), async () => {
    const again = await signIn.beginEnrolment(visit.pendingToken, id)
    return again && { name: 'enrol-method', data: await form(visit, view, method, again, returnTo) }
  })
}

/** Not now: on with the password alone, while some time is left. */
export async function putOffEnrolment(visit: Visit): Promise<FastifyReply> {
  const { signIn, pagePolicy } = visit.parts
  if (!visit.hasFormToken('enrol', visit.pendingToken)) return showExpired(visit)
  const result = await signIn.putOffEnrolment(visit.pendingToken, pagePolicy.client(visit.request))
  if (result.outcome === 'expired') return showExpired(visit)
  visit.startSession(result)
  return visit.goTo(visit.returnPath(visit.field('return') || result.returnTo))
}

/** Right after it was set up: what is waited for, for whoever has a session to go on with and for whoever has none. */
export async function showHeld(visit: Visit): Promise<FastifyReply> {
  return visit.page('enrol-waiting', { isNew: true, onward: visit.returnPath(visit.parameter('return')) })
}

/** At a sign-in in the meantime. */
async function showAwaiting(
  visit: Visit,
  view: PendingView,
  { label, at }: NonNullable<PendingView['awaiting']>,
  returnTo: string,
): Promise<FastifyReply> {
  return visit.page('enrol-waiting', {
    ...(await common(visit, view, returnTo)),
    isNew: false,
    label,
    since: spoken(at),
  })
}

/** What a form of this page was sent for; `undefined` when it stands no more. */
async function loadSubmitted(visit: Visit, id: string) {
  const { signIn } = visit.parts
  const view = await signIn.pending(visit.pendingToken)
  if (!visit.hasFormToken('enrol', visit.pendingToken) || view?.mode !== 'enrol') return undefined
  const method = findMethod(view, id)
  const returnTo = visit.returnPath(visit.field('return') || view.returnTo)
  const begun = await signIn.beginEnrolment(visit.pendingToken, id)
  return begun && { view, method, returnTo, begun }
}

function findMethod({ methods }: PendingView, id: string): Method {
  const method = methods.find((method) => method.id === id)
  if (method === undefined) throw new GatelodgeError('not-found')
  return method
}

async function form(visit: Visit, view: PendingView, method: Method, begun: Begun, returnTo: string): Promise<object> {
  const addresses = { sendTo: visit.own(`/enrol/${method.id}/send`), here: visit.own(`/enrol/${method.id}`, returnTo) }
  return {
    ...sentFacts(method, begun.sent, addresses),
    ...(await common(visit, view, returnTo)),
    method,
    show: begun.show,
    ...askedFacts(visit, method, begun.show, visit.own(`/enrol/${method.id}`, returnTo)),
    typedName: visit.field('name').slice(0, 80),
    triesLeft: view.triesLeft,
    hasOtherWay: view.methods.length > 1,
    partial: visit.parts.templates.secondFactor(method.use, 'enrol'),
    otherWays: view.methods.length > 1 ? visit.own('/enrol', returnTo) : undefined,
  }
}

async function common(visit: Visit, view: PendingView, returnTo: string): Promise<object> {
  const open = await visit.session()
  const account = visit.own('/account')
  const isFree = open !== undefined && visit.parts.pagePolicy.outcome(visit.request, account, open) === 'allow'
  return {
    username: view.username,
    required: !isFree,
    notNow: isFree ? account : undefined,
    later: isFree ? undefined : view.later,
    token: visit.formToken('enrol', visit.pendingToken),
    returnTo,
    startAgain: visit.own('/sign-in', returnTo, 'again'),
  }
}
