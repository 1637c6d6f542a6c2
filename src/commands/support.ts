import { text as readAll } from 'node:stream/consumers'
import type { NotSent, Support, Written } from '../identity/support.js'
import { complain, done, failed, say, type Terminal, wrongUse } from './terminal.js'
import { named, noSuchUser, type UserRooms } from './user.js'

/** The rooms that commands of support work on. */
export interface SupportRooms extends Pick<UserRooms, 'directory' | 'accounts'> {
  readonly support: Support
}

/** `user login-link NAME`: the link goes by mail to the user alone and is not printed. */
export async function userLoginLink(
  rooms: SupportRooms,
  terminal: Terminal,
  name: string,
  { json = false } = {},
): Promise<number> {
  const to = await written(rooms, name)
  if (to === undefined) return noSuchUser(terminal, name)
  const result = await rooms.support.sendLoginLink(to)
  const { username } = to.user
  if (json) say(terminal, JSON.stringify({ username, ...result }))
  if (result.outcome === 'refused') return json ? failed : complain(terminal, failed, sentence(username, result.reason))
  if (!json) say(terminal, `${username} was sent a link that works for 24 hours and once.`)
  return done
}

/** `user message NAME --title T [--copy ADDRESS ...]`: the words come from standard input. */
export async function userMessage(
  rooms: SupportRooms,
  terminal: Terminal,
  name: string,
  {
    title,
    copy = [],
    json = false,
  }: { readonly title: string; readonly copy?: readonly string[]; readonly json?: boolean },
): Promise<number> {
  if (title.trim() === '') return complain(terminal, wrongUse, 'Give the message a title: --title "About your account"')
  const wrong = copy.find((address) => !ONE_ADDRESS.test(address))
  if (wrong !== undefined) return complain(terminal, wrongUse, `"${wrong}" is not one mail address.`)
  if (terminal.stdin.isTTY)
    terminal.stderr.write('Write the message, and end it with Ctrl-D. [loginLink] becomes a link.\n')
  const text = await readAll(terminal.stdin)
  if (text.trim() === '') return complain(terminal, wrongUse, 'There is no message: give its words on standard input.')
  const to = await written(rooms, name)
  if (to === undefined) return noSuchUser(terminal, name)
  const result = await rooms.support.sendMessage(to, { title: title.trim(), text, copies: [...new Set(copy)] })
  const { username } = to.user
  if (json) say(terminal, JSON.stringify({ username, ...result }))
  if (result.outcome === 'refused') return json ? failed : complain(terminal, failed, sentence(username, result.reason))
  if (json) return done
  const link = result.link ? ', with a link that works for 24 hours and once' : ''
  say(terminal, `The message went to ${username}${link}. Copies: ${result.copies} of ${new Set(copy).size}.`)
  return done
}

async function written(rooms: SupportRooms, name: string): Promise<Written | undefined> {
  const found = await named(rooms, name)
  if (found === undefined) return undefined
  return { user: found.user, account: found.account ?? (await rooms.accounts.open(found.user)), by: 'command-line' }
}

function sentence(username: string, reason: NotSent): string {
  if (reason === 'no-address') return `${username} has no mail address on file.`
  if (reason === 'inactive')
    return `${username} cannot sign in with a link: the account is deactivated, or for a program.`
  return `The mail to ${username} was not sent: see the log above.`
}

/** What would make a second recipient is not one. */
const ONE_ADDRESS = /^[^\s\p{C}"(),:;<>@[\\\]]{1,64}@[^\s\p{C}"(),:;<>@[\\\]]{1,190}$/u
