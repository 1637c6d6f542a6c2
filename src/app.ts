import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { AddressRanges } from './access/client-address.js'
import { Policy } from './access/policy.js'
import { Audit } from './audit/audit.js'
import { Dependencies, storeName } from './audit/dependencies.js'
import type { Follower } from './audit/follower.js'
import { linkKey } from './audit/link.js'
import { Refusals } from './audit/refusals.js'
import { settingForms } from './config/runtime-settings.js'
import type { Config } from './config/schema.js'
import type { AuditOut, Logger, MailTransport, SecondFactor, Store, User, UserDirectory } from './contracts.js'
import { administrators } from './http/api/administrators.js'
import { type ApiParts, api } from './http/api/api.js'
import { Applications, type ProxySite } from './http/application.js'
import { Cookies } from './http/cookies.js'
import { SiteEntrance } from './http/entrance.js'
import { ErrorAnswers, type MalformedFault } from './http/errors.js'
import { explainAtDesk } from './http/explain-at-desk.js'
import { Explainer } from './http/explainer.js'
import { FormTokens } from './http/form-token.js'
import { forwardAuth } from './http/forward-auth.js'
import { Gate, type ProgramFinder } from './http/gate.js'
import { health } from './http/health.js'
import { jwks } from './http/jwks.js'
import { Assets } from './http/pages/assets.js'
import { errorPage } from './http/pages/error-page.js'
import { pages } from './http/pages/pages.js'
import { Templates } from './http/pages/templates.js'
import { type OnStopped, type ProxyParts, proxySites } from './http/proxy.js'
import { RequestTraces } from './http/request-traces.js'
import { httpServerOptions, requestIds } from './http/server-options.js'
import { stoppedRequest, whereFrom } from './http/stopped.js'
import { AssertionKeys } from './identity/assertion-keys.js'
import { Assertions } from './identity/assertions.js'
import { inOrder, type NamedDirectory } from './identity/directories.js'
import { type Identity, openIdentity } from './identity/identity.js'
import { PasswordPool } from './identity/password-pool.js'
import { Messages, type MessagesSettings } from './messages/messages.js'
import { OwnerMails } from './messages/owner-mails.js'
import { DayCounts } from './operations/day-counts.js'
import { Desk } from './operations/desk.js'
import { noteHealth } from './operations/health.js'
import { Idempotency } from './operations/idempotency.js'
import type { SiteView } from './operations/sites.js'
import { sayingDown, wordsOf } from './plugin-host/saying-down.js'
import { sayingUnavailable } from './plugin-host/saying-unavailable.js'
import { PluginHost } from './plugin-host.js'
import { followed, type Tracing } from './tracing.js'

/** What everything is given instead of reading it from the world. */
export interface Surroundings {
  readonly log: Logger
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Where what is done is told, if anybody asked for it. */
  readonly tracing?: Tracing | undefined
}

/** The rooms behind the door, without the web: what commands work with, and the gateway is built on. */
export interface House extends Surroundings {
  readonly config: Config
  readonly store: Store
  readonly directory: UserDirectory
  readonly secondFactors: ReadonlyMap<string, SecondFactor>
  readonly audit: Audit
  /** What is needed and others run. */
  readonly dependencies: Dependencies
  /** Requests that were stopped, as they are written down. */
  readonly refusals: Refusals
  readonly messages: Messages
  readonly identity: Identity
  /** What owners and support do, by whichever door. */
  readonly desk: Desk
  close(): Promise<void>
}

/** Opens the store alone, as it is: of what else is kept nothing is made in an empty one. */
export async function openStore(config: Config, { log, now }: Surroundings): Promise<Store> {
  const plugins = new PluginHost({ baseDirectory: config.baseDirectory, now, log, passwords: new PasswordPool() })
  return plugins.load('stores', config.store)
}

/** Opens what sends mail alone, to see whether it could. */
export async function openMail(config: Config, { log, now }: Surroundings): Promise<MailTransport | undefined> {
  const plugins = new PluginHost({ baseDirectory: config.baseDirectory, now, log, passwords: new PasswordPool() })
  return config.mail && plugins.load('mail-transports', config.mail)
}

