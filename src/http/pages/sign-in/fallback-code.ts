import type { FastifyReply } from 'fastify'
import { usableEnrolments } from '../../../identity/accounts/account.js'
import type { FallbackCode } from '../../../identity/sign-in/fallback-codes.js'
import type { PendingView } from '../../../identity/sign-in/sign-in.js'
import { carried } from '../../web/return-path.js'
import { FEW_LEFT } from '../account/backup-codes.js'
import { doConfirmed } from '../confirmed.js'
import { showExpired, showThrottled } from '../refusals.js'
import type { Visit } from '../visit.js'
import { rememberFacts, rememberIfWanted } from './remember-device.js'
import { requirePending } from './require-pending.js'

/** The page that asks for a code in place of the second factor: one of the user's own, or one from the owner. */
export async function showFallbackCode(visit: Visit, way: FallbackCode): Promise<FastifyReply> {
  const wanted = visit.returnPath(visit.parameter('return'))
  if (await isThere(visit, wanted)) return visit.goTo(wanted)
  const { view, elsewhere } = await requirePending(visit, 'verify', wanted)
  if (elsewhere !== undefined) return elsewhere
  const returnTo = wanted === visit.start ? view.returnTo : wanted
  // Without a second factor there are no codes of one's own.
  if (way === 'backup-code' && view.recoveryCodeOnly) return visit.goTo(visit.own('/verify/recovery-code', returnTo))
  if (view.retryAfterSeconds !== undefined) {
    return showThrottled(visit, view.retryAfterSeconds, visit.own(`/verify/${way}`, returnTo))
  }
  return visit.page(`verify-${way}`, form(visit, view, returnTo))
}

export async function submitFallbackCode(visit: Visit, way: FallbackCode): Promise<FastifyReply> {
  const { signIn, pagePolicy } = visit.parts
  const view = await signIn.pending(visit.pendingToken)
  if (!visit.hasFormToken('verify', visit.pendingToken) || view?.mode !== 'verify') return showExpired(visit)
  const returnTo = visit.returnPath(visit.field('return') || view.returnTo)
  const code = visit.field('code').trim()
  const refuse = (now: PendingView, fault: 'empty' | 'wrong') =>
    visit.refuse('sign-in.wrong-code', `verify-${way}`, { ...form(visit, now, returnTo), fault })
  if (code === '') return refuse(view, 'empty')

  const result = await signIn.wayBack(way, visit.pendingToken, code, pagePolicy.client(visit.request))
  if (result.outcome === 'session') {
    visit.startSession(result)
    if (way === 'recovery-code') {
      // It stood for the second factor, and is dead by now.
      visit.forgetDevice()
      return visit.goTo(visit.own('/verify/recovered', returnTo))
    }
    await rememberIfWanted(visit, result.session)
    const done = await doConfirmed(visit, view.returnTo, result.token)
    if (done !== undefined) return done
    return visit.goTo(await afterBackupCode(visit, result.token, returnTo))
  }
  if (result.outcome === 'expired') return showExpired(visit)
  const left = await signIn.pending(visit.pendingToken)
  const wait = result.outcome === 'throttled' ? result.retryAfterSeconds : left?.retryAfterSeconds
  if (wait !== undefined) return showThrottled(visit, wait, visit.own(`/verify/${way}`, returnTo))
  return refuse(left ?? view, 'wrong')
}

/** In with a recovery code: the next time takes another one, so this is the moment to set something up. */
export async function showRecovered(visit: Visit): Promise<FastifyReply> {
  const returnTo = visit.returnPath(visit.parameter('return'))
  const open = await visit.session()
  if (open === undefined) return visit.goTo(visit.own('/sign-in', returnTo))
  if (!open.session.via.includes('recovery-code')) return visit.goTo(returnTo)
  const isEnrolled = usableEnrolments(open.account).length > 0
  return visit.page('recovered', {
    isEnrolled,
    now: isEnrolled ? visit.own('/account') : visit.own('/enrol', returnTo),
    later: returnTo,
  })
}

/** When few are left, their user is led past the page that makes new ones. */
async function afterBackupCode(visit: Visit, token: string, returnTo: string): Promise<string> {
  const open = await visit.parts.sessions.find(token)
  const left = open && (await visit.parts.backupCodes.left(open.account))
  if (left === undefined || left > FEW_LEFT) return returnTo
  return `${visit.own('/account/backup-codes')}?${new URLSearchParams({ return: carried(returnTo) })}`
}

/** Whether the visitor has nothing more to prove; unless something was begun, as when a fresh proof is wanted. */
async function isThere(visit: Visit, wanted: string): Promise<boolean> {
  const { signIn, pagePolicy } = visit.parts
  const open = await visit.session()
  if (open === undefined || pagePolicy.outcome(visit.request, wanted, open) !== 'allow') return false
  return (await signIn.pending(visit.pendingToken))?.mode !== 'verify'
}

function form(visit: Visit, view: PendingView, returnTo: string): object {
  return {
    ...rememberFacts(visit),
    token: visit.formToken('verify', visit.pendingToken),
    returnTo,
    username: view.username,
    triesLeft: view.triesLeft,
    recoveryCodeOnly: view.recoveryCodeOnly,
    codePage: visit.own('/verify', returnTo),
    backupCodePage: visit.own('/verify/backup-code', returnTo),
    recoveryCodePage: visit.own('/verify/recovery-code', returnTo),
    startAgain: visit.own('/sign-in', returnTo, 'again'),
  }
}
