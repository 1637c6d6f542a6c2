import { done } from '../../../exit-codes.js'
import { Refusal } from '../../../operations/operation.js'
import { approveFactor, listApprovals, refuseFactor } from '../../../operations/users/approval.js'
import { byCommand, moment, refusedAt, say, type Terminal, table, type WithOperations } from '../../terminal.js'
import { onUser } from './user.js'

/** `user approvals`: whose second factor waits for an owner. */
export async function userApprovals(
  { desk }: WithOperations,
  terminal: Terminal,
  { json = false } = {},
): Promise<number> {
  const waiting = await desk.run(listApprovals, {}, byCommand)
  if (waiting instanceof Refusal) return refusedAt(terminal, waiting)
  const { items } = waiting
  if (json) say(terminal, JSON.stringify(items, undefined, 2))
  else if (items.length === 0) say(terminal, 'Nobody waits.')
  else {
    const rows = items.map(({ username, method, at }) => [username, method, moment(Date.parse(at))])
    say(terminal, table([['NAME', 'METHOD', 'SINCE'], ...rows]))
  }
  return done
}

/** `user approve NAME` and `user refuse NAME`: an owner's word on the second factor that waits. */
export function userSettle(
  at: WithOperations,
  terminal: Terminal,
  user: string,
  how: 'approve' | 'refuse',
): Promise<number> {
  if (how === 'approve') {
    return onUser(at, terminal, approveFactor, { user }, (name) => `The second factor of ${name} counts from now on.`)
  }
  return onUser(at, terminal, refuseFactor, { user }, (name) => `It is forgotten; ${name} can set one up anew.`)
}
