import { done } from '../../../exit-codes.js'
import { Refusal } from '../../../operations/operation.js'
import { issueRecoveryCode } from '../../../operations/users/recovery.js'
import { byCommand, moment, refusedAt, say, type Terminal, type WithOperations } from '../../terminal.js'

/**
 * `user recovery-code NAME`: one code for one user, shown this once. It stands for the second factor; the password is
 * still asked.
 */
export async function userRecoveryCode(
  { desk }: WithOperations,
  terminal: Terminal,
  name: string,
  { json = false } = {},
): Promise<number> {
  const issued = await desk.run(issueRecoveryCode, { user: name }, byCommand)
  if (issued instanceof Refusal) return refusedAt(terminal, issued)
  const { username, code, expiresAt } = issued
  if (json) {
    say(terminal, JSON.stringify({ username, code, expiresAt }, undefined, 2))
    return done
  }
  say(terminal, code)
  terminal.stderr.write(
    `For ${username}, once, until ${moment(Date.parse(expiresAt))}: after the password, "Use a backup code", then "Use a recovery code".\n`,
  )
  return done
}
