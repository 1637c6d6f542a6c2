import type { FastifyReply } from 'fastify'
import { readWords, type Words } from '../../../operations/fields.js'
import type { HandedFile, Operation } from '../../../operations/operation.js'
import { sendFile } from '../../handed-file.js'
import type { Visit } from '../visit.js'
import { ask, deskData, loadDesk } from './standing.js'

/** Any form of the desk: its fields are the input of one operation. */
export async function submit(visit: Visit, operation: Operation): Promise<FastifyReply> {
  const { token: _, page: __, ...fields } = (visit.request.body ?? {}) as Record<string, string | string[]>
  const user = visit.field('user')
  const page = pageOf(operation, user)
  const { open, by, elsewhere } = await loadDesk(visit, page)
  if (open === undefined) return elsewhere
  if (!visit.hasFormToken('admin', visit.sessionToken)) {
    return visit.refuse('sign-in.expired', 'expired', { startAgain: visit.own(page) })
  }
  const input = readWords(operation.input, fields as Words)
  const result = await ask(visit, operation, input, { by, page })
  if (result.elsewhere !== undefined) return result.elsewhere
  if (operation.hands !== undefined) return sendFile(visit.reply, result.done as HandedFile)
  const secret = secretOf(operation, result.done)
  // Shown in the answer itself and kept nowhere: loading the page anew asks the browser whether to send the form again.
  if (secret !== undefined)
    return visit.page('admin-secret', { ...deskData(visit, by), ...secret, back: visit.own(page) })
  const added = operation.name === 'user.add' ? (result.done as { id: string }).id : undefined
  const then = added === undefined ? page : userPage(added)
  return visit.goTo(`${visit.own(then)}?done=${operation.name}`)
}

export function userPage(id: string): string {
  return `/admin/users/${encodeURIComponent(id)}`
}

/** Where the form is, and what its answer leads back to. */
function pageOf({ doors, input }: Operation, user: string): string {
  if ('user' in input.shape && user !== '') return userPage(user)
  return typeof doors.page === 'string' && !doors.page.includes(':') ? `/admin${doors.page}` : '/admin'
}

function secretOf({ name }: Operation, done: unknown): object | undefined {
  if (name === 'user.recovery-code') {
    const { username, code, expiresAt } = done as { username: string; code: string; expiresAt: string }
    return { kind: 'recovery-code', username, secret: code, until: expiresAt }
  }
  if (name === 'token.issue') {
    const { username, token } = done as { username: string; token: string }
    return { kind: 'token', username, secret: token }
  }
  return undefined
}
