import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { GatelodgeError } from '../../../errors.js'
import { operations } from '../../../operations/catalog.js'
import { importUsers, MOST_BYTES } from '../../../operations/transfer/transfer.js'
import type { PagesParts } from '../parts.js'
import { Visit } from '../visit.js'
import { showApprovals } from './approvals.js'
import { exportAudit, showAudit } from './audit.js'
import { showDashboard, showLocks, showSent } from './dashboard.js'
import { PAGE as DATA, showData, submitImport } from './data.js'
import { showFound } from './find.js'
import { submit } from './forms/submit.js'
import { takeUploads } from './forms/upload.js'
import { requireAdmin } from './require-admin.js'
import { checkNetworks, showClear, showSettings } from './settings.js'
import { showSites } from './sites.js'
import { showMessageForm, showNewUser, showTokenForm, showUser, showUsers } from './users.js'

type Page = (visit: Visit, user: string) => Promise<FastifyReply>

/** The desk of owners and support. */
export function admin(scope: FastifyInstance, parts: PagesParts): void {
  const on = (page: Page) => (request: FastifyRequest<{ Params: { user?: string } }>, reply: FastifyReply) =>
    page(new Visit(parts, request, reply), request.params.user ?? '')
  scope.get('/admin', on(showDashboard))
  scope.get('/admin/find', on(showFound))
  scope.get('/admin/users', on(showUsers))
  scope.get(
    '/admin/users/new',
    on((visit) => showNewUser(visit)),
  )
  scope.get('/admin/users/:user', on(showUser))
  scope.get('/admin/users/:user/message', on(showMessageForm))
  scope.get('/admin/users/:user/token', on(showTokenForm))
  scope.get('/admin/sessions/clear', on(showClear))
  scope.get(
    '/admin/settings',
    on((visit) => showSettings(visit)),
  )
  scope.post('/admin/settings/networks', on(checkNetworks))
  scope.get('/admin/locks', on(showLocks))
  scope.get('/admin/approvals', on(showApprovals))
  scope.get('/admin/sites', on(showSites))
  scope.get('/admin/sending', on(showSent))
  scope.get(DATA, on(showData))
  scope.get('/admin/audit', on(showAudit))
  scope.get('/admin/audit/export', on(exportAudit))
  for (const operation of operations) {
    if (operation.event === undefined || typeof operation.doors.page !== 'string') continue
    if (operation.takes !== undefined) continue
    scope.post(
      `/admin/do/${operation.name}`,
      on((visit) => submit(visit, operation)),
    )
  }
  scope.register(async (uploads) => {
    // Before the body is read: nobody else may send so much.
    uploads.addHook('onRequest', async (request, reply) => {
      const { elsewhere } = await requireAdmin(new Visit(parts, request, reply), DATA)
      return elsewhere
    })
    takeUploads(uploads, MOST_BYTES)
    uploads.post(`/admin/do/${importUsers.name}`, on(submitImport))
  })
  // What is not there is not there for anybody, and for those who see nothing here it looks the same.
  scope.all('/admin/*', async () => {
    throw new GatelodgeError('not-found')
  })
}
