import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import {
  definePlugin,
  foldUsername,
  type Host,
  type ImportedHash,
  type Json,
  type Passwords,
  type Store,
  type User,
  type UserChange,
  type UserDirectory,
  type UserQuery,
  type WritableUsers,
} from '../../src/contracts.js'
import { KeptCosts } from './local/kept-costs.js'
import { hasText, SearchIndex } from './local/search-index.js'

/** Users kept in the gateway's own store. */
export default definePlugin({
  kind: 'user-directories',
  options: z.strictObject({}),
  create: (_options, host: Host): UserDirectory => new LocalDirectory(host),
})

interface UserRecord extends User {
  /** What argon2id, or the system it was imported from, made of the password; without it the user can only come in by a link. */
  readonly passwordHash?: string
}

/** Says whose a name is; the user's own record has the last word. */
interface Claim {
  readonly id: string
  readonly at: number
}

/**
 * `user/<id>` is the user, written in one piece. `name/<folded>` and `email/<folded>/<id>` only lead there and count
 * only where the record agrees. They are written before the record and removed after it, so whatever is cut off in the
 * middle leaves a lead to nowhere: harmless, and a name claimed for nobody can be claimed again.
 */
class LocalDirectory implements UserDirectory, WritableUsers {
  readonly #store: Store
  readonly #passwords: Passwords
  readonly #now: () => number
  readonly #host: Host
  readonly #index: SearchIndex
  readonly #costs: KeptCosts
  readonly writable = this

  constructor(host: Host) {
    this.#store = host.store
    this.#passwords = host.passwords
    this.#now = host.now
    this.#host = host
    this.#index = new SearchIndex(host)
    this.#costs = new KeptCosts(host)
  }

