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

/** Code units; names have 64 characters, addresses 254. */
const LONGEST_FOLDED = 512

/** The form in which usernames are compared, here and in every directory: `Ada`, `ADA` and full-width `Ａｄａ` are one. */
export function foldUsername(username: string): string {
  // Unicode normalization sorts combining marks, and takes the square of their number: 70 ms for the 8,000 of them that fit
  // into a form. Nothing that is compared here is so long; what is, is nobody's name.
  if (username.length > LONGEST_FOLDED) return username
  return username.normalize('NFKC').toLowerCase().normalize('NFKC')
}

/**
 * A number as people write it, spelled as E.164 has it: `0044 7911…`, `+44 (0)7911…`, `tel:`, full-width digits, and the marks of
 * direction that come along from address books. As it was where it names no country: nobody knows whose number that is.
 */
export function spelledNumber(typed: string): string {
  const text = typed
    .normalize('NFKC')
    .replace(/[\s\p{Cf}]/gu, '')
    .replace(/^tel:/i, '')
  const international = text.replace(/^00(?=[(\d])/, '+')
  // Written for callers from inside the country, who leave the country code out. In Italy the 0 is a part of the number.
  const withoutTrunk = international.startsWith('+39')
    ? international
    : international.replace(/^(\+\d{1,3})\(0\)/, '$1')
  const digits = withoutTrunk.replace(/[()./\p{Pd}]/gu, '')
  return /^\+[1-9]\d{6,14}$/.test(digits) ? digits : typed
}

/** A mail address without the `mailto:` of a link, blanks around it, and marks of direction. */
export function spelledAddress(typed: string): string {
  return typed
    .normalize('NFC')
    .replace(/\p{Cf}/gu, '')
    .trim()
    .replace(/^mailto:/i, '')
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
export type SecondFactor = CheckedSecondFactor | SentSecondFactor | BrowserSecondFactor

/** A factor that knows itself whether an answer is right, and whose answer is typed: authenticator app, hardware token. */
export interface CheckedSecondFactor {
  /** What users call it, as in "Authenticator app". */
  readonly label: string
  available(user: User): boolean
  readonly enrol: {
    /** A new secret, kept by the gateway until confirmed, and what the page shows so that the user can take it over. */
    begin(user: User): Promise<{ readonly secret: Json; readonly show: Json }>
    /** The enrolment to keep when the first answer was right; `undefined` when it was wrong. */
    confirm(secret: Json, answer: string): Promise<Json | undefined>
    /** As the other, before there is an enrolment. */
    isOfAnotherTime?(secret: Json, answer: string): Promise<boolean>
  }
  /** The question put to one pending sign-in; `null` where there is none to put. */
  begin(user: User, enrolment: Json): Promise<Json>
  /**
   * Whether the answer is right. `{ enrolment }` says yes and what the enrolment becomes by it (a counter, a last
   * time step): of two answers that start from the same enrolment the gateway accepts one.
   */
  verify(challenge: Json, enrolment: Json, answer: string): Promise<boolean | { readonly enrolment: Json }>
  /**
   * Of a wrong answer: whether it would have been right a few minutes ago or from now, so that the user can be told that the
   * clock of the phone is off. It stays wrong, and counts as a try.
   */
  isOfAnotherTime?(enrolment: Json, answer: string): Promise<boolean>
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

/**
 * A factor that a script of the page asks, and no person types: passkey, security key. JSON goes to the page, and JSON comes
 * back. The gateway draws the nonce of every question, lets it expire after five minutes, uses it up before an answer is
 * judged, and keeps what was set up; the plugin weaves the nonce in, and judges an answer by it.
 */
export interface BrowserSecondFactor {
  readonly label: string
  readonly asks: 'browser'
  /**
   * A JavaScript module of its own for pages that ask it, served from the gateway's own origin as `it.script`. Left out: the
   * gateway's, which speaks WebAuthn. It finds `form[data-question]`, and sends it with the answer as JSON in its field
   * `answer`.
   */
  readonly script?: string
  /** Set where no other site can get an answer out of a user that is right here: rules may ask for that (`proof: passkey`). */
  readonly resistsPhishing?: true
  available(user: User): boolean
  readonly setUp: {
    /**
     * What is kept until it is confirmed, and the question to the page.
     * @param others what this user has already of this factor, as `confirm` and `judge` made it
     */
    begin(
      user: User,
      nonce: string,
      others: readonly Json[],
    ): Promise<{ readonly secret: Json; readonly question: Json }>
    /** What was set up, when the first answer was right; `undefined` when it was not. */
    confirm(secret: Json, nonce: string, answer: Json): Promise<BrowserEnrolment | undefined>
  }
  /**
   * One question to all that this user has of this factor, the preferred one first.
   * @param mustProveUser the answer has to prove the person as well, and not only what the person has
   */
  ask(user: User, nonce: string, enrolments: readonly Json[], mustProveUser: boolean): Promise<Json>
  /** Which {@link BrowserEnrolment.handle} an answer is of, as it says itself. */
  handleOf(answer: Json): string | undefined
  /**
   * Whether the answer is right, of the enrolment its handle named.
   * @param isSignIn it answers {@link signIn}: whose it is was said by nothing else
   */
  judge(nonce: string, enrolment: Json, answer: Json, isSignIn: boolean): Promise<BrowserVerdict>
  /** Present where it may be given in place of username and password. */
  readonly signIn?: {
    /** The question to somebody who has not said who they are. Costs next to nothing: everybody is asked. */
    ask(nonce: string): Json
  }
  /**
   * What a page may tell the browser about what is left of it, so that what was removed is offered no more.
   * @param gone removed a short while ago, and known here for nobody
   */
  signals?(
    user: User,
    left: readonly Json[],
    gone: ReadonlyArray<{ readonly handle: string; readonly scope: string }>,
  ): Json
  /** Where what is set up now is good, as the RP ID of passkeys: see {@link BrowserEnrolment.scope}. */
  readonly scope?: string
}

/** One user's registered instance of a {@link BrowserSecondFactor}. */
export interface BrowserEnrolment {
  /** To be kept, and given back with every answer. */
  readonly enrolment: Json
  /** What answers name it by: public, at most 2,048 characters, and nobody else's. */
  readonly handle: string
  /** What it is good for and nothing else, as the RP ID of a passkey: another `scope` of the factor makes it useless. */
  readonly scope?: string
  readonly about: EnrolmentFacts
}

/** What users and owners see of a registered instance. Nothing secret. */
export interface EnrolmentFacts {
  /** What made it, as in "Security key" or the name of a password manager; its first name as well. */
  readonly kind?: string
  /** Whether it is copied to other devices of the user, or stays on one. */
  readonly isSynced?: boolean
  /** Whether it can prove the person, and not only that it is at hand: only then it is enough for a sign-in. */
  readonly provesUser?: boolean
}

/** What became of an answer. */
export type BrowserVerdict =
  | false
  | {
      /** What it becomes by this answer, where that is something else: of two answers that start from the same one the gateway accepts one. */
      readonly enrolment: Json
      /** This very answer proves the person as well: it is both factors. */
      readonly provesUser: boolean
      readonly isSynced?: boolean
    }
  /** It is right, and there may be a second copy of what made it: refused this once, written down and told to the user. */
  | { readonly refused: 'copied'; readonly enrolment: Json }

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
  /**
   * The provider works and says that too much was asked of it (HTTP 429). Whoever asks for codes again and again can bring
   * that about, so it is treated as a limit of our own and never as a failure that lets a code go another way.
   */
  readonly isOverQuota: boolean
  constructor(
    reason: 'refused' | 'unavailable' | 'unknown',
    message: string,
    more: { readonly retryAfterSeconds?: number | undefined; readonly isOverQuota?: boolean } = {},
  ) {
    super(message)
    this.reason = reason
    this.retryAfterSeconds = more.retryAfterSeconds
    this.isOverQuota = more.isOverQuota ?? false
  }
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

/** Work of one family: hashes that differ in nothing but how much of the same work they ask for. */
export interface HashCost {
  /** As in `bcrypt`, `pbkdf2-sha256`, `scrypt/16384/8/1`. */
  readonly family: string
  /** In the family's own unit: rounds, or hashes. */
  readonly work: number
}

/** The most work that is asked for in each family. */
export type HashCosts = { readonly [family: string]: number }

/** The costs with one more hash. The same object where it asks for nothing more. */
export function withCost(costs: HashCosts, cost: HashCost | undefined): HashCosts {
  if (cost === undefined || (costs[cost.family] ?? 0) >= cost.work) return costs
  return { ...costs, [cost.family]: cost.work }
}

/** Hashing of passwords, lent by the gateway: slow on purpose, bounded in number, the same for unknown names. */
export interface Passwords {
  /** @throws `password.busy` when too many wait */
  hash(password: string): Promise<string>
  /**
   * `undefined` for a user that is not there costs as much as a real hash and answers false.
   * @param inUse the costs of all hashes of the directory: each verification then does the work of every one of them, so that
   * no user is told from another, or from nobody, by what made the hash. Left out: what {@link hash} makes is all there is
   */
  verify(hash: string | undefined, password: string, inUse?: HashCosts): Promise<boolean>
  /** What verifying this hash costs beside what {@link hash} makes; `undefined`: nothing, or it cannot be verified. */
  costOf(hash: string): HashCost | undefined
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
  /** What it was called by earlier versions: how far it got under that name counts once more. */
  readonly formerName?: string
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
  /**
   * A place of the plugin's own in the gateway's store: no key of anybody else can be read or written through it. Values are
   * sealed with the gateway's key, so that a secret may be kept there (counters are not, and nothing is of directories);
   * one that was changed behind the gateway's back is an error.
   */
  readonly store: Store
  readonly passwords: Passwords
  /** The mail server the file names under `mail`, for plugins that send mail and name no transport of their own. */
  readonly mail?: MailTransport | undefined
  /** Where people are asked, as browsers write it (`https://login.example.com`): that of `publicUrl` first, and no other. */
  readonly origins?: readonly string[] | undefined
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
