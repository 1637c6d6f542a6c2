import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import embedded from '../../plugins/stores/embedded.js'
import { AddressRanges } from '../../src/access/client-address.js'
import { Policy, type RuleSettings } from '../../src/access/policy.js'
import { Audit } from '../../src/audit/audit.js'
import type { Host, Logger } from '../../src/contracts.js'
import { Applications, type ProxySite } from '../../src/http/application.js'
import { Cookies } from '../../src/http/cookies.js'
import { ErrorAnswers } from '../../src/http/errors.js'
import { forwardAuth } from '../../src/http/forward-auth.js'
import { Gate } from '../../src/http/gate.js'
import { proxySites } from '../../src/http/proxy.js'
import { httpServerOptions, requestIds } from '../../src/http/server-options.js'
import { Accounts } from '../../src/identity/accounts.js'
import { Epoch } from '../../src/identity/epoch.js'
import { Installation } from '../../src/identity/installation.js'
import { Sessions } from '../../src/identity/sessions.js'
import { ready } from '../child.js'

/** The whole way of a request, with the embedded store; the request log is off. `gate <upstream port> [rules]`. */
const [upstreamPort, ruleCount = '10'] = process.argv.slice(2)
const log: Logger = { debug() {}, info() {}, warn() {}, error: console.error }
const now = Date.now

const directory = mkdtempSync(join(tmpdir(), 'gatelodge-bench-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
const host = { now, log } as Host
const store = await embedded.create(embedded.options.parse({ path: directory }), host)
const audit = new Audit({ store, log, now })
const epoch = new Epoch({ store })
const installation = await Installation.open({ store, epoch })
const accounts = new Accounts({ store, epoch, now })
const settings = { durationSeconds: 3600 }
const sessions = new Sessions({ store, accounts, epoch, installation, audit, settings, now })

const user = { id: 'u1', username: 'bob', email: 'bob@example.com', groups: ['staff', 'sales'] }
const account = await accounts.open(user)
const { token } = await sessions.open({
  user,
  generation: account.generation,
  installation: await installation.generation(),
  passwordAt: now(),
  secondFactorAt: now(),
  via: ['password', 'totp'],
  client: { address: '127.0.0.1', network: '127.0.0.1', userAgent: '', requestId: '' },
})

const rules = Array.from({ length: Number(ruleCount) - 1 }, (_, at): RuleSettings => {
  return { path: `/area-${at}/**`, access: 'second-factor', line: at + 2 }
})
const policy = new Policy<ProxySite>({
  sites: [
    {
      path: '/',
      upstream: `http://127.0.0.1:${upstreamPort}`,
      identity: 'remote-user',
      rules: [...rules, { path: '/public/**', access: 'public', line: 1 }],
      line: 1,
    },
  ],
  networks: [],
  secondFactor: { required: 'when-enabled', unenrolled: 'enrol' },
})
const requestId = requestIds()
const errors = new ErrorAnswers({ log, requestId })
const cookies = new Cookies({ secure: false })
const prefix = '/.gatelodge'
const gate = new Gate({ policy, sessions, trusted: AddressRanges.none, prefix, cookies, now })
const applications = new Applications(policy.sites, 'http')
const fastify = Fastify(httpServerOptions({ errors, requestId }))
const onEnded = (listener: () => void) => sessions.onEnded(listener)
await fastify.register(proxySites, { policy, gate, applications, errors, requestId, onEnded })
const peers = AddressRanges.parse(['127.0.0.1'])
await fastify.register(forwardAuth, { prefix, gate, applications, errors, peers, trusted: peers })
await fastify.listen({ port: 0, host: '127.0.0.1' })
ready((fastify.server.address() as AddressInfo).port, `Cookie: ${cookies.names.session}=${token}\r\n`)
