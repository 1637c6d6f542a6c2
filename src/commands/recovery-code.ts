import type { RecoveryCodes } from '../identity/recovery-codes.js'
import { complain, done, failed, moment, say, type Terminal } from './terminal.js'
import { named, noSuchUser, type UserRooms } from './user.js'

/**
 * `user recovery-code NAME`: one code for one user, shown this once. It stands for the second factor; the password is
 * still asked.
 */
export async function userRecoveryCode(
  rooms: Pick<UserRooms, 'directory' | 'accounts'> & { readonly recoveryCodes: RecoveryCodes },
  terminal: Terminal,
  name: string,
  { json = false } = {},
): Promise<number> {
  const found = await named(rooms, name)
  if (found === undefined) return noSuchUser(terminal, name)
  const account = found.account ?? (await rooms.accounts.open(found.user))
  const { username } = account
  if (account.status !== 'active') return complain(terminal, failed, `${username} cannot sign in: not active.`)
  if (account.role === 'api')
    return complain(terminal, failed, `${username} is an API account and has no second factor.`)
  const { code, expiresAt } = await rooms.recoveryCodes.issue(account, found.user, 'command-line')
  if (json) {
    say(terminal, JSON.stringify({ username, code, expiresAt: new Date(expiresAt).toISOString() }, undefined, 2))
    return done
  }
  say(terminal, code)
  terminal.stderr.write(
    `For ${username}, once, until ${moment(expiresAt)}: after the password, "Use a backup code", then "Use a recovery code".\n`,
  )
  return done
}
