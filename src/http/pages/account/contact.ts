import type { FastifyReply } from 'fastify'
import type { ChangeContactOutcome, Contact, ContactDone } from '../../../identity/own-account/own-contact.js'
import type { OpenSession } from '../../../identity/sessions/sessions.js'
import { showExpired } from '../refusals.js'
import type { Visit } from '../visit.js'
import { proveFirst, requireForm, requireFreshProof, requireFreshProofWhere } from './require.js'

const PAGE = '/account/contact'
const CONFIRM = '/account/contact/confirm'

/** Mail address and mobile number. */
export async function showContact(visit: Visit): Promise<FastifyReply> {
  const { own } = visit.parts
  const { open, elsewhere } = await requireFreshProofWhere(visit, PAGE, (session) => own.contact.isPossible(session))
  if (open === undefined) return elsewhere
  return visit.page('account-contact', await form(visit, open))
}

export async function submitContact(visit: Visit, what: string): Promise<FastifyReply> {
  const said = what === 'mobile' ? 'mobile number' : 'e-mail address'
  const confirmed = { action: 'contact', subject: what, what: `Change your ${said}` }
  const { open, elsewhere } = await requireForm(visit, PAGE, 'contact', confirmed)
  if (open === undefined) return elsewhere
  const { own, pagePolicy } = visit.parts
  const contact: Contact = what === 'mobile' ? 'mobile' : 'email'
  const typed = visit.field(contact).slice(0, 300)
  const client = pagePolicy.client(visit.request)
  const result = await own.contact.change(open, visit.sessionToken ?? '', { what: contact, typed, client })
  if (result.outcome === 'code') return visit.goTo(visit.own(CONFIRM))
  if (result.outcome === 'done') return goOn(visit, result)
  if (result.outcome === 'unproven') return proveFirst(visit, PAGE)
  if (result.outcome === 'gone') return showExpired(visit, visit.own('/account'))
  const again = { ...(await form(visit, open)), [contact]: typed, wrong: contact, ...faultOf(result) }
  return visit.refuse('account.refused', 'account-contact', again)
}

export async function showConfirm(visit: Visit): Promise<FastifyReply> {
  const { open, elsewhere } = await requireFreshProof(visit, CONFIRM)
  if (open === undefined) return elsewhere
  const waiting = await visit.parts.own.contact.waiting(open)
  if (waiting === undefined) return visit.goTo(visit.own(PAGE))
  return visit.page('account-confirm', confirmForm(visit, open, waiting))
}

export async function submitConfirm(visit: Visit): Promise<FastifyReply> {
  const { open, elsewhere } = await requireForm(visit, CONFIRM, 'contact')
  if (open === undefined) return elsewhere
  const { own, pagePolicy } = visit.parts
  const waiting = await own.contact.waiting(open)
  const code = visit.field('code')
  const client = pagePolicy.client(visit.request)
  const result = await own.contact.confirm(open, visit.sessionToken ?? '', code, client)
  if (result.outcome === 'done') return goOn(visit, result)
  if (result.outcome === 'unproven') return proveFirst(visit, CONFIRM)
  if (result.outcome !== 'wrong' || waiting === undefined) return showExpired(visit, visit.own(PAGE))
  if (result.triesLeft === 0) return showExpired(visit, visit.own(PAGE))
  const fault = code.trim() === '' ? 'empty' : 'wrong'
  const again = { ...confirmForm(visit, open, waiting), fault, triesLeft: result.triesLeft }
  return visit.refuse('sign-in.wrong-code', 'account-confirm', again)
}

/** With a new session in the place of the old one, where that was ended along with all others. */
function goOn(visit: Visit, { renewed }: ContactDone): FastifyReply {
  if (renewed !== undefined) visit.startSession(renewed)
  return visit.goTo(`${visit.own('/account')}?done=contact`)
}

function faultOf(result: Extract<ChangeContactOutcome, { outcome: 'refused' | 'not-sent' }>): object {
  if (result.outcome === 'refused') return { fault: result.fault }
  const { sending } = result
  if (sending.outcome === 'failed') return { fault: 'failed' }
  return { fault: 'wait', seconds: sending.retryAfterSeconds }
}

async function form(visit: Visit, open: OpenSession): Promise<object> {
  const { own } = visit.parts
  const { email = '', mobile = '' } = await own.contact.read(open)
  return {
    token: visit.formToken('contact', visit.sessionToken),
    username: open.account.username,
    isPossible: own.contact.isPossible(open),
    email,
    mobile,
  }
}

function confirmForm(visit: Visit, { account }: OpenSession, waiting: { what: Contact; value: string }): object {
  return {
    token: visit.formToken('contact', visit.sessionToken),
    username: account.username,
    ...waiting,
    address: visit.own(CONFIRM),
    startAgain: visit.own(PAGE),
  }
}
