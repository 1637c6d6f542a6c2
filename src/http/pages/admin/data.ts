import type { FastifyReply } from 'fastify'
import { GatelodgeError } from '../../../errors.js'
import { Refusal } from '../../../operations/operation.js'
import {
  formatOf,
  formats,
  type ImportReport,
  importUsers,
  MOST_BYTES,
  MOST_USERS,
} from '../../../operations/transfer/transfer.js'
import { proveFirst } from '../account/require.js'
import type { Visit } from '../visit.js'
import { ask, deskData, requireAdmin, showRefusal } from './require-admin.js'

export const PAGE = '/admin/data'

/** Users in and out, and everything that is kept. All of it is sensitive, so the proof comes before the file is chosen. */
export async function showData(visit: Visit): Promise<FastifyReply> {
  const { open, by, elsewhere } = await requireAdmin(visit, PAGE)
  if (open === undefined) return elsewhere
  if (by.role !== 'owner') throw new GatelodgeError('not-found')
  if (!by.isFresh) return proveFirst(visit, PAGE)
  const { directory, store } = visit.parts.desk.services
  return visit.page('admin-data', {
    ...deskData(visit, by),
    formats,
    mostUsers: MOST_USERS,
    mostBytes: MOST_BYTES,
    canList: directory.writable !== undefined,
    canCopy: store.snapshot !== undefined,
    imported: imported(visit),
  })
}

/** A file of users: looked at first, and added when that was seen. */
export async function submitImport(visit: Visit): Promise<FastifyReply> {
  const { open, by, elsewhere } = await requireAdmin(visit, PAGE)
  if (open === undefined) return elsewhere
  if (!visit.hasFormToken('admin', visit.sessionToken)) {
    return visit.refuse('sign-in.expired', 'expired', { startAgain: visit.own(PAGE) })
  }
  const file = visit.field('file')
  const format = visit.field('format') || formatOf(visit.field('name'))
  if (by.role === 'owner' && format === undefined) {
    const says = 'The name of the file does not say what it is: choose it from the list.'
    return showRefusal(visit, new Refusal('operation.input', says), PAGE)
  }
  const input = { file, format, dryRun: visit.field('dryRun') === 'yes', skipWrong: visit.field('skipWrong') === 'yes' }
  const result = await ask(visit, importUsers, input, { by, page: PAGE })
  if (result.elsewhere !== undefined) return result.elsewhere
  const report: ImportReport = result.done
  if (report.dryRun) return visit.page('admin-import', { ...deskData(visit, by), ...report, file, format })
  const { added, thereAlready } = report
  return visit.goTo(`${visit.own(PAGE)}?added=${added}&there=${thereAlready}&done=${importUsers.name}`)
}

/** What the redirect after an import says, where it says so in numbers. */
function imported(visit: Visit): object | undefined {
  const [added, there] = [visit.parameter('added'), visit.parameter('there')]
  return [added, there].every((number) => /^\d{1,7}$/.test(number)) ? { added, there } : undefined
}
