import { createHmac } from 'node:crypto'
import { z } from 'zod'

/** Everything a plugin may see. The core and the plugins meet here and nowhere else. */

/** What a store can keep: what survives `JSON.stringify` and `JSON.parse` unchanged. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** A person or a program as the directory knows it. */
export interface User {
  /** Never changes and is never given to anybody else, even when the username is. */
  readonly id: string
  readonly username: string
  /** What people call them, as in `Ada Lovelace`. */
  readonly displayName?: string
  readonly email?: string
  /** E.164, as in `+15550100`. */
  readonly mobile?: string
  readonly groups: readonly string[]
}

/** The form in which usernames are compared, here and in every directory: `Ada`, `ADA` and full-width `Ａｄａ` are one. */
export function foldUsername(username: string): string {
  return username.normalize('NFKC').toLowerCase().normalize('NFKC')
}

/** How a directory is asked for users: exactly one of the three. */
export type UserQuery = { readonly id: string } | { readonly username: string } | { readonly email: string }

/** First factor. Wrong credentials are `undefined`, never an error. */
export interface UserDirectory {
  /**
   * The user whose password this is. An unknown name takes as long and answers the same as a wrong password.
   * @throws when the directory cannot be asked
   */
  verifyPassword(username: string, password: string): Promise<User | undefined>
  /** Every user that fits; by id or username at most one. */
  find(by: UserQuery): Promise<readonly User[]>
  /**
   * Users who have this text somewhere in their username, display name or mail address, whatever its case; in order of
   * folded username, from after the one named. Left out where nobody can be searched for.
   */
  search?(text: string, page?: { readonly after?: string; readonly limit?: number }): Promise<readonly User[]>
  /** Present where the directory can be changed from here: `local` has it, `ldap` does not. */
  readonly writable?: WritableUsers
  /**
   * Set where a user can be found only once the right password was given: unknown names are put to it all the same, and
   * after a right password `find` knows the user.
   */
  readonly learns?: true
}

/**
 * A password as another system kept it: bcrypt, phpass, sha-crypt, md5-crypt, PBKDF2, scrypt, argon2 or a salted SHA, in
 * the spelling of crypt(3), PHC, Django, Werkzeug, WordPress, passlib or LDAP.
 */
export interface ImportedHash {
  readonly hash: string
}

/** What is to be different about a user; `undefined` removes what there was. */
export type UserChange = { readonly [Name in keyof Omit<User, 'id'>]?: User[Name] | undefined }

/** What can be done to users of a directory that is ours to change. */
export interface WritableUsers {
  /**
   * `undefined` when the username is taken. Without a password the user can only come in by a link.
   * @param credential the password, or what another system made of it: such a hash is renewed at the first sign-in
   * @throws RangeError with a sentence for the operator when this directory keeps no such name, address, number or hash
   */
  create(user: Omit<User, 'id'>, credential?: string | ImportedHash): Promise<User | undefined>
  /** `undefined` when there is no such user, or the new username is taken. */
  update(id: string, change: UserChange): Promise<User | undefined>
  /** @param credential as in `create`, with the same errors */
  setPassword(id: string, credential: string | ImportedHash): Promise<boolean>
  /**
   * Does nothing where `create` would take this user, as far as that can be said without asking whether the name is taken.
   * @throws RangeError as `create` does
   */
  check(user: Omit<User, 'id'>, credential?: string | ImportedHash): void
  /** Whether this user is one of those that can be changed. Left out where all of the directory can. */
  keeps?(id: string): boolean
  remove(id: string): Promise<boolean>
  /** In order of username, from after the one named. */
  list(page?: { readonly after?: string; readonly limit?: number }): Promise<readonly User[]>
}

/**
 * One way to prove it is really you. Holds no state: the gateway keeps enrolment and challenge, counts tries,
 * lets them expire, and refuses an answer that was given before.
 */
export type SecondFactor = CheckedSecondFactor | SentSecondFactor

/** A factor that knows itself whether an answer is right: authenticator app, hardware token, passkey. */
export interface CheckedSecondFactor {
  /** What users call it, as in "Authenticator app". */
  readonly label: string
  available(user: User): boolean
  readonly enrol: {
    /** A new secret, kept by the gateway until confirmed, and what the page shows so that the user can take it over. */
    begin(user: User): Promise<{ readonly secret: Json; readonly show: Json }>
    /** The enrolment to keep when the first answer was right; `undefined` when it was wrong. */
    confirm(secret: Json, answer: string): Promise<Json | undefined>
  }
  /** The question put to one pending sign-in; `null` where there is none to put. */
  begin(user: User, enrolment: Json): Promise<Json>
  /**
   * Whether the answer is right. `{ enrolment }` says yes and what the enrolment becomes by it (a counter, a last
   * time step): of two answers that start from the same enrolment the gateway accepts one.
   */
  verify(challenge: Json, enrolment: Json, answer: string): Promise<boolean | { readonly enrolment: Json }>
}

