import { hostname } from 'node:os'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { AddressRanges } from './access/client-address.js'
import { Policy } from './access/policy.js'
import { isPortalShared, Portal } from './access/portal.js'
import { WellKnown } from './access/well-known.js'
import { Audit } from './audit/audit.js'
import { chainKey } from './audit/chain-hash.js'
import { DeniedRequests } from './audit/denied-requests.js'
import type { OutDelivery } from './audit/out-delivery.js'
import { loadIcon } from './config/checks/icon.js'
import { keySettings } from './config/key-settings.js'
import { settingForms } from './config/runtime-settings.js'
import type { Config } from './config/schema.js'
import type { AuditOut, Logger, MailTransport, SecondFactor, Store, User, UserDirectory } from './contracts.js'
import { Dependencies, storeName } from './health/dependencies.js'
import { watchedDirectory, wordsOf } from './health/watched-directory.js'
import { watchedStore } from './health/watched-store.js'
import { administrators } from './http/api/administrators.js'
import { type ApiParts, api } from './http/api/api.js'
import { Applications, type ProxySite } from './http/applications/application.js'
import { RequestTraces } from './http/applications/request-traces.js'
import { clientFacts } from './http/gate/client-facts.js'
import { deniedRequest, type OnDenied, whereFrom } from './http/gate/denied-request.js'
import { explainLines } from './http/gate/explain-lines.js'
import { Explainer } from './http/gate/explainer.js'
import { type ApiClientFinder, Gate, rawTarget } from './http/gate/gate.js'
import { IgnoredForwarding } from './http/gate/ignored-forwarding.js'
import { PagePolicy } from './http/gate/page-policy.js'
import { health } from './http/health.js'
import { jwks } from './http/jwks.js'
import { httpServerOptions, requestIds } from './http/listener/server-options.js'
import { Assets, scriptsOf } from './http/pages/assets.js'
import { brandOf } from './http/pages/brand.js'
import { errorPage } from './http/pages/error-page.js'
import { pages, start } from './http/pages/pages.js'
import { smallPages } from './http/pages/small-pages.js'
import { Strangers } from './http/pages/strangers.js'
import { Templates } from './http/pages/templates.js'
import { Leaving } from './http/portal/leaving.js'
import { ListedSites } from './http/portal/listed-sites.js'
import { BoundSignOuts } from './http/sites/bound-sign-outs.js'
import { forwardAuth } from './http/sites/forward-auth.js'
import { type SitesParts, sites } from './http/sites/sites.js'
import { SpellingLog } from './http/sites/spelling-log.js'
import { Cookies } from './http/web/cookies.js'
import { ErrorAnswers, type MalformedFault } from './http/web/errors.js'
import { FormTokens } from './http/web/form-token.js'
import { wellKnown } from './http/well-known.js'
import { inOrder, type NamedDirectory, recheckIntervals } from './identity/accounts/directories.js'
import { AssertionKeys } from './identity/api-clients/assertion-keys.js'
import { Assertions } from './identity/api-clients/assertions.js'
import { type Identity, openIdentity } from './identity/identity.js'
import { PasswordPool } from './identity/passwords/password-pool.js'
import { Handles } from './identity/second-factors/handles.js'
import { Messages, type MessagesSettings } from './messages/messages.js'
import { OwnerMails } from './messages/owner-mails.js'
import { Adoption, keepCounting } from './operations/dashboard/adoption.js'
import { DailyCounts } from './operations/dashboard/daily-counts.js'
import { DayCounts } from './operations/dashboard/day-counts.js'
import { Idempotency } from './operations/idempotency.js'
import { noteHealth } from './operations/installation/health.js'
import type { SiteView } from './operations/installation/site-view.js'
import { Operations } from './operations/operations.js'
import { PluginHost } from './plugin-host/plugin-host.js'
import { keepSealing, openSecrets } from './secrets/open-secrets.js'
import type { Sealer } from './secrets/sealer.js'
import { SealingStore } from './secrets/sealing-store.js'
import { followed, type Tracing } from './tracing.js'

/** What everything is given instead of reading it from the world. */
export interface CoreParts {
  readonly log: Logger
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Where what is done is told, if anybody asked for it. */
  readonly tracing?: Tracing | undefined
}

