import { z } from 'zod'
import { parseAddress } from '../access/client-address.js'
import { defineOperation, refuse } from './operation.js'
import { userName } from './users/view.js'

const lock = z.object({
  kind: z
    .enum(['second-factor', 'password', 'network'])
    .describe('Whose codes, or whose passwords, are not judged; or that no password from a network is.'),
  id: z.string().optional().describe('Of the user.'),
  username: z.string().optional(),
  network: z.string().optional().describe('An IPv4 address, or a /64 of IPv6.'),
  secondsLeft: z
    .int()
    .optional()
    .describe(
      'Left out: after a hundred wrong passwords in a row, until the user opens a mailed link or support unlocks it.',
    ),
})

export const listLocks = defineOperation({
  name: 'lock.list',
  summary: 'users and networks whose codes or passwords are not judged for a while, after too many wrong ones',
  may: 'support',
  input: z.strictObject({}),
  output: z.object({ items: z.array(lock) }),
  doors: { page: '/locks', api: 'GET /locks', commandLine: 'locks list' },
  async run({ services }) {
    const items = await Promise.all(
      (await services.locks.list()).map(async ({ retryAfterSeconds: secondsLeft, ...lock }) => {
        if (lock.kind === 'network') return { ...lock, secondsLeft }
        const { kind, accountId: id } = lock
        const username = (await services.accounts.find(id))?.username ?? id
        return { kind, id, username, ...(secondsLeft === undefined ? {} : { secondsLeft }) }
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
  async run({ services, target: { user }, write }) {
    await write()
    await services.locks.forgive(user.id, user.username)
    return { username: user.username }
  },
})

export const unlockNetwork = defineOperation({
  name: 'lock.end-network',
  summary: 'judge passwords from one network again at once',
  may: 'support',
  fresh: true,
  event: 'admin.unlocked',
  input: z.strictObject({
    network: z.string().min(1).max(64).describe('As the list has it: an address, or a /64 of IPv6.'),
  }),
  output: z.object({ network: z.string() }),
  doors: { page: '/locks', api: 'POST /locks/end', commandLine: 'locks end' },
  async run({ services, input, write, fail }) {
    const { network } = input
    if (network !== 'unreadable' && parseAddress(network.replace(/\/64$/, '')) === undefined) {
      return refuse(`"${network}" is neither an address nor a /64 of IPv6.`)
    }
    await write({ details: { network } })
    if (await services.locks.forgiveNetwork(network)) return { network }
    await fail('not-locked')
    return refuse(`${network} is not locked.`)
  },
})
