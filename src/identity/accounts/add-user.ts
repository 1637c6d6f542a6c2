import type { ImportedHash, User, UserDirectory } from '../../contracts.js'
import { passwordFault } from '../passwords/password-rules.js'
import type { RuntimeSettings } from '../store/settings.js'
import type { Account, Role } from './account.js'
import type { Accounts } from './accounts.js'

export interface NewUser extends Omit<User, 'id' | 'groups'> {
  readonly groups?: readonly string[]
  readonly role?: Role
  /** Left out: the user can only come in by a link, and sets one then. */
  readonly password?: string
}

export type AddUserOutcome =
  | { readonly outcome: 'added'; readonly user: User; readonly account: Account }
  /** The sentence is for the person who adds the user. */
  | { readonly outcome: 'refused'; readonly sentence: string }

/** Adds a user with an account. Whoever calls has written it down. */
export async function addUser(
  {
    directory,
    accounts,
    settings,
  }: { directory: UserDirectory; accounts: Accounts; settings: Pick<RuntimeSettings, 'shortestPassword'> },
  { password, role = 'user', groups = [], ...rest }: NewUser,
): Promise<AddUserOutcome> {
  const { writable } = directory
  if (writable === undefined) return refused('The users of this directory are added where they come from.')
  const shortest = settings.shortestPassword({ role })
  const fault = password === undefined ? undefined : passwordFault(password, rest.username, shortest)
  if (fault !== undefined) return refused(fault.sentence)
  let made: Made | undefined
  try {
    made = await createUser({ directory, accounts }, { ...rest, groups }, { role, credential: password })
  } catch (error) {
    if (error instanceof RangeError) return refused(`${error.message}.`)
    throw error
  }
  if (made === undefined) return refused('There is a user with this name already.')
  const { user, account } = made
  return { outcome: 'added', user, account }
}

interface Made {
  readonly user: User
  readonly account: Account
}

/**
 * A user with an account, and nothing written in the audit yet. The account is `new`, and lets nobody in, until the last
 * write: a process that dies in the middle leaves no owner without a role and no API account that could sign in as a
 * person; doing it again goes on from there.
 * @param credential without one the user can only come in by a link
 * @returns `undefined` when the name is taken
 * @throws RangeError with a sentence for the operator when the directory keeps no such name, address, number or hash
 */
export async function createUser(
  { directory, accounts }: { directory: UserDirectory; accounts: Accounts },
  user: Omit<User, 'id'>,
  {
    role,
    status = 'active',
    credential,
  }: { role: Role; status?: 'active' | 'deactivated'; credential?: string | ImportedHash | undefined },
): Promise<Made | undefined> {
  const { writable } = directory
  const made = (await writable?.create(user)) ?? (await unfinished())
  if (made === undefined) return undefined
  await accounts.open(made, role, 'new')
  if (credential !== undefined) await writable?.setPassword(made.id, credential)
  const invited = credential === undefined && role !== 'api' ? { isInvited: true as const } : {}
  const account = await accounts.change(made.id, (opened) => ({ ...opened, role, status, ...invited }))
  return account && { user: made, account }

  /** A user of this name who was never finished, now with what was given this time. */
  async function unfinished(): Promise<User | undefined> {
    const [taken] = await directory.find({ username: user.username })
    const account = taken && (await accounts.find(taken.id))
    if (taken === undefined || (account !== undefined && account.status !== 'new')) return undefined
    return writable?.update(taken.id, user)
  }
}

function refused(sentence: string): AddUserOutcome {
  return { outcome: 'refused', sentence }
}
