import { text as readAll } from 'node:stream/consumers'
import { password as askSecret, text as askText, isCancel, select } from '@clack/prompts'
import { parsePhoneNumberFromString } from 'libphonenumber-js'
import type { Audit } from '../audit/audit.js'
import { foldUsername, type User, type UserDirectory } from '../contracts.js'
import { type Account, type Accounts, type Role, roles } from '../identity/accounts.js'
import { addUser } from '../identity/add-user.js'
import type { Enrolments } from '../identity/enrolments.js'
import { passwordFault } from '../identity/password-rules.js'
import { policyLines, policyOf, policyWord } from './policy-words.js'
import { complain, done, failed, moment, say, type Terminal, table, wrongUse } from './terminal.js'

/** The rooms that commands about users work on. */
export interface UserRooms {
  readonly directory: UserDirectory
  readonly accounts: Accounts
  readonly enrolments: Enrolments
  readonly audit: Audit
}

/** As given on the command line. */
export interface AddUserOptions {
  readonly email?: string
  readonly mobile?: string
  readonly role?: string
  readonly passwordStdin?: boolean
}

/** `user add [NAME]`: asks for what is missing when a person sits there. */
export async function userAdd(
  rooms: UserRooms,
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
  const added = await addUser(rooms, { ...asked, ...(mobile === undefined ? {} : { mobile: mobile.number }) })
  if (added.outcome === 'refused') return complain(terminal, failed, added.sentence)
  say(terminal, `Added ${added.user.username} (${added.account.role}).`)
  return done
}

/** `user list`: in order of username. */
export async function userList(rooms: UserRooms, terminal: Terminal, { json = false } = {}): Promise<number> {
  const rows: (ReturnType<typeof summary> & ReturnType<typeof policyOf>)[] = []
  for await (const { user, account } of everybody(rooms)) rows.push({ ...summary(user, account), ...policyOf(account) })
  if (json) say(terminal, JSON.stringify(rows, undefined, 2))
  else if (rows.length === 0) say(terminal, 'There are no users yet: gatelodge user add NAME')
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
  rooms: UserRooms,
  terminal: Terminal,
  name: string,
  { json = false } = {},
): Promise<number> {
  const found = await named(rooms, name)
  if (found === undefined) return noSuchUser(terminal, name)
  const { user, account } = found
  const enrolments = account === undefined ? [] : await rooms.enrolments.list(account)
  const recent = await rooms.audit.recent(account?.id ?? '', 10)
  const shown = {
    ...summary(user, account),
    ...policyOf(account),
    secondFactors: enrolments.map(({ method, name, createdAt, lastUsedAt }) => ({
      method,
      name,
      createdAt: moment(createdAt),
      ...(lastUsedAt === undefined ? {} : { lastUsedAt: moment(lastUsedAt) }),
    })),
    recent: recent.map(({ time, event, outcome, address, reason }) => ({ time, event, outcome, address, reason })),
  }
  if (json) {
    say(terminal, JSON.stringify(shown, undefined, 2))
    return done
  }
  const { secondFactors, recent: events } = shown
  const { secondFactors: _, ...plain } = summary(user, account)
  say(terminal, table(Object.entries(plain).map(([key, value]) => [key, String(value)])))
  for (const line of account === undefined ? [] : policyLines(account)) say(terminal, line)
  for (const factor of secondFactors) say(terminal, `second factor: ${factor.name}, since ${factor.createdAt}`)
  for (const { time, event, outcome, address } of events) {
    say(terminal, `${time}  ${event}  ${outcome}${address === undefined ? '' : `  ${address}`}`)
  }
  return done
}

/** `user deactivate NAME`: sessions, pending sign-ins and links end at once. */
export async function userDeactivate(rooms: UserRooms, terminal: Terminal, name: string): Promise<number> {
  const account = await openAccount(rooms, name)
  if (account === undefined) return noSuchUser(terminal, name)
  await rooms.accounts.deactivate(account.id)
  await rooms.audit.record({ event: 'admin.user-deactivated', outcome: 'success', ...who(account) })
  say(terminal, `${account.username} can no longer sign in; every session of theirs has ended.`)
  return done
}

/** `user activate NAME`: what was open before stays closed. */
export async function userActivate(rooms: UserRooms, terminal: Terminal, name: string): Promise<number> {
  const account = await openAccount(rooms, name)
  if (account === undefined) return noSuchUser(terminal, name)
  await rooms.accounts.activate(account.id)
  await rooms.audit.record({ event: 'admin.user-activated', outcome: 'success', ...who(account) })
  say(terminal, `${account.username} can sign in again.`)
  return done
}

/** `user reset-second-factor NAME`: every second factor goes, and every session with it. */
export async function userResetSecondFactor(rooms: UserRooms, terminal: Terminal, name: string): Promise<number> {
  const account = await openAccount(rooms, name)
  if (account === undefined) return noSuchUser(terminal, name)
  const removed = (await rooms.enrolments.reset(account.id)) ?? 0
  await rooms.audit.record({ event: 'factor.reset', outcome: 'success', ...who(account), details: { removed } })
  say(terminal, `${account.username} has no second factor any more (${removed} removed) and must sign in again.`)
  return done
}

/** The user of that name with the account, if there is one already. */
export async function named(
  { directory, accounts }: Pick<UserRooms, 'directory' | 'accounts'>,
  name: string,
): Promise<{ user: User; account: Account | undefined } | undefined> {
  const [user] = await directory.find({ username: name })
  if (user !== undefined) return { user, account: await accounts.find(user.id) }
  // Gone from the directory, but what the gateway keeps about the user can still be ended.
  for await (const account of accounts.all()) {
    if (foldUsername(account.username) === foldUsername(name)) return { user: { ...account, groups: [] }, account }
  }
  return undefined
}

export function noSuchUser(terminal: Terminal, name: string): number {
  return complain(terminal, failed, `There is no user "${name}".`)
}

async function openAccount(rooms: UserRooms, name: string): Promise<Account | undefined> {
  const found = await named(rooms, name)
  return found && (found.account ?? rooms.accounts.open(found.user))
}

async function* everybody({ directory, accounts }: UserRooms): AsyncGenerator<{ user: User; account?: Account }> {
  if (directory.writable === undefined) {
    // A directory that cannot be listed: those who have signed in here.
    for await (const account of accounts.all()) yield { user: { ...account, groups: [] }, account }
    return
  }
  let after: string | undefined
  for (;;) {
    const page = await directory.writable.list(after === undefined ? {} : { after })
    for (const user of page) {
      const account = await accounts.find(user.id)
      yield account === undefined ? { user } : { user, account }
    }
    if (page.length === 0) break
    after = page.at(-1)?.username
  }
  // And who has signed in from a directory that cannot be listed.
  const { keeps } = directory.writable
  for await (const account of accounts.all()) {
    if (keeps?.(account.id) === false) yield { user: { ...account, groups: [] }, account }
  }
}

function summary({ id, username, email, mobile, groups }: User, account: Account | undefined) {
  return {
    username,
    id,
    role: account?.role ?? 'user',
    status: account?.status ?? 'active',
    ...(email === undefined ? {} : { email }),
    ...(mobile === undefined ? {} : { mobile }),
    groups,
    secondFactors: account?.enrolled.map(({ method }) => method) ?? [],
  }
}

function who({ id, username }: Account) {
  return { accountId: id, username, reason: 'command-line' }
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
  return text.trim().startsWith('+') ? parsePhoneNumberFromString(text) : undefined
}
