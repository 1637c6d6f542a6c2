import { z } from 'zod'
import type { AuditRecord } from '../audit/audit.js'

/** An entry of the audit as it may be shown. */
export const auditView = z.object({
  time: z.iso.datetime(),
  event: z.string(),
  outcome: z.enum(['success', 'refused', 'intended', 'failed']),
  username: z.string().optional(),
  accountId: z.string().optional(),
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

export function entryView(record: AuditRecord): AuditView {
  const { time, event, outcome, sessionPrefix, details } = record
  const plain = ['username', 'accountId', 'address', 'userAgent', 'requestId', 'method', 'reason', 'by'] as const
  return {
    time,
    event,
    outcome,
    ...Object.fromEntries(plain.flatMap((key) => (record[key] === undefined ? [] : [[key, record[key]]]))),
    ...(sessionPrefix === undefined ? {} : { session: sessionPrefix }),
    ...(details === undefined ? {} : { details }),
  }
}
