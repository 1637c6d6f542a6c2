import type { FastifyReply } from 'fastify'
import { usableEnrolments } from '../../../identity/accounts/account.js'
import type { OpenSession } from '../../../identity/sessions/sessions.js'
import type { Method, PendingView } from '../../../identity/sign-in/sign-in.js'
import { capableFacts, pastOffer } from '../account/offer.js'
import { waitingAt } from '../confirm-first.js'
import { doConfirmed } from '../confirmed.js'
import { followOn } from '../portal/hand-over.js'
import { faultOf, showExpired, showThrottled } from '../refusals.js'
import type { Visit } from '../visit.js'
import { askedFacts } from './asked-facts.js'
import { afterSending, lookAgain, sentFacts } from './code-delivery.js'
import { rememberFacts, rememberIfWanted } from './remember-device.js'
import { requirePending } from './require-pending.js'

export async function showVerify(visit: Visit): Promise<FastifyReply> {
  const wanted = visit.returnPath(visit.parameter('return'))
  const open = await visit.session()
  const outcome = open && visit.parts.pagePolicy.outcome(visit.request, wanted, open)
  // What lets somebody in is not always enough to change the account.
  const isProof =
    (await waitingAt(visit, wanted)) !== undefined ||
    (open && isOwnPlace(visit, wanted) && visit.parts.own.missingProof(open) !== undefined)
  // The site asks for more than this place would, as where its own network is another one than ours.
  const isAskedThere = open && visit.onward(wanted) && open.session.secondFactorAt === undefined
  const wantsPasskey = visit.parts.pagePolicy.wantsPasskey(visit.request, wanted)
  if (wantsPasskey && open !== undefined && outcome === 'second-factor' && !hasPasskey(visit, open)) {
    return showPasskeyNeeded(visit, open, wanted)
  }
  const mustAsk = isProof || (isAskedThere && usableEnrolments(open.account).length > 0)
  if (outcome === 'allow' && !mustAsk) return followOn(visit, wanted)
  // A fresh proof is wanted of somebody who has only the password to give.
  if (outcome === 'reauthenticate' && open !== undefined && usableEnrolments(open.account).length === 0) {
    return visit.goTo(visit.own('/sign-in', wanted, 'again'))
  }
  const standing = await requirePending(visit, 'verify', wanted)
  if (standing.elsewhere !== undefined) return standing.elsewhere
  const chosen = wantsPasskey ? await passkeyFirst(visit, standing.view) : standing.view
  const view = await renewed(visit, chosen)
  const returnTo = wanted === visit.start ? view.returnTo : wanted
  if (view.recoveryCodeOnly) return visit.goTo(visit.own('/verify/recovery-code', returnTo))
  if (view.retryAfterSeconds !== undefined) {
    return showThrottled(visit, view.retryAfterSeconds, visit.own('/verify', returnTo))
  }
  lookAgain(visit, view.sent, visit.own('/verify', returnTo))
  return visit.page('verify', await form(visit, view, returnTo))
}

export async function submitVerify(visit: Visit): Promise<FastifyReply> {
  const { signIn, pagePolicy } = visit.parts
  const view = await signIn.pending(visit.pendingToken)
  if (!visit.hasFormToken('verify', visit.pendingToken) || view?.mode !== 'verify') return showExpired(visit)
  const returnTo = visit.returnPath(visit.field('return') || view.returnTo)
  const isAsked = askedMethod(view) !== undefined
  const code = isAsked ? visit.field('answer') : visit.field('code').trim()
  if (code === '') {
    return visit.refuse('sign-in.wrong-code', 'verify', { ...(await form(visit, view, returnTo)), fault: 'empty' })
  }
  const result = await signIn.answer(visit.pendingToken, code, pagePolicy.client(visit.request))
  if (result.outcome === 'session') {
    visit.startSession(result)
    await rememberIfWanted(visit, result.session)
    const done = await doConfirmed(visit, view.returnTo, result.token)
    return done ?? visit.goTo(isAsked ? returnTo : await pastOffer(visit, result.token, returnTo))
  }
  if (result.outcome === 'expired') return showExpired(visit)
  const fault = faultOf(result)
  const now = await signIn.pending(visit.pendingToken)
  const wait = result.outcome === 'throttled' ? result.retryAfterSeconds : now?.retryAfterSeconds
  if (wait !== undefined) return showThrottled(visit, wait, visit.own('/verify', returnTo))
  const left = now && (await renewed(visit, now))
  return visit.refuse('sign-in.wrong-code', 'verify', { ...(await form(visit, left ?? view, returnTo)), fault })
}

