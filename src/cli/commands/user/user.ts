import { text as readAll } from 'node:stream/consumers'
import { password as askSecret, text as askText, isCancel, select } from '@clack/prompts'
import { parsePhoneNumberFromString } from 'libphonenumber-js'
import { spelledNumber } from '../../../contracts.js'
import { done, failed, wrongUse } from '../../../exit-codes.js'
import { type Role, roles } from '../../../identity/accounts/account.js'
import { passwordFault } from '../../../identity/passwords/password-rules.js'
import { unlockUser } from '../../../operations/locks.js'
import { type Operation, Refusal } from '../../../operations/operation.js'
import { changeUser } from '../../../operations/users/change.js'
import { activateUser, addUser, changeRole, deactivateUser } from '../../../operations/users/lifecycle.js'
import { resetSecondFactor } from '../../../operations/users/recovery.js'
import { listUsers, showUser } from '../../../operations/users/show.js'
import type { UserView } from '../../../operations/users/view.js'
import {
  byCommand,
  complain,
  moment,
  refusedAt,
  say,
  type Terminal,
  table,
  type WithOperations,
} from '../../terminal.js'
import { policyLines, policyWord } from './policy-lines.js'

/** As given on the command line. */
export interface AddUserOptions {
  readonly email?: string
  readonly mobile?: string
  readonly displayName?: string
  readonly role?: string
  readonly passwordStdin?: boolean
}

/** `user add [NAME]`: asks for what is missing when a person sits there. */
export async function userAdd(
  { desk }: WithOperations,
  terminal: Terminal,
  name: string | undefined,
  options: AddUserOptions = {},
): Promise<number> {
  if (options.role !== undefined && !isRole(options.role)) {
    return complain(terminal, wrongUse, `There is no role "${options.role}": it is one of ${roles.join(', ')}.`)
  }
  const mobile = options.mobile === undefined ? undefined : phoneNumber(options.mobile)
  if (options.mobile !== undefined && mobile === undefined) {
    return complain(terminal, wrongUse, 'A mobile number starts with + and the country code, as in +12025550100.')
  }
  if (mobile?.isPossible() === false) {
    terminal.stderr.write(`Note: ${mobile.number} does not have the length of a number in its country.\n`)
  }
  const asked = await (options.passwordStdin ? fromInput(terminal, name, options) : byHand(terminal, name, options))
  if (typeof asked === 'number') return asked
  const { displayName } = options
  const wanted = {
    ...asked,
    ...(displayName === undefined ? {} : { displayName }),
    ...(mobile === undefined ? {} : { mobile: mobile.number }),
  }
  const added = await desk.run(addUser, wanted, byCommand)
  if (added instanceof Refusal) return refusedAt(terminal, added)
  say(terminal, `Added ${added.username} (${added.role}).`)
  return done
}

/** `user list`: in order of username. */
export async function userList(
  { desk }: WithOperations,
  terminal: Terminal,
  { json = false, search }: { json?: boolean; search?: string } = {},
): Promise<number> {
  const rows: UserView[] = []
  const wanted = { limit: 100, ...(search === undefined ? {} : { search }) }
  let after: string | undefined
  do {
    const page = await desk.run(listUsers, { ...wanted, ...(after === undefined ? {} : { after }) }, byCommand)
    if (page instanceof Refusal) return refusedAt(terminal, page)
    rows.push(...page.items)
    after = page.next
  } while (after !== undefined)
  if (json) say(terminal, JSON.stringify(rows, undefined, 2))
  else if (rows.length === 0)
    say(terminal, search === undefined ? 'There are no users yet: gatelodge user add NAME' : 'Nobody fits.')
  else {
    const hasPolicy = rows.some((row) => policyWord(row) !== '')
    const cells = rows.map((row) => {
      const { username, role, status, secondFactors, email = '' } = row
      return [username, role, status, secondFactors.join(','), email, ...(hasPolicy ? [policyWord(row)] : [])]
    })
    const head = ['USERNAME', 'ROLE', 'STATUS', 'SECOND FACTORS', 'E-MAIL', ...(hasPolicy ? ['POLICY'] : [])]
    say(terminal, table([head, ...cells]))
  }
  return done
}

/** `user show NAME`: what is known, and what happened lately. */
export async function userShow(
  { desk }: WithOperations,
  terminal: Terminal,
  name: string,
  { json = false } = {},
): Promise<number> {
  const shown = await desk.run(showUser, { user: name }, byCommand)
  if (shown instanceof Refusal) return refusedAt(terminal, shown)
  if (json) {
    say(terminal, JSON.stringify(shown, undefined, 2))
    return done
  }
  const { secondFactors, recent, exemption: _, required: __, addresses: ___, methodsOff: ____, ...plain } = shown
  say(terminal, table(Object.entries(plain).map(([key, value]) => [key, String(value)])))
  for (const line of policyLines(shown)) say(terminal, line)
  for (const factor of secondFactors) {
    say(terminal, `second factor: ${factor.name}, since ${moment(Date.parse(factor.createdAt))}`)
  }
  for (const { time, event, outcome, address } of recent) {
    say(terminal, `${time}  ${event}  ${outcome}${address === undefined ? '' : `  ${address}`}`)
  }
  return done
}

/** `user deactivate NAME`: sessions, pending sign-ins and links end at once. */
export function userDeactivate(at: WithOperations, terminal: Terminal, user: string): Promise<number> {
  return onUser(at, terminal, deactivateUser, { user }, (name) => {
    return `${name} can no longer sign in; every session of theirs has ended.`
  })
}

