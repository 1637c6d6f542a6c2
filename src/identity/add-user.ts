import type { Audit } from '../audit/audit.js'
import type { User, UserDirectory } from '../contracts.js'
import type { Account, Accounts, Role } from './accounts.js'
import { passwordFault } from './password-rules.js'

export interface NewUser extends Omit<User, 'id' | 'groups'> {
  readonly groups?: readonly string[]
  readonly role?: Role
  readonly password: string
}

export type AddUserOutcome =
  | { readonly outcome: 'added'; readonly user: User; readonly account: Account }
  /** The sentence is for the person who adds the user. */
  | { readonly outcome: 'refused'; readonly sentence: string }

/**
 * Adds a user with an account. The account is `new`, and lets nobody in, until the last write: a process that dies in
 * the middle leaves no owner without a role and no API account that could sign in as a person; adding the user again
 * goes on from there.
 */
export async function addUser(
  { directory, accounts, audit }: { directory: UserDirectory; accounts: Accounts; audit: Audit },
  { password, role = 'user', groups = [], ...rest }: NewUser,
): Promise<AddUserOutcome> {
  const { writable } = directory
  if (writable === undefined) return refused('The users of this directory are added where they come from.')
  const fault = passwordFault(password, rest.username)
  if (fault !== undefined) return refused(fault.sentence)
  let user: User | undefined
  try {
    user = (await writable.create({ ...rest, groups })) ?? (await unfinished())
  } catch (error) {
    if (error instanceof RangeError) return refused(`${error.message}.`)
    throw error
  }
  if (user === undefined) return refused('There is a user with this name already.')
  await accounts.open(user, role, 'new')
  await writable.setPassword(user.id, password)
  const account = await accounts.change(user.id, (made) => ({ ...made, role, status: 'active' }))
  if (account === undefined) return refused('The user was removed while it was being added.')
  await audit.record({
    event: 'admin.user-added',
    outcome: 'success',
    accountId: user.id,
    username: user.username,
    details: { role },
  })
  return { outcome: 'added', user, account }

  /** A user of this name who was never finished, now with what was given this time. */
  async function unfinished(): Promise<User | undefined> {
    const [taken] = await directory.find({ username: rest.username })
    const account = taken && (await accounts.find(taken.id))
    if (taken === undefined || (account !== undefined && account.status !== 'new')) return undefined
    return writable?.update(taken.id, { ...rest, groups })
  }
}

function refused(sentence: string): AddUserOutcome {
  return { outcome: 'refused', sentence }
}
