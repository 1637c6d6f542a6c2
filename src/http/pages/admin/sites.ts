import type { FastifyReply } from 'fastify'
import { readWords, type Words } from '../../../operations/fields.js'
import { explainRequest, listSites } from '../../../operations/installation/sites.js'
import type { Visit } from '../visit.js'
import { ask, deskData, requireAdmin } from './require-admin.js'

const PAGE = '/admin/sites'

/** Sites and rules as the file has them; with an address, what becomes of a request to it. */
export async function showSites(visit: Visit): Promise<FastifyReply> {
  const { open, by, elsewhere } = await requireAdmin(visit, PAGE)
  if (open === undefined) return elsewhere
  const sites = await ask(visit, listSites, {}, { by, page: PAGE })
  if (sites.elsewhere !== undefined) return sites.elsewhere
  const { done: _, ...query } = visit.request.query as Words & { done?: string }
  const given = readWords(explainRequest.input, query)
  const explained = given['url'] === undefined ? undefined : await ask(visit, explainRequest, given, { by, page: PAGE })
  if (explained?.elsewhere !== undefined) return explained.elsewhere
  const data = { ...deskData(visit, by), ...given, sites: sites.done.items, lines: explained?.done?.lines }
  return visit.page('admin-sites', data)
}
