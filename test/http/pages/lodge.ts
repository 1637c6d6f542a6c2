import { createSecretKey, randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import type { Test } from 'tap'
import totp from '../../../plugins/second-factors/totp.js'
import { AddressRanges } from '../../../src/access/client-address.js'
import { Policy, type PolicySettings, type SiteSettings } from '../../../src/access/policy.js'
import { Portal } from '../../../src/access/portal.js'
import type { MailTransport, SecondFactor } from '../../../src/contracts.js'
import { Gate } from '../../../src/http/gate/gate.js'
import { PagePolicy } from '../../../src/http/gate/page-policy.js'
import { Assets, scriptsOf } from '../../../src/http/pages/assets.js'
import { errorPage } from '../../../src/http/pages/error-page.js'
import { pages } from '../../../src/http/pages/pages.js'
import { smallPages } from '../../../src/http/pages/small-pages.js'
import { Strangers } from '../../../src/http/pages/strangers.js'
import { Templates } from '../../../src/http/pages/templates.js'
import { Leaving } from '../../../src/http/portal/leaving.js'
import { ListedSites } from '../../../src/http/portal/listed-sites.js'
import { Cookies } from '../../../src/http/web/cookies.js'
import { ErrorAnswers } from '../../../src/http/web/errors.js'
import { FormTokens } from '../../../src/http/web/form-token.js'
import type { Role } from '../../../src/identity/accounts/account.js'
import { Clock, emptyStore, identityHost, overStore, PASSWORD, type Rooms } from '../../support/core.js'
import { build, lentHost } from '../../support/lent-host.js'
import { Visitor } from '../../support/visitor.js'

export const prefix = '/.gatelodge'

/** The hosted pages over a real store, real passwords and a real authenticator app, listening. */
export interface Lodge extends Rooms {
  readonly origin: string
  visitor(): Visitor
  addUser(username: string, more?: { role?: Role; groups?: readonly string[] }): Promise<string>
}

export interface LodgeSettings {
  readonly policy?: Partial<PolicySettings>
  readonly factors?: ReadonlyMap<string, SecondFactor>
  readonly templates?: string
  readonly secure?: boolean
  /** Each change asks for a proof of its own. */
  readonly isPortalShared?: boolean
  readonly mail?: MailTransport
}

const rule = (path: string, access: 'public' | 'password' | 'second-factor' | 'deny', groups?: readonly string[]) => ({
  path,
  access,
  line: 1,
  ...(groups === undefined ? {} : { groups }),
})

const sites: readonly SiteSettings[] = [
  {
    path: '/',
    upstream: 'http://127.0.0.1:1',
    line: 1,
    rules: [
      rule('/open/**', 'public'),
      rule('/simple/**', 'password'),
      rule('/secret/**', 'second-factor'),
      rule('/closed/**', 'deny'),
      { ...rule('/fresh/**', 'password'), reauthenticateSeconds: 300 },
      rule('/staff/**', 'second-factor', ['staff']),
    ],
  },
]

export async function lodge(t: Test, settings: LodgeSettings = {}): Promise<Lodge> {
  const clock = new Clock()
  const { now } = clock
  const store = await emptyStore(t, clock)
  const factors = settings.factors ?? new Map([['totp', await build(totp, {}, identityHost(store, clock))]])
  const core = await overStore(t, store, clock, {
    factors,
    settings: { unenrolled: settings.policy?.secondFactor?.unenrolled ?? 'enrol' },
    grace: settings.policy?.secondFactor?.grace,
    ...(settings.mail && { mail: settings.mail }),
  })
  const policy = new Policy({
    sites,
    networks: [],
    secondFactor: { required: 'when-enabled', unenrolled: 'enrol' },
    ...settings.policy,
  })
  const secure = settings.secure ?? false
  const look = {
    prefix,
    productName: 'Riverside CRM',
    secure,
    templates: new Templates(settings.templates),
    assets: new Assets(settings.templates, scriptsOf(factors)),
  }
  const app = Fastify({ genReqId: () => 'request-1', forceCloseConnections: true })
  const errors = new ErrorAnswers({ log: lentHost().log, requestId: () => 'request-0', render: errorPage(look) })
  app.setErrorHandler(errors.handler)
  const cookies = new Cookies({ secure })
  const { sessions } = core
  const portal = new Portal({ publicUrl: 'http://localhost:8080', sites: policy.sites, at: 'each-host', prefix })
  const gate = new Gate({
    policy,
    sessions,
    trusted: AddressRanges.parse(['127.0.0.0/8', '::1/128']),
    prefix,
    cookies,
    now,
  })
  const formTokens = new FormTokens({ formKey: createSecretKey(randomBytes(32)) }, now)
  const { spentForms, messages } = core
  await app.register(pages, {
    prefix,
    parts: {
      ...look,
      small: smallPages(look),
      cookies,
      formTokens,
      strangers: new Strangers({ unproven: messages.unproven, spentForms, formTokens, now }),
      sessions,
      portal,
      leaving: new Leaving({ portal, cookies, prefix }),
      listedSites: new ListedSites([], () => ({ type: '', bytes: Buffer.alloc(0) })),
      tickets: core.tickets,
      now,
      byEmail: false,
      keepsSessions: 'ask',
      signIn: core.signIn,
      linkSignIn: core.linkSignIn,
      browserSignIn: core.browserSignIn,
      helpDesk: core.helpDesk,
      own: core.own,
      notMe: core.notMe,
      devices: core.devices,
      knownBrowsers: core.knownBrowsers,
      backupCodes: core.backupCodes,
      sealed: core.sealed,
      secondFactors: factors,
      desk: core.desk,
      waitingForms: core.waitingForms,
      isPortalShared: settings.isPortalShared ?? false,
      deskNeedsSecondFactor: true,
      pagePolicy: new PagePolicy({ policy, gate, prefix, portal, now }),
    },
  })
  // Stands for the application behind the gate.
  app.get('/*', (request, reply) => reply.type('text/html').send(`<title>Application</title>${request.url}`))
  app.get('/elsewhere', (request, reply) => reply.redirect(`http://127.0.0.1:${request.port}/arrived`))
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => app.close())
  const origin = `http://localhost:${(app.server.address() as AddressInfo).port}`
  return {
    ...core,
    origin,
    visitor: () => new Visitor(t, origin),
    async addUser(username, { role = 'user', groups = [] } = {}) {
      const user = await core.directory.writable?.create(
        { username, groups, email: `${username}@example.com` },
        PASSWORD,
      )
      if (user === undefined) throw new Error(`${username} is taken`)
      await core.accounts.open(user, role)
      return user.id
    },
  }
}
