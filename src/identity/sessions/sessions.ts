import { LruMap } from 'toad-cache'
import type { Audit } from '../../audit/audit.js'
import type { Store, User } from '../../contracts.js'
import { type Account, raised } from '../accounts/account.js'
import type { Accounts } from '../accounts/accounts.js'
import type { ClearScope } from '../store/clear-rules.js'
import type { ClientFacts } from '../store/client-facts.js'
import type { Epoch } from '../store/epoch.js'
import type { Installation } from '../store/installation.js'
import { drawToken, hashOf, isToken } from '../store/random-token.js'
import { Records } from '../store/records.js'
import { Branches, withBranch } from './branches.js'
import { isSameUser, type Recheck } from './recheck.js'
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
import { isSuccessor, Succession } from './succession.js'

export type { OpenSession, Session, SessionSettings, SessionStart } from './session.js'

/** Sessions of all users. A request with a known session costs one read of the epoch. */
export class Sessions {
  readonly #records: Records<Session>
  readonly #byAccount: Records<number>
  readonly #branches: Branches
  readonly #succession: Succession
  /** By token, which saves the hash: this memory has the tokens of all requests anyway, and no store sees them. */
  readonly #copies = new LruMap<Copy>(COPIES)
  readonly #accounts: Accounts
  readonly #epoch: Epoch
  readonly #installation: Installation
  readonly #audit: Audit
  readonly #settings: SessionSettings
  readonly #recheck: Recheck | undefined
  readonly #now: () => number

  constructor(parts: {
    store: Store
    accounts: Accounts
    epoch: Epoch
    installation: Installation
    audit: Audit
    settings: SessionSettings
    /** Left out: a user stays as they were at the sign-in. */
    recheck?: Recheck
    now: () => number
  }) {
    this.#records = new Records(parts.store, 'session/')
    this.#byAccount = new Records(parts.store, 'session-of/')
    this.#branches = new Branches(parts)
    this.#succession = new Succession({ sessions: this.#records, branches: this.#branches })
    this.#accounts = parts.accounts
    this.#epoch = parts.epoch
    this.#installation = parts.installation
    this.#audit = parts.audit
    this.#settings = parts.settings
    this.#recheck = parts.recheck
    this.#now = parts.now
  }

