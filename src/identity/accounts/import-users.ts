import { setImmediate as giveWay } from 'node:timers/promises'
import {
  foldUsername,
  type ImportedHash,
  spelledAddress,
  spelledNumber,
  type User,
  type UserDirectory,
} from '../../contracts.js'
import { passwordFault } from '../passwords/password-rules.js'
import type { RuntimeSettings } from '../store/settings.js'
import { type Account, type Role, roles } from './account.js'
import type { Accounts } from './accounts.js'
import { createUser } from './add-user.js'

export { roles }

/** A user from elsewhere. Without password and hash the user comes in by a link at first. */
export interface ImportedUser {
  /** In the file, from 1. */
  readonly line: number
  readonly username: string
  readonly displayName?: string | undefined
  readonly email?: string | undefined
  readonly mobile?: string | undefined
  readonly groups?: readonly string[] | undefined
  readonly role?: Role | undefined
  readonly status?: 'active' | 'deactivated' | undefined
  readonly password?: string | undefined
  /** As another system made it; renewed at the first sign-in. */
  readonly passwordHash?: string | undefined
}

/** Something that is wrong with a line. The sentence has no secret of the line in it. */
export interface LineProblem {
  readonly line: number
  readonly sentence: string
}

export interface ImportParts {
  readonly directory: UserDirectory
  readonly accounts: Accounts
}

/** What is wrong with these users, without adding any. Whether a name is taken shows only when they are added. */
export async function importProblems(
  {
    directory,
    settings,
  }: Pick<ImportParts, 'directory'> & { readonly settings: Pick<RuntimeSettings, 'shortestPassword'> },
  users: readonly ImportedUser[],
): Promise<readonly LineProblem[]> {
  const problems: LineProblem[] = []
  const first = new Map<string, number>()
  for (const [index, user] of users.entries()) {
    // A gateway that checks them serves requests meanwhile.
    if (index % BATCH === BATCH - 1) await giveWay()
    const { line, username, password, passwordHash, role = 'user' } = user
    const say = (sentence: string) => problems.push({ line, sentence })
    const name = foldUsername(username)
    const before = first.get(name)
    if (before !== undefined) say(`The name ${JSON.stringify(username)} stands in line ${before} already.`)
    first.set(name, before ?? line)
    if (password !== undefined && passwordHash !== undefined) say('It has a password and a hash of one: give one.')
    const fault =
      password === undefined ? undefined : passwordFault(password, username, settings.shortestPassword({ role }))
    if (fault !== undefined) say(fault.sentence)
    try {
      directory.writable?.check(known(user), credentialOf(user))
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      say(`${error.message}.`)
    }
  }
  return problems
}

/** What came of one user. */
export type ImportOutcome = 'added' | 'there-already'

/** Adds one user, in the order that lets nobody in before the account says what the user may. A name that is taken is left alone. */
export async function importUser(parts: ImportParts, user: ImportedUser): Promise<ImportOutcome> {
  const { role = 'user', status = 'active' } = user
  const made = await createUser(parts, known(user), { role, status, credential: credentialOf(user) })
  return made === undefined ? 'there-already' : 'added'
}

/**
 * Adds many, so many at once that one flush of the store carries several.
 * @param told after each, of how many are done
 * @returns how many of each
 */
export async function importUsers(
  parts: ImportParts,
  users: readonly ImportedUser[],
  told: (count: number) => void = () => {},
): Promise<Record<ImportOutcome, number>> {
  const counts: Record<ImportOutcome, number> = { added: 0, 'there-already': 0 }
  const waiting = users.values()
  const work = async () => {
    for (const user of waiting) {
      counts[await importUser(parts, user)] += 1
      told(counts.added + counts['there-already'])
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return counts
}

const AT_ONCE = 32
const BATCH = 100

/** How many of these names are taken: what an import would leave as it is. */
export async function countTaken(
  { directory }: Pick<ImportParts, 'directory'>,
  users: readonly ImportedUser[],
): Promise<number> {
  let taken = 0
  for (let start = 0; start < users.length; start += BATCH) {
    const found = users.slice(start, start + BATCH).map(({ username }) => directory.find({ username }))
    taken += (await Promise.all(found)).filter(({ length }) => length > 0).length
  }
  return taken
}

/** A user as `export` writes it: nothing secret, and what `import` reads. */
export interface ExportedUser extends Omit<User, 'id'> {
  readonly role: Role
  readonly status: 'active' | 'deactivated'
  readonly secondFactors: readonly string[]
}

/** Every user of a directory that can be listed, in order of username. */
export async function* exportedUsers({ directory, accounts }: ImportParts): AsyncGenerator<ExportedUser> {
  let after: string | undefined
  for (;;) {
    const page = (await directory.writable?.list({ limit: 500, ...(after === undefined ? {} : { after }) })) ?? []
    for (const { id, ...user } of page) yield exported(user, await accounts.find(id))
    if (page.length === 0) return
    after = page.at(-1)?.username
  }
}

function exported(user: Omit<User, 'id'>, account: Account | undefined): ExportedUser {
  return {
    ...user,
    role: account?.role ?? 'user',
    status: account?.status === 'deactivated' ? 'deactivated' : 'active',
    secondFactors: account?.enrolled.map(({ method }) => method) ?? [],
  }
}

function known({ username, displayName, email, mobile, groups = [] }: ImportedUser): Omit<User, 'id'> {
  return {
    username,
    groups,
    ...(displayName === undefined ? {} : { displayName }),
    ...(email === undefined ? {} : { email: spelledAddress(email) }),
    ...(mobile === undefined ? {} : { mobile: spelledNumber(mobile) }),
  }
}

function credentialOf({ password, passwordHash }: ImportedUser): string | ImportedHash | undefined {
  return passwordHash === undefined ? password : { hash: passwordHash }
}
