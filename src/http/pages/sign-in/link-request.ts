import type { FastifyReply } from 'fastify'
import { GatelodgeError } from '../../../errors.js'
import { showNotNow } from '../not-now.js'
import type { Visit } from '../visit.js'

const PAGE = '/sign-in/link'

/** Asking for a link in place of the password, where the operator offers it. */
export async function showLinkRequest(visit: Visit): Promise<FastifyReply> {
  checkOffered(visit)
  const returnTo = visit.returnPath(visit.parameter('return'))
  const isSent = visit.parameter('notice') === 'sent'
  return visit.page('link-request', { ...form(visit, returnTo), isSent })
}

/** The same answer for every name: who there is shows in the mailbox and nowhere else. */
export async function submitLinkRequest(visit: Visit): Promise<FastifyReply> {
  checkOffered(visit)
  const { linkSignIn, pagePolicy, strangers } = visit.parts
  const returnTo = visit.returnPath(visit.field('return'))
  const username = visit.field('username').trim()
  const { pendingToken } = visit
  const client = pagePolicy.client(visit.request)
  const wait = strangers.enter('help', client)
  const again = () => form(visit, returnTo, username)
  if (wait !== undefined) return showNotNow(visit, 'link-request', again(), { why: 'busy', retryAfterSeconds: wait })
  const fault = visit.formFault('magic-link')
  if (fault !== undefined || pendingToken === undefined) {
    return visit.refuseForm(fault ?? 'expired', 'link-request', again())
  }
  if (username === '') {
    return visit.refuse('help.incomplete', 'link-request', { ...form(visit, returnTo), fault: 'no-username' })
  }
  const notNow = await strangers.ask('help', visit.field('token'), client)
  if (notNow !== undefined) return showNotNow(visit, 'link-request', again(), notNow)
  linkSignIn.askFor(username, { client, pendingToken, returnTo })
  return visit.goTo(visit.own(PAGE, returnTo, 'sent'))
}

function checkOffered(visit: Visit): void {
  if (!visit.parts.linkSignIn.isOffered) throw new GatelodgeError('not-found')
}

function form(visit: Visit, returnTo: string, username = ''): object {
  return {
    token: visit.formTokenForAnybody('magic-link'),
    returnTo,
    username,
    isSent: false,
    again: visit.own(PAGE, returnTo),
    signIn: visit.own('/sign-in', returnTo),
  }
}
