import { done } from '../../exit-codes.js'
import { ownerLink as operation } from '../../operations/installation/owner-link.js'
import { Refusal } from '../../operations/operation.js'
import { byCommand, moment, refusedAt, say, type Terminal, type WithOperations } from '../terminal.js'

/** `owner-link [NAME]`: printed, because there is nobody left who could be trusted with it but whoever runs the machine. */
export async function ownerLink(
  { desk }: WithOperations,
  terminal: Terminal,
  name: string | undefined,
  { json = false } = {},
): Promise<number> {
  const issued = await desk.run(operation, name === undefined ? {} : { name }, byCommand)
  if (issued instanceof Refusal) return refusedAt(terminal, issued)
  if (json) {
    say(terminal, JSON.stringify(issued, undefined, 2))
    return done
  }
  const { username, link, recoveryCode, expiresAt } = issued
  say(terminal, link)
  if (recoveryCode !== undefined) say(terminal, recoveryCode)
  const then = recoveryCode === undefined ? '' : ' Then "Use a recovery code": the second line.'
  terminal.stderr.write(
    `For ${username}, once, until ${moment(Date.parse(expiresAt))}.${then}\nThis is written down in the audit.\n`,
  )
  return done
}
