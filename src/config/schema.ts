import { z } from 'zod'
import { type Json, pluginReference } from '../contracts.js'
import { filePath } from '../plugin-kit.js'
import { addressRange } from './address-range.js'
import type { BrandPalette } from './checks/brand-colors.js'
import { type ProfileName, profiles } from './profile.js'
import {
  duration,
  durationOrOff,
  flag,
  hostName,
  httpMethod,
  line,
  listenAddress,
  masterKeys,
  ownPrefix,
  pathPattern,
  pathPrefix,
  publicUrl,
  rateOrOff,
  upstreamUrl,
  wholeNumber,
} from './scalars.js'

/** The whole YAML file: its keys, defaults and words. Types, completion in editors and complaints all come from here. */

const accessWords = ['public', 'password', 'signed-in', 'second-factor', 'deny'] as const

/** One rule of a site. */
export const ruleSchema = z
  .strictObject({
    path: pathPattern().describe('Paths this rule is for; compared decoded.'),
    methods: z.array(httpMethod()).min(1).exactOptional().describe('Methods this rule is for; all when left out.'),
    from: z
      .array(addressRange())
      .min(1)
      .exactOptional()
      .describe('Client addresses this rule is for; all when left out.'),
    access: z
      .enum(accessWords)
      .describe(
        'What it takes: public (nobody is asked), password (one factor is enough), signed-in (password, and the second factor where policy or the user asks for it), second-factor (always both) or deny.',
      ),
    clients: z.enum(['api']).exactOptional().describe('Lets API accounts and app tokens through with one factor.'),
    groups: z.array(line(200)).min(1).exactOptional().describe('Only members of one of these groups.'),
    users: z
      .array(line(200))
      .min(1)
      .exactOptional()
      .describe('Only these users, API accounts as well; beside groups: and the members of those.'),
    preflight: z
      .enum(['pass'])
      .exactOptional()
      .describe('Lets the OPTIONS requests through by which browsers ask before they call from another origin (CORS).'),
    proof: z
      .enum(['passkey'])
      .exactOptional()
      .describe('passkey: both proofs, and one of them a passkey or security key, which no false page can ask for.'),
    reauthenticate: duration().exactOptional().describe('How fresh the second factor must be here.'),
  })
  .transform(({ reauthenticate, ...rest }): typeof rest & { reauthenticateSeconds?: number } =>
    reauthenticate === undefined ? rest : { ...rest, reauthenticateSeconds: reauthenticate },
  )

const siteTimeouts = z
  .strictObject({
    connect: duration().prefault('5s').describe('For the connection to the upstream to stand.'),
    response: duration().prefault('60s').describe('For the first byte of the answer once the request is sent.'),
    idle: durationOrOff().prefault('5m').describe('Between two bytes of an answer or event stream.'),
  })
  .transform(({ connect, response, idle }) => ({
    connectSeconds: connect,
    responseSeconds: response,
    idleSeconds: idle,
  }))

const siteLimits = z.strictObject({
  connections: wholeNumber(1, 100_000).default(256).describe('Requests to the upstream at once, and connections.'),
  eventStreams: wholeNumber(0, 1_000_000)
    .default(1_000)
    .describe('Answers without an end at once (server-sent events, camera pictures), beside those connections.'),
  webSockets: wholeNumber(0, 1_000_000).default(1_000).describe('Open WebSockets at once.'),
  uploadRate: z
    .union([z.literal('off'), wholeNumber(1, 1_000_000_000)])
    .default(500)
    .describe('Bytes a second that a client has to send of a body, over half a minute; off for any.'),
})

const network = z.strictObject({
  range: z.array(addressRange()).min(1).describe('Client addresses this entry is for.'),
  access: z
    .enum(['allow', 'deny'])
    .exactOptional()
    .describe('deny turns these clients away; allow, as soon as one entry says it, all the others.'),
  secondFactor: z
    .enum(['required', 'not-required'])
    .exactOptional()
    .describe('Whether a second factor is asked of these clients.'),
})

const identityWords = ['remote-user', 'x-forwarded-user', 'x-auth-request', 'none'] as const

const assertion = z
  .strictObject({
    header: z.string().default('X-Gatelodge-Assertion').describe('The header it comes in.'),
    audience: line(200).exactOptional().describe('Who it is for; the site’s host when left out.'),
    lifetime: duration().prefault('5m').describe('How long one is good; a day at most.'),
  })
  .transform(({ lifetime, ...rest }) => ({ ...rest, lifetimeSeconds: lifetime }))

