import { LruMap } from 'toad-cache'
import type { Audit } from '../audit/audit.js'
import type { Store, User } from '../contracts.js'
import { type Account, type Accounts, raised } from './accounts.js'
import type { ClearScope } from './clearing.js'
import type { ClientFacts } from './client-facts.js'
import type { Epoch } from './epoch.js'
import type { Installation } from './installation.js'
import { Records } from './records.js'
import { drawToken, hashOf, isToken } from './secret.js'
import {
  isAlive,
  isFresh,
  type OpenSession,
  type Session,
  type SessionSettings,
  type SessionStart,
  wantsTouch,
  wasCleared,
} from './session.js'

export type { OpenSession, Session, SessionSettings, SessionStart } from './session.js'

/** Sessions of all users. A request with a known session costs one read of the epoch. */
export class Sessions {
  readonly #records: Records<Session>
  readonly #byAccount: Records<number>
  /** By token, which saves the hash: this memory has the tokens of all requests anyway, and no store sees them. */
  readonly #copies = new LruMap<Copy>(COPIES)
  readonly #accounts: Accounts
  readonly #epoch: Epoch
  readonly #installation: Installation
  readonly #audit: Audit
  readonly #settings: SessionSettings
  readonly #now: () => number

  constructor(parts: {
    store: Store
    accounts: Accounts
    epoch: Epoch
    installation: Installation
    audit: Audit
    settings: SessionSettings
    now: () => number
  }) {
    this.#records = new Records(parts.store, 'session/')
    this.#byAccount = new Records(parts.store, 'session-of/')
    this.#accounts = parts.accounts
    this.#epoch = parts.epoch
    this.#installation = parts.installation
    this.#audit = parts.audit
    this.#settings = parts.settings
    this.#now = parts.now
  }

