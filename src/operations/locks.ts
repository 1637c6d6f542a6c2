import { z } from 'zod'
import { defineOperation } from './operation.js'
import { userName } from './users/view.js'

export const listLocks = defineOperation({
  name: 'lock.list',
  summary: 'users whose codes are not judged for a while, after too many wrong ones',
  may: 'support',
  input: z.strictObject({}),
  output: z.object({
    items: z.array(z.object({ id: z.string(), username: z.string(), secondsLeft: z.int() })),
  }),
  doors: { page: '/locks', api: 'GET /locks', commandLine: 'user show' },
  async run({ rooms }) {
    const blocked = await rooms.attempts.blocked()
    const items = await Promise.all(
      blocked.map(async ({ accountId, retryAfterSeconds }) => {
        const username = (await rooms.accounts.find(accountId))?.username ?? accountId
        return { id: accountId, username, secondsLeft: retryAfterSeconds }
      }),
    )
    return { items }
  },
})

export const unlockUser = defineOperation({
  name: 'lock.end',
  summary: 'judge codes and passwords of one user again at once',
  may: 'support',
  fresh: true,
  notSelf: true,
  event: 'admin.unlocked',
  input: z.strictObject({ user: userName }),
  output: z.object({ username: z.string() }),
  doors: { page: '/locks', api: 'POST /users/{user}/unlock', commandLine: 'user unlock' },
  async run({ rooms, target: { user }, write }) {
    await write()
    await rooms.attempts.forgive(user.id, user.username)
    return { username: user.username }
  },
})
