import { z } from 'zod'
import { AddressRangeError, AddressRanges, parseAddress } from '../../access/client-address.js'
import type { AuditQuery, KeptRecord } from '../../audit/audit.js'
import { nameHash } from '../../identity/store/name-hash.js'
import { defineOperation, refuse } from '../operation.js'
import { pageOf, paging } from '../paging.js'
import type { Services } from '../services.js'
import { auditView, entryView } from './audit-view.js'

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
    address: z.string().max(64).optional().describe('One, or a network like 203.0.113.0/24.'),
    since: day.optional(),
    until: day.optional().describe('A day counts to its end, in UTC.'),
    ...paging,
  }),
  output: pageOf(auditView),
  doors: { page: '/audit', api: 'GET /audit', commandLine: 'audit search' },
  async run({ services, input: { who, event, outcome, address, since, until, after, limit } }) {
    const where = address === undefined ? {} : placeOf(address)
    if (where === undefined) return refuse(`"${address}" is neither an address nor a network.`, 'no-address')
    const query: AuditQuery = {
      ...(who === undefined ? {} : { whose: await idsOf(services, who) }),
      ...(event === undefined ? {} : { event }),
      ...(outcome === undefined ? {} : { outcome }),
      ...where,
      ...(since === undefined ? {} : { since: Date.parse(since) }),
      ...(until === undefined ? {} : { until: Date.parse(until) + (until.includes('T') ? 0 : DAY_MS) }),
    }
    const { entries, next } = await services.audit.search(query, { limit, after })
    return { items: entries.map(entryView), ...(next === undefined ? {} : { next }) }
  },
})

function placeOf(text: string): Pick<AuditQuery, 'address' | 'fits'> | undefined {
  const one = parseAddress(text)
  if (one !== undefined) return { address: one.text }
  try {
    const ranges = AddressRanges.parse([text])
    const fits = ({ address }: KeptRecord) => {
      const from = address === undefined ? undefined : parseAddress(address)
      return from !== undefined && ranges.has(from)
    }
    return { fits }
  } catch (error) {
    if (error instanceof AddressRangeError) return undefined
    throw error
  }
}

const DAY_MS = 24 * 60 * 60_000

/** Under the account, and from before there was one. */
async function idsOf({ directory, accounts }: Services, who: string): Promise<readonly string[]> {
  const found = [...(await directory.find({ id: who })), ...(await directory.find({ username: who }))]
  const gone = (await accounts.named(who))?.id
  // Each once: an entry would be found as often as its id is asked for.
  return [...new Set([...found.map(({ id }) => id), ...(gone === undefined ? [] : [gone]), nameHash(who)])]
}
