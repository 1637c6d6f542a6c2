import type { FastifyReply } from 'fastify'
import { listApprovals } from '../../../operations/users/approval.js'
import type { Visit } from '../visit.js'
import { ask, deskData, requireAdmin } from './require-admin.js'
import { userPage } from './user-page.js'
import { when } from './words/when.js'

const PAGE = '/admin/approvals'

/** Second factors that wait for an owner. */
export async function showApprovals(visit: Visit): Promise<FastifyReply> {
  const { open, by, elsewhere } = await requireAdmin(visit, PAGE)
  if (open === undefined) return elsewhere
  const result = await ask(visit, listApprovals, {}, { by, page: PAGE })
  if (result.elsewhere !== undefined) return result.elsewhere
  const waiting = result.done.items.map(({ at, ...one }) => ({
    ...one,
    isSelf: one.id === open.account.id,
    since: when(Date.parse(at), visit.parts.desk.services.now()),
    address: visit.own(userPage(one.id)),
  }))
  return visit.page('admin-approvals', { ...deskData(visit, by), waiting })
}
