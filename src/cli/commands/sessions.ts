import { done } from '../../exit-codes.js'
import { Refusal } from '../../operations/operation.js'
import { clearSessions, endSessions, listSessions } from '../../operations/sessions.js'
import { byCommand, moment, refusedAt, say, type Terminal, table, type WithOperations } from '../terminal.js'

/** `sessions list [NAME]`: what opens something now. */
export async function sessionsList(
  { desk }: WithOperations,
  terminal: Terminal,
  { name, json = false }: { name?: string; json?: boolean } = {},
): Promise<number> {
  const found = await desk.run(listSessions, { limit: MOST, ...(name === undefined ? {} : { user: name }) }, byCommand)
  if (found instanceof Refusal) return refusedAt(terminal, found)
  const rows = found.items.map((row) => ({ ...row, openedAt: moment(Date.parse(row.openedAt)) }))
  if (json) say(terminal, JSON.stringify(rows, undefined, 2))
  else if (rows.length === 0) say(terminal, 'No sessions are open.')
  else {
    const cells = rows.map((row) => [
      row.username,
      row.session,
      row.openedAt,
      row.via.join('+'),
      row.address,
      row.hosts.join(' '),
    ])
    say(terminal, table([['USERNAME', 'SESSION', 'SINCE', 'BY', 'FROM', 'AT'], ...cells]))
    if (rows.length === MOST)
      say(terminal, `There may be more: these are the first ${MOST}. Name a user to see theirs.`)
  }
  return done
}

/** `sessions end NAME`: the user's next request, anywhere, must sign in again. */
export async function sessionsEnd({ desk }: WithOperations, terminal: Terminal, name: string): Promise<number> {
  const ended = await desk.run(endSessions, { user: name }, byCommand)
  if (ended instanceof Refusal) return refusedAt(terminal, ended)
  say(terminal, `Every session of ${ended.username} has ended.`)
  return done
}

/** As given on the command line. */
export interface ClearOptions {
  readonly user?: string
  readonly group?: string
  readonly site?: string
  readonly network?: string
  readonly olderThanDays?: string
  readonly devices?: boolean
  readonly tokens?: boolean
}

/** `sessions clear`: everybody signs in again, or those the options name; with `devices` also where a browser was remembered. */
export async function sessionsClear(
  { desk }: WithOperations,
  terminal: Terminal,
  options: ClearOptions = {},
): Promise<number> {
  const { olderThanDays, devices = false, tokens = false, user, group, site, network } = options
  const parts = Object.entries({ user, group, site, network }).filter(([, value]) => value !== undefined)
  const age = olderThanDays === undefined ? {} : { olderThanDays: Number(olderThanDays) }
  const scope = { ...Object.fromEntries(parts), ...age }
  const isAll = Object.keys(scope).length === 0
  const cleared = await desk.run(
    clearSessions,
    { ...scope, ...(isAll ? { all: true } : {}), devices, tokens },
    byCommand,
  )
  if (cleared instanceof Refusal) return refusedAt(terminal, cleared)
  say(
    terminal,
    isAll ? 'Every session of everybody has ended.' : `Every session of this kind has ended: ${cleared.scope}.`,
  )
  if (devices)
    say(terminal, isAll ? 'No remembered device counts any more.' : 'Nor do remembered devices of the kind count.')
  if (tokens) say(terminal, 'Application tokens were revoked.')
  return done
}

/** More than anybody reads. */
const MOST = 1000
