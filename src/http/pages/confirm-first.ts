import type { FastifyReply } from 'fastify'
import { usableEnrolments } from '../../identity/accounts/account.js'
import type { WaitingForm } from '../../identity/sessions/waiting-forms.js'
import type { Visit } from './visit.js'

const PAGE = '/account/confirm'

/**
 * Keeps the form that was sent and asks for a proof of its own: the code, or the password where there is no code to ask for
 * or it was given too long ago. What was kept is done by the page that judges the answer.
 */
export async function confirmFirst(
  visit: Visit,
  form: Pick<WaitingForm, 'action' | 'subject' | 'says'>,
): Promise<FastifyReply> {
  const open = await visit.session()
  if (open === undefined || visit.sessionToken === undefined) return visit.goTo(visit.own('/sign-in'))
  const kept = { ...form, accountId: open.account.id, fields: visit.fields }
  const id = await visit.parts.waitingForms.keep(visit.sessionToken, kept)
  return visit.goTo(await proofOf(visit, id))
}

/** Where the proof for a form is given. A sign-in that is half-way belongs to something else. */
async function proofOf(visit: Visit, id: string): Promise<string> {
  const here = visit.own(`${PAGE}/${id}`)
  const open = await visit.session()
  const isByCode =
    open !== undefined && usableEnrolments(open.account).length > 0 && visit.parts.own.missingProof(open) !== 'password'
  visit.forgetPending()
  return visit.own(isByCode ? '/verify' : '/account/prove', here)
}

/** Back from elsewhere with the proof not given: asks for it again, while the form waits. */
export async function showConfirmation(visit: Visit, id: string): Promise<FastifyReply> {
  const waiting = await visit.parts.waitingForms.look(visit.sessionToken, id)
  if (waiting === undefined) return visit.refuse('sign-in.expired', 'expired', { startAgain: visit.own('/account') })
  return visit.goTo(await proofOf(visit, id))
}

/** What a proof on the way to this address is for. `undefined`: for no form, or none that waits still. */
export async function waitingAt(visit: Visit, returnTo: string): Promise<WaitingForm | undefined> {
  const id = waitingId(visit, returnTo)
  return id === undefined ? undefined : visit.parts.waitingForms.look(visit.sessionToken, id)
}

/** The id of a waiting form in an address of ours. */
export function waitingId(visit: Visit, returnTo: string): string | undefined {
  const start = visit.own(`${PAGE}/`)
  const id = returnTo.startsWith(start) ? returnTo.slice(start.length) : ''
  return /^[\w-]{22}$/.test(id) ? id : undefined
}