/**
 * A factor whose answer the gateway makes up and sends: the gateway draws the code or link, keeps its hash, lets it
 * expire and compares. The plugin knows only where to and by what.
 */
export interface SentSecondFactor {
  readonly label: string
  /** What is sent: a code to type, or a link to open. */
  readonly sends: 'code' | 'link'
  /** For links: what opening one proves, and whether one may be asked for in place of the password. */
  readonly link?: { readonly countsAs: 'password' | 'second-factor' | 'both'; readonly signIn: boolean }
  /** Where it would go for this user; `undefined` where it cannot, as with a number in a country that is not served. */
  address(user: User): string | undefined
  /** @throws when the message was not taken; the gateway then falls back or says so */
  send(message: FactorMessage): Promise<void>
}

/** A code or link on its way, already put into words by the gateway's templates. */
export interface FactorMessage {
  readonly to: string
  readonly subject: string
  readonly text: string
  readonly html?: string
}

/** Takes a text message to a phone. Resolves when the provider has taken it over. */
export interface SmsTransport {
  /** @throws {@link TransportError} */
  send(message: { readonly to: string; readonly text: string }): Promise<void>
  /** The latest messages, oldest first. Only where messages are kept instead of sent: `outbox` has it. */
  kept?(): Promise<readonly KeptMessage[]>
  close?(): Promise<void>
}

/** One mail, ready to go. */
export interface Mail {
  readonly to: string
  readonly subject: string
  readonly text: string
  readonly html?: string
}

/** Takes a mail to a mail server. Resolves when the server has taken it over. */
export interface MailTransport {
  /** @throws {@link TransportError} */
  send(mail: Mail): Promise<void>
  /** Whether it could send now: connects and gives its credentials, and sends nothing. @throws {@link TransportError} */
  check?(): Promise<void>
  /** The latest messages, oldest first. Only where messages are kept instead of sent: `outbox` has it. */
  kept?(): Promise<readonly KeptMessage[]>
  close?(): Promise<void>
}

/** A message that was not taken over. Carries no address, text or credential. */
export class TransportError extends Error {
  override readonly name = 'TransportError'
  /**
   * `refused`: asking again will not help; `unavailable`: it may; `unknown`: the provider may have taken it, so it is
   * never sent again by itself.
   */
  readonly reason: 'refused' | 'unavailable' | 'unknown'
  /** When the provider said when to come back. */
  readonly retryAfterSeconds: number | undefined
  constructor(
    reason: 'refused' | 'unavailable' | 'unknown',
    message: string,
    more: { readonly retryAfterSeconds?: number | undefined } = {},
  ) {
    super(message)
    this.reason = reason
    this.retryAfterSeconds = more.retryAfterSeconds
  }
}

/**
 * What a provider's HTTP status other than success means for the message. A 5xx other than 503 is `unknown`: a provider
 * that fails half-way may have sent. Redirects are refused: they would carry text and credentials to another host.
 * @param retryAfter the answer's `Retry-After`; only its form in seconds is read
 */
export function httpStatusError(status: number, retryAfter?: string | string[]): TransportError {
  const message = `The provider answered with HTTP status ${status}`
  if (status !== 429 && status !== 503) return new TransportError(status >= 500 ? 'unknown' : 'refused', message)
  const retryAfterSeconds =
    typeof retryAfter === 'string' && /^\d{1,9}$/.test(retryAfter) ? Number(retryAfter) : undefined
  return new TransportError('unavailable', message, { retryAfterSeconds })
}

/** System and undici codes of connections that were never made: nothing can have been sent over them. */
const neverConnected = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** What a failed HTTP exchange means for the message: `unknown` unless it is certain that nothing was sent. */
export function httpFailureError(error: unknown): TransportError {
  if (error instanceof TransportError) return error
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (typeof code !== 'string') return new TransportError('unknown', 'The provider gave no usable answer in time')
  if (neverConnected.has(code)) return new TransportError('unavailable', `The provider cannot be reached: ${code}`)
  if (/CERT|SELF_SIGNED|ERR_TLS|UNABLE_TO/.test(code)) {
    return new TransportError('refused', `The provider's certificate was not accepted: ${code}`)
  }
  return new TransportError('unknown', `The connection to the provider failed: ${code}`)
}