const identity = z.strictObject({
  preset: z.enum(identityWords).default('none').describe('A header preset, beside the headers named here.'),
  headers: z
    .record(z.string(), z.string())
    .exactOptional()
    .describe('Headers of your own, as in X-User: "{username}"; {email}, {mobile}, {groups} and {id} are there, too.'),
  assertion: assertion.exactOptional().describe('A signed statement (JWT) of who is there.'),
  basic: z
    .strictObject({
      username: z.string().describe('The name, as in "{username}".'),
      password: z.string().min(1).describe('The password; it is the same for everybody.'),
    })
    .exactOptional()
    .describe('Signs users in to an application that knows HTTP Basic alone.'),
})

const assertionKeys = z
  .strictObject({
    rotate: duration().prefault('30d').describe('How long one key signs; an hour at least.'),
  })
  .transform(({ rotate }) => ({ rotateSeconds: rotate }))

const spelling = (what: string) => z.enum(['refuse', 'pass']).default('refuse').describe(what)

const paths = z.strictObject({
  case: z
    .enum(['any', 'exact'])
    .default('any')
    .describe('exact: the application tells upper and lower case apart; any: it may not, so rules hold for both.'),
  encodedSlash: spelling('%2F in a path, as in /@scope%2fname.'),
  emptySegment: spelling('Two slashes in a row, as in /a//b.'),
  backslash: spelling('A backslash in a path, also as %5C.'),
  doubleEscape: spelling('What is still an escape when it was decoded, as in /50%2520off.'),
})

const site = z.strictObject({
  host: hostName().exactOptional().describe('The host this site answers to; any host when left out.'),
  name: line(60).exactOptional().describe('What people know the application as; its host when left out.'),
  icon: filePath()
    .exactOptional()
    .describe('Its picture on the page of applications: an SVG, PNG, WebP or JPEG file of at most 128 KiB.'),
  listed: flag().default(true).describe('Whether the page of applications shows it to those who may open it.'),
  path: pathPrefix().prefault('/').describe('The path this site starts at; the longest that fits wins.'),
  upstream: upstreamUrl().describe('The application behind the gate; none where another proxy asks by forward-auth.'),
  upstreamTls: z
    .strictObject({
      ca: filePath().exactOptional().describe('PEM file of the authority that signed the upstream’s certificate.'),
      serverName: hostName()
        .exactOptional()
        .describe('The name the certificate must carry, where it is not the host of the URL.'),
    })
    .prefault({})
    .describe('How an https upstream is verified. It always is.'),
  identity: z
    .union([z.enum(identityWords), identity])
    .default('remote-user')
    .describe('How the application is told who is there: a header preset, or headers, assertion and basic.'),
  signOut: z
    .array(pathPattern())
    .min(1)
    .max(100)
    .exactOptional()
    .describe('Paths of the application’s own sign-out: who opens one is signed out of the gateway, too, everywhere.'),
  crossSitePosts: z
    .array(pathPattern())
    .min(1)
    .max(100)
    .exactOptional()
    .describe(
      'Paths that forms of other sites are sent to, as answers of a payment or SAML; they come with the session.',
    ),
  rewriteDestination: flag()
    .exactOptional()
    .describe(
      'Whether Destination and If of WebDAV name the address the application knows; where it needs that when left out.',
    ),
  preserveHost: flag().default(true).describe('Whether the application sees the Host the client sent.'),
  cache: z
    .enum(['private', 'no-store', 'as-is'])
    .default('private')
    .describe(
      'What of its answers to people who are signed in may be kept: private where it says nothing, or nothing.',
    ),
  lenient: flag()
    .default(false)
    .describe(
      'Whether answers may be written as old devices do: LF alone, folded lines, the same length twice, 1.0 with chunks.',
    ),
  serviceWorkers: z
    .enum(['refuse', 'allow'])
    .default('refuse')
    .describe('Whether service workers of the application may control the paths of the gateway’s own pages.'),
  timeouts: siteTimeouts.prefault({}).describe('How long the upstream may take.'),
  limits: siteLimits.prefault({}).describe('How much may be under way at once.'),
  networks: z
    .array(network)
    .max(1_000)
    .default([])
    .describe('Client networks at this site, beside those of the installation; the stricter has the say.'),
  enforce: flag()
    .default(true)
    .describe('Whether requests that may not pass are stopped; false: they are only written down.'),
  paths: paths.prefault({}).describe('What the application makes of paths that can be read in more than one way.'),
  rules: z.array(ruleSchema).max(2_000).default([]).describe('The first that fits decides; signed-in where none does.'),
})

