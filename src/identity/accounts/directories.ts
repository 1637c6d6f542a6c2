import { createHash } from 'node:crypto'
import {
  foldUsername,
  type Logger,
  type User,
  type UserDirectory,
  type UserQuery,
  type WritableUsers,
} from '../../contracts.js'

/** One directory of the file, with what keeps its users apart from those of all others. */
export interface NamedDirectory {
  /** Stands before every id. Empty where ids are drawn here and are nobody else's: those of `local`. */
  readonly name: string
  readonly directory: UserDirectory
  /** How often its users are looked at again while they are signed in. Left out: not at all. */
  readonly recheckSeconds?: number | undefined
}

/** Of which directory a user is, how often it is asked again about them; `undefined`: not at all. */
export function recheckIntervals(directories: readonly NamedDirectory[]): (id: string) => number | undefined {
  const members = directories.map((one) => ({ member: new Member(one), seconds: one.recheckSeconds }))
  if (members.every(({ seconds }) => seconds === undefined)) return () => undefined
  return (id) => members.find(({ member }) => member.inner(id) !== undefined)?.seconds
}

/** Whether this user can be changed from here. */
export function isWritable({ writable }: UserDirectory, id: string): boolean {
  return writable !== undefined && writable.keeps?.(id) !== false
}

/**
 * Several directories as one. The first that knows a name answers for it, alone: a user of the same name in a later one does
 * not exist, neither by name nor by id nor by address, because an application that is told a name cannot tell the two apart.
 * While a directory is down nobody knows whether the name is one of its, so later ones are not asked either.
 */
export function inOrder(directories: readonly NamedDirectory[], log: Logger): UserDirectory {
  const [first] = directories
  if (first !== undefined && directories.length === 1 && first.name === '') return first.directory
  return new Directories(directories, log)
}

interface Page {
  readonly after?: string
  readonly limit?: number
}

interface Found {
  readonly member: Member
  readonly user: User
}

/** How long a known name waits for the directories behind its own, so that it is not told by answering sooner, ms. */
const PATIENCE_MS = 300
/** Names taken twice that are remembered as warned of. */
const MOST_WARNED = 1000

class Directories implements UserDirectory {
  readonly #members: readonly Member[]
  readonly #log: Logger
  readonly #warned = new Set<string>()
  readonly writable?: WritableUsers
  readonly search?: NonNullable<UserDirectory['search']>
  readonly learns?: true

