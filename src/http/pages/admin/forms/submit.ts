import type { FastifyReply } from 'fastify'
import { readWords, type Words } from '../../../../operations/fields.js'
import type { Actor, HandedFile, Operation } from '../../../../operations/operation.js'
import { sendFile } from '../../../web/file-download.js'
import type { Visit } from '../../visit.js'
import { ask, deskData, requireAdmin } from '../require-admin.js'
import { userPage } from '../user-page.js'
import { showAgain } from './again.js'

/** Any form of the desk: its fields are the input of one operation. */
export async function submit(visit: Visit, operation: Operation): Promise<FastifyReply> {
  const { token: _, page: __, sure, ...fields } = visit.fields
  const user = visit.field('user')
  const page = pageOf(operation, user)
  const { open, by, elsewhere } = await requireAdmin(visit, page)
  if (open === undefined) return elsewhere
  if (!visit.hasFormToken('admin', visit.sessionToken)) {
    return visit.refuse('sign-in.expired', 'expired', { startAgain: visit.own(page) })
  }
  // Where the form shares its address with an application, each change is confirmed by a proof that says what it is for.
  if (operation.consequence !== undefined && sure !== 'yes' && !by.mustConfirm && !visit.isConfirmed) {
    return askWhetherSure(visit, { operation, by, page, fields })
  }
  const input = readWords(operation.input, fields as Words)
  const result = await ask(visit, operation, input, {
    by,
    page,
    again: (refusal) => showAgain(visit, operation.name, refusal),
  })
  if (result.elsewhere !== undefined) return result.elsewhere
  if (operation.hands !== undefined) return sendFile(visit.reply, result.done as HandedFile)
  const secret = secretOf(operation, result.done)
  // Shown in the answer itself and kept nowhere: loading the page anew asks the browser whether to send the form again.
  if (secret !== undefined)
    return visit.page('admin-secret', { ...deskData(visit, by), ...secret, back: visit.own(page) })
  if (operation.name === 'user.add') {
    const { id, invitation } = result.done as { id: string; invitation?: string }
    const done = invitation === 'not-sent' ? 'user.add.not-sent' : operation.name
    return visit.goTo(`${visit.own(userPage(id))}?done=${done}`)
  }
  return visit.goTo(`${visit.own(page)}?done=${operation.name}`)
}

interface Unsure {
  readonly operation: Operation
  readonly by: Actor
  readonly page: string
  readonly fields: Visit['fields']
}

/** The same form once more, with what will happen and to whom. */
async function askWhetherSure(visit: Visit, { operation, by, page, fields }: Unsure): Promise<FastifyReply> {
  const { name, consequence } = operation
  const target = await visit.parts.desk.find(visit.field('user'))
  const whom = target?.user.username ?? (name === 'token.revoke' ? 'this token' : 'this user')
  return visit.page('admin-sure', {
    ...deskData(visit, by),
    operation: name,
    fields,
    whom,
    consequence: consequence?.(whom),
    back: visit.own(page),
  })
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
  if (name === 'user.invite-link') {
    const { username, link, expiresAt } = done as { username: string; link: string; expiresAt: string }
    return { kind: 'invite-link', username, secret: link, until: expiresAt }
  }
  if (name === 'token.issue') {
    const { username, token } = done as { username: string; token: string }
    return { kind: 'token', username, secret: token }
  }
  return undefined
}
