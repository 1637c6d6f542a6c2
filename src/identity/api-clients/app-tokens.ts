import { LruMap } from 'toad-cache'
import type { Audit } from '../../audit/audit.js'
import type { Store, User, UserDirectory } from '../../contracts.js'
import { GatelodgeError } from '../../errors.js'
import { type Account, withoutTokens } from '../accounts/account.js'
import type { Accounts } from '../accounts/accounts.js'
import type { ClientFacts } from '../store/client-facts.js'
import type { Epoch } from '../store/epoch.js'
import { hashOf, isSame } from '../store/random-token.js'
import { Records } from '../store/records.js'
import { appTokenId, drawAppToken } from './token-text.js'

/** Where a token counts. What is left out is not limited; the gate compares. */
export interface TokenScopes {
  /** Host names. */
  readonly sites?: readonly string[]
  /** In capitals; `GET` stands for `HEAD`, too. */
  readonly methods?: readonly string[]
  /** Patterns as rules have them. */
  readonly paths?: readonly string[]
  /** Addresses and networks (CIDR) of clients. */
  readonly networks?: readonly string[]
}

/**
 * What a token for administration may do beyond helping users and setting policy: change owners and make them, take copies of
 * the store with every secret in it. Nobody gets them by default: a token is used without a second factor.
 */
export const adminScopes = ['owners', 'backup'] as const
export type AdminScope = (typeof adminScopes)[number]

/** At most so many requests in every span of so many seconds. */
export interface Rate {
  readonly requests: number
  readonly seconds: number
}

/** A credential of a program, standing for one account. Times in milliseconds since 1970. */
export interface AppToken {
  /** Part of the token itself; no secret. */
  readonly id: string
  readonly accountId: string
  /** What its owner calls it. */
  readonly name: string
  readonly scopes: TokenScopes
  /** Opens the management API, and of the sites only those that the scopes name. */
  readonly admin: boolean
  /** Left out, as in tokens from before there were any: none. */
  readonly adminScopes?: readonly AdminScope[]
  /** Left out: what the installation says for all. */
  readonly rate?: Rate | undefined
  readonly issuedAt: number
  readonly issuedBy: string
  readonly expiresAt?: number | undefined
}

/** A token as lists show it. */
export interface ListedToken extends AppToken {
  /** `ended`: the account was deactivated since, or all its tokens were revoked. */
  readonly status: 'active' | 'expired' | 'ended'
  /** To the minute. */
  readonly lastUsedAt?: number
  readonly lastUsedFrom?: string
}

/** A token that opens something now, and whom it stands for. */
export interface OpenToken {
  readonly token: AppToken
  readonly user: User
  readonly account: Account
}

export interface TokenWish {
  readonly accountId: string
  readonly name: string
  readonly scopes?: TokenScopes
  readonly admin?: boolean
  readonly adminScopes?: readonly AdminScope[]
  readonly expiresAt?: number
  readonly rate?: Rate
}

/** App tokens of all users. The store has only their hashes; a request with a known token costs one read of the epoch. */
export class AppTokens {
  readonly #records: Records<KeptToken>
  readonly #byAccount: Records<number>
  readonly #uses: Records<TokenUse>
  readonly #copies = new LruMap<Copy>(COPIES)
  /** When this process last wrote down that a token was used. */
  readonly #noted = new LruMap<number>(COPIES)
  readonly #directory: UserDirectory
  readonly #accounts: Accounts
  readonly #epoch: Epoch
  readonly #audit: Audit
  readonly #missing: ((accountId: string) => Promise<void>) | undefined
  readonly #now: () => number

  constructor(parts: {
    store: Store
    directory: UserDirectory
    /** Told of an account whose user the directory does not know any more. */
    missing?: (accountId: string) => Promise<void>
    accounts: Accounts
    epoch: Epoch
    audit: Audit
    now: () => number
  }) {
    this.#records = new Records(parts.store, 'token/')
    this.#byAccount = new Records(parts.store, 'token-of/')
    this.#uses = new Records(parts.store, 'token-use/')
    this.#directory = parts.directory
    this.#accounts = parts.accounts
    this.#epoch = parts.epoch
    this.#audit = parts.audit
    this.#missing = parts.missing
    this.#now = parts.now
  }

