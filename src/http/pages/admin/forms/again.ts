import type { FastifyReply } from 'fastify'
import type { Refusal } from '../../../../operations/operation.js'
import type { Visit } from '../../visit.js'
import { showSettings } from '../settings.js'
import { showMessageForm, showNewUser, showTokenForm, showUser } from '../users.js'
import type { FormAgain } from './form-again.js'

/** Forms whose page is shown again when what was typed is refused. */
const forms: Readonly<Record<string, (visit: Visit, user: string, again: FormAgain) => Promise<FastifyReply>>> = {
  'user.add': (visit, _user, again) => showNewUser(visit, again),
  'user.message': showMessageForm,
  'token.issue': showTokenForm,
  'user.exempt': showUser,
  'user.addresses': showUser,
  'user.change': showUser,
  'settings.set': (visit, _user, again) => showSettings(visit, again),
}

/** The form with what was typed, each fault at its field. `undefined`: it has no page of its own. */
export function showAgain(visit: Visit, name: string, refusal: Refusal): Promise<FastifyReply> | undefined {
  const form = forms[name]
  if (form === undefined || (refusal.code !== 'operation.input' && refusal.code !== 'operation.refused'))
    return undefined
  const { token: _, user, ...typed } = visit.fields
  const faults = new Map<string, string>()
  // One fault a field: the first is the one to be mended first. Of a list, the place in it is not the reader's count.
  for (const { field, sentence } of refusal.faults) {
    const [at = ''] = field.split('.')
    if (at in typed && !faults.has(at)) faults.set(at, sentence)
  }
  const problem = faults.size === 0 ? refusal.sentence : undefined
  const again = { operation: name, code: refusal.code, typed, faults: Object.fromEntries(faults), problem }
  return form(visit, typeof user === 'string' ? user : '', again)
}
