import formbody from '@fastify/formbody'
import helmet from '@fastify/helmet'
import view from '@fastify/view'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { GatelodgeError } from '../../errors.js'
import { rawTarget } from '../gate/gate.js'
import { GO } from '../portal/onward.js'
import { isFramed, isPageLoad } from '../web/request-kind.js'
import { isSameOrigin } from '../web/same-origin.js'
import { account } from './account/account.js'
import {
  downloadBackupCodes,
  makeBackupCodes,
  savedBackupCodes,
  showBackupCodes,
  showNewBackupCodes,
} from './account/backup-codes.js'
import { admin } from './admin/admin.js'
import { showSetup, submitSetup } from './admin/setup.js'
import { serveAsset } from './assets.js'
import { showConfirmation } from './confirm-first.js'
import { commonData, type PagesParts } from './parts.js'
import { showApps, showIcon, showStart } from './portal/apps.js'
import { leadToPortal } from './portal/elsewhere.js'
import { showArrive, showGo } from './portal/hand-over.js'
import { helmetOptions } from './security-headers.js'
import {
  putOffEnrolment,
  sendEnrolCode,
  showEnrol,
  showEnrolMethod,
  showHeld,
  submitEnrolMethod,
} from './sign-in/enrol.js'
import { showFallbackCode, showRecovered, submitFallbackCode } from './sign-in/fallback-code.js'
import { showHelp, submitHelp } from './sign-in/help.js'
import { showLink, submitLink } from './sign-in/link.js'
import { showLinkRequest, submitLinkRequest } from './sign-in/link-request.js'
import { showNotMe, submitNotMe } from './sign-in/not-me.js'
import { submitPasskey } from './sign-in/passkey.js'
import { showSignIn, submitSignIn } from './sign-in/sign-in.js'
import { showSignOut, submitSignOut } from './sign-in/sign-out.js'
import { chooseMethod, sendCode, showVerify, submitVerify } from './sign-in/verify.js'
import { type On, Visit } from './visit.js'

/** Larger than any form of ours. */
const BODY_LIMIT = 16 * 1024

/** The hosted pages, to be registered under the prefix in a scope of their own: their headers are not the applications'. */
export async function pages(scope: FastifyInstance, { parts }: { parts: PagesParts }): Promise<void> {
  scope.removeAllContentTypeParsers()
  await scope.register(formbody, { bodyLimit: BODY_LIMIT })
  await dress(scope, parts)
  scope.addHook('onRequest', async (request, reply) => {
    const elsewhere = await leadToPortal(new Visit(parts, request, reply))
    if (elsewhere !== undefined) return elsewhere
    const framed = showFramed(request, reply, parts)
    if (framed !== undefined) return framed
    checkOrigin(request, parts.secure)
    return undefined
  })

  const on: On = (page) => (request, reply) => page(new Visit(parts, request, reply), request.params.method ?? '')

  scope.get('/sign-in', on(showSignIn))
  scope.post('/sign-in', on(submitSignIn))
  scope.post('/sign-in/passkey', on(submitPasskey))
  scope.get('/sign-in/link', on(showLinkRequest))
  scope.post('/sign-in/link', on(submitLinkRequest))
  scope.get('/link', on(showLink))
  scope.post('/link', on(submitLink))
  scope.get('/setup', on(showSetup))
  scope.post('/setup', on(submitSetup))
  scope.get('/help', on(showHelp))
  scope.post('/help', on(submitHelp))
  scope.get('/verify', on(showVerify))
  scope.post('/verify', on(submitVerify))
  scope.post('/verify/method', on(chooseMethod))
  scope.post('/verify/send', on(sendCode))
  for (const way of ['backup-code', 'recovery-code'] as const) {
    scope.get(
      `/verify/${way}`,
      on((visit) => showFallbackCode(visit, way)),
    )
    scope.post(
      `/verify/${way}`,
      on((visit) => submitFallbackCode(visit, way)),
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
  scope.get(GO, on(showGo))
  scope.get('/apps', on(showApps))
  scope.get('/icons/:method', on(showIcon))
  scope.get('/arrive', on(showArrive))
  scope.get('/sign-out', on(showSignOut))
  scope.post('/sign-out', on(submitSignOut))
  scope.get('/account/confirm/:method', on(showConfirmation))
  account(scope, on)
  admin(scope, parts)
  scope.get('/not-me', on(showNotMe))
  scope.post('/not-me', on(submitNotMe))
  scope.get('/assets/:version/:name', serveAsset(parts.assets))
  scope.get('/', async (_request, reply) =>
    reply.redirect(`${parts.prefix}${parts.portal.isShared ? '/apps' : '/account'}`, 303),
  )
  // Under the prefix everything is ours: what is not there must not reach an application instead.
  scope.all('/*', async () => {
    throw new GatelodgeError('not-found')
  })
}

/** `/` of a portal where no site is: the page of applications, with the headers that every page of ours has. */
export async function start(scope: FastifyInstance, { parts }: { parts: PagesParts }): Promise<void> {
  const { host, hasStart } = parts.portal
  if (!hasStart) return
  await dress(scope, parts)
  scope.get('/', { constraints: { host } }, (request, reply) => showStart(new Visit(parts, request, reply)))
}

/** What every page of ours needs: templates, and headers that keep others out of it. */
async function dress(scope: FastifyInstance, parts: PagesParts): Promise<void> {
  await scope.register(helmet, helmetOptions(parts.secure))
  await scope.register(view, {
    engine: { eta: parts.templates },
    production: true,
    defaultContext: commonData(parts),
  })
  scope.addHook('onRequest', async (_request, reply) => {
    reply.header('cache-control', 'no-store')
  })
}

/** Our pages are shown within no other: whoever looks for one there gets a link to it, for the whole window. */
function showFramed(request: FastifyRequest, reply: FastifyReply, { small }: PagesParts): FastifyReply | undefined {
  if (!isPageLoad(request.raw) || !isFramed(request.raw)) return undefined
  const isForeign = request.headers['sec-fetch-site'] === 'cross-site'
  const { html, headers } = small.framed({ way: rawTarget(request.raw), isForeign })
  reply.removeHeader('x-frame-options')
  return reply
    .code(401)
    .headers(headers ?? {})
    .send(html)
}

/** Before the body is read: what another site makes a browser send has no effect and costs next to nothing. */
function checkOrigin(request: FastifyRequest, secure: boolean): void {
  if (request.method === 'GET' || request.method === 'HEAD') return
  const own = `${secure ? 'https' : 'http'}://${request.headers.host}`
  if (!isSameOrigin(request.headers, own)) throw new GatelodgeError('request.cross-site')
}
