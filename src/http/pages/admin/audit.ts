import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { textOf } from '../../../audit/audit.js'
import { GatelodgeError } from '../../../errors.js'
import { searchAudit } from '../../../operations/audit/audit.js'
import { readWords, type Words } from '../../../operations/fields.js'
import type { Visit } from '../visit.js'
import { ask, deskData, requireAdmin } from './require-admin.js'
import { activityLine } from './words/activity.js'

const PAGE = '/admin/audit'

/** What happened, the newest first. */
export async function showAudit(visit: Visit): Promise<FastifyReply> {
  const { open, by, elsewhere } = await requireAdmin(visit, PAGE)
  if (open === undefined) return elsewhere
  if (by.role !== 'owner') throw new GatelodgeError('not-found')
  const { done: _, ...query } = visit.request.query as Words & { done?: string }
  const given = readWords(searchAudit.input, query)
  const result = await ask(visit, searchAudit, { ...given, limit: 50 }, { by, page: PAGE })
  if (result.elsewhere !== undefined) return result.elsewhere
  const { items, next } = result.done
  const again = new URLSearchParams()
  for (const [name, value] of Object.entries(given)) if (name !== 'after') again.set(name, String(value))
  if (next !== undefined) again.set('after', next)
  const now = visit.parts.desk.services.now()
  const label = (use: string) => visit.parts.secondFactors.get(use)?.label ?? use
  return visit.page('admin-audit', {
    ...deskData(visit, by),
    ...given,
    entries: items.map((entry) => activityLine(entry, { now, label })),
    next: next === undefined ? undefined : `${visit.own(PAGE)}?${again}`,
    first: visit.parameter('after') === '' ? undefined : `${visit.own(PAGE)}?${withoutAfter(again)}`,
    exportAddress: visit.own(`${PAGE}/export`),
  })
}

function withoutAfter(query: URLSearchParams): URLSearchParams {
  const first = new URLSearchParams(query)
  first.delete('after')
  return first
}

/** Every entry with its number and hash, one line of JSON each, the oldest first. */
export async function exportAudit(visit: Visit): Promise<FastifyReply> {
  const { open, by, elsewhere } = await requireAdmin(visit, PAGE)
  if (open === undefined) return elsewhere
  if (by.role !== 'owner') throw new GatelodgeError('not-found')
  const { audit } = visit.parts.desk.services
  const lines = async function* () {
    for await (const entry of audit.entries(0)) yield `${textOf(entry)}\n`
  }
  return visit.reply
    .header('content-disposition', 'attachment; filename="audit.jsonl"')
    .type('application/jsonl')
    .send(Readable.from(lines()))
}
