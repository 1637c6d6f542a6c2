import { createHmac, randomBytes } from 'node:crypto'
import { LruMap } from 'toad-cache'
import type { Logger, Store, User, UserDirectory } from '../../contracts.js'
import { foldUsername } from '../../contracts.js'
import { GatelodgeError } from '../../errors.js'
import type { Account } from '../accounts/account.js'
import type { Accounts } from '../accounts/accounts.js'
import type { PasswordCheck } from '../sign-in/password-check.js'
import type { ClientFacts } from '../store/client-facts.js'
import type { Epoch } from '../store/epoch.js'
import { nameHash } from '../store/name-hash.js'
import { hashOf } from '../store/random-token.js'
import { Records } from '../store/records.js'
import type { AppToken, AppTokens, Rate } from './app-tokens.js'
import { type Credentials, readAuthorization } from './credentials.js'
import type { RateState, TokenRates } from './token-rates.js'
import { appTokenPrefix } from './token-text.js'
import type { TokenUse } from './token-use.js'

/** A program that proved with this request who it is. */
export interface ApiClient {
  readonly session: {
    readonly id: string
    readonly user: User
    /** Of a password; a token needs none. */
    readonly passwordAt?: number
    readonly token?: true
  }
  readonly account: Account
  /** Present when it came with an app token. */
  readonly token?: AppToken
  /** Said with the answer: what is left of the token's rate. */
  readonly headers?: Readonly<Record<string, string>>
  /** The same again while the request lasts: costs no guess and no request of the rate. `undefined`: it has ended. */
  still(): Promise<ApiClient | undefined>
}

export interface ApiClientRequest {
  /** It was let in before, and is looked at again while it lasts: no request of a rate. */
  readonly isUnderWay?: boolean
  readonly client: ClientFacts
  /** Whether this account's password alone is enough, here and now: API accounts and exempt ones. */
  readonly mayUsePassword: (account: Account, user: User) => boolean
}

/**
 * Finds who is behind `Authorization` (RFC 7617, RFC 6750): an app token, or the password of an API account or of one
 * that is exempt. Guesses come out of the same budgets as those on the sign-in page.
 *
 * A password costs 20 ms of hashing, and programs send it with every request; so a right one is remembered for a minute,
 * in this process, under a key that only this process has, and only as long as the account's generation stays.
 */
export class ApiClients {
  readonly #tokens: AppTokens
  readonly #rates: TokenRates
  readonly #use: TokenUse
  readonly #passwords: PasswordCheck
  readonly #accounts: Accounts
  readonly #directory: UserDirectory
  readonly #epoch: Epoch
  readonly #networks: Records<number>
  readonly #rate: Rate | undefined
  readonly #now: () => number
  readonly #key = randomBytes(32)
  readonly #known = new LruMap<Known>(KNOWN)
  /** Guesses being judged: of many that are the same at once, one is. */
  readonly #underway = new Map<string, Promise<Known | undefined>>()

  constructor(parts: {
    store: Store
    tokens: AppTokens
    rates: TokenRates
    use: TokenUse
    passwordCheck: PasswordCheck
    accounts: Accounts
    directory: UserDirectory
    epoch: Epoch
    log: Logger
    /** Of tokens that have none of their own. */
    rate?: Rate | undefined
    now: () => number
  }) {
    this.#tokens = parts.tokens
    this.#rates = parts.rates
    this.#use = parts.use
    this.#passwords = parts.passwordCheck
    this.#accounts = parts.accounts
    this.#directory = parts.directory
    this.#epoch = parts.epoch
    this.#networks = new Records(parts.store, 'api-network/')
    this.#rate = parts.rate
    this.#now = parts.now
  }

  /**
   * Who sent this header; `undefined` when it is nobody's, wrong, or of no kind that is known here.
   * @throws `sign-in.throttled`, `token.rate-limited`, `password.busy`, and `store.unavailable` and its like
   */
  async find(authorization: string, request: ApiClientRequest): Promise<ApiClient | undefined> {
    const given = readAuthorization(authorization)
    if (given === undefined) return undefined
    // By its beginning alone: a token with a slip in it is no password, and must not cost a hash or a guess.
    if (given.secret.startsWith(appTokenPrefix)) return this.#byToken(given, request)
    // `curl --user TOKEN:`
    if (given.secret === '' && given.username?.startsWith(appTokenPrefix)) {
      return this.#byToken({ secret: given.username }, request)
    }
    return given.username === undefined ? undefined : this.#byPassword(given.username, given.secret, request)
  }