/** The rooms behind the door, without the web: what commands work with, and the gateway is built on. */
export interface Core extends CoreParts {
  readonly config: Config
  readonly store: Store
  /** Seals and opens secrets that are kept in the store. */
  readonly sealer: Sealer
  readonly directory: UserDirectory
  readonly secondFactors: ReadonlyMap<string, SecondFactor>
  readonly audit: Audit
  /** What is needed and others run. */
  readonly dependencies: Dependencies
  /** Requests that were stopped, as they are written down. */
  readonly refusals: DeniedRequests
  readonly messages: Messages
  readonly identity: Identity
  /** What owners and support do, by whichever door. */
  readonly desk: Operations
  /** Told of a proxy that nobody trusts. */
  readonly ignored: IgnoredForwarding
  /** Begins to seal what an earlier version kept in the clear; ends with the house. */
  sealRest(): void
  close(): Promise<void>
}

/** Opens the store alone, as it is: of what else is kept nothing is made in an empty one. */
export async function openStore(config: Config, { log, now }: CoreParts): Promise<Store> {
  const plugins = new PluginHost({ baseDirectory: config.baseDirectory, now, log, passwords: new PasswordPool() })
  return plugins.load('stores', config.store)
}

/**
 * What makes passkeys useless that people have: a factor whose scope (the RP ID) is not what those were made for any more.
 * @returns a sentence for the operator for each such factor
 */
export async function lostPasskeys(
  store: Store,
  factors: ReadonlyMap<string, SecondFactor>,
): Promise<readonly string[]> {
  const handles = new Handles(store)
  const sentences: string[] = []
  for (const [use, factor] of factors) {
    if (!('asks' in factor) || factor.scope === undefined) continue
    const people = await handles.peopleOutside(use, factor.scope)
    if (people > 0) sentences.push(lostSentence(use, factor.scope, people))
  }
  return sentences
}

function lostSentence(use: string, scope: string, people: number): string {
  const whom = people === 1 ? '1 person' : `${people} people`
  return (
    `${use}: what ${whom} set up belongs to another domain than ${scope}, and would be useless. Put rpId (or the host of ` +
    'publicUrl) back, or take it off them first (gatelodge user reset-second-factor NAME)'
  )
}

/** Opens the store and the second factors alone, and looks for {@link lostPasskeys}. */
export async function lookForLostPasskeys(config: Config, { log, now }: CoreParts): Promise<readonly string[]> {
  const passwords = new PasswordPool()
  const origins = originsOf(config)
  const plugins = new PluginHost({ baseDirectory: config.baseDirectory, now, log, passwords, origins })
  try {
    const store = await plugins.load('stores', config.store)
    const asked = config.secondFactor.methods.filter(({ use }) => !sentByUs.has(use))
    const factors = new Map<string, SecondFactor>()
    for (const method of asked) factors.set(method.use, await plugins.load('second-factors', method))
    return await lostPasskeys(store, factors)
  } finally {
    await plugins.close()
  }
}

/** They have no scope, and some want a mail server. */
const sentByUs: ReadonlySet<string> = new Set(['totp', 'sms', 'email', 'magic-link'])

/** Opens what sends mail alone, to see whether it could. */
export async function openMail(config: Config, { log, now }: CoreParts): Promise<MailTransport | undefined> {
  const plugins = new PluginHost({ baseDirectory: config.baseDirectory, now, log, passwords: new PasswordPool() })
  return config.mail && plugins.load('mail-transports', config.mail)
}