/** Opens what the configuration names: the store first, then everything that keeps something in it. */
export async function openHouse(config: Config, { log, now, tracing }: Surroundings): Promise<House> {
  const passwords = new PasswordPool()
  const plugins = new PluginHost({ baseDirectory: config.baseDirectory, now, log, passwords })
  try {
    const dependencies = new Dependencies({ log, now })
    const kept = await plugins.load('stores', config.store)
    // A write, for some stores can be read and not written.
    const probe = () => kept.increment('dependency/probe', 60)
    const watched = sayingUnavailable(kept, (cause) => dependencies.failed(storeName, wordsOf(cause), probe))
    const store = followed(watched, 'store', tracing, 'client')
    dependencies.expect(storeName)
    plugins.useStore(store)
    // Before the second factors: those that send by mail and name no transport of their own use this one.
    const mail = config.mail && followed(await plugins.load('mail-transports', config.mail), 'mail', tracing, 'client')
    if (mail !== undefined) plugins.useMail(mail)
    const directories = await openDirectories(plugins, config, dependencies)
    const directory = followed(inOrder(directories, log), 'users', tracing)
    const secondFactors = new Map<string, SecondFactor>()
    for (const method of config.secondFactor.methods) {
      const factor = await plugins.load('second-factors', method)
      secondFactors.set(method.use, 'sends' in factor ? followed(factor, method.use, tracing, 'client') : factor)
    }

    const audit = new Audit({ store, log, now, ...auditSettings(config) })
    dependencies.writeTo(audit)
    const refusals = new Refusals({ audit, store, log, now })
    const said = { factors: secondFactors, mail, store, audit, log, now, settings: messagesSettings(config) }
    const messages = new Messages(said)
    const settings = fileSettings(config)
    const parts = { store, directory, factors: secondFactors, audit, messages, passwords, log, now }
    const identity = await openIdentity({
      ...parts,
      settings,
      settingForms: settingForms(config),
      tokenRate: config.tokens.rate,
      grace: config.secondFactor.grace,
      approval: config.secondFactor.approval,
    })

    const ownerMails = ownerMailsFor(config, { store, messages, log, now, owners: () => owners(identity, directory) })
    const { closeAudit, outs } = await openAudit(config, { store, audit, log, now, plugins, ownerMails })
    audit.onRecord(new DayCounts({ store, now }).note)
    audit.onRecord(noteHealth({ store, now }))
    let explainer: Explainer | undefined
    const desk = new Desk({
      ...{ ...identity, store, directory, secondFactors, audit, messages, dependencies, now },
      outs,
      sites: siteViews(config),
      explain: (request) => {
        explainer ??= openExplainer({ config, identity })
        return explainAtDesk(explainer, request, now())
      },
    })

    const close = async () => {
      // What is on its way to people needs its transport, and the store to be written down in.
      const settled = identity.settled().then(() => Promise.all([messages.settled(), refusals.close()]))
      if (!(await endsWithin(SETTLE_MS, settled))) log.warn({ afterMs: SETTLE_MS }, 'messages on their way were cut')
      identity.close()
      await dependencies.close()
      await closeAudit()
      await audit.settled()
      await plugins.close()
    }
    const rooms = { store, directory, secondFactors, audit, dependencies, refusals, messages, identity, desk }
    return { config, log, now, tracing, ...rooms, close }
  } catch (fault) {
    await plugins.close()
    throw fault
  }
}

/** In the order of the file. The ids of `local` are drawn by chance and stay as they are; all others get a name before them. */
async function openDirectories(
  plugins: PluginHost,
  { users }: Config,
  dependencies: Dependencies,
): Promise<NamedDirectory[]> {
  const directories: NamedDirectory[] = []
  for (const reference of 'use' in users ? [users] : users) {
    const { use, name = use === 'local' ? '' : use } = reference
    const directory = await plugins.load('user-directories', reference)
    // Users of `local` are in the store, which is watched already.
    if (use !== 'local') dependencies.expect(`users ${name}`)
    const asked = use === 'local' ? directory : sayingDown(directory, `users ${name}`, dependencies)
    directories.push({ name, directory: asked })
  }
  return directories
}

