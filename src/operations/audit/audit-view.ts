import { z } from 'zod'
import type { KeptRecord } from '../../audit/audit.js'

/** An entry of the audit as it may be shown. */
export const auditView = z.object({
  number: z.int().optional().describe('In the chain; entries from before it have none.'),
  time: z.iso.datetime(),
  event: z.string(),
  outcome: z.enum(['success', 'refused', 'intended', 'failed']),
  username: z.string().optional(),
  accountId: z.string().optional(),
  nameHash: z.string().optional().describe('Stands for a name that was typed and that nobody has.'),
  address: z.string().optional(),
  userAgent: z.string().optional(),
  requestId: z.string().optional(),
  session: z.string().optional().describe('The beginning of its hash.'),
  method: z.string().optional(),
  reason: z.string().optional(),
  by: z.string().optional().describe('Who did it to somebody else or to the installation.'),
  details: z.record(z.string(), z.unknown()).optional(),
})

export type AuditView = z.output<typeof auditView>

export function entryView(record: KeptRecord): AuditView {
  const { number, time, event, outcome, sessionPrefix, details } = record
  const plain = [
    'username',
    'accountId',
    'nameHash',
    'address',
    'userAgent',
    'requestId',
    'method',
    'reason',
    'by',
  ] as const
  return {
    ...(number === undefined ? {} : { number }),
    time,
    event,
    outcome,
    ...Object.fromEntries(plain.flatMap((key) => (record[key] === undefined ? [] : [[key, record[key]]]))),
    ...(sessionPrefix === undefined ? {} : { session: sessionPrefix }),
    ...(details === undefined ? {} : { details }),
  }
}