/** `user activate NAME`: what was open before stays closed. */
export function userActivate(at: WithOperations, terminal: Terminal, user: string): Promise<number> {
  return onUser(at, terminal, activateUser, { user }, (name) => `${name} can sign in again.`)
}

/** `user unlock NAME`: after too many wrong codes or passwords. */
export function userUnlock(at: WithOperations, terminal: Terminal, user: string): Promise<number> {
  return onUser(at, terminal, unlockUser, { user }, (name) => `Codes and passwords of ${name} are judged again.`)
}

/** `user role NAME ROLE`: everything the user has open ends, because it was opened with the other role. */
export function userRole(at: WithOperations, terminal: Terminal, user: string, role: string): Promise<number> {
  return onUser(at, terminal, changeRole, { user, role }, (name) => `${name} has the role ${role} now.`)
}

/** As given on the command line. */
export interface ChangeUserOptions {
  readonly email?: string
  readonly mobile?: string
  readonly displayName?: string
  readonly group?: readonly string[]
  /** False where there are to be none. */
  readonly groups?: boolean
  readonly remove?: readonly string[]
}

/** `user change NAME`: addresses, display name, groups. */
export function userChange(
  at: WithOperations,
  terminal: Terminal,
  user: string,
  { email, mobile, displayName, group, groups, remove }: ChangeUserOptions,
): Promise<number> {
  const wanted = {
    ...(email === undefined ? {} : { email }),
    ...(mobile === undefined ? {} : { mobile }),
    ...(displayName === undefined ? {} : { displayName }),
    ...(groups === false ? { groups: [] } : group === undefined ? {} : { groups: group }),
    ...(remove === undefined ? {} : { remove }),
  }
  return onUser(at, terminal, changeUser, { user, ...wanted }, (name) => `${name} was changed, and is told by mail.`)
}

/** `user reset-second-factor NAME`: every second factor goes, and every session with it. */
export async function userResetSecondFactor(
  { desk }: WithOperations,
  terminal: Terminal,
  user: string,
): Promise<number> {
  const reset = await desk.run(resetSecondFactor, { user }, byCommand)
  if (reset instanceof Refusal) return refusedAt(terminal, reset)
  const { username, removed } = reset
  say(terminal, `${username} has no second factor any more (${removed} removed) and must sign in again.`)
  return done
}

/** One change to one user, and one line that says what came of it. */
export async function onUser(
  { desk }: WithOperations,
  terminal: Terminal,
  operation: Operation,
  input: { readonly user: string; readonly [field: string]: unknown },
  sentence: (username: string) => string,
): Promise<number> {
  const changed = await desk.run(operation, input, byCommand)
  if (changed instanceof Refusal) return refusedAt(terminal, changed)
  say(terminal, sentence((changed as { username: string }).username))
  return done
}

interface Asked {
  readonly username: string
  readonly password: string
  readonly email?: string
  readonly role?: Role
}

/** From a script: the password is the whole input without the line break at its end. */
async function fromInput(
  terminal: Terminal,
  username: string | undefined,
  { email, role }: AddUserOptions,
): Promise<Asked | number> {
  if (username === undefined) return complain(terminal, wrongUse, 'Name the user to add: gatelodge user add NAME')
  const password = (await readAll(terminal.stdin)).replace(/\r?\n$/, '')
  return { username, password, ...given(email, role) }
}

async function byHand(
  terminal: Terminal,
  name: string | undefined,
  { email, role }: AddUserOptions,
): Promise<Asked | number> {
  const { stdin: input, stdout: output } = terminal
  if (!input.isTTY) {
    return complain(terminal, wrongUse, 'Nobody is here to ask for the password: give it with --password-stdin.')
  }
  const streams = { input, output }
  const username = name ?? (await askText({ ...streams, message: 'Username', validate: needed }))
  if (isCancel(username)) return failed
  const mail = email ?? (await askText({ ...streams, message: 'E-mail address (may be empty)', defaultValue: '' }))
  if (isCancel(mail)) return failed
  const options = roles.map((value) => ({ value }))
  const chosen = role ?? (await select<Role>({ ...streams, message: 'Role', options, initialValue: 'user' }))
  if (isCancel(chosen)) return failed
  const password = await askSecret({
    ...streams,
    message: 'Password',
    validate: (value) => passwordFault(value ?? '', username)?.sentence,
  })
  if (isCancel(password)) return failed
  const again = await askSecret({ ...streams, message: 'The same password again' })
  if (isCancel(again)) return failed
  if (again !== password) return complain(terminal, failed, 'The two passwords are not the same.')
  return { username, password, ...given(mail === '' ? undefined : mail, chosen) }
}

function needed(value: string | undefined): string | undefined {
  return value === undefined || value.trim() === '' ? 'A user has a name.' : undefined
}

function given(email: string | undefined, role: string | undefined): Pick<Asked, 'email' | 'role'> {
  return { ...(email === undefined ? {} : { email }), ...(role !== undefined && isRole(role) ? { role } : {}) }
}

function isRole(text: string): text is Role {
  return roles.some((role) => role === text)
}

/** E.164 out of what people type; only numbers that name their country. */
function phoneNumber(text: string) {
  const number = spelledNumber(text)
  return number.startsWith('+') ? parsePhoneNumberFromString(number) : undefined
}