  async #byToken({ username, secret }: Credentials, request: ApiClientRequest): Promise<ApiClient | undefined> {
    const program = await this.#ofToken(username, secret)
    if (program?.token === undefined) return undefined
    const { token, account } = program
    this.#use.note(request.client, account, { id: token.id, method: 'token', token })
    const limit = token.rate ?? this.#rate
    if (limit === undefined || request.isUnderWay) return program
    const rate = await this.#rates.take(token.id, limit)
    const headers = rateHeaders(rate)
    if (rate.allowed) return { ...program, headers }
    throw new GatelodgeError('token.rate-limited', { retryAfterSeconds: rate.resetSeconds, headers })
  }

  async #ofToken(username: string | undefined, secret: string): Promise<ApiClient | undefined> {
    const open = await this.#tokens.find(secret)
    if (open === undefined || !isNamed(username, open.user, open.token)) return undefined
    const { token, user, account } = open
    return {
      session: { id: `token:${token.id}`, user, token: true },
      account,
      token,
      still: () => this.#ofToken(username, secret),
    }
  }

  async #byPassword(username: string, password: string, request: ApiClientRequest): Promise<ApiClient | undefined> {
    const key = this.#keyOf(username, password)
    const kept = this.#known.get(key)
    const isFresh = kept !== undefined && this.#now() - kept.judgedAt < KNOWN_MS
    const current = isFresh ? await this.#current(key, kept) : undefined
    const known = current ?? (await this.#judgeOnce(key, username, password, request))
    if (known === undefined || !request.mayUsePassword(known.account, known.user)) return undefined
    this.#use.note(request.client, known.account, { id: known.account.id, method: 'password' })
    return this.#ofPassword(key, known)
  }

  #ofPassword(key: string, known: Known): ApiClient {
    return {
      session: { id: `password:${known.account.id}`, user: known.user, passwordAt: this.#now() },
      account: known.account,
      still: async () => {
        const current = await this.#current(key, known)
        return current && this.#ofPassword(key, current)
      },
    }
  }

  /** What is known of a right password, if nothing has ended it: one read of the epoch, as for a session. */
  async #current(key: string, known: Known): Promise<Known | undefined> {
    const epoch = await this.#epoch.read()
    const now = this.#now()
    if (known.epoch === epoch && now - known.readAt < COPY_MS) return known
    const account = await this.#accounts.find(known.account.id)
    const user = account && (await this.#user(account.id))
    if (user === undefined || !isSameAccount(account, known.account)) {
      this.#known.delete(key)
      return undefined
    }
    const current = { ...known, account, user, epoch, readAt: now }
    if (this.#known.get(key) === known) this.#known.set(key, current)
    return current
  }

  /** Many requests begin at once with the same password: one is judged for all, at the cost of one guess. */
  #judgeOnce(key: string, username: string, password: string, request: ApiClientRequest): Promise<Known | undefined> {
    // What is enough here may not be enough elsewhere.
    const guess = `${key} ${request.client.address} ${request.client.site ?? ''}`
    const running = this.#underway.get(guess)
    if (running !== undefined) return running
    const judged = this.#judge(key, username, password, request).finally(() => this.#underway.delete(guess))
    this.#underway.set(guess, judged)
    return judged
  }

  async #judge(
    key: string,
    username: string,
    password: string,
    { client, mayUsePassword }: ApiClientRequest,
  ): Promise<Known | undefined> {
    // Before the password is judged: what is taken away meanwhile is seen at the next look.
    const epoch = await this.#epoch.read()
    const place = { nameHash: nameHash(username), network: hashOf(client.network) }
    const since = await this.#networks.get(networkKey(place))
    const own = since === undefined ? undefined : { id: `api-${place.network}`, nameHash: place.nameHash }
    const policy = (account: Account, user: User) => (mayUsePassword(account, user) ? 'none' : 'deny')
    const verdict = await this.#passwords.judge({ username, password, client, policy, isProgram: true }, own)
    if (!verdict.right) {
      const { retryAfterSeconds, isLocked } = verdict
      if (isLocked) throw new GatelodgeError('sign-in.locked')
      if (retryAfterSeconds !== undefined) throw new GatelodgeError('sign-in.throttled', { retryAfterSeconds })
      return undefined
    }
    const now = this.#now()
    if (since === undefined || now - since > DAY_MS) await this.#networks.set(networkKey(place), now, NETWORK_SECONDS)
    const known: Known = { account: verdict.account, user: verdict.user, epoch, judgedAt: now, readAt: now }
    this.#known.set(key, known)
    return known
  }

  async #user(id: string): Promise<User | undefined> {
    try {
      return (await this.#directory.find({ id }))[0]
    } catch (error) {
      throw error instanceof GatelodgeError ? error : new GatelodgeError('directory.unavailable', { cause: error })
    }
  }

  /** Of this process alone: a dump of its memory has no password in it to try elsewhere. */
  #keyOf(username: string, password: string): string {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([foldUsername(username), password]))
      .digest('base64url')
  }
}

/** What the answer says about a rate, as in draft-ietf-httpapi-ratelimit-headers-06. */
function rateHeaders({ limit, remaining, resetSeconds, windowSeconds }: RateState): Record<string, string> {
  return {
    'ratelimit-policy': `${limit};w=${windowSeconds}`,
    'ratelimit-limit': String(limit),
    'ratelimit-remaining': String(remaining),
    'ratelimit-reset': String(resetSeconds),
  }
}

/** A right password. */
interface Known {
  readonly account: Account
  readonly user: User
  /** Read before the account was. */
  readonly epoch: string
  readonly judgedAt: number
  readonly readAt: number
}

const KNOWN = 1000

/** How long a password that another system changed may still be taken: one changed here ends at once. */
const KNOWN_MS = 60_000
const COPY_MS = 30_000
const DAY_MS = 24 * 60 * 60 * 1000

/** A network from which the password was right has a budget of its own for this long: nobody elsewhere can use it up. */
const NETWORK_SECONDS = 30 * 24 * 60 * 60

function networkKey({ nameHash, network }: { nameHash: string; network: string }): string {
  return `${nameHash}/${network}`
}

function isSameAccount(now: Account | undefined, then: Account): now is Account {
  return now?.status === 'active' && now.generation === then.generation && now.username === then.username
}

/** With a token as the password, the name before it must not say somebody else. */
function isNamed(username: string | undefined, user: User, token: AppToken): boolean {
  // git turns `https://:TOKEN@host` into Basic without a name.
  return (
    username === undefined ||
    username === '' ||
    username === token.id ||
    foldUsername(username) === foldUsername(user.username)
  )
}