const forwardAuth = z.strictObject({
  peers: z
    .array(addressRange())
    .exactOptional()
    .describe('Proxies that may ask whether a request may pass; the trusted ones when left out.'),
})

const secondFactor = z.strictObject({
  required: z
    .enum(['when-enabled', 'everyone'])
    .default('when-enabled')
    .describe('The global switch: users who enrolled one, or everyone.'),
  unenrolled: z
    .enum(['enrol', 'recovery-code'])
    .default('enrol')
    .describe('Who must have one and has none: enrols after the password, or needs a recovery code first.'),
  grace: z
    .strictObject({
      days: wholeNumber(1, 365).exactOptional().describe('From the first time it is put off.'),
      signIns: wholeNumber(1, 1_000).exactOptional().describe('How often it may be put off.'),
    })
    .exactOptional()
    .describe('For how long setting up a second factor that is required can be put off.'),
  approval: z
    .enum(['off', 'owner'])
    .default('off')
    .describe('Whether a second factor that a user sets up counts at once, or when an owner has approved it.'),
  fallback: flag().default(true).describe('Send the code by e-mail when the text message cannot be sent.'),
  methods: z
    .array(pluginReference('second-factors'))
    .min(1)
    .max(20)
    .prefault([{ use: 'totp' }])
    .describe('The methods users may enrol, each with the options of its plugin.'),
})

const administration = z.strictObject({
  secondFactor: z
    .enum(['required', 'when-enabled'])
    .default('required')
    .describe('Whether owners and support set a second factor up before the desk opens to them.'),
})

const amount = () => z.number().min(0).max(1_000).meta({ accepts: 'an amount of money, as in 0.04' })

const price = z.strictObject({
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/)
    .meta({ accepts: 'a currency as in EUR or USD (ISO 4217)' })
    .describe('What the amounts are in.'),
  sms: amount().describe('Of one text message.'),
  countries: z
    .record(
      z
        .string()
        .regex(/^[A-Z]{2}$/)
        .meta({ accepts: 'a country as in US or GB (ISO 3166)' }),
      amount(),
    )
    .default({})
    .describe('Of one text message to numbers of these countries.'),
  mail: amount().default(0).describe('Of one mail.'),
})

const sending = z
  .strictObject({
    wait: duration().prefault('1m').describe('Between two codes to one account.'),
    accountPerHour: wholeNumber(1, 1_000).default(5).describe('Codes to one account in an hour.'),
    accountPerDay: wholeNumber(1, 10_000).default(10).describe('Codes to one account in a day.'),
    numberPerHour: wholeNumber(1, 1_000).default(3).describe('Text messages to one number in an hour.'),
    networkPerHour: wholeNumber(1, 100_000).default(20).describe('Codes asked for from one network in an hour.'),
    linksPerHour: wholeNumber(1, 1_000).default(3).describe('Links to one account in an hour.'),
    smsPerDay: wholeNumber(0, 10_000_000).default(500).describe('Text messages of the whole installation in a day.'),
    mailPerDay: wholeNumber(0, 10_000_000).default(5_000).describe('Mails of the whole installation in a day.'),
    unproven: z
      .strictObject({
        networkPerHour: wholeNumber(1, 100_000)
          .default(20)
          .describe('Mails asked for from one network in an hour; fewer, the more of the day is used up.'),
        perDay: wholeNumber(0, 10_000_000)
          .default(1_000)
          .describe('Mails asked for in any 24 hours, of the whole installation. Codes have nothing to do with it.'),
      })
      .prefault({})
      .describe('What anybody may ask for without a proof: help with signing in, and links in place of the password.'),
    price: price.exactOptional().describe('What messages cost, for the desk; left out: they are counted alone.'),
  })
  .transform(({ wait, ...rest }) => ({ waitSeconds: wait, ...rest }))

const session = z
  .strictObject({
    duration: duration().prefault('90d').describe('How long a session lives; existing ones follow a change.'),
    idle: durationOrOff().prefault('off').describe('Ends a session that was not used for this long.'),
    keep: z
      .enum(['ask', 'always'])
      .default('ask')
      .describe(
        'ask: without a tick a session ends with the browser, and after 12 hours without use; always: all live on.',
      ),
    rememberDevice: durationOrOff()
      .prefault('30d')
      .describe('How long a device may be remembered in place of the second factor, where people tick it.'),
  })
  .transform(({ duration, idle, keep, rememberDevice }) => ({
    keep,
    durationSeconds: duration,
    idleSeconds: idle,
    rememberDeviceSeconds: rememberDevice,
  }))

