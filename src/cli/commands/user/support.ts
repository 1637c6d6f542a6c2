import { text as readAll } from 'node:stream/consumers'
import { done, failed } from '../../../exit-codes.js'
import { Refusal } from '../../../operations/operation.js'
import { inviteUser, sendLoginLink, sendMessage } from '../../../operations/users/recovery.js'
import { byCommand, moment, refusedAt, say, type Terminal, type WithOperations } from '../../terminal.js'

/** `user login-link NAME`: the link goes by mail to the user alone and is not printed. */
export async function userLoginLink(
  { desk }: WithOperations,
  terminal: Terminal,
  name: string,
  { json = false } = {},
): Promise<number> {
  const sent = await desk.run(sendLoginLink, { user: name }, byCommand)
  if (sent instanceof Refusal) return notSent(terminal, name, sent, json)
  if (json) say(terminal, JSON.stringify(sent))
  else say(terminal, `${sent.username} was sent a link that works for 24 hours and once.`)
  return done
}

/** `user message NAME --title T [--copy ADDRESS ...]`: the words come from standard input. */
export async function userMessage(
  { desk }: WithOperations,
  terminal: Terminal,
  name: string,
  {
    title,
    copy = [],
    json = false,
  }: { readonly title: string; readonly copy?: readonly string[]; readonly json?: boolean },
): Promise<number> {
  if (terminal.stdin.isTTY)
    terminal.stderr.write('Write the message, and end it with Ctrl-D. [loginLink] becomes a link.\n')
  const text = await readAll(terminal.stdin)
  const sent = await desk.run(sendMessage, { user: name, title, text, copies: copy }, byCommand)
  if (sent instanceof Refusal) return notSent(terminal, name, sent, json)
  if (json) {
    say(terminal, JSON.stringify(sent))
    return done
  }
  const link = sent.link ? ', with a link that works for 24 hours and once' : ''
  say(terminal, `The message went to ${sent.username}${link}. Copies: ${sent.copies} of ${new Set(copy).size}.`)
  return done
}

function notSent(terminal: Terminal, username: string, refusal: Refusal, json: boolean): number {
  if (!json || refusal.code !== 'operation.refused') return refusedAt(terminal, refusal)
  say(terminal, JSON.stringify({ username, outcome: 'refused', reason: refusal.reason }))
  return failed
}

/** `user invite-link NAME`: printed this once, for whoever has not come in yet. */
export async function userInviteLink(
  { desk }: WithOperations,
  terminal: Terminal,
  user: string,
  { json = false } = {},
): Promise<number> {
  const issued = await desk.run(inviteUser, { user }, byCommand)
  if (issued instanceof Refusal) return refusedAt(terminal, issued)
  if (json) say(terminal, JSON.stringify(issued, undefined, 2))
  else {
    say(terminal, issued.link)
    terminal.stderr.write(`For ${issued.username}, once, until ${moment(Date.parse(issued.expiresAt))}.\n`)
  }
  return done
}
