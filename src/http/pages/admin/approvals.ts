import type { FastifyReply } from 'fastify'
import { listApprovals } from '../../../operations/users/approval.js'
import { spoken } from '../account/words.js'
import type { Visit } from '../visit.js'
import { userPage } from './forms.js'
import { ask, deskData, loadDesk } from './standing.js'

const PAGE = '/admin/approvals'

/** Second factors that wait for an owner. */
export async function showApprovals(visit: Visit): Promise<FastifyReply> {
  const { open, by, elsewhere } = await loadDesk(visit, PAGE)
  if (open === undefined) return elsewhere
  const result = await ask(visit, listApprovals, {}, { by, page: PAGE })
  if (result.elsewhere !== undefined) return result.elsewhere
  const waiting = result.done.items.map(({ at, ...one }) => ({
    ...one,
    isSelf: one.id === open.account.id,
    since: spoken(Date.parse(at)),
    address: visit.own(userPage(one.id)),
  }))
  return visit.page('admin-approvals', { ...deskData(visit, by), waiting })
}
