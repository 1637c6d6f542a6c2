import { z } from 'zod'
import { awaitingOf } from '../../identity/accounts/account.js'
import { type Context, defineOperation, type Refusal, refuse } from '../operation.js'
import { type UserView, userName, userView, viewOf } from './view.js'

export const listApprovals = defineOperation({
  name: 'user.approvals',
  summary: 'users whose second factor waits for an owner',
  may: 'support',
  input: z.strictObject({}),
  output: z.object({
    items: z.array(
      z.object({
        id: z.string(),
        username: z.string(),
        method: z.string(),
        label: z.string().describe('What users call the method.'),
        at: z.iso.datetime(),
      }),
    ),
  }),
  doors: { page: '/approvals', api: 'GET /approvals', commandLine: 'user approvals' },
  async run({ services: { approvals } }) {
    const items = (await approvals.list()).map(({ account: { id, username }, awaiting: { method, at } }) => ({
      id,
      username,
      method,
      label: approvals.label(method),
      at: new Date(at).toISOString(),
    }))
    return { items }
  },
})

const input = z.strictObject({ user: userName })

export const approveFactor = defineOperation({
  name: 'user.approve',
  summary: 'let a second factor count that a user set up and that waits',
  may: 'owner',
  fresh: true,
  notSelf: true,
  event: 'admin.factor-approved',
  input,
  output: userView,
  doors: { page: '/approvals', api: 'POST /users/{user}/approve', commandLine: 'user approve' },
  run: (context) => settle(context, 'approve'),
})

export const refuseFactor = defineOperation({
  name: 'user.refuse',
  summary: 'forget a second factor that a user set up and that waits; the user may set one up anew',
  may: 'owner',
  fresh: true,
  event: 'admin.factor-refused',
  consequence: (whom) => `The second factor that ${whom} set up is forgotten, and has to be set up anew.`,
  input,
  output: userView,
  doors: { page: '/approvals', api: 'POST /users/{user}/refuse', commandLine: 'user refuse' },
  run: (context) => settle(context, 'refuse'),
})

async function settle(
  { services, target, by, write, fail }: Context,
  how: 'approve' | 'refuse',
): Promise<UserView | Refusal> {
  const { user, account } = target
  const awaiting = awaitingOf(account)
  if (awaiting === undefined) {
    await fail('nothing-waits')
    return refuse(`Nothing of ${user.username} waits for an owner.`)
  }
  await write({ details: { method: awaiting.method } })
  if (!(await services.approvals[how](target, awaiting, by.account?.username ?? by.door))) {
    await fail('gone')
    return refuse(`What ${user.username} set up waits no more.`)
  }
  return viewOf(user, await services.accounts.find(user.id))
}
