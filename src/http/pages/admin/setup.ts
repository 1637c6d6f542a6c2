import type { FastifyReply } from 'fastify'
import { GatelodgeError } from '../../../errors.js'
import { showThrottled } from '../refusals.js'
import { isBrief, keepFacts } from '../sign-in/keep-signed-in.js'
import type { Visit } from '../visit.js'

/** The page that the link of `gatelodge setup-link` leads to. It changes nothing. */
export async function showSetup(visit: Visit): Promise<FastifyReply> {
  return showForm(visit, visit.parameter('token'))
}

/** Makes the first owner, and signs them in. From here on the link is in no address any more. */
export async function submitSetup(visit: Visit): Promise<FastifyReply> {
  const { desk, pagePolicy, strangers, signIn } = visit.parts
  const { firstOwner } = desk.services
  const link = visit.field('link')
  const client = pagePolicy.client(visit.request)
  const wait = strangers.enter('setup', client)
  if (wait !== undefined) {
    return showThrottled(visit, wait, `${visit.own('/setup')}?${new URLSearchParams({ token: link })}`)
  }
  if (!visit.hasFormToken('setup', visit.pendingToken)) return showForm(visit, link, { field: 'expired' })
  const fault = faultOf(visit)
  if (fault !== undefined) return showForm(visit, link, fault)
  const username = visit.field('username').trim()
  const password = visit.field('password')
  const email = visit.field('email').trim()
  const made = await firstOwner
    .make(link, { username, password, ...(email === '' ? {} : { email }) }, client)
    .catch(busyOrThrow)
  if (made === 'busy') return showForm(visit, link, { field: 'busy' })
  if (made.outcome === 'over') return showOver(visit)
  if (made.outcome === 'refused') return showForm(visit, link, made)
  const returnTo = visit.own('/admin')
  const result = await signIn
    .password({
      username,
      password,
      client,
      returnTo,
      policy: pagePolicy.asks(visit.request, returnTo),
      isBrief: isBrief(visit),
    })
    .catch(busyOrThrow)
  // Too much is going on at this moment: the owner is made all the same.
  if (result === 'busy' || result.outcome === 'refused') return visit.goTo(visit.own('/sign-in', returnTo))
  if (result.outcome === 'session') {
    visit.startSession(result)
    return visit.goTo(returnTo)
  }
  visit.startPending(result.pendingToken)
  return visit.goTo(visit.own(`/${result.outcome}`, returnTo))
}

interface Fault {
  readonly field: 'expired' | 'busy' | 'username' | 'email' | 'password' | 'repeated'
  readonly sentence?: string
}

function faultOf(visit: Visit): Fault | undefined {
  if (visit.field('username').trim() === '') return { field: 'username', sentence: 'Enter a username' }
  if (visit.field('password') === '') return { field: 'password', sentence: 'Enter a password' }
  if (visit.field('password') !== visit.field('repeated')) {
    return { field: 'repeated', sentence: 'The two are not the same. Enter the password twice.' }
  }
  return undefined
}

async function showForm(visit: Visit, link: string, fault?: Fault): Promise<FastifyReply> {
  const { firstOwner, messages } = visit.parts.desk.services
  if (!(await firstOwner.isOpen(link))) return showOver(visit)
  const data = {
    link,
    token: visit.formTokenForAnybody('setup'),
    username: visit.field('username').trim(),
    email: visit.field('email').trim(),
    shortest: firstOwner.shortestPassword,
    sendsMail: messages.sendsMail,
    fault: fault?.field,
    sentence: fault?.sentence,
    ...keepFacts(visit),
  }
  if (fault === undefined) return visit.page('setup', data)
  if (fault.field === 'busy') return visit.refuse('password.busy', 'setup', data, BUSY_SECONDS)
  return visit.refuse(fault.field === 'expired' ? 'sign-in.expired' : 'setup.refused', 'setup', data)
}

function showOver(visit: Visit): FastifyReply {
  return visit.refuse('setup.over', 'setup-over', { signIn: visit.own('/sign-in') })
}

/** Too many sign-ins at once are no reason to lose what was typed. */
function busyOrThrow(error: unknown): 'busy' {
  if (error instanceof GatelodgeError && error.code === 'password.busy') return 'busy'
  throw error
}

const BUSY_SECONDS = 2