/** A message as a development transport keeps it. */
export interface KeptMessage {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly to: string
  readonly subject?: string
  readonly text: string
  readonly html?: string
}

/**
 * One place to keep things. Every method has a deadline and fails loudly; the ones marked atomic are so over all
 * processes that share the store. A key that has expired is a key that is not there.
 */
export interface Store {
  get(key: string): Promise<Json | undefined>
  /** Without a lifetime the value stays until it is deleted. */
  set(key: string, value: Json, ttlSeconds?: number): Promise<void>
  /** Atomic: true only for the caller that created it. */
  add(key: string, value: Json, ttlSeconds?: number): Promise<boolean>
  /** Atomic: false if it changed meanwhile or is gone. Compares by JSON value; a lifetime that runs goes on unless a new one is given. */
  replace(key: string, expected: Json, value: Json, ttlSeconds?: number): Promise<boolean>
  /** Atomic: true only for the caller that removed it. */
  delete(key: string): Promise<boolean>
  /** Atomic: counts from 1; the first call starts the clock, later ones leave it. */
  increment(key: string, ttlSeconds: number): Promise<number>
  /** In order of key (by UTF-8 bytes), from after the key named; 100 entries unless told otherwise. */
  list(
    prefix: string,
    page?: { readonly after?: string; readonly limit?: number },
  ): Promise<ReadonlyArray<readonly [string, Json]>>
  /**
   * Present where what lies under one key can be known without waiting: where a read costs a way to a server, by a copy that is
   * kept up to date here.
   */
  watch?(key: string): WatchedKey
  /** Present where a store can be copied: everything there is with its lifetime, in order of key, as of one moment where the store can. */
  snapshot?(): AsyncIterable<StoredEntry>
  /**
   * Present where a store can be restored: what is given takes the place of everything there was; expired entries are
   * left out. In one step where the store can; where it fails in the middle, the error says so.
   * @returns how many entries there are now
   */
  replaceAll?(entries: Iterable<StoredEntry>): Promise<number>
  close(): Promise<void>
}

/** One key of a store, known at once. */
export interface WatchedKey {
  /** What is there, in a copy at most a second old and mostly not at all; `undefined` where that cannot be said: then ask the store. */
  current(): Json | undefined
}

/** An entry of a store, for copies. */
export interface StoredEntry {
  readonly key: string
  readonly value: Json
  /** Milliseconds since 1970; without it the value stays until it is deleted. */
  readonly expiresAt?: number
}

/** Hashing of passwords, lent by the gateway: slow on purpose, bounded in number, the same for unknown names. */
export interface Passwords {
  /** @throws `password.busy` when too many wait */
  hash(password: string): Promise<string>
  /** `undefined` for a user that is not there costs as much as a real hash and answers false. */
  verify(hash: string | undefined, password: string): Promise<boolean>
  /** Whether the hash is older or weaker than what `hash` makes today. */
  isOutdated(hash: string): boolean
  /** Whether `verify` can judge it: of a format that is known, and not so costly that it is refused. */
  isKnown(hash: string): boolean
}

/** An entry of the audit on its way out. */
export interface AuditLine {
  /** Its place in the chain; an entry that comes again has the same. */
  readonly number: number
  /** UTC in ISO 8601 with milliseconds. */
  readonly time: string
  readonly event: string
  readonly outcome: string
  /** All of it as one line of JSON, with number and hash. Never a secret. */
  readonly text: string
}

/** A place outside that the audit is taken to. */
export interface AuditOut {
  /** Tells it from others and stays the same over restarts; how far it got is kept under this name. Never a secret. */
  readonly name: string
  /** Every machine has its own, as a file; otherwise one gateway of all delivers. */
  readonly perMachine?: boolean
  /**
   * Takes entries over, in order; resolves when they are. One that was taken before a crash may come again.
   * @param delivered says that all up to this number are taken, where the rest may still fail
   * @throws when it does not take them: it is asked again later
   */
  deliver(entries: readonly AuditLine[], delivered: (number: number) => void): Promise<void>
  close?(): Promise<void>
}