const passwords = z.strictObject({
  minimum: wholeNumber(8, 64)
    .default(8)
    .describe('Characters of a new password of somebody who needs a second factor.'),
  minimumAlone: wholeNumber(8, 64)
    .default(8)
    .describe('Characters of a new password of anybody else, and of API accounts; never fewer than minimum.'),
})

const signIn = z.strictObject({
  at: z
    .enum(['portal', 'each-host'])
    .exactOptional()
    .describe(
      'Where people sign in: once for every host, at the host of publicUrl (portal; the default where there are several), or each host for itself (each-host).',
    ),
  byEmail: flag()
    .default(false)
    .describe('Whether people may type their mail address for their username, where it belongs to one account.'),
})

const tokens = z.strictObject({
  rate: rateOrOff().prefault('off').describe('How often an app token may be used that has no rate of its own.'),
  header: z
    .string()
    .regex(/^X-[A-Za-z0-9-]{1,60}$/i)
    .meta({ accepts: 'the name of a header of your own, as in X-Gatelodge-Token' })
    .default('X-Gatelodge-Token')
    .describe('The header that app tokens may come in beside Authorization, which is then the application’s.'),
})

/** What may be changed while the gateway runs, by the names this file has for it. */
export const runtimeKeys = [
  'secondFactor.required',
  'secondFactor.unenrolled',
  'session.duration',
  'session.idle',
  'networks',
] as const

const settings = z
  .strictObject({
    locked: z
      .union([z.boolean(), z.array(z.enum(runtimeKeys)).min(1)])
      .default(false)
      .meta({ accepts: 'true, false or a list of keys, as in [session.duration, networks]', isSpread: true })
      .describe('Settings that can be changed in this file only: true for all of them, or a list of keys.'),
  })
  .transform(({ locked }): { locked: readonly RuntimeKey[] } => ({
    locked: locked === true ? runtimeKeys : locked === false ? [] : locked,
  }))

const limits = z
  .strictObject({
    connections: wholeNumber(16, 1_000_000).default(10_000).describe('Client connections at once.'),
    connectionsPerAddress: wholeNumber(1, 1_000_000)
      .exactOptional()
      .describe('Those of one address, or IPv6 /64, that is no trusted proxy; a quarter of all when left out.'),
    requests: wholeNumber(1, 1_000_000).default(5_000).describe('Requests under way at once.'),
    sendTimeout: durationOrOff()
      .prefault('60s')
      .describe('How long something may wait for a client, or a WebSocket’s application, that takes nothing of it.'),
  })
  .transform(({ sendTimeout, ...rest }) => ({ ...rest, sendTimeoutSeconds: sendTimeout }))

const log = z.strictObject({
  level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info').describe('The least that is logged.'),
  format: z
    .enum(['auto', 'json', 'text'])
    .default('auto')
    .describe('One JSON object a line, or lines for people; auto: for people at a terminal, JSON everywhere else.'),
})

const metrics = z.strictObject({
  listen: listenAddress().prefault('127.0.0.1:9464').describe('Where /metrics is served, as host:port.'),
})

const stop = z
  .strictObject({
    announce: durationOrOff()
      .prefault('1s')
      .describe('How long /readyz answers 503 on SIGTERM before the listener closes.'),
    deadline: duration().prefault('10s').describe('How long what is under way then has to end.'),
  })
  .transform(({ announce, deadline }) => ({
    announceSeconds: announce ?? 0,
    deadlineSeconds: deadline,
  }))

const directory = z
  .looseObject({
    use: z.string().min(1).describe('Which one: a name of ours, a path that starts with ./, or an npm package.'),
    name: z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,30}$/)
      .meta({ accepts: 'small letters, digits and hyphens, as in office-ldap' })
      .exactOptional()
      .describe(
        'What the ids of its users begin with, where two directories are of one kind; what `use` says otherwise.',
      ),
    recheck: durationOrOff()
      .transform((seconds) => seconds ?? ('off' as const))
      .refine((seconds) => seconds === 'off' || seconds >= 60, 'must be a minute at least, or off')
      .exactOptional()
      .describe('How often it is asked whether users who are signed in are still there; 15m, and off for local.'),
  })
  .meta({ pluginKind: 'user-directories' })

