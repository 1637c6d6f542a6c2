import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateSync } from 'otplib'
import type { Test } from 'tap'
import totp from '../../plugins/second-factors/totp.js'
import embedded from '../../plugins/stores/embedded.js'
import local from '../../plugins/user-directories/local.js'
import { Audit } from '../../src/audit/audit.js'
import type { Host, MailTransport, SecondFactor, Store, UserDirectory } from '../../src/contracts.js'
import type { ClientFacts } from '../../src/identity/client-facts.js'
import { type Identity, openIdentity } from '../../src/identity/identity.js'
import { PasswordPool } from '../../src/identity/password-pool.js'
import type { SessionSettings } from '../../src/identity/sessions.js'
import type { Ask } from '../../src/identity/sign-in.js'
import { Messages, type MessagesSettings } from '../../src/messages/messages.js'
import { build, lentHost } from '../support/lent-host.js'

export const START = 1_763_000_000_000
export const PASSWORD = 'a lamp over the lodge gate'

/** A clock that moves when the test says so. */
export class Clock {
  ms = START
  readonly now = () => this.ms
  forward(seconds: number): void {
    this.ms += seconds * 1000
  }
}

/** The rooms of identity over a real store, a real directory and real factors; one of two or more gateways on it. */
export interface Rooms extends Identity {
  readonly store: Store
  readonly directory: UserDirectory
  readonly audit: Audit
  readonly messages: Messages
  readonly clock: Clock
  readonly settings: SessionSettings
  readonly lines: readonly { readonly fields: object; readonly message: string }[]
  /** A second gateway over the same store. */
  beside(): Promise<Rooms>
}

/** An empty embedded store that is gone when the test ends. */
export async function emptyStore(t: Test, clock: Clock): Promise<Store> {
  const path = mkdtempSync(join(tmpdir(), 'gatelodge-identity-'))
  const store = await build(embedded, { path }, lentHost({ now: clock.now }))
  t.teardown(async () => {
    await store.close()
    rmSync(path, { recursive: true, force: true })
  })
  return store
}

/** What differs from a house with an authenticator app and without mail. */
export interface RoomsSettings {
  readonly factors?: ReadonlyMap<string, SecondFactor>
  readonly mail?: MailTransport
  readonly messages?: Partial<MessagesSettings>
}

const messagesSettings: MessagesSettings = {
  service: 'Riverside CRM',
  publicUrl: 'https://crm.example.com',
  prefix: '/.gatelodge',
  fallback: true,
  limits: {
    waitSeconds: 60,
    accountPerHour: 5,
    accountPerDay: 10,
    numberPerHour: 3,
    networkPerHour: 20,
    linksPerHour: 3,
    smsPerDay: 500,
    mailPerDay: 5_000,
  },
}

export async function rooms(t: Test, more: RoomsSettings = {}): Promise<Rooms> {
  const clock = new Clock()
  return overStore(t, await emptyStore(t, clock), clock, more)
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
  const settings: SessionSettings = { durationSeconds: 90 * 24 * 3600 }
  const identity = await openIdentity({ store, directory, factors, audit, messages, log, settings, now: clock.now })
  t.teardown(() => identity.close())
  const beside = () => overStore(t, store, clock, more)
  return { ...identity, store, directory, audit, messages, clock, settings, lines: host.lines, beside }
}

/** What the gateway lends a directory or a factor. */
export function identityHost(store: Store, clock: Clock): ReturnType<typeof lentHost> {
  const lent: Pick<Host, 'store' | 'passwords'> = { store: scoped(store), passwords: new PasswordPool() }
  return Object.defineProperties(lentHost({ now: clock.now }), Object.getOwnPropertyDescriptors(lent))
}

function scoped(store: Store): Store {
  const prefix = 'plugin/user-directories/local/'
  const at = (key: string) => prefix + key
  return {
    get: (key) => store.get(at(key)),
    set: (key, value, ttl) => store.set(at(key), value, ttl),
    add: (key, value, ttl) => store.add(at(key), value, ttl),
    replace: (key, expected, value, ttl) => store.replace(at(key), expected, value, ttl),
    delete: (key) => store.delete(at(key)),
    increment: (key, ttl) => store.increment(at(key), ttl),
    async list(under, page = {}) {
      const rows = await store.list(at(under), page.after === undefined ? page : { ...page, after: at(page.after) })
      return rows.map(([key, value]) => [key.slice(prefix.length), value] as const)
    },
    close: async () => undefined,
  }
}

/** Requests of the same client come from one address unless the test says otherwise. */
export function client(network = '192.0.2.7'): ClientFacts {
  return { address: network, network, userAgent: 'test', requestId: 'request-1' }
}

/** One password sign-in, from an address of its own unless told otherwise. */
export function signIn(
  { signIn }: Rooms,
  username: string,
  more: { password?: string; ask?: Ask; from?: string; sessionToken?: string } = {},
) {
  return signIn.password({
    username,
    password: more.password ?? PASSWORD,
    client: client(more.from),
    returnTo: '/wanted',
    policy: () => more.ask ?? 'none',
    ...(more.sessionToken === undefined ? {} : { sessionToken: more.sessionToken }),
  })
}

/** The code an app with this secret shows at that moment. */
export function codeAt(secret: string, ms: number): string {
  return generateSync({ secret, epoch: Math.floor(ms / 1000) })
}