  /** As {@link find}, for a session that is known here and needs no waiting for the store: so are those of most requests. */
  known(token: string, host?: string): OpenSession | undefined {
    const copy = this.#copies.get(token)
    if (copy === undefined || copy.host !== host || copy.epoch !== this.#epoch.known()) return undefined
    const now = this.#now()
    return this.#isCurrent(copy, now) ? this.#lookedAt(copy, now) : undefined
  }

  /**
   * The session of this token, if it opens anything now.
   * @param host looks for a branch in place of a session. Neither opens what the other does: the portal's own token is worth
   *   nothing where an application could get hold of it, and a branch's nothing at the portal or at another host.
   */
  async find(token: string | undefined, host?: string): Promise<OpenSession | undefined> {
    if (token === undefined || !isToken(token)) return undefined
    const epoch = await this.#epoch.read()
    const copy = this.#copies.get(token)
    const now = this.#now()
    const known =
      copy?.epoch === epoch && copy.host === host && this.#isCurrent(copy, now) ? this.#lookedAt(copy, now) : undefined
    if (known !== undefined) return known
    const hash = hashOf(token)
    const id = host === undefined ? hash : (await this.#branches.at(host, hash))?.sessionId
    const load = host === undefined ? this.#load : this.#loadCurrent
    let open = id === undefined ? undefined : await load.call(this, id, now, true)
    let due = open && (await this.#recheck?.due(open.session))
    if (id !== undefined && open !== undefined && due !== undefined && now >= due.mustAt) {
      await this.#recheck?.look(open.session.accountId)
      open = await load.call(this, id, now, true)
      due = open && (await this.#recheck?.due(open.session))
    }
    if (open === undefined) {
      this.#copies.delete(token)
      return undefined
    }
    const read: Copy = { open, epoch, readAt: now, host, ...(due ?? NEVER_DUE) }
    this.#copies.set(token, read)
    return this.#lookedAt(read, now)
  }

  /** The user of these sessions is another now in the directory: all of them go on with that. */
  async follow(user: User): Promise<void> {
    let isChanged = false
    for await (const [key] of this.#byAccount.all(`${user.id}/`)) {
      const id = key.slice(user.id.length + 1)
      await this.#records.change(id, (session) => {
        if (session === undefined || isSameUser(session.user, user)) return session
        isChanged = true
        return { ...session, user }
      })
    }
    if (!isChanged) return
    await this.#accounts.open(user)
    await this.#epoch.raise()
  }

  /**
   * Carries a session of the portal to another host.
   * @param had the token that the browser has there; it stays where it is a branch of this session already, and of no other
   *   that this one took the place of
   * @returns with the token for that host's cookie, where there is a new one; `undefined` when the session has ended
   */
  async branch(
    id: string,
    host: string,
    had?: string,
  ): Promise<{ readonly token?: string; readonly open: OpenSession } | undefined> {
    const open = await this.#loadCurrent(id, this.#now(), true)
    if (open === undefined) return undefined
    const old = had === undefined || !isToken(had) ? undefined : hashOf(had)
    const before = old === undefined ? undefined : await this.#branches.at(host, old)
    if (before?.sessionId === open.session.id && before.isCarried !== true) return { open }
    const { token, id: branch } = await this.#branches.open({ sessionId: open.session.id, host })
    const added = { host, id: branch }
    let dropped: Session['branches']
    const kept = await this.#records.change(open.session.id, (session) => {
      if (session === undefined || session.replacedBy !== undefined) return session
      const branches = withBranch(session.branches, added, old)
      dropped = branches.dropped
      return { ...session, branches: branches.kept }
    })
    if (kept === undefined || kept.replacedBy !== undefined) {
      await this.#branches.drop([added])
      return undefined
    }
    if (dropped !== undefined && dropped.length > 0) {
      await this.#branches.drop(dropped)
      // Copies of what was dropped, here and elsewhere.
      await this.#epoch.raise()
    }
    return { token, open: { ...open, session: kept } }
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
      ...(start.fellBack === undefined ? {} : { fellBack: start.fellBack }),
      ...(start.passkeyAt === undefined ? {} : { passkeyAt: start.passkeyAt }),
      ...(start.deviceAt === undefined ? {} : { deviceAt: start.deviceAt }),
      ...(start.isBrief ? { isBrief: true as const } : {}),
      via: start.via,
      generation: start.generation,
      installation: start.installation,
      client: start.client.address,
      ...(start.client.site === undefined ? {} : { site: start.client.site }),
      userAgent: start.client.userAgent.slice(0, 256),
    }
    const before = start.replaces === undefined ? undefined : await this.#load(start.replaces, now, false)
    // Longer than any duration: whether it is over is decided at every look, by the setting of that moment.
    const ttl = Math.max(this.#settings.durationSeconds, KEPT_SECONDS)
    await Promise.all([this.#records.set(session.id, session, ttl), this.#byAccount.set(indexKey(session), now, ttl)])
    const isReplaced = await this.#endReplaced(start, before?.session, session)
    if (start.via[0] !== 'password') await this.#accounts.cameIn(session.accountId)
    await this.#record(session, 'session.opened', start.client, start.via.join('+'))
    // It was proven on top of one that somebody ended at this very moment: nothing is left of either.
    if (start.within !== undefined && !isReplaced) await this.endOne(session.id, 'ended-before', start.client)
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
      const id = key.slice(accountId.length + 1)
      const session = await this.#records.get(id)
      await Promise.all([this.#records.delete(id), this.#byAccount.delete(key), this.#branches.drop(session?.branches)])
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
    const { id: _, branches: __, ...start } = session
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

  /** As {@link Recheck} has it: mostly one comparison. `undefined`: the directory has to be asked before anything is opened. */
  #lookedAt(copy: Copy, now: number): OpenSession | undefined {
    if (now < copy.at) return copy.open
    if (now >= copy.mustAt) return undefined
    this.#recheck?.begin(copy.open.session.accountId)
    copy.at = now + COPY_MS
    return copy.open
  }

  #isCurrent({ open, readAt }: Copy, now: number): boolean {
    return now - readAt < COPY_MS && isFresh(open.session, this.#settings, now)
  }

  async #load(id: string, now: number, isUsed: boolean): Promise<OpenSession | undefined> {
    const session = await this.#records.get(id)
    return session === undefined || session.replacedBy !== undefined ? undefined : this.#judge(session, now, isUsed)
  }

  /** Whether a session opens anything now, with its account. */
  async #judge(session: Session, now: number, isUsed: boolean): Promise<OpenSession | undefined> {
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

  /** As {@link #load} does, for what a session was begun with that another has taken the place of since. */
  async #loadCurrent(id: string, now: number, isUsed: boolean): Promise<OpenSession | undefined> {
    const session = await this.#succession.current(id)
    return session && this.#judge(session, now, isUsed)
  }

  /** @returns false where there was none to end, any more */
  async #endReplaced(start: SessionStart, before: Session | undefined, by: Session): Promise<boolean> {
    if (start.replaces === undefined) return false
    if (before === undefined || !isSuccessor(start, before)) {
      return this.endOne(start.replaces, 'replaced', start.client)
    }
    const replaced = await this.#succession.replace(before.id, by)
    await this.#byAccount.delete(indexKey(before))
    if (replaced === undefined) return false
    await this.#byAccount.delete(indexKey(replaced))
    await this.#epoch.raise()
    await this.#record(replaced, 'session.ended', start.client, undefined, 'replaced')
    return true
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
    const session = await this.#succession.current(id)
    if (session === undefined || !(await this.#records.delete(session.id))) return undefined
    await Promise.all([this.#byAccount.delete(indexKey(session)), this.#branches.drop(session.branches)])
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
  /** When the directory is to be asked about the user, beside the request. */
  at: number
  /** When it is to be asked before anything is opened. */
  readonly mustAt: number
  /** Of a branch: the host it is of. */
  readonly host: string | undefined
}

const NEVER_DUE = { at: Number.POSITIVE_INFINITY, mustAt: Number.POSITIVE_INFINITY }

/** About 2 KB each. */
const COPIES = 10_000

/** A process that dies between a change and the new epoch leaves copies elsewhere; they last no longer than this. */
const COPY_MS = 30_000

/** 400 days: existing sessions can follow when the duration grows up to this. */
const KEPT_SECONDS = 400 * 24 * 60 * 60

function indexKey({ accountId, id }: Session): string {
  return `${accountId}/${id}`
}
