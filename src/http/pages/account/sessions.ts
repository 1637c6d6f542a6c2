import type { FastifyReply } from 'fastify'
import { hostsOf } from '../../../identity/sessions/branches.js'
import { browserName } from '../../../messages/browser-name.js'
import type { Visit } from '../visit.js'
import { doneNotice, proveFirst, requireForm, requireSession } from './require.js'
import { spoken } from './words.js'

const PAGE = '/account/sessions'

/** Where one is signed in. */
export async function showSessions(visit: Visit): Promise<FastifyReply> {
  const { open, elsewhere } = await requireSession(visit, PAGE)
  if (open === undefined) return elsewhere
  const { sessions: own } = visit.parts.own
  const [sessions, devices] = await Promise.all([own.list(open), own.devices(open)])
  return visit.page('account-sessions', {
    username: open.account.username,
    done: doneNotice(visit),
    token: visit.formToken('sessions', visit.sessionToken),
    signOutToken: visit.formToken('sign-out', visit.sessionToken),
    sessions: sessions.map(({ id, openedAt, userAgent, client, branches }) => ({
      id,
      isHere: id === open.session.id,
      browser: browserName(userAgent),
      address: client,
      since: spoken(openedAt),
      hosts: hostsOf(branches),
    })),
    devices: devices.map(({ id, lastUsedAt, expiresAt, userAgent, address }) => ({
      id,
      isHere: id === visit.parts.devices.idOf(visit.deviceToken),
      browser: browserName(userAgent),
      address,
      lastUsed: spoken(lastUsedAt),
      until: spoken(expiresAt),
    })),
  })
}

/** Signs out one other browser. */
export async function endSession(visit: Visit): Promise<FastifyReply> {
  const { open, elsewhere } = await requireForm(visit, PAGE, 'sessions')
  if (open === undefined) return elsewhere
  const { own, pagePolicy } = visit.parts
  const id = visit.field('session')
  const refusal = await own.sessions.end(open, id, pagePolicy.client(visit.request))
  if (refusal === 'unproven') return proveFirst(visit, PAGE)
  if (refusal === undefined && id === open.session.id) {
    visit.endSession()
    return visit.goTo(visit.own('/sign-out'))
  }
  return visit.goTo(`${visit.own(PAGE)}${refusal === undefined ? '?done=ended' : ''}`)
}

/** Signs out everywhere else; this browser goes on under a new session id. */
export async function endOtherSessions(visit: Visit): Promise<FastifyReply> {
  const { open, elsewhere } = await requireForm(visit, PAGE, 'sessions')
  if (open === undefined) return elsewhere
  const { own, pagePolicy } = visit.parts
  const result = await own.sessions.endOthers(open, pagePolicy.client(visit.request))
  if (result.outcome === 'unproven') return proveFirst(visit, PAGE)
  if (result.outcome === 'gone') return visit.goTo(visit.own(PAGE))
  visit.startSession({ token: result.token, session: open.session })
  return visit.goTo(`${visit.own(PAGE)}?done=ended-others`)
}

/** Forgets a remembered browser. */
export async function forgetDevice(visit: Visit): Promise<FastifyReply> {
  const { open, elsewhere } = await requireForm(visit, PAGE, 'sessions')
  if (open === undefined) return elsewhere
  const { own, pagePolicy } = visit.parts
  const refusal = await own.sessions.forgetDevice(open, visit.field('device'), pagePolicy.client(visit.request))
  if (refusal === 'unproven') return proveFirst(visit, PAGE)
  return visit.goTo(`${visit.own(PAGE)}${refusal === undefined ? '?done=forgotten' : ''}`)
}
