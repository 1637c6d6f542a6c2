import type { Devices } from '../identity/devices.js'
import type { OpenSession, Sessions } from '../identity/sessions.js'
import { done, moment, say, type Terminal, table } from './terminal.js'
import { named, noSuchUser, type UserRooms } from './user.js'

/** The rooms that commands about sessions work on. */
export interface SessionRooms extends Pick<UserRooms, 'directory' | 'accounts'> {
  readonly sessions: Sessions
}

/** `sessions list [NAME]`: what opens something now. */
export async function sessionsList(
  rooms: SessionRooms,
  terminal: Terminal,
  { name, json = false }: { name?: string; json?: boolean } = {},
): Promise<number> {
  const found = name === undefined ? undefined : await named(rooms, name)
  if (name !== undefined && found === undefined) return noSuchUser(terminal, name)
  const rows: ReturnType<typeof summary>[] = []
  for await (const open of rooms.sessions.list(found?.user.id)) rows.push(summary(open))
  if (json) say(terminal, JSON.stringify(rows, undefined, 2))
  else if (rows.length === 0) say(terminal, 'No sessions are open.')
  else {
    const cells = rows.map((row) => [row.username, row.session, row.openedAt, row.via.join('+'), row.address])
    say(terminal, table([['USERNAME', 'SESSION', 'SINCE', 'BY', 'FROM'], ...cells]))
  }
  return done
}

/** `sessions end NAME`: the user's next request, anywhere, must sign in again. */
export async function sessionsEnd(rooms: SessionRooms, terminal: Terminal, name: string): Promise<number> {
  const found = await named(rooms, name)
  if (found === undefined) return noSuchUser(terminal, name)
  await rooms.sessions.endAll(found.user.id)
  say(terminal, `Every session of ${found.user.username} has ended.`)
  return done
}

/** `sessions clear [--devices]`: everybody signs in again; with `devices` also where a browser was remembered. */
export async function sessionsClear(
  rooms: Pick<SessionRooms, 'sessions'> & { readonly devices: Pick<Devices, 'clear'> },
  terminal: Terminal,
  { devices = false } = {},
): Promise<number> {
  // First the devices: between the two nobody is to get in by one that is about to go.
  if (devices) await rooms.devices.clear()
  await rooms.sessions.clear()
  say(terminal, 'Every session of everybody has ended.')
  if (devices) say(terminal, 'No remembered device counts any more.')
  return done
}

function summary({ session, account }: OpenSession) {
  return {
    username: account.username,
    /** The beginning of its hash, as in the audit. */
    session: session.id.slice(0, 8),
    openedAt: moment(session.openedAt),
    via: session.via,
    address: session.client,
    userAgent: session.userAgent,
  }
}
