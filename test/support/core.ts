import { generateSync } from 'otplib'
import type { Test } from 'tap'
import totp from '../../plugins/second-factors/totp.js'
import embedded from '../../plugins/stores/embedded.js'
import local from '../../plugins/user-directories/local.js'
import { Audit } from '../../src/audit/audit.js'
import type { Host, MailTransport, SecondFactor, Store, UserDirectory } from '../../src/contracts.js'
import type { Account } from '../../src/identity/accounts/account.js'
import { addUser, type NewUser } from '../../src/identity/accounts/add-user.js'
import { type Identity, openIdentity } from '../../src/identity/identity.js'
import { PasswordPool } from '../../src/identity/passwords/password-pool.js'
import type { GraceSettings } from '../../src/identity/second-factors/enrolment-grace.js'
import type { Ask, PasswordOutcome } from '../../src/identity/sign-in/sign-in.js'
import type { ClientFacts } from '../../src/identity/store/client-facts.js'
import type { FileSettings } from '../../src/identity/store/settings.js'
import { Messages, type MessagesSettings } from '../../src/messages/messages.js'
import { Operations } from '../../src/operations/operations.js'
import { ScopedStore } from '../../src/plugin-host/scoped-store.js'
import type { Sealer } from '../../src/secrets/sealer.js'
import { build, lentHost } from './lent-host.js'
import type { Scope } from './scope.js'
import { testSealer } from './sealer.js'
import { usualLimits } from './sending-limits.js'
import { temporaryDirectory } from './temporary-directory.js'

export const START = 1_763_000_000_000
export const PASSWORD = 'a lamp over the lodge gate'

const DAY = 24 * 60 * 60

/** A clock that moves when the test says so. */
export class Clock {
  ms = START
  readonly now = () => this.ms
  forward(seconds: number): void {
    this.ms += seconds * 1000
  }
}

/** What the file says, as a test would have it. */
type Settings = FileSettings

/** The rooms of identity over a real store, a real directory and real factors; one of two or more gateways on it. */
export interface Rooms extends Omit<Identity, 'settings'> {
  readonly store: Store
  readonly directory: UserDirectory
  readonly audit: Audit
  readonly messages: Messages
  readonly desk: Operations
  readonly clock: Clock
  readonly settings: Settings
  readonly lines: readonly { readonly fields: object; readonly message: string }[]
  /** A second gateway over the same store. */
  beside(): Promise<Rooms>
}

/** An empty embedded store that is gone when the test ends. */
export async function emptyStore(t: Scope, clock: Clock): Promise<Store> {
  const path = await temporaryDirectory(t)
  const store = await build(embedded, { path }, lentHost({ now: clock.now }))
  t.teardown(() => store.close())
  return store
}

/** What differs from a house with an authenticator app and without mail. */
export interface RoomsSettings {
  readonly factors?: ReadonlyMap<string, SecondFactor>
  readonly mail?: MailTransport
  readonly messages?: Partial<MessagesSettings>
  /** Of sessions, devices and enrolment. */
  readonly settings?: Partial<Settings>
  /** Puts something between the rooms and the store. */
  readonly wrap?: (store: Store) => Store
  /** One that other gateways on the store have, too. */
  readonly sealer?: Sealer
  /** For how long setting up a second factor can be put off. */
  readonly grace?: GraceSettings | undefined
  /** How long a page waits for a provider, ms. */
  readonly patience?: number
}

const messagesSettings: MessagesSettings = {
  service: 'Riverside CRM',
  publicUrl: 'https://crm.example.com',
  prefix: '/.gatelodge',
  fallback: true,
  limits: usualLimits,
}

export async function services(t: Test, more: RoomsSettings = {}): Promise<Rooms> {
  const clock = new Clock()
  const store = await emptyStore(t, clock)
  return overStore(t, more.wrap?.(store) ?? store, clock, more)
}