/** Messages that are on their way when everything closes have this long: as long as a mail server may take. */
const SETTLE_MS = 15_000

/** What the file says about access, and what was changed since. */
function openPolicy({ config, identity: { settings } }: Pick<House, 'config' | 'identity'>): Policy<ProxySite> {
  const policy = new Policy<ProxySite>(config)
  const follow = () => {
    const { networks, secondFactor } = settings.current()
    policy.follow({ networks, secondFactor: { ...config.secondFactor, ...secondFactor } })
  }
  settings.onChange(follow)
  follow()
  return policy
}

/** For questions about requests that nobody has sent. */
export function openExplainer(house: Pick<House, 'config' | 'identity'>): Explainer {
  return new Explainer({ policy: openPolicy(house), prefix: house.config.prefix })
}

/** The house with its door, from the outside in: what judges a request, what answers it, what stands behind it. */
export async function buildGateway(
  house: House,
  { isStopping = () => false, onJudged }: { isStopping?: () => boolean; onJudged?: ProxyParts['onJudged'] } = {},
): Promise<FastifyInstance> {
  const { config, log, now, tracing, store, secondFactors, desk, identity, refusals, dependencies } = house
  const { sessions, own, notMe, devices, backupCodes, sealed, installation } = identity
  const signIn = followed(identity.signIn, 'sign-in', tracing)
  const linkSignIn = followed(identity.linkSignIn, 'link', tracing)
  const helpDesk = followed(identity.helpDesk, 'help', tracing)
  const { prefix } = config
  const secure = config.publicUrl.startsWith('https:')

  const policy = openPolicy(house)
  const cookies = new Cookies({ secure })
  const trusted = AddressRanges.parse(config.trustedProxies)
  const programs: ProgramFinder = (authorization, request) => identity.programs.find(authorization, request)
  const gate = new Gate({ policy, sessions, programs, trusted, prefix, cookies, now })

  const templates = new Templates(config.templates)
  const look = { prefix, productName: config.name, secure, templates, assets: new Assets(config.templates) }
  const requestId = requestIds()
  const reading = AddressRanges.parse([...config.trustedProxies, ...(config.forwardAuth.peers ?? [])])
  const traces = tracing && new RequestTraces(tracing, reading, secure ? 'https' : 'http')
  const onMalformed = ({ code, request, peer, requestId }: MalformedFault) => {
    traces?.malformed({ code, request, requestId })
    refusals.malformed({ code, requestId, ...whereFrom(request === undefined ? peer : gate.client(request)) })
  }
  const onStopped: OnStopped = (request, id, stopped) => {
    if (stopped.kind === 'judged' || stopped.error === 'access.denied') {
      refusals.note(stoppedRequest(gate, request, id, stopped))
    }
  }
  const errors = new ErrorAnswers({ log, requestId, render: errorPage(look), onMalformed })
  const keys = new AssertionKeys({ store, now, ...config.assertionKeys })
  const assertions = new Assertions({ keys, issuer: config.publicUrl, now })
  const applications = new Applications(policy.sites, secure ? 'https' : 'http', prefix, assertions)

  const server = Fastify(httpServerOptions({ errors, requestId, maxConnections: config.limits.connections }))
  const onEnded = (listener: () => void) => sessions.onEnded(listener)
  const peers = AddressRanges.parse(config.forwardAuth.peers ?? config.trustedProxies)
  const told = { gate, applications, errors, onStopped, onJudged, traces }
  const tunnelLimits = { sendMs: (config.limits.sendTimeoutSeconds ?? Number.POSITIVE_INFINITY) * 1000 }
  await server.register(proxySites, { ...told, policy, requestId, onEnded, tunnelLimits, upstreams: dependencies })
  await server.register(forwardAuth, { ...told, prefix, peers, trusted: reading })
  await server.register(health, { prefix, isReady: () => store.get('epoch'), isStopping })
  await server.register(jwks, { prefix, keys: applications.wantAssertions ? keys : undefined })
  const entrance = new SiteEntrance({ policy, gate, prefix, now })
  const formTokens = new FormTokens(installation, now)
  const waysIn = { signIn, linkSignIn, helpDesk, devices, backupCodes, sealed }
  const parts = { ...look, cookies, formTokens, sessions, ...waysIn, own, notMe, secondFactors, entrance, desk }
  await server.register(pages, { prefix, parts })
  await server.register(api, { prefix: `${prefix}/api/v1`, parts: apiParts(house, entrance, gate) })
  return server
}