const ownerAlerts = ['lockouts', 'budgets', 'dependencies', 'owners', 'policy', 'approvals'] as const

const audit = z
  .strictObject({
    keep: durationOrOff().prefault('90d').describe('How long entries are kept; off for ever.'),
    key: z
      .string()
      .min(16)
      .meta({ accepts: 'a text of at least 16 characters, best from ${NAME} or ${file:...}' })
      .exactOptional()
      .describe('Links the entries: who can write the store and does not have it cannot forge them.'),
    oldKeys: z
      .array(z.string().min(16))
      .max(20)
      .default([])
      .describe('Keys that were used before, to verify what was written with them.'),
    outs: z
      .array(pluginReference('audit-outs'))
      .max(20)
      .default([])
      .describe('Where entries go beside the store: json-lines, syslog, webhook.'),
    mailOwners: z
      .union([flag(), z.array(z.enum(ownerAlerts)).max(ownerAlerts.length)])
      .default(false)
      .describe(
        'What owners are told by mail: true for all, or some of lockouts, budgets, dependencies, owners, policy, approvals.',
      ),
  })
  .transform(({ keep, ...rest }) => ({ keptSeconds: keep, ...rest }))

const secrets = z.strictObject({
  key: masterKeys()
    .exactOptional()
    .describe(
      'Seals secrets in the store, and backups; beside the data directory when left out. Of several lines the first seals.',
    ),
  oldKeys: z.array(masterKeys()).max(20).default([]).describe('Keys that sealed before, to open what they sealed.'),
})