/** Opens what the configuration names: the store first, then everything that keeps something in it. */
export async function openCore(config: Config, { log, now, tracing }: CoreParts): Promise<Core> {
  const passwords = new PasswordPool()
  const origins = originsOf(config)
  const plugins = new PluginHost({ baseDirectory: config.baseDirectory, now, log, passwords, origins })
  try {
    const dependencies = new Dependencies({ log, now })
    const kept = await plugins.load('stores', config.store)
    // A write, for some stores can be read and not written.
    const probe = () => kept.increment('dependency/probe', 60)
    const watched = watchedStore(kept, (cause) => dependencies.failed(storeName, wordsOf(cause), probe))
    const store = followed(watched, 'store', tracing, 'client')
    dependencies.expect(storeName)
    const sealer = await openSecrets(kept, keySettings(config), log)
    plugins.useStore(store, new SealingStore(store, sealer))
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
    const refusals = new DeniedRequests({ audit, store, log, now })
    const said = { factors: secondFactors, mail, store, audit, log, now, settings: messagesSettings(config) }
    const messages = new Messages(said)
    const settings = fileSettings(config)
    const common = { store, sealer, directory, factors: secondFactors, audit, messages, refusals }
    const parts = { ...common, passwords, log, now }
    const identity = await openIdentity({
      ...parts,
      settings,
      settingForms: settingForms(config),
      tokenRate: config.tokens.rate,
      byEmail: config.signIn.byEmail,
      grace: config.secondFactor.grace,
      recheckSeconds: recheckIntervals(directories),
      approval: config.secondFactor.approval,
    })

    const ownerMails = ownerMailsFor(config, { store, messages, log, now, owners: () => owners(identity, directory) })
    const { closeAudit, outs } = await openAudit(config, { store, audit, log, now, plugins, ownerMails })
    audit.onRecord(new DayCounts({ store, now }).note)
    audit.onRecord(new DailyCounts({ store, now }).note)
    const endCounting = keepCounting(new Adoption({ store, accounts: identity.accounts, now }), log)
    audit.onRecord(noteHealth({ store, now }))
    const ignored = new IgnoredForwarding(log)
    let explainer: Explainer | undefined
    const desk = new Operations({
      ...{ ...identity, store, sealer, directory, secondFactors, audit, messages, dependencies, now },
      outs,
      sites: siteViews(config),
      likelyProxy: () => ignored.likelyProxy,
      explain: (request) => {
        explainer ??= openExplainer({ config, identity })
        return explainLines(explainer, request, now())
      },
    })

    let endSealing = async () => {}
    const sealRest = () => {
      endSealing = keepSealing(store, sealer, log)
    }

    const close = async () => {
      await endSealing()
      await endCounting()
      // What is on its way to people needs its transport, and the store to be written down in.
      const settled = identity.settled().then(() => Promise.all([messages.settled(), refusals.close()]))
      if (!(await endsWithin(SETTLE_MS, settled))) log.warn({ afterMs: SETTLE_MS }, 'messages on their way were cut')
      identity.close()
      await dependencies.close()
      await closeAudit()
      await audit.settled()
      await plugins.close()
    }
    const services = {
      store,
      sealer,
      sealRest,
      directory,
      secondFactors,
      audit,
      dependencies,
      refusals,
      messages,
      identity,
      desk,
      ignored,
    }
    return { config, log, now, tracing, ...services, close }
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
    const asked = use === 'local' ? directory : watchedDirectory(directory, `users ${name}`, dependencies)
    directories.push({ name, directory: asked, recheckSeconds: recheckSecondsOf(reference, directory) })
  }
  return directories
}

/** Where changes are made here they act at once; where nothing but passwords can be asked, nobody is ever found gone. */
function recheckSecondsOf({ use, recheck }: DirectoryReference, { learns }: UserDirectory): number | undefined {
  if (recheck === 'off' || learns) return undefined
  return recheck ?? (use === 'local' ? undefined : RECHECK_SECONDS)
}

type DirectoryReference = Extract<Config['users'], { readonly use: string }>

const RECHECK_SECONDS = 15 * 60

/** Messages that are on their way when everything closes have this long: as long as a mail server may take. */
const SETTLE_MS = 15_000