function fileSettings({ session, networks, secondFactor: { required, unenrolled } }: Config) {
  return { ...session, networks, required, unenrolled }
}

function auditSettings({ audit: { keptSeconds, key, oldKeys } }: Config) {
  const keys = [...(key === undefined ? [] : [key]), ...oldKeys].map(linkKey)
  return { keptSeconds: keptSeconds ?? ('for-ever' as const), keys, writesWithKey: key !== undefined }
}

/** What goes on beside the audit: its way out of the house, and out of the store. @returns what ends it, and what its entries call the places it goes to */
async function openAudit(
  { audit: { outs, keptSeconds } }: Config,
  {
    plugins,
    ownerMails,
    ...parts
  }: Surroundings & { store: Store; audit: Audit; plugins: PluginHost; ownerMails: OwnerMails | undefined },
): Promise<{ closeAudit(): Promise<void>; readonly outs: readonly string[] }> {
  const stopRemoving =
    keptSeconds === undefined
      ? () => undefined
      : (await import('./audit/retention.js')).keepRemovingOld({ ...parts, keptSeconds })
  const places: AuditOut[] = ownerMails === undefined ? [] : [ownerMails]
  for (const reference of outs) places.push(await plugins.load('audit-outs', reference))
  const followers: Follower[] = []
  for (const out of places) {
    const { Follower } = await import('./audit/follower.js')
    const follower = new Follower({ ...parts, out, machine: hostname() })
    await follower.start()
    followers.push(follower)
  }
  const closeAudit = async () => {
    stopRemoving()
    await Promise.all(followers.map((follower) => follower.close()))
    await ownerMails?.close()
  }
  return { closeAudit, outs: places.map(({ name }) => `audit-out ${name}`) }
}

function ownerMailsFor(
  { audit: { mailOwners } }: Config,
  parts: ConstructorParameters<typeof OwnerMails>[0],
): OwnerMails | undefined {
  if (mailOwners === false || (Array.isArray(mailOwners) && mailOwners.length === 0)) return undefined
  return new OwnerMails({ ...parts, ...(mailOwners === true ? {} : { kinds: mailOwners }) })
}

async function owners({ accounts }: Identity, directory: UserDirectory): Promise<readonly User[]> {
  const found = await Promise.all((await accounts.owners.list()).map(({ id }) => directory.find({ id })))
  return found.flat()
}

function messagesSettings({ name, publicUrl, prefix, templates, secondFactor, sending }: Config): MessagesSettings {
  return { service: name, publicUrl, prefix, templates, fallback: secondFactor.fallback, limits: sending }
}

function apiParts({ config, desk, store, identity }: House, entrance: SiteEntrance, gate: Gate<ProxySite>): ApiParts {
  const client = (request: FastifyRequest) => entrance.client(request)
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return {
    prefix: config.prefix,
    productName: config.name,
    version,
    desk,
    idempotency: new Idempotency({ store }),
    client,
    find: administrators({ programs: identity.programs, client, address: (request) => gate.client(request.raw) }),
  }
}

function siteViews({ sites }: Config): readonly SiteView[] {
  return sites.map(({ host, path, upstream, line, rules }) => ({
    ...(host === undefined ? {} : { host }),
    path,
    upstream,
    line,
    rules: rules.map(({ path, access, line, methods, from, groups, users, clients }) => ({
      path,
      access,
      line,
      ...(methods === undefined ? {} : { methods: [...methods] }),
      ...(from === undefined ? {} : { from: [...from] }),
      ...(groups === undefined ? {} : { groups: [...groups] }),
      ...(users === undefined ? {} : { users: [...users] }),
      ...(clients === undefined ? {} : { clients }),
    })),
  }))
}

/** @returns whether it did */
async function endsWithin(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, ms, false)
  })
  try {
    return await Promise.race([work.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}
