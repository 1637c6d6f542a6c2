import formbody from '@fastify/formbody'
import helmet from '@fastify/helmet'
import view from '@fastify/view'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { GatelodgeError } from '../../errors.js'
import { isSameOrigin } from '../same-origin.js'
import { account } from './account/account.js'
import { admin } from './admin/admin.js'
import { serveAsset } from './assets.js'
import {
  downloadBackupCodes,
  makeBackupCodes,
  savedBackupCodes,
  showBackupCodes,
  showNewBackupCodes,
} from './backup-codes.js'
import { putOffEnrolment, sendEnrolCode, showEnrol, showEnrolMethod, showHeld, submitEnrolMethod } from './enrol.js'
import { showHelp, submitHelp } from './help.js'
import { showLink, submitLink } from './link.js'
import { showLinkRequest, submitLinkRequest } from './link-request.js'
import { showNotMe, submitNotMe } from './not-me.js'
import { commonData, type PagesParts } from './parts.js'
import { helmetOptions } from './security-headers.js'
import { showSignIn, submitSignIn } from './sign-in.js'
import { showSignOut, submitSignOut } from './sign-out.js'
import { chooseMethod, sendCode, showVerify, submitVerify } from './verify.js'
import { Visit } from './visit.js'
import { showRecovered, showWayBack, submitWayBack } from './ways-back.js'

/** Larger than any form of ours. */
const BODY_LIMIT = 16 * 1024

/** The hosted pages, to be registered under the prefix in a scope of their own: their headers are not the applications'. */
export async function pages(scope: FastifyInstance, { parts }: { parts: PagesParts }): Promise<void> {
  scope.removeAllContentTypeParsers()
  await scope.register(formbody, { bodyLimit: BODY_LIMIT })
  await scope.register(helmet, helmetOptions(parts.secure))
  await scope.register(view, {
    engine: { eta: parts.templates },
    production: true,
    defaultContext: commonData(parts),
  })
  scope.addHook('onRequest', async (request, reply) => {
    reply.header('cache-control', 'no-store')
    checkOrigin(request, parts.secure)
  })

  const on: On = (page) => (request, reply) => page(new Visit(parts, request, reply), request.params.method ?? '')

  scope.get('/sign-in', on(showSignIn))
  scope.post('/sign-in', on(submitSignIn))
  scope.get('/sign-in/link', on(showLinkRequest))
  scope.post('/sign-in/link', on(submitLinkRequest))
  scope.get('/link', on(showLink))
  scope.post('/link', on(submitLink))
  scope.get('/help', on(showHelp))
  scope.post('/help', on(submitHelp))
  scope.get('/verify', on(showVerify))
  scope.post('/verify', on(submitVerify))
  scope.post('/verify/method', on(chooseMethod))
  scope.post('/verify/send', on(sendCode))
  for (const way of ['backup-code', 'recovery-code'] as const) {
    scope.get(
      `/verify/${way}`,
      on((visit) => showWayBack(visit, way)),
    )
    scope.post(
      `/verify/${way}`,
      on((visit) => submitWayBack(visit, way)),
    )
  }
  scope.get('/verify/recovered', on(showRecovered))
  scope.get('/account/backup-codes', on(showBackupCodes))
  scope.post('/account/backup-codes', on(makeBackupCodes))
  scope.get('/account/backup-codes/new', on(showNewBackupCodes))
  scope.post('/account/backup-codes/download', on(downloadBackupCodes))
  scope.post('/account/backup-codes/saved', on(savedBackupCodes))
  scope.get('/enrol', on(showEnrol))
  scope.post('/enrol/later', on(putOffEnrolment))
  scope.get('/enrol/waiting', on(showHeld))
  scope.get('/enrol/:method', on(showEnrolMethod))
  scope.post('/enrol/:method', on(submitEnrolMethod))
  scope.post('/enrol/:method/send', on(sendEnrolCode))
  scope.get('/sign-out', on(showSignOut))
  scope.post('/sign-out', on(submitSignOut))
  account(scope, on)
  admin(scope, parts)
  scope.get('/not-me', on(showNotMe))
  scope.post('/not-me', on(submitNotMe))
  scope.get('/assets/:version/:name', serveAsset(parts.assets))
  scope.get('/', async (_request, reply) => reply.redirect(`${parts.prefix}/account`, 303))
  // Under the prefix everything is ours: what is not there must not reach an application instead.
  scope.all('/*', async () => {
    throw new GatelodgeError('not-found')
  })
}

/** Answers with a page, which gets what the address has in the place of `:method`. */
export type On = (
  page: (visit: Visit, method: string) => Promise<FastifyReply>,
) => (request: FastifyRequest<{ Params: { method?: string } }>, reply: FastifyReply) => Promise<FastifyReply>

/** Before the body is read: what another site makes a browser send has no effect and costs next to nothing. */
function checkOrigin(request: FastifyRequest, secure: boolean): void {
  if (request.method === 'GET' || request.method === 'HEAD') return
  const own = `${secure ? 'https' : 'http'}://${request.headers.host}`
  if (!isSameOrigin(request.headers, own)) throw new GatelodgeError('request.cross-site')
}