/** What the file says about access, and what was changed since. */
function openPolicy({ config, identity: { settings } }: Pick<Core, 'config' | 'identity'>): Policy<ProxySite> {
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
export function openExplainer(core: Pick<Core, 'config' | 'identity'>): Explainer {
  const { config } = core
  const portal = new Portal({ ...config, at: config.signIn.at })
  return new Explainer({ policy: openPolicy(core), prefix: config.prefix, portal })
}

/** The house with its door, from the outside in: what judges a request, what answers it, what stands behind it. */
export async function buildGateway(
  core: Core,
  { isStopping = () => false, onJudged }: { isStopping?: () => boolean; onJudged?: SitesParts['onJudged'] } = {},
): Promise<FastifyInstance> {
  const { config, log, now, tracing, store, sealer, desk, identity, messages, refusals, dependencies } = core
  const { secondFactors, ignored } = core
  const { sessions, own, notMe, devices, knownBrowsers, backupCodes, sealed, installation } = identity
  const { spentForms, waitingForms } = identity
  const signIn = followed(identity.signIn, 'sign-in', tracing)
  const linkSignIn = followed(identity.linkSignIn, 'link', tracing)
  const browserSignIn = followed(identity.browserSignIn, 'passkey', tracing)
  const helpDesk = followed(identity.helpDesk, 'help', tracing)
  const [lost] = await lostPasskeys(store, secondFactors)
  if (lost !== undefined) throw new Error(lost)
  const { prefix } = config
  const secure = config.publicUrl.startsWith('https:')

  const policy = openPolicy(core)
  const cookies = new Cookies({ secure })
  const trusted = AddressRanges.parse(config.trustedProxies)
  const programs: ApiClientFinder = (authorization, request) => identity.programs.find(authorization, request)
  const portal = new Portal({ ...config, at: config.signIn.at })
  const tokenHeader = config.tokens.header.toLowerCase()
  const passkeys = [...secondFactors].find(([, factor]) => 'asks' in factor && factor.resistsPhishing === true)
  const [passkeyUse = '', passkeyFactor] = passkeys ?? []
  const rpId = passkeyFactor !== undefined && 'asks' in passkeyFactor ? passkeyFactor.scope : undefined
  const wellKnownPaths = new WellKnown({ portal, rpId })
  const gate = new Gate({
    policy,
    sessions,
    programs,
    trusted,
    ignored,
    prefix,
    portal,
    wellKnown: wellKnownPaths,
    cookies,
    tokenHeader,
    now,
  })

  const templates = new Templates(config.templates)
  const { logo, palette, support } = config.brand
  const brand = brandOf({
    ...(logo === undefined ? {} : { logo: { file: logo, ...loadIcon(logo) } }),
    ...(palette === undefined ? {} : { colors: palette }),
    ...(support === undefined ? {} : { support }),
  })
  const look = {
    prefix,
    brand: brand.data,
    productName: config.name,
    secure,
    templates,
    assets: new Assets(config.templates, scriptsOf(secondFactors), brand.files),
  }
  const requestId = requestIds()
  const reading = AddressRanges.parse([...config.trustedProxies, ...(config.forwardAuth.peers ?? [])])
  const traces = tracing && new RequestTraces(tracing, reading, secure ? 'https' : 'http')
  const onMalformed = ({ code, request, peer, requestId }: MalformedFault) => {
    traces?.malformed({ code, request, requestId })
    refusals.malformed({ code, requestId, ...whereFrom(request === undefined ? peer : gate.client(request)) })
  }
  const spellingLog = new SpellingLog({ log, now })
  const onStopped: OnDenied = (request, id, stopped) => {
    if (stopped.kind === 'refused') spellingLog.note(stopped, rawTarget(request), id)
    if (stopped.kind === 'judged' || stopped.error === 'access.denied') {
      refusals.note(deniedRequest(gate, request, id, stopped))
    }
  }
  const errors = new ErrorAnswers({ log, requestId, render: errorPage(look), onMalformed })
  const small = smallPages(look)
  const keys = new AssertionKeys({ store, sealer, log, now, ...config.assertionKeys })
  const assertions = new Assertions({ keys, issuer: config.publicUrl, now })
  const leaving = new Leaving({ portal, cookies, prefix })
  const applications = new Applications(policy.sites, secure ? 'https' : 'http', prefix, assertions, tokenHeader)

  const server = Fastify(httpServerOptions({ errors, requestId, prefix, maxConnections: config.limits.connections }))
  const onEnded = (listener: () => void) => sessions.onEnded(listener)
  const peers = AddressRanges.parse(config.forwardAuth.peers ?? config.trustedProxies)
  const signOuts = new BoundSignOuts({
    sites: policy.sites,
    end: ({ session }, { site }, request, id) =>
      sessions.endOne(session.id, 'signed-out', clientFacts(request, gate.client(request), id, site.host)),
  })
  const told = { gate, applications, errors, small, leaving, signOuts, onStopped, onJudged, traces }
  const tunnelLimits = { sendMs: (config.limits.sendTimeoutSeconds ?? Number.POSITIVE_INFINITY) * 1000 }
  await server.register(sites, { ...told, log, policy, requestId, onEnded, tunnelLimits, upstreams: dependencies })
  await server.register(forwardAuth, { ...told, prefix, peers, trusted: reading })
  await server.register(health, { prefix, isReady: () => store.get('epoch'), isStopping })
  await server.register(jwks, { prefix, keys: applications.wantAssertions ? keys : undefined })
  const pagePolicy = new PagePolicy({ policy, gate, prefix, portal, now })
  const formTokens = new FormTokens(installation, now)
  const strangers = new Strangers({ unproven: messages.unproven, spentForms, formTokens, refusals, now })
  const waysIn = { signIn, linkSignIn, browserSignIn, helpDesk, devices, knownBrowsers, backupCodes, sealed }
  const listedSites = new ListedSites(config.sites, loadIcon)
  const ways = {
    portal,
    leaving,
    listedSites,
    tickets: identity.tickets,
    now,
    byEmail: config.signIn.byEmail,
    keepsSessions: config.session.keep,
  }
  const deskNeedsSecondFactor = config.administration.secondFactor === 'required'
  // Where every host has our pages, each has them beside its application.
  const isBesideApplication = config.signIn.at === 'each-host' || isPortalShared(config)
  const care = { waitingForms, isPortalShared: isBesideApplication, deskNeedsSecondFactor }
  const parts = {
    ...look,
    small,
    cookies,
    formTokens,
    strangers,
    sessions,
    ...ways,
    ...waysIn,
    own,
    notMe,
    secondFactors,
    pagePolicy,
    desk,
    ...care,
  }
  await server.register(pages, { prefix, parts })
  await server.register(start, { parts })
  await server.register(wellKnown, { wellKnown: wellKnownPaths, portal, pagesUnder: prefix, use: passkeyUse })
  core.sealRest()
  await server.register(api, { prefix: `${prefix}/api/v1`, parts: apiParts(core, pagePolicy, gate) })
  return server
}

/** Where our pages are: at the portal, or at every host that is named. */
function originsOf({ publicUrl, sites, signIn, prefix }: Config): readonly string[] {
  const portal = new Portal({ publicUrl, sites, prefix, at: signIn.at })
  return portal.isShared ? [portal.origin] : portal.origins
}

function fileSettings({ session, networks, passwords, secondFactor: { required, unenrolled } }: Config) {
  return { ...session, networks, passwords, required, unenrolled }
}

function auditSettings({ audit: { keptSeconds, key, oldKeys } }: Config) {
  const keys = [...(key === undefined ? [] : [key]), ...oldKeys].map(chainKey)
  return { keptSeconds: keptSeconds ?? ('for-ever' as const), keys, writesWithKey: key !== undefined }
}

/** What goes on beside the audit: its way out of the house, and out of the store. @returns what ends it, and what its entries call the places it goes to */
async function openAudit(
  { audit: { outs, keptSeconds } }: Config,
  {
    plugins,
    ownerMails,
    ...parts
  }: CoreParts & { store: Store; audit: Audit; plugins: PluginHost; ownerMails: OwnerMails | undefined },
): Promise<{ closeAudit(): Promise<void>; readonly outs: readonly string[] }> {
  const stopRemoving =
    keptSeconds === undefined
      ? () => undefined
      : (await import('./audit/retention.js')).keepRemovingOld({ ...parts, keptSeconds })
  const places: AuditOut[] = ownerMails === undefined ? [] : [ownerMails]
  for (const reference of outs) places.push(await plugins.load('audit-outs', reference))
  const followers: OutDelivery[] = []
  for (const out of places) {
    const { OutDelivery } = await import('./audit/out-delivery.js')
    const follower = new OutDelivery({ ...parts, out, machine: hostname() })
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

function apiParts({ config, desk, store, identity }: Core, pagePolicy: PagePolicy, gate: Gate<ProxySite>): ApiParts {
  const client = (request: FastifyRequest) => pagePolicy.client(request)
  return {
    prefix: config.prefix,
    productName: config.name,
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
