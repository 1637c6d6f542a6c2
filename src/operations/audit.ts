import { z } from 'zod'
import { parseAddress } from '../access/client-address.js'
import type { AuditQuery } from '../audit/audit.js'
import { nameHash } from '../identity/names.js'
import { auditView, entryView } from './audit-view.js'
import { defineOperation, refuse } from './operation.js'
import { pageOf, paging } from './pages.js'
import type { DeskRooms } from './rooms.js'

const day = z.union([z.iso.date(), z.iso.datetime({ offset: true })])

export const searchAudit = defineOperation({
  name: 'audit.search',
  summary: 'entries of the audit that fit everything named, the newest first',
  may: 'owner',
  input: z.strictObject({
    who: z.string().max(256).optional().describe('Whom it is about: a username, or an id.'),
    event: z
      .string()
      .regex(/^[a-z.*-]{1,60}$/, 'An event is a word like session.opened or admin.*')
      .optional(),
    outcome: z.enum(['success', 'refused', 'intended', 'failed']).optional(),
    address: z.string().max(64).optional(),
    since: day.optional(),
    until: day.optional().describe('A day counts to its end, in UTC.'),
    ...paging,
  }),
  output: pageOf(auditView),
  doors: { page: '/audit', api: 'GET /audit', commandLine: 'audit search' },
  async run({ rooms, input: { who, event, outcome, address, since, until, after, limit } }) {
    const from = address === undefined ? undefined : parseAddress(address)
    if (address !== undefined && from === undefined) return refuse(`"${address}" is no address.`)
    const query: AuditQuery = {
      ...(who === undefined ? {} : { whose: await idsOf(rooms, who) }),
      ...(event === undefined ? {} : { event }),
      ...(outcome === undefined ? {} : { outcome }),
      ...(from === undefined ? {} : { address: from.text }),
      ...(since === undefined ? {} : { since: Date.parse(since) }),
      ...(until === undefined ? {} : { until: Date.parse(until) + (until.includes('T') ? 0 : DAY_MS) }),
    }
    const { entries, next } = await rooms.audit.search(query, { limit, after })
    return { items: entries.map(entryView), ...(next === undefined ? {} : { next }) }
  },
})

const DAY_MS = 24 * 60 * 60_000

/** Under the account, and from before there was one. */
async function idsOf({ directory, accounts }: DeskRooms, who: string): Promise<readonly string[]> {
  const found = [...(await directory.find({ id: who })), ...(await directory.find({ username: who }))]
  const gone = (await accounts.named(who))?.id
  return [...found.map(({ id }) => id), ...(gone === undefined ? [] : [gone]), nameHash(who)]
}