  /**
   * A new token. The secret is nowhere but in this answer.
   * @param by who does it, for the record: a username, or `command-line`
   * @returns `undefined` when the account is not there or not active
   */
  async issue(wish: TokenWish, by: string): Promise<{ readonly secret: string; readonly token: AppToken } | undefined> {
    const { accountId, name, scopes = {}, admin = false, adminScopes = [], expiresAt, rate } = wish
    const account = await this.#accounts.find(accountId)
    if (account?.status !== 'active') return undefined
    const { id, text: secret } = drawAppToken()
    const now = this.#now()
    const kept: KeptToken = {
      id,
      accountId,
      name,
      scopes,
      admin,
      ...(adminScopes.length === 0 ? {} : { adminScopes }),
      ...(rate === undefined ? {} : { rate }),
      issuedAt: now,
      issuedBy: by,
      ...(expiresAt === undefined ? {} : { expiresAt }),
      hash: hashOf(secret),
      generation: account.tokenGeneration ?? 0,
    }
    // For a while after it has expired, so that lists can say what became of it.
    const ttl = expiresAt === undefined ? undefined : Math.ceil((expiresAt - now) / 1000) + SHOWN_EXPIRED_SECONDS
    // The index first: a token that no list shows could not be revoked.
    await this.#byAccount.set(indexKey(kept), now, ttl)
    await this.#records.set(id, kept, ttl)
    await this.#record('token.issued', kept, account.username, by)
    return { secret, token: shown(kept) }
  }

  /** The token with this text, if it opens anything now. Says nothing about what: that is for scopes and rules. */
  async find(secret: string): Promise<OpenToken | undefined> {
    const id = appTokenId(secret)
    if (id === undefined) return undefined
    const epoch = await this.#epoch.read()
    const now = this.#now()
    const copy = this.#copies.get(secret)
    if (copy?.epoch === epoch && now - copy.readAt < COPY_MS && !isExpired(copy.open.token, now)) return copy.open
    const open = await this.#load(id, hashOf(secret), now)
    if (open === undefined) this.#copies.delete(secret)
    else this.#copies.set(secret, { open, epoch, readAt: now })
    return open
  }

