import type { FastifyReply } from 'fastify'
import type { AuditRecord } from '../../../audit/audit.js'
import { browserName } from '../../../messages/browser-name.js'
import type { Visit } from '../visit.js'
import { requireSession } from './require.js'
import { spoken } from './words.js'

/** What happened lately. The words for each event are the template's. */
export async function showActivity(visit: Visit): Promise<FastifyReply> {
  const { open, elsewhere } = await requireSession(visit, '/account/activity')
  if (open === undefined) return elsewhere
  const records = await visit.parts.own.recent(open)
  return visit.page('account-activity', {
    username: open.account.username,
    entries: records.filter(isTelling).map((record) => entry(visit, record)),
  })
}

const steps: ReadonlySet<string> = new Set(['sign-in.password', 'sign-in.passkey', 'sign-in.second-factor'])

/** A sign-in is written down step by step; for the person one line is enough, the one of the session it opened. */
function isTelling({ event, outcome, reason }: AuditRecord): boolean {
  if (steps.has(event)) return outcome === 'refused'
  return !(event === 'session.ended' && reason === 'replaced')
}

function entry(visit: Visit, record: AuditRecord): object {
  const { event, outcome, method, time, address, userAgent, sessionPrefix, details } = record
  const { secondFactors } = visit.parts
  const what = details?.['what']
  return {
    event,
    outcome,
    /** Not one session ended but all there were. */
    isEverywhere: event === 'session.ended' && sessionPrefix === undefined,
    method: method === undefined ? undefined : (secondFactors.get(method)?.label ?? method),
    what: typeof what === 'string' ? what : undefined,
    when: spoken(Date.parse(time)),
    browser: userAgent === undefined ? undefined : browserName(userAgent),
    address,
  }
}