const brand = z.strictObject({
  name: line(60)
    .exactOptional()
    .describe('What users know this service as: the same as name at the top, and before it.'),
  logo: filePath().exactOptional().describe('A picture beside the name, SVG, PNG, WebP or JPEG.'),
  color: z
    .string()
    .regex(/^#[0-9a-f]{6}$/i)
    .meta({ accepts: 'a colour as in "#14654d", in quotes: # begins a comment' })
    .transform((color) => color.toLowerCase())
    .exactOptional()
    .describe('Of buttons and links; made darker, or lighter in the dark, where text in it could not be read.'),
  support: line(200)
    .refine((text) => isHelp(text))
    .meta({ accepts: 'a mail address, a telephone number with its country code, or an https address' })
    .exactOptional()
    .describe('Where people find help, under every page of ours.'),
})

/** What a page can lead to: nothing else is put into a link. */
function isHelp(text: string): boolean {
  if (/^\+[\d ()-]{5,30}$/.test(text)) return true
  if (/^[^\s@<>"']{1,64}@[^\s@<>"']{1,190}$/.test(text)) return true
  return /^https:\/\/[^/\s]/i.test(text) && URL.canParse(text)
}

/** What YAML may say. The output still lacks line numbers and has paths as they were written. */
export const settingsSchema = z.strictObject({
  profile: z
    .enum(profiles)
    .exactOptional()
    .describe('Sets what a standard asks for: aal2 is NIST SP 800-63B-4, AAL2. What is weaker is then refused.'),
  name: line(60).default('Gatelodge').describe('What users know this service as, on pages and in messages.'),
  brand: brand.prefault({}).describe('Whose the pages are, beside the name.'),
  listen: listenAddress().prefault('127.0.0.1:8080').describe('Where the gateway listens, as host:port.'),
  workers: z
    .union([z.literal('auto'), z.int().min(1).max(64)])
    .default(1)
    .meta({ accepts: 'auto, or a whole number from 1 to 64' })
    .describe('Processes that serve the listener; auto is one for each processor.'),
  publicUrl: publicUrl()
    .exactOptional()
    .describe('The address people type; links in mail start here. May be left out on a loopback address only.'),
  prefix: ownPrefix().prefault('/.gatelodge').describe('Where the gateway’s own pages live on every site.'),
  trustedProxies: z.array(addressRange()).default([]).describe('Proxies in front whose X-Forwarded-For counts.'),
  forwardAuth: forwardAuth.prefault({}).describe('For proxies that pass requests on themselves and only ask.'),
  assertionKeys: assertionKeys.prefault({}).describe('The keys that assertions are signed with.'),
  sites: z.array(site).min(1).max(1_000).describe('The applications behind the gate.'),
  networks: z.array(network).max(1_000).default([]).describe('Client networks; the first that fits decides.'),
  secondFactor: secondFactor.prefault({}).describe('Who is asked for a second factor, and by which methods.'),
  administration: administration.prefault({}).describe('What the desk of owners and support asks for.'),
  sending: sending.prefault({}).describe('How many codes, links and messages may be sent.'),
  signIn: signIn.prefault({}).describe('Where people sign in.'),
  session: session.prefault({}).describe('How long people stay signed in.'),
  passwords: passwords.prefault({}).describe('How long new passwords are at least.'),
  tokens: tokens.prefault({}).describe('App tokens of programs.'),
  users: z
    .union([directory, z.array(directory).min(1).max(16)])
    .prefault({ use: 'local' })
    .describe(
      'Where users and passwords are kept: one directory, or several, of which the first that knows a name counts.',
    ),
  mail: pluginReference('mail-transports').exactOptional().describe('How mail is sent.'),
  store: pluginReference('stores').prefault({ use: 'embedded' }).describe('Where sessions and accounts are kept.'),
  secrets: secrets.prefault({}).describe('What secrets that have to be read again are sealed with.'),
  templates: filePath()
    .exactOptional()
    .describe('A directory whose files replace ours of the same name: pages/, mail/, sms/.'),
  settings: settings.prefault({}).describe('What may be changed while the gateway runs.'),
  limits: limits.prefault({}).describe('What the whole gateway may be asked for at once.'),
  metrics: metrics.exactOptional().describe('Counts for Prometheus, at an address of their own.'),
  stop: stop.prefault({}).describe('How the gateway stops.'),

  audit: audit.prefault({}).describe('The record of what happened: how long it is kept, and where else it goes.'),
  log: log.prefault({}).describe('What is logged.'),
})

/** A setting that may be changed while the gateway runs. */
export type RuntimeKey = (typeof runtimeKeys)[number]

/** What the schema alone makes of the file. */
export type Settings = z.output<typeof settingsSchema>
type SiteOutput = Settings['sites'][number]

/** 1-based line in the YAML file. */
interface Placed {
  readonly line: number
}

type DeepReadonly<T> =
  T extends ReadonlyArray<infer Item>
    ? ReadonlyArray<DeepReadonly<Item>>
    : T extends object
      ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
      : T

/** One rule of a site, with its place in the file for `explain`. */
export type RuleConfig = DeepReadonly<SiteOutput['rules'][number]> & Placed
/** One application behind the gate. Paths are absolute. */
export type SiteConfig = DeepReadonly<Omit<SiteOutput, 'rules' | 'networks'>> &
  Placed & { readonly rules: readonly RuleConfig[]; readonly networks: readonly NetworkConfig[] }
/** One entry of `networks`. */
export type NetworkConfig = DeepReadonly<Settings['networks'][number]> & Placed
/** The checked, frozen configuration. Durations are seconds, sizes as their names say, paths absolute. */
export type Config = DeepReadonly<
  Omit<Settings, 'sites' | 'networks' | 'publicUrl' | 'settings' | 'profile' | 'secrets' | 'signIn' | 'brand'>
> & {
  /** The standard that the file is held to, and what that sets where the file says nothing, as in `session.idle: 1h`. */
  readonly profile?: { readonly name: ProfileName; readonly sets: readonly string[] } & Placed
  /** With the colours that are made of its one, and whether they are that one. */
  readonly brand: DeepReadonly<Settings['brand']> & { readonly palette?: BrandPalette } & Placed
  /** Where `trustedProxies` stands in the file, or would. */
  readonly trustedProxiesLine: number
  readonly secrets: DeepReadonly<Settings['secrets']> & {
    /** Absolute path of the file that `key` was read from, where nothing but that file is in it. */
    readonly keyFile?: string
  }
  /** An origin. On a loopback listener without one, `http://localhost:<port>`, with port 0 as it was written. */
  readonly publicUrl: string
  /** As written, or as it follows from the hosts there are. */
  readonly signIn: { readonly at: 'portal' | 'each-host'; readonly byEmail: boolean }
  readonly sites: readonly SiteConfig[]
  readonly networks: readonly NetworkConfig[]
  readonly settings: {
    /** Those the file alone decides. */
    readonly locked: readonly RuntimeKey[]
    /** Where those stand that are written in the file, and in what words. */
    readonly written: Readonly<Partial<Record<RuntimeKey, { readonly line: number; readonly value: Json }>>>
  }
  /** Absolute path of the YAML file. */
  readonly file: string
  /** Directory of the YAML file, where relative paths start. */
  readonly baseDirectory: string
}
