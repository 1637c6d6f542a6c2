import { foldUsername, type User } from '../../contracts.js'
import type { Account } from '../../identity/accounts/account.js'
import type { Services } from '../services.js'
import { type UserView, viewOf } from './view.js'

/** A page of people, in order of folded username. */
export interface FoundUsers {
  readonly people: readonly { readonly user: User; readonly account: Account | undefined }[]
  /** Where the next page begins; `undefined`: there is none. */
  readonly end: string | undefined
}

/** What one of the places where people are kept has for a page. */
interface Part {
  readonly users: readonly User[]
  /** The last that was looked at, where there may be more. */
  readonly last: string | undefined
}

/** A page of everybody: whom the directory can list, and of directories that cannot be listed those who have signed in here. */
export async function allUsers(services: Services, after: string | undefined, limit: number): Promise<FoundUsers> {
  const { writable } = services.directory
  const page = { limit, ...(after === undefined ? {} : { after }) }
  const listed = writable === undefined ? [] : await writable.list(page)
  const others = keepsAll(services) ? [] : await services.accounts.list(page)
  const unlisted = others.filter(({ id }) => writable?.keeps?.(id) !== true)
  return together(services, [
    { users: listed, last: lastOf(listed, limit) },
    { users: unlisted.map(asUser), last: lastOf(others, limit) },
  ])
}

/**
 * A page of those who have the text somewhere. Of directories that cannot be searched, those who have signed in here and
 * whose name begins with it.
 */
export async function searchUsers(
  services: Services,
  search: string,
  after: string | undefined,
  limit: number,
): Promise<FoundUsers> {
  const { directory, accounts } = services
  const { writable } = directory
  const page = { limit, ...(after === undefined ? {} : { after }) }
  const start = foldUsername(search)
  const from = after !== undefined && foldUsername(after) > start ? after : search
  const begins = ({ username }: { readonly username: string }) => foldUsername(username).startsWith(start)
  let found: readonly User[] = []
  if (directory.search !== undefined) found = await directory.search(search, page)
  else if (writable !== undefined) found = (await writable.list({ limit, after: from })).filter(begins)
  const others = keepsAll(services) ? [] : (await accounts.list({ limit, after: from })).filter(begins)
  const known = new Set(found.map(({ id }) => id))
  return together(services, [
    { users: found, last: lastOf(found, limit) },
    { users: others.filter(({ id }) => !known.has(id)).map(asUser), last: lastOf(others, limit) },
  ])
}

/** Those a search names in full: by username, or by mail address. */
export async function findUser({ directory, accounts }: Services, search: string): Promise<readonly UserView[]> {
  const named = await directory.find({ username: search })
  const mailed = search.includes('@') ? await directory.find({ email: search }) : []
  const gone = named.length === 0 ? await accounts.named(search) : undefined
  const all = new Map(
    [...(gone === undefined ? [] : [asUser(gone)]), ...named, ...mailed].map((user) => [user.id, user]),
  )
  return Promise.all([...all.values()].map(async (user) => viewOf(user, await accounts.find(user.id))))
}

/** A page ends where the shortest of its parts ends. */
async function together({ accounts }: Services, parts: readonly Part[]): Promise<FoundUsers> {
  const [end] = parts.flatMap(({ last }) => (last === undefined ? [] : [foldUsername(last)])).toSorted()
  const keyed = parts
    .flatMap(({ users }) => users)
    .map((user) => ({ key: foldUsername(user.username), user }))
    .filter(({ key }) => end === undefined || key <= end)
    .sort((a, b) => (a.key < b.key ? -1 : 1))
  const people = await Promise.all(keyed.map(async ({ user }) => ({ user, account: await accounts.find(user.id) })))
  return { people, end }
}

function lastOf(read: readonly { readonly username: string }[], limit: number): string | undefined {
  return read.length < limit ? undefined : read.at(-1)?.username
}

/** Whether there is nobody but whom the directory can list. */
function keepsAll({ directory: { writable } }: Services): boolean {
  return writable !== undefined && writable.keeps === undefined
}

/** As far as an account says. */
function asUser({ id, username }: Account): User {
  return { id, username, groups: [] }
}