/** Another of the user's own methods, and its question. */
export async function chooseMethod(visit: Visit): Promise<FastifyReply> {
  if (!visit.hasFormToken('verify', visit.pendingToken)) return showExpired(visit)
  const { signIn, pagePolicy } = visit.parts
  const chosen = await signIn.choose(visit.pendingToken, visit.field('method'), pagePolicy.client(visit.request))
  if (chosen.outcome === 'expired') return showExpired(visit)
  // What became of a code that had to be sent is on the page.
  return visit.goTo(visit.own('/verify', visit.returnPath(visit.field('return'))))
}

/** Another code by the method that is chosen. */
export async function sendCode(visit: Visit): Promise<FastifyReply> {
  const { signIn, pagePolicy } = visit.parts
  const before = await signIn.pending(visit.pendingToken)
  if (!visit.hasFormToken('verify', visit.pendingToken) || before?.mode !== 'verify') return showExpired(visit)
  const returnTo = visit.returnPath(visit.field('return') || before.returnTo)
  const outcome = await signIn.send(visit.pendingToken, pagePolicy.client(visit.request))
  if (outcome.outcome === 'expired') return showExpired(visit)
  return afterSending(visit, outcome, visit.own('/verify', returnTo), async () => {
    const view = await signIn.pending(visit.pendingToken)
    return view && { name: 'verify', data: await form(visit, view, returnTo) }
  })
}

function resistsPhishing({ parts }: Visit, use: string): boolean {
  const factor = parts.secondFactors.get(use)
  return factor !== undefined && 'asks' in factor && factor.resistsPhishing === true
}

function hasPasskey(visit: Visit, { account }: OpenSession): boolean {
  return usableEnrolments(account).some(({ method }) => resistsPhishing(visit, method))
}

/** Nothing this user has opens the page: says so, and where one is set up. */
function showPasskeyNeeded(visit: Visit, { account, session }: OpenSession, wanted: string): FastifyReply {
  const offered = visit.parts.signIn.available(account, session.user)
  const use = offered.find(({ id }) => resistsPhishing(visit, id))?.id
  return visit.page('passkey-needed', {
    returnTo: wanted,
    username: account.username,
    setUp: use === undefined ? undefined : visit.own(`/account/methods/add/${use}`),
    startAgain: visit.own('/sign-in', wanted, 'again'),
  })
}

/** On the way to a page that only a passkey opens, the passkey is asked; what else there is can be chosen as ever. */
async function passkeyFirst(visit: Visit, view: PendingView): Promise<PendingView> {
  const { signIn, pagePolicy } = visit.parts
  const passkey = view.methods.find(({ use }) => resistsPhishing(visit, use))
  if (passkey === undefined || passkey.id === view.method) return view
  await signIn.choose(visit.pendingToken, passkey.id, pagePolicy.client(visit.request))
  return (await signIn.pending(visit.pendingToken)) ?? view
}

/** With a question that a script asks put anew, where the one that stands would not do for a page that is shown now. */
async function renewed(visit: Visit, view: PendingView): Promise<PendingView> {
  if (askedMethod(view) === undefined) return view
  await visit.parts.signIn.renewQuestion(visit.pendingToken)
  return (await visit.parts.signIn.pending(visit.pendingToken)) ?? view
}

function askedMethod({ methods, method }: PendingView): Method | undefined {
  return methods.find(({ id, asks }) => id === method && asks === 'browser')
}

/** Where a session that opens the page is not always enough to change something. */
function isOwnPlace(visit: Visit, path: string): boolean {
  return path.startsWith(visit.own('/account')) || path.startsWith(visit.own('/admin'))
}

async function form(visit: Visit, view: PendingView, returnTo: string): Promise<object> {
  const method = view.methods.find(({ id }) => id === view.method)
  const otherMethods = view.methods.filter(({ id }) => id !== view.method)
  const addresses = { sendTo: visit.own('/verify/send'), here: visit.own('/verify', returnTo) }
  return {
    ...sentFacts(method, view.sent, addresses),
    ...rememberFacts(visit),
    ...capableFacts(visit),
    confirms: (await waitingAt(visit, view.returnTo))?.says,
    token: visit.formToken('verify', visit.pendingToken),
    returnTo,
    username: view.username,
    backupCodePage: visit.own('/verify/backup-code', returnTo),
    method,
    otherMethods,
    hasOtherWay: otherMethods.length > 0,
    show: view.show,
    ...askedFacts(visit, method, view.show, visit.own('/verify', returnTo)),
    mailProvesNothing: view.mailProvesNothing,
    passkeyProvesNothing: view.passkeyProvesNothing,
    triesLeft: view.triesLeft,
    partial: visit.parts.templates.secondFactor(method?.use ?? '', 'verify'),
    startAgain: visit.own('/sign-in', returnTo, 'again'),
  }
}