/** Lines for the operator. Never a secret in either argument. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What each kind of plugin is. The keys are the folder names under `plugins/`. */
export interface PluginKinds {
  'user-directories': UserDirectory
  'second-factors': SecondFactor
  'sms-transports': SmsTransport
  'mail-transports': MailTransport
  stores: Store
  'audit-outs': AuditOut
}

export type PluginKind = keyof PluginKinds

/** How YAML names a plugin: `use` and, beside it, the plugin's own options. */
export interface PluginReference {
  readonly use: string
  readonly [option: string]: unknown
}

/** Lent to a plugin while it is built. */
export interface Host {
  /** Milliseconds since 1970. The only clock a plugin reads. */
  now(): number
  readonly log: Logger
  /** A place of the plugin's own in the gateway's store: no key of anybody else can be read or written through it. */
  readonly store: Store
  readonly passwords: Passwords
  /** The mail server the file names under `mail`, for plugins that send mail and name no transport of their own. */
  readonly mail?: MailTransport | undefined
  /** Builds another plugin that this one's options name. It is closed with the gateway. */
  load<Kind extends PluginKind>(kind: Kind, reference: PluginReference): Promise<PluginKinds[Kind]>
}

/** What a plugin file exports by default. */
export interface Plugin<Kind extends PluginKind = PluginKind, Options extends z.ZodType = z.ZodType> {
  readonly kind: Kind
  /** Checked before `create`, with file, line and column in every complaint. Unknown keys are refused: use `z.strictObject`. */
  readonly options: Options
  create(options: z.output<Options>, host: Host): PluginKinds[Kind] | Promise<PluginKinds[Kind]>
}

/** Gives a plugin's `create` the types of its own options. */
export function definePlugin<Kind extends PluginKind, Options extends z.ZodType>(
  plugin: Plugin<Kind, Options>,
): Plugin<Kind, Options> {
  return plugin
}

/** For an option that names another plugin: `transport: pluginReference('sms-transports')`. It is checked with the rest of the file. */
export function pluginReference(kind: PluginKind) {
  const use = z.string().min(1).describe('Which one: a name of ours, a path that starts with ./, or an npm package.')
  return z.looseObject({ use }).meta({ pluginKind: kind })
}

/** For an option with an address of a service that is asked by HTTP. */
export function httpAddress() {
  return z.url({ protocol: /^https?$/, error: 'must be an http or https address' })
}

const headerName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be a header name')
const credential = z.string().regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces')

/** For options by which the gateway proves to a service who it is. */
export const callerOptions = {
  auth: z
    .union([
      z.strictObject({ username: z.string().regex(/^[^:\x00-\x1f\x7f]+$/), password: z.string().min(1) }),
      z.strictObject({ bearer: credential }),
    ])
    .optional(),
  /** The receiver recomputes HMAC-SHA-256 over `timestamp.body` and refuses old timestamps. */
  signature: z
    .strictObject({
      secret: z.string().min(16),
      header: headerName.default('X-Gatelodge-Signature'),
      timestampHeader: headerName.default('X-Gatelodge-Timestamp'),
    })
    .optional(),
}

/** What {@link callerOptions} come to: the headers to send with this body. @param now ms since 1970 */
export function callerHeaders(
  { auth, signature }: z.output<z.ZodObject<typeof callerOptions>>,
  body: string,
  now: number,
): Record<string, string> {
  const headers: Record<string, string> = {}
  if (auth !== undefined) {
    const basic = 'bearer' in auth ? '' : Buffer.from(`${auth.username}:${auth.password}`).toString('base64')
    headers['authorization'] = 'bearer' in auth ? `Bearer ${auth.bearer}` : `Basic ${basic}`
  }
  if (signature !== undefined) {
    const timestamp = String(Math.floor(now / 1000))
    headers[signature.timestampHeader] = timestamp
    headers[signature.header] = createHmac('sha256', signature.secret).update(`${timestamp}.${body}`).digest('hex')
  }
  return headers
}

/** Says so where what is sent to this address could be read on the way. */
export function warnOfPlainHttp(url: string, log: Logger, message: string): void {
  const { protocol, hostname } = new URL(url)
  if (protocol === 'https:' || /^(localhost|127\..*|\[::1\])$/.test(hostname)) return
  log.warn({ hostname }, message)
}

/** For an option that names a file or directory: a relative one starts at the directory of the YAML file; `create` gets it absolute. */
export function filePath() {
  return z
    .string()
    .regex(/^[^\0]+$/)
    .meta({ filePath: true, accepts: 'a path; a relative one starts at the directory of this file' })
}