  /** As {@link find}, for a session that is known here and needs no waiting for the store: so are those of most requests. */
  known(token: string): OpenSession | undefined {
    const copy = this.#copies.get(token)
    if (copy === undefined || copy.epoch !== this.#epoch.known()) return undefined
    const now = this.#now()
    return this.#isCurrent(copy, now) ? copy.open : undefined
  }

  /** The session of this token, if it opens anything now. */
  async find(token: string | undefined): Promise<OpenSession | undefined> {
    if (token === undefined || !isToken(token)) return undefined
    const epoch = await this.#epoch.read()
    const copy = this.#copies.get(token)
    const now = this.#now()
    if (copy?.epoch === epoch && this.#isCurrent(copy, now)) return copy.open
    const open = await this.#load(hashOf(token), now, true)
    if (open === undefined) this.#copies.delete(token)
    else this.#copies.set(token, { open, epoch, readAt: now })
    return open
  }

  /** Whether the session of this id opens anything now; for what was begun in it. */
  async isOpen(id: string): Promise<boolean> {
    return (await this.#load(id, this.#now(), false)) !== undefined
  }

  async open(start: SessionStart): Promise<{ readonly token: string; readonly session: Session }> {
    const token = drawToken()
    const now = this.#now()
    const session: Session = {
      id: hashOf(token),
      accountId: start.user.id,
      user: start.user,
      openedAt: now,
      ...(start.passwordAt === undefined ? {} : { passwordAt: start.passwordAt }),
      ...(start.secondFactorAt === undefined ? {} : { secondFactorAt: start.secondFactorAt }),
      ...(start.deviceAt === undefined ? {} : { deviceAt: start.deviceAt }),
      via: start.via,
      generation: start.generation,
      installation: start.installation,
      client: start.client.address,
      ...(start.client.site === undefined ? {} : { site: start.client.site }),
      userAgent: start.client.userAgent.slice(0, 256),
    }
    // Longer than any duration: whether it is over is decided at every look, by the setting of that moment.
    const ttl = Math.max(this.#settings.durationSeconds, KEPT_SECONDS)
    await Promise.all([
      this.#records.set(session.id, session, ttl),
      this.#byAccount.set(indexKey(session), now, ttl),
      start.replaces === undefined ? undefined : this.endOne(start.replaces, 'replaced', start.client),
    ])
    await this.#record(session, 'session.opened', start.client, start.via.join('+'))
    return { token, session }
  }

  /** Signs out. @returns whether there was such a session */
  async end(token: string | undefined, client?: ClientFacts): Promise<boolean> {
    if (token === undefined || !isToken(token)) return false
    return this.endOne(hashOf(token), 'signed-out', client)
  }

  /** Ends one session by its id, as from a list of sessions. */
  async endOne(id: string, reason: string, client?: ClientFacts): Promise<boolean> {
    const ended = await this.#remove(id)
    if (ended === undefined) return false
    await this.#epoch.raise()
    await this.#record(ended, 'session.ended', client, undefined, reason)
    return true
  }

  /**
   * Ends every session and pending sign-in of an account.
   * @param why.generation ends them only while the account has this one
   * @returns the account as it is now; `undefined` when there is none, or somebody else ended them first
   */
  async endAll(
    accountId: string,
    { client, reason = 'all-of-account', generation }: Ending = {},
  ): Promise<Account | undefined> {
    let isEnded = false
    const account = await this.#accounts.change(accountId, (now) => {
      isEnded = generation === undefined || (now.generation === generation && now.status === 'active')
      return isEnded ? raised(now) : now
    })
    if (account === undefined || !isEnded) return undefined
    await this.#audit.record({
      event: 'session.ended',
      outcome: 'success',
      accountId,
      username: account.username,
      reason,
      ...(client === undefined ? {} : { client }),
    })
    for await (const [key] of this.#byAccount.all(`${accountId}/`)) {
      await Promise.all([this.#records.delete(key.slice(accountId.length + 1)), this.#byAccount.delete(key)])
    }
    return account
  }

  /**
   * Ends everything else of the account, and this session too: in its place comes one with a new token, as fresh as it was.
   * @param user as the directory knows them by now, where that has changed
   * @returns `undefined` when the session was ended meanwhile
   */
  async renew(
    { session }: OpenSession,
    { client, reason, user = session.user }: { client: ClientFacts; reason: string; user?: User },
  ): Promise<{ readonly token: string; readonly session: Session } | undefined> {
    const { accountId, generation } = session
    // Of a form sent twice, and of a session that is being ended, one wins.
    if ((await this.#remove(session.id)) === undefined) return undefined
    if ((await this.endAll(accountId, { client, reason, generation })) === undefined) return undefined
    const { id: _, ...start } = session
    return this.open({ ...start, user, generation: generation + 1, client })
  }

  /** Ends every session and pending sign-in of everybody. */
  async clear(client?: ClientFacts): Promise<void> {
    await this.#installation.raise()
    await this.#audit.record({
      event: 'session.cleared',
      outcome: 'success',
      ...(client === undefined ? {} : { client }),
    })
  }

  /**
   * Ends the sessions of a part of everybody's, those that were half-way to being opened among them.
   * @param devices remembered devices of the same scope as well
   * @returns false: too many such rules hold already
   */
  clearSome(scope: ClearScope, { devices = false } = {}): Promise<boolean> {
    const rule = { ...scope, at: this.#now(), ...(devices ? { devices: true as const } : {}) }
    return this.#installation.clear(rule, KEPT_SECONDS * 1000)
  }

  /** Ends the sessions of one account and leaves its devices; {@link endAll} ends everything. */
  async clearOf(accountId: string): Promise<Account | undefined> {
    const now = this.#now()
    return this.#accounts.change(accountId, (account) => ({ ...account, clearedAt: now }))
  }

  /**
   * How many open something now, as far as there are not more than that many to look at: for a page that asks before it
   * clears, and must not look at a million.
   */
  async count(atMost: number): Promise<{ readonly open: number; readonly isMore: boolean }> {
    let looked = 0
    let open = 0
    for await (const [key] of this.#byAccount.all()) {
      if (looked === atMost) return { open, isMore: true }
      looked += 1
      if ((await this.#load(key.slice(key.lastIndexOf('/') + 1), this.#now(), false)) !== undefined) open += 1
    }
    return { open, isMore: false }
  }

  /** The sessions that open something now, of one account or of all. */
  async *list(accountId?: string): AsyncGenerator<OpenSession> {
    const under = accountId === undefined ? '' : `${accountId}/`
    for await (const [key] of this.#byAccount.all(under)) {
      const open = await this.#load(key.slice(key.lastIndexOf('/') + 1), this.#now(), false)
      if (open !== undefined) yield open
    }
  }

  /**
   * Calls the listener whenever a session may have ended, in this process or another; what hangs on a session then
   * asks for it again.
   * @returns what ends the calls
   */
  onEnded(listener: () => void): () => void {
    return this.#epoch.onChange(listener)
  }

  #isCurrent({ open, readAt }: Copy, now: number): boolean {
    return now - readAt < COPY_MS && isFresh(open.session, this.#settings, now)
  }

  async #load(id: string, now: number, isUsed: boolean): Promise<OpenSession | undefined> {
    const session = await this.#records.get(id)
    if (session === undefined) return undefined
    if (!isAlive(session, this.#settings, now)) {
      await this.#expire(session)
      return undefined
    }
    const [account, installation] = await Promise.all([
      this.#accounts.find(session.accountId),
      this.#installation.standing(),
    ])
    if (account === undefined || account.status !== 'active' || account.role === 'api') return undefined
    if (session.generation !== account.generation || session.installation !== installation.generation) return undefined
    if (wasCleared(session, account, installation.cleared)) return undefined
    return { session: isUsed ? await this.#touch(session, now) : session, account }
  }

  /** By `replace`, so that a session that ended meanwhile does not come back to life. */
  async #touch(session: Session, now: number): Promise<Session> {
    if (!wantsTouch(session, this.#settings, now)) return session
    const touched = { ...session, seenAt: now }
    await this.#records.replace(session.id, session, touched)
    return touched
  }

  async #expire(session: Session): Promise<void> {
    const ended = await this.#remove(session.id)
    if (ended !== undefined) await this.#record(ended, 'session.ended', undefined, undefined, 'expired')
  }

  /** @returns the session when this call was the one that removed it */
  async #remove(id: string): Promise<Session | undefined> {
    const session = await this.#records.get(id)
    if (session === undefined || !(await this.#records.delete(id))) return undefined
    await this.#byAccount.delete(indexKey(session))
    return session
  }

  #record(
    session: Session,
    event: 'session.opened' | 'session.ended',
    client?: ClientFacts,
    method?: string,
    reason?: string,
  ): Promise<void> {
    return this.#audit.record({
      event,
      outcome: 'success',
      accountId: session.accountId,
      username: session.user.username,
      sessionPrefix: session.id.slice(0, 8),
      ...(client === undefined ? {} : { client }),
      ...(method === undefined ? {} : { method }),
      ...(reason === undefined ? {} : { reason }),
    })
  }
}

interface Ending {
  readonly client?: ClientFacts
  readonly reason?: string
  readonly generation?: number
}

interface Copy {
  readonly open: OpenSession
  readonly epoch: string
  readonly readAt: number
}

/** About 2 KB each. */
const COPIES = 10_000

/** A process that dies between a change and the new epoch leaves copies elsewhere; they last no longer than this. */
const COPY_MS = 30_000

/** 400 days: existing sessions can follow when the duration grows up to this. */
const KEPT_SECONDS = 400 * 24 * 60 * 60

function indexKey({ accountId, id }: Session): string {
  return `${accountId}/${id}`
}
