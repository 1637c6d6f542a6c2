import { open } from 'node:fs/promises'
import { z } from 'zod'
import {
  definePlugin,
  foldUsername,
  type HashCosts,
  type Host,
  type User,
  type UserDirectory,
  type UserQuery,
  withCost,
} from '../../src/contracts.js'
import { filePath } from '../../src/plugin-kit.js'

const options = z.strictObject({
  /** `name:hash` a line, as the program `htpasswd` writes it. */
  file: filePath(),
  /** `group: name name` a line, as Apache's AuthGroupFile. */
  groups: filePath().optional(),
  /** The mail address of every user, made of the name. */
  email: z
    .string()
    .refine((text) => text.includes('{username}') && !/[\s\p{C}]/u.test(text), {
      message: 'must name {username}, as in {username}@example.com',
    })
    .refine((text) => text.split('@').length === 2, 'must be a mail address, as in {username}@example.com')
    .optional(),
})

/**
 * Users of an Apache password file: bcrypt, apr1, sha-crypt and `{SHA}`; not the old crypt(3), nor passwords in the clear.
 * A change of the file counts within a second or two. A user's id is the folded name: a name that is given to somebody
 * else leads to the same account.
 */
export default definePlugin({
  kind: 'user-directories',
  options,
  async create({ file, groups, email }, host): Promise<UserDirectory> {
    const users = await WatchedFile.open(file, readUsers, host)
    const members = groups === undefined ? undefined : await WatchedFile.open(groups, readGroups, host)
    return new HtpasswdDirectory({ users, members, email, host })
  },
})

interface Entry {
  readonly username: string
  readonly hash: string
}

interface Users {
  readonly entries: ReadonlyMap<string, Entry>
  /** What every name costs, those that are not there among them. */
  readonly costs: HashCosts
}

type Members = ReadonlyMap<string, readonly string[]>

interface Parts {
  readonly users: WatchedFile<Users>
  readonly members: WatchedFile<Members> | undefined
  readonly email: string | undefined
  readonly host: Host
}

class HtpasswdDirectory implements UserDirectory {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async verifyPassword(username: string, password: string): Promise<User | undefined> {
    const users = await this.#parts.users.read()
    const entry = users.entries.get(foldUsername(username))
    const right = await this.#parts.host.passwords.verify(entry?.hash, password, users.costs)
    return right && entry !== undefined ? this.#user(entry) : undefined
  }

