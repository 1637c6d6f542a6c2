import { z } from 'zod'
import { foldUsername } from '../../contracts.js'
import { auditView, entryView } from '../audit/audit-view.js'
import { defineOperation } from '../operation.js'
import { cursor, pageOf, paging, position } from '../paging.js'
import type { Services } from '../services.js'
import { allUsers, findUser, searchUsers } from './search.js'
import { role, type UserView, userName, userView, viewOf } from './view.js'

const filters = {
  search: z.string().max(254).optional().describe('Any part of the username, the display name or the mail address.'),
  role: role.optional(),
  status: z.enum(['active', 'deactivated']).optional(),
  secondFactor: z.enum(['some', 'none']).optional().describe('Whether one is set up.'),
  exempt: z.boolean().optional().describe('Only those who are exempt from the second factor.'),
}

const filtered = z.strictObject({ ...filters, ...paging })

type Filters = Omit<z.output<typeof filtered>, keyof typeof paging>

export const listUsers = defineOperation({
  name: 'user.list',
  summary: 'users in order of username',
  may: 'support',
  input: filtered,
  output: pageOf(userView),
  doors: { page: '/users', api: 'GET /users', commandLine: 'user list' },
  async run({ services, input: { after, limit, ...wanted } }) {
    if (wanted.role === 'owner' && wanted.status !== 'deactivated' && wanted.search === undefined) {
      return { items: (await owners(services)).filter((view) => fits(view, wanted)) }
    }
    const found: UserView[] = []
    const { search } = wanted
    let looked = 0
    let last = position(after)
    if (after === undefined && search !== undefined) {
      for (const view of await findUser(services, search)) if (fits(view, wanted)) found.push(view)
    }
    const known = new Set(found.map(({ id }) => id))
    for (;;) {
      const { people, end } = await (search === undefined
        ? allUsers(services, last, BATCH)
        : searchUsers(services, search, last, BATCH))
      for (const { user, account } of people) {
        // A filter that hardly anybody fits must not hold the store up: the page ends, and goes on from there.
        if (found.length >= limit || looked >= LOOKED) return { items: found, next: cursor(last ?? '') }
        looked += 1
        last = user.username
        const view = viewOf(user, account)
        if (!known.has(view.id) && fits(view, wanted)) found.push(view)
      }
      if (end === undefined) return { items: found }
      last = end
    }
  },
})

export const showUser = defineOperation({
  name: 'user.show',
  summary: 'everything about one user',
  may: 'support',
  input: z.strictObject({ user: userName }),
  output: userView.extend({
    secondFactors: z.array(
      z.object({
        method: z.string(),
        name: z.string(),
        createdAt: z.iso.datetime(),
        lastUsedAt: z.iso.datetime().optional(),
        kind: z.string().optional().describe('Of a passkey: what made it, as it says itself.'),
        synced: z.boolean().optional().describe('Of a passkey: whether it is copied to other devices of the user.'),
        provesUser: z.boolean().optional().describe('Of a passkey: whether it can ask who holds it.'),
      }),
    ),
    backupCodesLeft: z.int().optional(),
    locks: z
      .array(
        z.object({
          kind: z.enum(['second-factor', 'password']),
          secondsLeft: z.int().optional().describe('Left out: until a mailed link or support ends it.'),
        }),
      )
      .describe('Whether codes or passwords are not judged for a while, after too many wrong ones.'),
    recent: z.array(auditView).describe('What happened lately, newest first.'),
  }),
  doors: { page: '/users/:user', api: 'GET /users/{user}', commandLine: 'user show' },
  async run({ services, known: { user, account } }) {
    const [enrolments, recent, backupCodesLeft, locks] = await Promise.all([
      account === undefined ? [] : services.enrolments.list(account),
      services.audit.recent(user.id, 10),
      account && services.backupCodes.left(account),
      services.locks.of(user.id, user.username),
    ])
    return {
      ...viewOf(user, account),
      secondFactors: enrolments.map(({ method, name, createdAt, lastUsedAt, about }) => ({
        method,
        name,
        createdAt: new Date(createdAt).toISOString(),
        ...(lastUsedAt === undefined ? {} : { lastUsedAt: new Date(lastUsedAt).toISOString() }),
        ...(about?.kind === undefined ? {} : { kind: about.kind }),
        ...(about?.isSynced === undefined ? {} : { synced: about.isSynced }),
        ...(about?.provesUser === undefined ? {} : { provesUser: about.provesUser }),
      })),
      ...(backupCodesLeft === undefined ? {} : { backupCodesLeft }),
      locks: locks.flatMap((lock) =>
        lock.kind === 'network'
          ? []
          : [
              {
                kind: lock.kind,
                ...(lock.retryAfterSeconds === undefined ? {} : { secondsLeft: lock.retryAfterSeconds }),
              },
            ],
      ),
      recent: recent.map(entryView),
    }
  },
})

export const userActivity = defineOperation({
  name: 'user.activity',
  summary: 'what happened to one user, newest first',
  may: 'support',
  input: z.strictObject({ user: userName, limit: paging.limit }),
  output: z.object({ items: z.array(auditView) }),
  doors: { page: '/users/:user', api: 'GET /users/{user}/activity', commandLine: 'user show' },
  async run({ services, input, known }) {
    return { items: (await services.audit.recent(known.user.id, input.limit)).map(entryView) }
  },
})

/** How many are looked at for one page. */
const LOOKED = 1000
const BATCH = 100

async function owners({ directory, accounts }: Services): Promise<readonly UserView[]> {
  const found = await accounts.owners.list()
  const views = await Promise.all(
    found.map(async (account) => {
      const [user] = await directory.find({ id: account.id })
      return viewOf(user ?? { ...account, groups: [] }, account)
    }),
  )
  return views.sort((a, b) => (foldUsername(a.username) < foldUsername(b.username) ? -1 : 1))
}

function fits(view: UserView, { role, status, secondFactor, exempt }: Filters): boolean {
  if (role !== undefined && view.role !== role) return false
  if (status !== undefined && view.status !== status) return false
  if (secondFactor !== undefined && view.secondFactors.length > 0 !== (secondFactor === 'some')) return false
  return exempt !== true || view.exemption !== undefined
}