  async verifyPassword(username: string, password: string): Promise<User | undefined> {
    const [record, inUse] = await Promise.all([this.#named(username), this.#costs.inUse()])
    const isRight = await this.#passwords.verify(record?.passwordHash, password, inUse)
    if (!isRight || record?.passwordHash === undefined) return undefined
    if (this.#passwords.isOutdated(record.passwordHash)) await this.#rehash(record, password)
    return publicPart(record)
  }

  async find(by: UserQuery): Promise<readonly User[]> {
    if ('email' in by) return this.#withEmail(by.email)
    const record = 'id' in by ? await this.#get(by.id) : await this.#named(by.username)
    return record === undefined ? [] : [publicPart(record)]
  }

  async create(user: Omit<User, 'id'>, credential?: string | ImportedHash): Promise<User | undefined> {
    checkUsername(user.username)
    // The slow part first: nothing is claimed while it runs.
    const passwordHash = credential && (await this.#hashOf(credential))
    const record: UserRecord = { ...tidy({ ...user, id: randomUUID() }), ...(passwordHash && { passwordHash }) }
    if (!(await this.#claim(record))) return undefined
    await this.#lead(record)
    await this.#store.add(userKey(record.id), asJson(record))
    if (await this.#holds(record)) {
      await this.#index.note(record.id)
      return publicPart(record)
    }
    // It took so long that somebody else was given the name.
    await this.#drop(record)
    return undefined
  }

  async update(id: string, change: UserChange): Promise<User | undefined> {
    if (change.username !== undefined) checkUsername(change.username)
    for (;;) {
      const before = await this.#get(id)
      if (before === undefined) return undefined
      const { passwordHash, ...user } = before
      const { username = user.username, groups = user.groups, ...rest } = change
      const after: UserRecord = {
        ...tidy({ ...user, ...rest, username, groups, id } as User),
        ...(passwordHash === undefined ? {} : { passwordHash }),
      }
      const renamed = foldUsername(after.username) !== foldUsername(before.username)
      if (renamed && !(await this.#claim(after))) return undefined
      await this.#lead(after)
      if (!(await this.#store.replace(userKey(id), asJson(before), asJson(after)))) continue
      if (renamed && !(await this.#holds(after))) {
        await this.#store.replace(userKey(id), asJson(after), asJson(before))
        return undefined
      }
      if (renamed) await this.#release(before)
      if (before.email !== undefined && emailKey(before) !== emailKey(after)) await this.#store.delete(emailKey(before))
      await this.#index.note(id)
      return publicPart(after)
    }
  }

  async setPassword(id: string, credential: string | ImportedHash): Promise<boolean> {
    const passwordHash = await this.#hashOf(credential)
    for (;;) {
      const before = await this.#get(id)
      if (before === undefined) return false
      if (await this.#store.replace(userKey(id), asJson(before), asJson({ ...before, passwordHash }))) return true
    }
  }

  check(user: Omit<User, 'id'>, credential?: string | ImportedHash): void {
    checkUsername(user.username)
    tidy({ ...user, id: '' })
    if (typeof credential === 'object') this.#checkHash(credential)
  }

  async remove(id: string): Promise<boolean> {
    const record = await this.#get(id)
    return record !== undefined && this.#drop(record)
  }

  async list({ after, limit = 100 }: { after?: string; limit?: number } = {}): Promise<readonly User[]> {
    const users: User[] = []
    let last = after === undefined ? undefined : nameKey(after)
    while (users.length < limit) {
      const page = await this.#store.list('name/', { ...(last === undefined ? {} : { after: last }), limit })
      for (const [key, claim] of page) {
        const record = await this.#get((claim as unknown as Claim).id)
        if (record !== undefined && nameKey(record.username) === key && users.length < limit) {
          users.push(publicPart(record))
        }
      }
      last = page.at(-1)?.[0]
      if (page.length < limit) break
    }
    return users
  }

  async search(text: string, page: { after?: string; limit?: number } = {}): Promise<readonly User[]> {
    const { after, limit = 100 } = page
    const found = await this.#index.find(text, after && foldUsername(after))
    if (found === undefined) return this.#beginning(text, page)
    const users: User[] = []
    for (const id of found) {
      const record = await this.#get(id)
      if (record !== undefined && hasText(record, text)) users.push(publicPart(record))
      if (users.length >= limit) break
    }
    return users
  }

  /** Those whose names begin with the text: what can be said without looking at everybody. */
  async #beginning(text: string, { after, limit = 100 }: { after?: string; limit?: number }): Promise<readonly User[]> {
    const folded = foldUsername(text)
    const exact = after === undefined ? await this.find({ username: text }) : []
    const later = await this.list({ after: after ?? text, limit: limit - exact.length })
    return [...exact, ...later.filter(({ username }) => foldUsername(username).startsWith(folded))]
  }

  async #hashOf(credential: string | ImportedHash): Promise<string> {
    if (typeof credential === 'string') return this.#passwords.hash(credential)
    this.#checkHash(credential)
    await this.#costs.note(credential.hash)
    return credential.hash
  }

  #checkHash({ hash }: ImportedHash): void {
    if (this.#passwords.isKnown(hash)) return
    throw new RangeError('The password hash is of no format that is known, or asks for more work than is borne')
  }

  async #get(id: string): Promise<UserRecord | undefined> {
    return (await this.#store.get(userKey(id))) as UserRecord | undefined
  }

  async #named(username: string): Promise<UserRecord | undefined> {
    // A name nobody could have been given is not looked up; one that is unknown costs the same reads as a known one.
    const claim = isUsername(username) ? await this.#claimOf(username) : undefined
    const record = await this.#get(claim?.id ?? 'nobody')
    return record !== undefined && nameKey(record.username) === nameKey(username) ? record : undefined
  }

  async #claimOf(username: string): Promise<Claim | undefined> {
    return (await this.#store.get(nameKey(username))) as Claim | undefined
  }

  async #withEmail(email: string): Promise<readonly User[]> {
    if (!isEmail(email)) return []
    const prefix = `email/${foldUsername(email)}/`
    const users: User[] = []
    let after: string | undefined
    for (;;) {
      const page = await this.#store.list(prefix, after === undefined ? {} : { after })
      for (const [key] of page) {
        const record = await this.#get(key.slice(prefix.length))
        if (record?.email !== undefined && emailKey(record) === key) users.push(publicPart(record))
      }
      after = page.at(-1)?.[0]
      if (after === undefined || page.length < 100) return users
    }
  }

  /** Takes the name, also from a claim whose maker did not live to write the user. */
  async #claim({ id, username }: UserRecord): Promise<boolean> {
    const claim: Claim = { id, at: this.#now() }
    if (await this.#store.add(nameKey(username), asJson(claim))) return true
    const held = await this.#claimOf(username)
    if (held === undefined) return this.#store.add(nameKey(username), asJson(claim))
    if (held.id === id) return true
    const holder = await this.#get(held.id)
    if (holder !== undefined && nameKey(holder.username) === nameKey(username)) return false
    // Between the claim and the record lie two writes: one that is ten seconds old is not being worked on any more.
    if (this.#now() - held.at < CLAIM_MS) return false
    return this.#store.replace(nameKey(username), asJson(held), asJson(claim))
  }

  async #holds({ id, username }: UserRecord): Promise<boolean> {
    return (await this.#claimOf(username))?.id === id
  }

  async #release({ id, username }: UserRecord): Promise<void> {
    if (await this.#holds({ id, username, groups: [] })) await this.#store.delete(nameKey(username))
  }

  async #lead(record: UserRecord): Promise<void> {
    if (record.email !== undefined) await this.#store.set(emailKey(record), true)
  }

  async #drop(record: UserRecord): Promise<boolean> {
    const removed = await this.#store.delete(userKey(record.id))
    await this.#index.note(record.id)
    await this.#release(record)
    if (record.email !== undefined) await this.#store.delete(emailKey(record))
    return removed
  }

  /** A better hash is worth a try and nothing more: the sign-in goes on when there is no time for it. */
  async #rehash(record: UserRecord, password: string): Promise<void> {
    try {
      const passwordHash = await this.#passwords.hash(password)
      // By `replace`: a password that was changed meanwhile must not come back.
      await this.#store.replace(userKey(record.id), asJson(record), asJson({ ...record, passwordHash }))
    } catch (error) {
      this.#host.log.warn({ err: error }, 'A password hash could not be renewed; the next sign-in tries again')
    }
  }
}

const CLAIM_MS = 10_000

/** 1 to 64 characters one can see; no colon, which Basic authentication cannot carry (RFC 7617, 2). */
function isUsername(username: string): boolean {
  if (username.length > 256) return false
  const text = username.normalize('NFKC')
  return [...text].length <= 64 && /^[^\s\p{C}:](?:[^\p{C}\p{Zl}\p{Zp}\t:]*[^\s\p{C}:])?$/u.test(text)
}

function checkUsername(username: string): void {
  if (!isUsername(username)) {
    throw new RangeError('A username has 1 to 64 visible characters, no colon, and no space at either end')
  }
}

function isEmail(email: string): boolean {
  return email.length <= 254 && /^[^\s\p{C}]+@[^\s\p{C}@]+$/u.test(email)
}

/** Without what is not set, so that what is read back equals what was written. */
function tidy({ id, username, displayName, email, mobile, groups }: User): User {
  if (displayName !== undefined && !/^[^\s\p{C}](?:[^\p{C}\p{Zl}\p{Zp}]{0,198}[^\s\p{C}])?$/u.test(displayName)) {
    throw new RangeError('A display name has 1 to 200 visible characters, and no space at either end')
  }
  if (email !== undefined && !isEmail(email)) throw new RangeError('An e-mail address has the form name@host')
  if (mobile !== undefined && !/^\+[1-9]\d{6,14}$/.test(mobile)) {
    throw new RangeError('A mobile number is written as +, country code and number (E.164)')
  }
  return {
    id,
    username: username.normalize('NFC'),
    groups: [...groups],
    ...(displayName === undefined ? {} : { displayName: displayName.normalize('NFC') }),
    ...(email === undefined ? {} : { email }),
    ...(mobile === undefined ? {} : { mobile }),
  }
}

function publicPart({ passwordHash: _, ...user }: UserRecord): User {
  return user
}

function userKey(id: string): string {
  return `user/${id}`
}

function nameKey(username: string): string {
  return `name/${foldUsername(username)}`
}

function emailKey({ id, email = '' }: Pick<User, 'id' | 'email'>): string {
  return `email/${foldUsername(email)}/${id}`
}

function asJson(value: object): Json {
  return value as Json
}