export async function overStore(t: Test, store: Store, clock: Clock, more: RoomsSettings): Promise<Rooms> {
  const host = identityHost(store, clock)
  const directory = await build(local, {}, host)
  const factors = more.factors ?? new Map([['totp', await build(totp, {}, host)]])
  const audit = new Audit({ store, log: host.log, now: clock.now })
  const { log } = host
  const messages = new Messages({
    factors,
    mail: more.mail,
    store,
    audit,
    log,
    now: clock.now,
    settings: { ...messagesSettings, ...more.messages },
  })
  const settings: Settings = { durationSeconds: 90 * DAY, rememberDeviceSeconds: 30 * DAY, ...more.settings }
  const { now } = clock
  const { passwords } = host
  const sealer = more.sealer ?? testSealer()
  const patience = more.patience === undefined ? {} : { patience: more.patience }
  const parts = {
    store,
    sealer,
    directory,
    factors,
    audit,
    messages,
    passwords,
    log,
    settings,
    now,
    ...patience,
    grace: more.grace,
  }
  const identity = await openIdentity(parts)
  t.teardown(() => identity.close())
  const beside = () => overStore(t, store, clock, { ...more, sealer })
  const desk = new Operations({ ...identity, store, sealer, directory, secondFactors: factors, audit, messages, now })
  return { ...identity, store, directory, audit, messages, desk, clock, settings, lines: host.lines, beside }
}

/** What the gateway lends a directory or a factor. */
export function identityHost(store: Store, clock: Clock): ReturnType<typeof lentHost> {
  const lent: Pick<Host, 'store' | 'passwords'> = {
    store: new ScopedStore(() => store, 'plugin/local/'),
    passwords: new PasswordPool(),
  }
  return Object.defineProperties(lentHost({ now: clock.now }), Object.getOwnPropertyDescriptors(lent))
}

/** Requests of the same client come from one address unless the test says otherwise. */
export function client(network = '192.0.2.7'): ClientFacts {
  return { address: network, network, userAgent: 'test', requestId: 'request-1' }
}

/** A user with the usual password and an account, as `user add` makes them. */
export async function add(r: Rooms, username: string, more: Partial<NewUser> = {}): Promise<Account> {
  const settings = { shortestPassword: () => 8 }
  const added = await addUser({ ...r, settings }, { username, password: PASSWORD, ...more })
  if (added.outcome !== 'added') throw new Error(added.sentence)
  return added.account
}

export interface Try {
  readonly password?: string
  readonly ask?: Ask
  readonly from?: string
  readonly sessionToken?: string
}

/** One try with a password. */
export function tryPassword({ signIn }: Rooms, username: string, more: Try = {}): Promise<PasswordOutcome> {
  return signIn.password({
    username,
    password: more.password ?? PASSWORD,
    client: client(more.from),
    returnTo: '/wanted',
    // A page that asks for a second factor because there is one, as a rule `signed-in` does: a code by mail is enough.
    policy: (_account, _user, given) => (given !== undefined && 'fellBack' in given ? 'none' : (more.ask ?? 'none')),
    ...(more.sessionToken === undefined ? {} : { sessionToken: more.sessionToken }),
  })
}

/** A token of a session opened by the password alone. */
export async function open(r: Rooms, username: string, more: Try = {}): Promise<string> {
  const result = await tryPassword(r, username, more)
  if (result.outcome !== 'session') throw new Error(`the sign-in ended with ${result.outcome}`)
  return result.token
}

/** A token of a sign-in that waits for the second factor. */
export async function halfWay(r: Rooms, username: string, more: Try = {}): Promise<string> {
  const result = await tryPassword(r, username, { ask: 'second-factor', ...more })
  if (!('pendingToken' in result)) throw new Error(`the sign-in ended with ${result.outcome}`)
  return result.pendingToken
}

/** Takes an authenticator app over. @returns the key the app has, and the token of the session that opened */
export async function enrolApp(r: Rooms, username: string, from?: string): Promise<{ key: string; token: string }> {
  const pendingToken = await halfWay(r, username, { ask: 'enrol', ...(from === undefined ? {} : { from }) })
  const key = await shownKey(r, pendingToken)
  const done = await r.signIn.confirmEnrolment(pendingToken, codeAt(key, r.clock.ms), client(from))
  if (done.outcome !== 'session') throw new Error(`the enrolment ended with ${done.outcome}`)
  return { key, token: done.token }
}

/** The key as the page shows it, without the spaces. */
export async function shownKey(r: Rooms, pendingToken: string): Promise<string> {
  const begun = await r.signIn.beginEnrolment(pendingToken, 'totp')
  if (begun === undefined) throw new Error('there is nothing to enrol')
  return (begun.show as { key: string }).key.replaceAll(' ', '')
}

/** The code an app with this secret shows at that moment. */
export function codeAt(secret: string, ms: number): string {
  return generateSync({ secret, epoch: Math.floor(ms / 1000) })
}
