import type { FastifyReply } from 'fastify'
import { foldUsername } from '../../../contracts.js'
import { listUsers } from '../../../operations/users/show.js'
import type { Visit } from '../visit.js'
import { findPlaces } from './navigation/places.js'
import { ask, deskData, readerOf, requireAdmin } from './require-admin.js'
import { userPage } from './user-page.js'

const PAGE = '/admin/find'

/** Users and pages by what was typed anywhere at the desk. What is named in full is gone to at once. */
export async function showFound(visit: Visit): Promise<FastifyReply> {
  const { open, by, elsewhere } = await requireAdmin(visit, PAGE)
  if (open === undefined) return elsewhere
  const q = visit.parameter('q').trim().slice(0, LONGEST)
  const pages = findPlaces(q, readerOf(visit, by))
  const found = q === '' ? undefined : await ask(visit, listUsers, { search: q, limit: SHOWN }, { by, page: PAGE })
  if (found?.elsewhere !== undefined) return found.elsewhere
  const users = found?.done.items ?? []
  const named = users.find(({ username }) => foldUsername(username) === foldUsername(q))
  if (named !== undefined) return visit.goTo(visit.own(userPage(named.id)))
  const page = pages.find(({ name }) => name.toLowerCase() === q.toLowerCase())
  if (page !== undefined && users.length === 0) return visit.goTo(visit.own(page.path))
  const more =
    found?.done.next === undefined ? undefined : `${visit.own('/admin/users')}?${new URLSearchParams({ search: q })}`
  return visit.page('admin-find', {
    ...deskData(visit, by),
    q,
    pages,
    users: users.map((user) => ({ ...user, address: visit.own(userPage(user.id)) })),
    more,
  })
}

/** As for the list of users. */
const LONGEST = 254
const SHOWN = 10
