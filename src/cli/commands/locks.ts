import { done } from '../../exit-codes.js'
import { listLocks, unlockNetwork } from '../../operations/locks.js'
import { Refusal } from '../../operations/operation.js'
import { byCommand, refusedAt, say, type Terminal, table, type WithOperations } from '../terminal.js'

/** `locks list`: who has to wait, and how long. */
export async function locksList({ desk }: WithOperations, terminal: Terminal, { json = false } = {}): Promise<number> {
  const found = await desk.run(listLocks, {}, byCommand)
  if (found instanceof Refusal) return refusedAt(terminal, found)
  const { items } = found
  if (json) say(terminal, JSON.stringify(items, undefined, 2))
  else if (items.length === 0) say(terminal, 'Nobody is locked.')
  else {
    const cells = items.map(({ kind, username, network, secondsLeft }) => {
      return [
        kind,
        username ?? network ?? '',
        secondsLeft === undefined ? 'until a mailed link, or user unlock' : `${secondsLeft} s`,
      ]
    })
    say(terminal, table([['WHAT', 'WHOSE', 'FOR ANOTHER'], ...cells]))
  }
  return done
}

/** `locks end NETWORK`: passwords from there are judged again. */
export async function locksEnd({ desk }: WithOperations, terminal: Terminal, network: string): Promise<number> {
  const ended = await desk.run(unlockNetwork, { network }, byCommand)
  if (ended instanceof Refusal) return refusedAt(terminal, ended)
  say(terminal, `Passwords from ${ended.network} are judged again.`)
  return done
}
