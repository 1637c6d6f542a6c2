import type { FastifyReply } from 'fastify'
import { operations } from '../../operations/catalog.js'
import { importUsers } from '../../operations/transfer/transfer.js'
import { makeBackupCodes } from './account/backup-codes.js'
import { submitContact } from './account/contact.js'
import { addMethod, removeMethod } from './account/methods.js'
import { submitPassword } from './account/password.js'
import { submitImport } from './admin/data.js'
import { submit } from './admin/forms/submit.js'
import { waitingId } from './confirm-first.js'
import { beginConfirmedEnrolment } from './sign-in/require-pending.js'
import type { Visit } from './visit.js'

/** Forms that may wait for a proof of their own, by the names {@link confirmFirst} is given. */
const forms: Readonly<Record<string, (visit: Visit, subject: string) => Promise<FastifyReply> | undefined>> = {
  password: submitPassword,
  contact: submitContact,
  'add-method': addMethod,
  'remove-method': removeMethod,
  'backup-codes': makeBackupCodes,
  enrol: beginConfirmedEnrolment,
  desk: (visit, name) => {
    if (name === importUsers.name) return submitImport(visit)
    const operation = operations.find((each) => each.name === name)
    return operation && submit(visit, operation)
  },
}

/**
 * Does what waited for the proof that was just given, in the session it opened, and answers as its form would have.
 * @param returnTo as the gateway kept it with the question, never as the browser says it: it names what was confirmed
 * @returns `undefined`: the proof was for no form
 */
export async function doConfirmed(visit: Visit, returnTo: string, token: string): Promise<FastifyReply | undefined> {
  const id = waitingId(visit, returnTo)
  if (id === undefined) return undefined
  const waiting = await visit.parts.waitingForms.take(visit.sessionToken, id)
  const open = await visit.parts.sessions.find(token)
  if (waiting === undefined || open?.account.id !== waiting.accountId) return visit.goTo(returnTo)
  const done = forms[waiting.action]?.(visit.confirmed(waiting.fields, token), waiting.subject)
  return done ?? visit.goTo(returnTo)
}