  /** The tokens of one account or of everybody, those that do not open anything any more among them. */
  async list(accountId?: string): Promise<ListedToken[]> {
    const found: ListedToken[] = []
    const accounts = new Map<string, Account | undefined>()
    for await (const [key] of this.#byAccount.all(accountId === undefined ? '' : `${accountId}/`)) {
      const id = key.slice(key.lastIndexOf('/') + 1)
      const [kept, use] = await Promise.all([this.#records.get(id), this.#uses.get(id)])
      if (kept === undefined) continue
      if (!accounts.has(kept.accountId)) accounts.set(kept.accountId, await this.#accounts.find(kept.accountId))
      const status = statusOf(kept, accounts.get(kept.accountId), this.#now())
      found.push({ ...shown(kept), status, ...(use && { lastUsedAt: use.at, lastUsedFrom: use.from }) })
    }
    return found.sort((one, other) => one.issuedAt - other.issuedAt)
  }

  /** From the next request on, in every process, the token opens nothing. @returns what was revoked */
  async revoke(id: string, by: string): Promise<AppToken | undefined> {
    const kept = await this.#remove(id)
    if (kept === undefined) return undefined
    await this.#epoch.raise()
    const account = await this.#accounts.find(kept.accountId)
    await this.#record('token.revoked', kept, account?.username, by)
    return shown(kept)
  }

  /** Every token of an account, or of the whole installation. @returns how many there were */
  async revokeAll(accountId: string | undefined, by: string): Promise<number> {
    // One step that ends them all, those included that are being issued at this moment.
    if (accountId !== undefined) await this.#accounts.change(accountId, withoutTokens)
    let count = 0
    for await (const [key] of this.#byAccount.all(accountId === undefined ? '' : `${accountId}/`)) {
      if ((await this.#remove(key.slice(key.lastIndexOf('/') + 1))) !== undefined) count += 1
    }
    await this.#epoch.raise()
    const username = accountId === undefined ? undefined : (await this.#accounts.find(accountId))?.username
    await this.#audit.record({
      event: 'token.revoked',
      outcome: 'success',
      reason: accountId === undefined ? 'all' : 'all-of-account',
      ...(accountId === undefined ? {} : { accountId }),
      ...(username === undefined ? {} : { username }),
      details: { by, count },
    })
    return count
  }

  /** Whether the store should hear that the token is in use: once a minute from each process. */
  wantsNote({ id }: AppToken): boolean {
    return this.#now() - (this.#noted.get(id) ?? 0) >= NOTED_MS
  }

  async noteUse({ id }: AppToken, { address }: ClientFacts): Promise<void> {
    const now = this.#now()
    this.#noted.set(id, now)
    await this.#uses.set(id, { at: now, from: address }, KEPT_USE_SECONDS)
  }

  async #load(id: string, hash: string, now: number): Promise<OpenToken | undefined> {
    const kept = await this.#records.get(id)
    if (kept === undefined || !isSame(kept.hash, hash)) return undefined
    const account = await this.#accounts.find(kept.accountId)
    if (account === undefined || statusOf(kept, account, now) !== 'active') return undefined
    const user = await this.#user(kept.accountId)
    // For good: somebody else may be given the name, and must not be given what it had.
    if (user === undefined) await this.#missing?.(kept.accountId)
    return user && { token: shown(kept), user, account }
  }

  async #user(id: string): Promise<User | undefined> {
    try {
      return (await this.#directory.find({ id }))[0]
    } catch (error) {
      throw error instanceof GatelodgeError ? error : new GatelodgeError('directory.unavailable', { cause: error })
    }
  }

  /** @returns the token when this call was the one that removed it */
  async #remove(id: string): Promise<KeptToken | undefined> {
    const kept = await this.#records.get(id)
    if (kept === undefined || !(await this.#records.delete(id))) return undefined
    await Promise.all([this.#byAccount.delete(indexKey(kept)), this.#uses.delete(id)])
    return kept
  }

  #record(event: 'token.issued' | 'token.revoked', kept: KeptToken, username: string | undefined, by: string) {
    const { id, name, admin, adminScopes, accountId } = kept
    return this.#audit.record({
      event,
      outcome: 'success',
      accountId,
      ...(username === undefined ? {} : { username }),
      details: { token: id, name, by, ...(admin ? { admin } : {}), ...(adminScopes ? { adminScopes } : {}) },
    })
  }
}

interface KeptToken extends AppToken {
  /** SHA-256 of the whole token in base64url. */
  readonly hash: string
  /** The account's `tokenGeneration` when it was issued: an older number than the account's opens nothing. */
  readonly generation: number
}

interface TokenUse {
  readonly at: number
  readonly from: string
}

interface Copy {
  readonly open: OpenToken
  readonly epoch: string
  readonly readAt: number
}

const COPIES = 10_000

/** As of sessions: a process that dies between a change and the new epoch leaves copies elsewhere. */
const COPY_MS = 30_000

const NOTED_MS = 60_000
const SHOWN_EXPIRED_SECONDS = 30 * 24 * 60 * 60
const KEPT_USE_SECONDS = 400 * 24 * 60 * 60

function indexKey({ accountId, id }: AppToken): string {
  return `${accountId}/${id}`
}

function isExpired({ expiresAt }: AppToken, now: number): boolean {
  return expiresAt !== undefined && now >= expiresAt
}

function statusOf(kept: KeptToken, account: Account | undefined, now: number): ListedToken['status'] {
  if (account?.status !== 'active' || (account.tokenGeneration ?? 0) !== kept.generation) return 'ended'
  return isExpired(kept, now) ? 'expired' : 'active'
}

function shown({ hash: _, generation: __, ...token }: KeptToken): AppToken {
  return token
}
