import type { FastifyInstance } from 'fastify'
import type { On } from '../visit.js'
import { showActivity } from './activity.js'
import { showConfirm, showContact, submitConfirm, submitContact } from './contact.js'
import { addMethod, preferMethod, removeMethod, renameMethod, showMethod, showMethods } from './methods.js'
import { showOffer } from './offer.js'
import { showAccount } from './overview.js'
import { showPassword, submitPassword } from './password.js'
import { showProve, submitProve } from './reauthenticate.js'
import { endOtherSessions, endSession, forgetDevice, showSessions } from './sessions.js'

/** What users see of themselves and may change. */
export function account(scope: FastifyInstance, on: On): void {
  scope.get('/account', on(showAccount))
  scope.get('/account/prove', on(showProve))
  scope.post('/account/prove', on(submitProve))
  scope.get('/account/password', on(showPassword))
  scope.post('/account/password', on(submitPassword))
  scope.get('/account/passkey', on(showOffer))
  scope.get('/account/methods', on(showMethods))
  scope.get('/account/methods/add/:method', on(addMethod))
  scope.get('/account/methods/:method', on(showMethod))
  scope.post('/account/methods/:method/rename', on(renameMethod))
  scope.post('/account/methods/:method/prefer', on(preferMethod))
  scope.post('/account/methods/:method/remove', on(removeMethod))
  scope.get('/account/sessions', on(showSessions))
  scope.post('/account/sessions/end', on(endSession))
  scope.post('/account/sessions/end-others', on(endOtherSessions))
  scope.post('/account/devices/forget', on(forgetDevice))
  scope.get('/account/activity', on(showActivity))
  scope.get('/account/contact', on(showContact))
  scope.get('/account/contact/confirm', on(showConfirm))
  scope.post('/account/contact/confirm', on(submitConfirm))
  scope.post('/account/contact/:method', on(submitContact))
}
