import type { FastifyReply } from 'fastify'
import { showNotNow } from '../not-now.js'
import type { Visit } from '../visit.js'

/** "Forgot your username or password?" */
export async function showHelp(visit: Visit): Promise<FastifyReply> {
  return visit.page('help', { ...form(visit), isSent: visit.parameter('notice') === 'sent' })
}

/**
 * Takes an e-mail address or a username. One answer for all of them: it is given before anybody looks whether there is such
 * an account, and what is found shows in the mailbox and nowhere else.
 */
export async function submitHelp(visit: Visit): Promise<FastifyReply> {
  const { helpDesk, pagePolicy, strangers } = visit.parts
  const email = visit.field('email').trim()
  const username = visit.field('username').trim()
  const typed = { email, username }
  const { pendingToken } = visit
  const client = pagePolicy.client(visit.request)
  const wait = strangers.enter('help', client)
  if (wait !== undefined) return showNotNow(visit, 'help', form(visit, typed), { why: 'busy', retryAfterSeconds: wait })
  const formFault = visit.formFault('help')
  if (formFault !== undefined || pendingToken === undefined) {
    return visit.refuseForm(formFault ?? 'expired', 'help', form(visit, typed))
  }
  const fault = faultOf(visit, typed)
  if (fault !== undefined) return visit.refuse('help.incomplete', 'help', { ...form(visit, typed), fault })
  // The same for every name and address, and before anybody looks for it: what is said of the limit tells nothing about it.
  const notNow = await strangers.ask('help', visit.field('token'), client)
  if (notNow !== undefined) return showNotNow(visit, 'help', form(visit, typed), notNow)
  if (username === '') helpDesk.askForUsernames(email, client)
  else helpDesk.askForLink(username, { client, pendingToken })
  return visit.goTo(visit.own('/help', undefined, 'sent'))
}

interface Typed {
  readonly email: string
  readonly username: string
}

/** Only what can be told from the text alone. */
function faultOf(visit: Visit, { email, username }: Typed): string | undefined {
  if (username !== '') return username.length > LONGEST ? 'no-username' : undefined
  if (email !== '') return ONE_ADDRESS.test(email) && email.length <= LONGEST ? undefined : 'no-address'
  // Of an empty form the field that was sent says which one it was.
  return visit.field('for') === 'usernames' ? 'no-address' : 'no-username'
}

/** No mail address (RFC 5321, 4.5.3.1.3) and no username is longer. */
const LONGEST = 254

/** One plain address: what would make a second recipient, or a second header line, is not one. */
const ONE_ADDRESS = /^[^\s\p{C}"(),:;<>@[\\\]]{1,64}@[^\s\p{C}"(),:;<>@[\\\]]{1,190}$/u

function form(visit: Visit, { email, username }: Typed = { email: '', username: '' }): object {
  return {
    token: visit.formTokenForAnybody('help'),
    tokenForUsernames: visit.formTokenForAnybody('help'),
    isOpen: visit.parts.helpDesk.isOpen,
    isSent: false,
    email,
    username,
    again: visit.own('/help'),
    signIn: visit.own('/sign-in'),
  }
}