  async find(by: UserQuery): Promise<readonly User[]> {
    const { entries } = await this.#parts.users.read()
    if ('email' in by) return this.#withEmail(by.email, entries)
    const entry = entries.get('id' in by ? by.id : foldUsername(by.username))
    return entry === undefined ? [] : [await this.#user(entry)]
  }

  async search(
    text: string,
    { after, limit = 100 }: { after?: string; limit?: number } = {},
  ): Promise<readonly User[]> {
    const { entries } = await this.#parts.users.read()
    const [folded, start] = [foldUsername(text), after && foldUsername(after)]
    const users: User[] = []
    for (const id of [...entries.keys()].sort()) {
      const entry = entries.get(id)
      if (entry === undefined || (start !== undefined && id <= start)) continue
      const user = await this.#user(entry)
      if (id.includes(folded) || foldUsername(user.email ?? '').includes(folded)) users.push(user)
      if (users.length >= limit) break
    }
    return users
  }

  async #withEmail(email: string, entries: Users['entries']): Promise<readonly User[]> {
    const [start, end] = this.#parts.email?.split('{username}').map(foldUsername) ?? []
    const folded = foldUsername(email)
    if (start === undefined || end === undefined || !folded.startsWith(start) || !folded.endsWith(end)) return []
    const entry = entries.get(folded.slice(start.length, folded.length - end.length))
    const user = entry && (await this.#user(entry))
    return user?.email === undefined ? [] : [user]
  }

  async #user({ username }: Entry): Promise<User> {
    const id = foldUsername(username)
    const groups = (await this.#parts.members?.read())?.get(id) ?? []
    const email = this.#parts.email?.replace('{username}', () => username)
    return { id, username, groups, ...(email === undefined || /[\s"(),:;<>\\[\]]/.test(email) ? {} : { email }) }
  }
}

/** Says what is wrong with a file; carries nothing of what stands in it. */
class Unreadable extends Error {}

type Read<Content> = (text: string, file: string, host: Host) => Content

function readUsers(text: string, file: string, host: Host): Users {
  const entries = new Map<string, Entry>()
  const lines = text.split('\n')
  for (const [at, raw] of lines.entries()) {
    if (raw.trim() === '' || raw.startsWith('#')) continue
    const [username = '', field] = raw.split(':')
    if (field === undefined) throw new Unreadable(`line ${at + 1} has no colon`)
    // No hash ends in a blank; editors and shells of Windows leave some, and carriage returns.
    const hash = field.trimEnd()
    const known = host.passwords.isKnown(hash)
    // What is cut off in the middle of a hash is a file that is being written, or never was written to its end.
    if (!known && at === lines.length - 1) throw new Unreadable(`line ${at + 1} is cut off`)
    const id = foldUsername(username)
    const fault = faultOf(username, known, entries.has(id))
    if (fault === undefined) entries.set(id, { username, hash })
    else host.log.warn({ file, line: at + 1 }, `A user of the password file cannot sign in: ${fault}`)
  }
  let costs: HashCosts = {}
  for (const { hash } of entries.values()) costs = withCost(costs, host.passwords.costOf(hash))
  return { entries, costs }
}

function faultOf(username: string, isKnown: boolean, isTaken: boolean): string | undefined {
  if ([...username].length > 64 || !/^[^\s\p{C}](?:[^\p{C}\p{Zl}\p{Zp}\t]*[^\s\p{C}])?$/u.test(username)) {
    return 'the name has more than 64 characters, invisible ones, or a space at an end'
  }
  if (isTaken) return 'an earlier line has the same name, but for upper and lower case'
  return isKnown ? undefined : 'the hash is none of bcrypt, apr1, sha-crypt and {SHA}, or costs too much'
}

function readGroups(text: string): Members {
  const members = new Map<string, string[]>()
  for (const [at, raw] of text.split('\n').entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const [, group = '', names = ''] = /^([^:]+):(.*)$/.exec(line) ?? []
    if (group === '') throw new Unreadable(`line ${at + 1} has no colon`)
    for (const name of names.split(/\s+/).filter((word) => word !== '')) {
      const of = members.get(foldUsername(name)) ?? []
      if (!of.includes(group.trim())) members.set(foldUsername(name), [...of, group.trim()])
    }
  }
  return members
}

/** How often the disk is asked whether a file has changed. */
const LOOK_MS = 1000
const LARGEST = 64 * 2 ** 20

/** The content of a file as it is now, read again when it has changed. */
class WatchedFile<Content> {
  readonly #file: string
  readonly #parse: Read<Content>
  readonly #host: Host
  #content: Content
  #stamp: string
  #inode: bigint
  #lookedAt: number
  #looking: Promise<Content> | undefined

  private constructor(file: string, parse: Read<Content>, host: Host, first: Snapshot) {
    this.#file = file
    this.#parse = parse
    this.#host = host
    this.#content = parse(first.text, file, host)
    this.#stamp = first.stamp
    this.#inode = first.inode
    this.#lookedAt = host.now()
  }

  /** @throws when the file cannot be read, or is none of its kind */
  static async open<Content>(file: string, parse: Read<Content>, host: Host): Promise<WatchedFile<Content>> {
    const first = await snapshot(file)
    try {
      return new WatchedFile(file, parse, host, first)
    } catch (error) {
      throw error instanceof Unreadable ? new Error(`${file}: ${error.message}`) : error
    }
  }

  /** @throws when the file is gone or cannot be read: who is in it is not known then */
  async read(): Promise<Content> {
    const now = this.#host.now()
    if (this.#looking === undefined && Math.abs(now - this.#lookedAt) < LOOK_MS) return this.#content
    this.#looking ??= this.#look(now).finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async #look(now: number): Promise<Content> {
    const seen = await snapshot(this.#file, this.#stamp)
    this.#lookedAt = now
    if (seen.stamp === this.#stamp) return this.#content
    // Written to in place a moment ago, so perhaps still being written: the next look takes it. One that was put in its
    // place is whole.
    const isSettled = seen.inode !== this.#inode || Math.abs(now - seen.changedAt) >= LOOK_MS
    if (!isSettled) return this.#content
    try {
      this.#content = this.#parse(seen.text, this.#file, this.#host)
      this.#host.log.info({ file: this.#file }, 'A file of users has changed and was read again')
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      const fault = `A file of users has changed and cannot be read: ${error.message}. What it said before still counts`
      this.#host.log.error({ file: this.#file }, fault)
    }
    this.#stamp = seen.stamp
    this.#inode = seen.inode
    return this.#content
  }
}

interface Snapshot {
  readonly text: string
  readonly stamp: string
  readonly inode: bigint
  /** Milliseconds since 1970. */
  readonly changedAt: number
}

/** @param known when the file has this stamp its text is not read */
async function snapshot(file: string, known?: string): Promise<Snapshot> {
  const handle = await open(file, 'r')
  try {
    const stat = await handle.stat({ bigint: true })
    if (!stat.isFile() || stat.size > LARGEST) throw new Error(`${file} is no file of users`)
    const stamp = [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(' ')
    // Windows' Notepad begins a file with a byte order mark, which would be a part of the first name.
    const text = stamp === known ? '' : (await handle.readFile('utf8')).replace(/^\uFEFF/, '')
    return { text, stamp, inode: stat.ino, changedAt: Number(stat.mtimeMs) }
  } finally {
    await handle.close()
  }
}
