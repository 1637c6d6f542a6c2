import { z } from 'zod'
import { raised } from '../../identity/accounts.js'
import { addUser as add } from '../../identity/add-user.js'
import { isOwner } from '../../identity/owners.js'
import { type Context, defineOperation, type Note, type Refusal, refuse } from '../operation.js'
import { role, userName, userView, viewOf } from './view.js'

export const addUser = defineOperation({
  name: 'user.add',
  summary: 'add a user',
  may: 'owner',
  fresh: true,
  event: 'admin.user-added',
  input: z.strictObject({
    username: z.string().min(1).max(256),
    displayName: z.string().max(200).optional().describe('What people call them, as in Ada Lovelace.'),
    email: z.string().max(254).optional(),
    mobile: z.string().max(32).optional().describe('As in +12025550100.'),
    groups: z.array(z.string().min(1).max(64)).max(100).default([]),
    role: role.default('user'),
    invite: z.boolean().default(false).describe('Mail a link that signs in once, within 24 hours.'),
    password: z
      .string()
      .max(256)
      .optional()
      .describe('At the command line alone: nobody else sets the password of another.'),
  }),
  output: userView,
  doors: { page: '/users/new', api: 'POST /users', commandLine: 'user add' },
  async run({ rooms, input, by, write }) {
    const { invite, password, displayName, email, mobile, ...rest } = input
    if (password !== undefined && by.door !== 'command-line') {
      return refuse('Nobody sets the password of another: the user sets one by the link in a mail.')
    }
    const { directory } = rooms
    if (directory.writable === undefined) return refuse('The users of this directory are added where they come from.')
    if (invite && email === undefined) return refuse('A link needs an e-mail address to go to.')
    await write({ username: rest.username, details: { role: rest.role } })
    const wanted = {
      ...rest,
      ...given('displayName', displayName),
      ...given('email', email),
      ...given('mobile', mobile),
      ...given('password', password),
    }
    const added = await add(rooms, wanted)
    if (added.outcome === 'refused') return refuse(added.sentence)
    const { user, account } = added
    if (invite) await rooms.support.sendLoginLink({ user, account })
    return viewOf(user, account)
  },
})

export const deactivateUser = defineOperation({
  name: 'user.deactivate',
  summary: 'nothing of this user opens anything, from the next request on',
  may: 'owner',
  fresh: true,
  notSelf: true,
  event: 'admin.user-deactivated',
  input: z.strictObject({ user: userName }),
  output: userView,
  doors: { page: '/users/:user', api: 'POST /users/{user}/deactivate', commandLine: 'user deactivate' },
  async run(context) {
    const { rooms, target } = context
    const refusal = await withdraw(context)
    if (refusal !== undefined) return refusal
    return viewOf(target.user, await rooms.accounts.deactivate(target.user.id))
  },
})

export const activateUser = defineOperation({
  name: 'user.activate',
  summary: 'the user can sign in again',
  may: 'owner',
  fresh: true,
  event: 'admin.user-activated',
  input: z.strictObject({ user: userName }),
  output: userView,
  doors: { page: '/users/:user', api: 'POST /users/{user}/activate', commandLine: 'user activate' },
  async run({ rooms, target, write }) {
    await write()
    return viewOf(target.user, await rooms.accounts.activate(target.user.id))
  },
})

export const changeRole = defineOperation({
  name: 'user.role',
  summary: 'make a user an owner, support, a plain user or a program',
  may: 'owner',
  fresh: true,
  notSelf: true,
  event: 'admin.user-role',
  input: z.strictObject({ user: userName, role }),
  output: userView,
  doors: { page: '/users/:user', api: 'PUT /users/{user}/role', commandLine: 'user role' },
  async run(context) {
    const { rooms, target, input, by } = context
    const note = { details: { role: input.role, before: target.account.role } }
    const refusal = await withdraw(context, note, input.role === 'owner')
    if (refusal !== undefined) return refusal
    // With a new role nothing goes on that was begun with the old one.
    const changed = await rooms.accounts.change(target.user.id, (account) =>
      account.role === input.role ? account : { ...raised(account), role: input.role },
    )
    // Nor with tokens: one for administration has the rights of the role it was issued for.
    if (target.account.role !== input.role) {
      await rooms.tokens.revokeAll(target.user.id, by.account?.username ?? by.door)
    }
    return viewOf(target.user, changed)
  },
})

/** Writes the entry, and takes the account off the owners where it is one: of the last one nothing is taken. */
async function withdraw(
  { rooms, target, write, fail }: Context,
  note?: Note,
  staysOwner = false,
): Promise<Refusal | undefined> {
  const { owners } = rooms.accounts
  const takesAway = isOwner(target.account) && !staysOwner
  const others = takesAway ? (await owners.list()).filter(({ id }) => id !== target.user.id) : []
  if (takesAway && others.length === 0) return refuse(LAST_OWNER)
  await write(note)
  if (!takesAway || (await owners.leave(target.user.id))) return undefined
  await fail('last-owner')
  return refuse(LAST_OWNER)
}

const LAST_OWNER = 'This is the last owner: make somebody else an owner first.'

function given<Name extends string>(name: Name, value: string | undefined): { [Key in Name]?: string } {
  return value === undefined ? {} : ({ [name]: value } as { [Key in Name]: string })
}
