import { z } from 'zod'
import { spelledAddress, spelledNumber } from '../../contracts.js'
import { isOwner, raised } from '../../identity/accounts/account.js'
import { addUser as add } from '../../identity/accounts/add-user.js'
import { type Context, defineOperation, type Note, Refusal, refuse } from '../operation.js'
import { lacksScope } from '../rights.js'
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
  output: userView.extend({
    invitation: z
      .enum(['sent', 'not-sent'])
      .optional()
      .describe('Whether the mail was taken over, where one was asked for.'),
  }),
  doors: { page: '/users/new', api: 'POST /users', commandLine: 'user add' },
  async run({ services, input, by, write }) {
    const { invite, password, displayName, email, mobile, ...rest } = input
    if (password !== undefined && by.door !== 'command-line') {
      return refuse('Nobody sets the password of another: the user sets one by the link in a mail.')
    }
    if (rest.role === 'owner' && lacksScope(by, 'owners')) return new Refusal('token.scope')
    const { directory } = services
    if (directory.writable === undefined) return refuse('The users of this directory are added where they come from.')
    if (invite && email === undefined) return refuse('A link needs an e-mail address to go to.')
    if (invite && !services.messages.sendsMail) {
      return refuse('No mail is configured, so no link can be mailed: add the user without, and hand a link over.')
    }
    await write({ username: rest.username, details: { role: rest.role } })
    const wanted = {
      ...rest,
      ...given('displayName', displayName),
      ...given('email', email && spelledAddress(email)),
      ...given('mobile', mobile && spelledNumber(mobile)),
      ...given('password', password),
    }
    const added = await add(services, wanted)
    if (added.outcome === 'refused') return refuse(added.sentence)
    const { user, account } = added
    const invitation = invite ? await services.support.sendLoginLink({ user, account }) : undefined
    const sent = invitation?.outcome === 'sent' ? ('sent' as const) : ('not-sent' as const)
    return { ...viewOf(user, account), ...(invitation === undefined ? {} : { invitation: sent }) }
  },
})

export const deactivateUser = defineOperation({
  name: 'user.deactivate',
  summary: 'nothing of this user opens anything, from the next request on',
  may: 'owner',
  fresh: true,
  notSelf: true,
  event: 'admin.user-deactivated',
  consequence: (whom) =>
    `Every session, link and sign-in of ${whom} ends now, and nothing of theirs opens anything until somebody activates them again.`,
  input: z.strictObject({ user: userName }),
  output: userView,
  doors: { page: '/users/:user', api: 'POST /users/{user}/deactivate', commandLine: 'user deactivate' },
  async run(context) {
    const { services, target } = context
    const refusal = await withdraw(context)
    if (refusal !== undefined) return refusal
    return viewOf(target.user, await services.accounts.deactivate(target.user.id))
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
  async run({ services, target, write }) {
    await write()
    return viewOf(target.user, await services.accounts.activate(target.user.id))
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
    const { services, target, input, by } = context
    if (input.role === 'owner' && lacksScope(by, 'owners')) return new Refusal('token.scope')
    const note = { details: { role: input.role, before: target.account.role } }
    const refusal = await withdraw(context, note, input.role === 'owner')
    if (refusal !== undefined) return refusal
    // With a new role nothing goes on that was begun with the old one.
    const changed = await services.accounts.change(target.user.id, (account) =>
      account.role === input.role ? account : { ...raised(account), role: input.role },
    )
    // Nor with tokens: one for administration has the rights of the role it was issued for.
    if (target.account.role !== input.role) {
      await services.tokens.revokeAll(target.user.id, by.account?.username ?? by.door)
    }
    return viewOf(target.user, changed)
  },
})

/** Writes the entry, and takes the account off the owners where it is one: of the last one nothing is taken. */
async function withdraw(
  { services, target, write, fail }: Context,
  note?: Note,
  staysOwner = false,
): Promise<Refusal | undefined> {
  const { owners } = services.accounts
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
