import { done } from '../../exit-codes.js'
import { setupLink as operation } from '../../operations/installation/setup-link.js'
import { Refusal } from '../../operations/operation.js'
import { byCommand, moment, refusedAt, say, type Terminal, type WithOperations } from '../terminal.js'

/** `setup-link`: printed, because whoever runs the machine is the only one there could be trusted with it. */
export async function setupLink({ desk }: WithOperations, terminal: Terminal, { json = false } = {}): Promise<number> {
  const issued = await desk.run(operation, {}, byCommand)
  if (issued instanceof Refusal) return refusedAt(terminal, issued)
  if (json) {
    say(terminal, JSON.stringify(issued, undefined, 2))
    return done
  }
  say(terminal, issued.link)
  terminal.stderr.write(
    `Open it in a browser: it makes the first owner, once, until ${moment(Date.parse(issued.expiresAt))}.\n`,
  )
  return done
}