  constructor(directories: readonly NamedDirectory[], log: Logger) {
    this.#members = directories.map((one) => new Member(one))
    this.#log = log
    const keeper = this.#members.find(({ directory }) => directory.writable !== undefined)
    const writable = keeper?.directory.writable
    if (keeper && writable) this.writable = this.#writableOf(keeper, writable)
    if (this.#members.some(({ directory }) => directory.learns)) this.learns = true
    if (this.#members.some(({ directory }) => directory.search)) this.search = (text, page) => this.#search(text, page)
  }

  async verifyPassword(username: string, password: string): Promise<User | undefined> {
    const found = await this.#lookUp(username)
    if (found !== undefined) return found.member.verify(username, password)
    const learning = this.#members.filter(({ directory }) => directory.learns)
    for (const member of learning) {
      const user = await member.verify(username, password)
      if (user !== undefined) return user
    }
    // Nobody's name costs what a name of one of the directories would, and always of the same one.
    if (learning.length === 0) await this.#members[placeOf(username, this.#members.length)]?.verify(username, password)
    return undefined
  }

  async find(by: UserQuery): Promise<readonly User[]> {
    if ('username' in by) {
      const found = await this.#lookUp(by.username)
      return found === undefined ? [] : [found.user]
    }
    if ('id' in by) {
      const member = this.#members.find((one) => one.inner(by.id) !== undefined)
      const users = await (member?.withId(by.id) ?? [])
      return member === undefined ? [] : this.#unshadowed(member, users)
    }
    const lists = await Promise.all(
      this.#members.map(async (member) => this.#unshadowed(member, await member.find(by))),
    )
    return lists.flat()
  }

  /** A page of each, as far as all of them reach: what comes after is for the next. */
  async #search(text: string, { after, limit = 100 }: Page = {}): Promise<readonly User[]> {
    const found: User[] = []
    let from = after
    do {
      const page = { limit, ...(from === undefined ? {} : { after: from }) }
      const parts = await Promise.all(
        this.#members.map(async (member) => ({ member, users: await member.search(text, page) })),
      )
      const ends = parts.flatMap(({ users }) => (users.length < limit ? [] : [keyOf(users.at(-1))]))
      const end = ends.toSorted()[0]
      for (const { member, users } of parts) {
        const reached = users.filter((user) => end === undefined || keyOf(user) <= end)
        found.push(...(await this.#unshadowed(member, reached)))
      }
      from = end
    } while (from !== undefined && found.length < limit)
    return found.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  }

  /** The first that knows the name, in order: each before it has to have answered. */
  async #lookUp(username: string): Promise<Found | undefined> {
    const answers = this.#members.map((member) => member.named(username))
    // Those that are waited for too late, or not at all, must not end the process.
    for (const answer of answers) answer.catch(() => undefined)
    for (const [at, member] of this.#members.entries()) {
      const user = await answers[at]
      if (user === undefined) continue
      await this.#noteOthers(user, answers.slice(at + 1))
      return { member, user }
    }
    return undefined
  }

  /** Whatever the later ones say, and whether they say anything, the answer stands. */
  async #noteOthers(user: User, later: ReadonlyArray<Promise<User | undefined>>): Promise<void> {
    if (later.length === 0) return
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<[]>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS, [])
    })
    const others = await Promise.race([Promise.allSettled(later), late])
    clearTimeout(timer)
    for (const other of others) {
      if (other.status === 'fulfilled' && other.value !== undefined) this.#warn(user, other.value)
    }
  }

  async #unshadowed(member: Member, users: readonly User[]): Promise<readonly User[]> {
    const earlier = this.#members.slice(0, this.#members.indexOf(member))
    const kept: User[] = []
    for (const user of users) {
      const owners = (await Promise.all(earlier.map((one) => one.named(user.username)))).filter((one) => one)
      if (owners[0] === undefined) kept.push(user)
      else this.#warn(owners[0], user)
    }
    return kept
  }

  #warn({ id }: User, shadowed: User): void {
    if (this.#warned.has(shadowed.id) || this.#warned.size >= MOST_WARNED) return
    this.#warned.add(shadowed.id)
    const fields = { username: shadowed.username, counts: id, doesNotCount: shadowed.id }
    this.#log.warn(fields, 'Two directories have a user of this name: the first counts, the other cannot sign in')
  }

  #writableOf(keeper: Member, writable: WritableUsers): WritableUsers {
    const outer = async (user: Promise<User | undefined>) => keeper.outer(await user)
    const isElsewhere = async (username: string) => {
      const others = this.#members.filter((member) => member !== keeper)
      return (await Promise.all(others.map((member) => member.named(username)))).some((user) => user !== undefined)
    }
    const inner = (id: string) => keeper.inner(id)
    return {
      keeps: (id) => this.#members.find((one) => one.inner(id) !== undefined) === keeper,
      create: async (user, credential) => {
        if (await isElsewhere(user.username)) return undefined
        return outer(writable.create(user, credential))
      },
      update: async (id, change) => {
        const own = inner(id)
        if (own === undefined) return undefined
        const [before] = await keeper.directory.find({ id: own })
        const { username = before?.username ?? '' } = change
        const isRenamed = foldUsername(username) !== foldUsername(before?.username ?? '')
        if (isRenamed && (await isElsewhere(username))) return undefined
        return outer(writable.update(own, change))
      },
      setPassword: async (id, credential) => {
        const own = inner(id)
        return own !== undefined && writable.setPassword(own, credential)
      },
      check: (user, credential) => writable.check(user, credential),
      remove: async (id) => {
        const own = inner(id)
        return own !== undefined && writable.remove(own)
      },
      list: async (page) => (await writable.list(page)).flatMap((user) => keeper.outer(user) ?? []),
    }
  }
}

/** A directory whose users' ids begin with its name. */
class Member {
  readonly directory: UserDirectory
  readonly #prefix: string

  constructor({ name, directory }: NamedDirectory) {
    this.directory = directory
    this.#prefix = name === '' ? '' : `${encodeURIComponent(name)}:`
  }

  async verify(username: string, password: string): Promise<User | undefined> {
    return this.outer(await this.directory.verifyPassword(username, password))
  }

  async find(by: UserQuery): Promise<readonly User[]> {
    return (await this.directory.find(by)).flatMap((user) => this.outer(user) ?? [])
  }

  async search(text: string, page: Page): Promise<readonly User[]> {
    return ((await this.directory.search?.(text, page)) ?? []).flatMap((user) => this.outer(user) ?? [])
  }

  /** Only who bears the name that was asked for: some directories know people by other names too. */
  async named(username: string): Promise<User | undefined> {
    const users = await this.find({ username })
    return users.find((user) => foldUsername(user.username) === foldUsername(username))
  }

  async withId(id: string): Promise<readonly User[]> {
    const inner = this.inner(id)
    return inner === undefined ? [] : this.find({ id: inner })
  }

  /** The id as the directory itself has it; `undefined` when it is another one's. */
  inner(id: string): string | undefined {
    if (this.#prefix === '') return id.includes(':') ? undefined : id
    if (!id.startsWith(this.#prefix)) return undefined
    try {
      return decodeURIComponent(id.slice(this.#prefix.length))
    } catch {
      return undefined
    }
  }

  /** Encoded: ids become parts of keys in the store, where a slash would make one user's records look like another's. */
  outer(user: User | undefined): User | undefined {
    if (user === undefined || this.#prefix === '') return user
    const id = this.#prefix + encodeURIComponent(user.id)
    if (user.id === '' || id.length > LONGEST_ID) throw new Error('A directory has a user without a usable id')
    return { ...user, id }
  }
}

function keyOf(user: User | undefined): string {
  return foldUsername(user?.username ?? '')
}

/** Room for 64 characters of any script as they are encoded; the store takes keys of almost twice that. */
const LONGEST_ID = 1000

/** The same for every process and restart, and for nobody to foretell who does not know which names there are. */
function placeOf(username: string, count: number): number {
  return createHash('sha256').update(foldUsername(username)).digest().readUInt32BE() % count
}
