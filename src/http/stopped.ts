import { type Address, networkKey, parseAddress } from '../access/client-address.js'
import type { SiteSettings } from '../access/policy.js'
import type { StoppedRequest } from '../audit/refusals.js'
import { type ErrorCode, errors } from '../errors.js'
import type { Gate, Judgeable, Judged, Refused } from './gate.js'

/** What is written down about a request that may not pass: never its path or query, which may carry secrets. */
export function stoppedRequest(
  gate: Pick<Gate, 'client'>,
  request: Judgeable,
  requestId: string,
  verdict: Judged<SiteSettings> | Refused,
): StoppedRequest {
  const address = verdict.kind === 'judged' ? verdict.client : gate.client(request)
  const common = {
    requestId,
    ...whereFrom(address),
    userAgent: request.headers['user-agent'] ?? '',
    method: request.method ?? '',
  }
  if (verdict.kind === 'refused') {
    return { ...common, outcome: 'deny', reason: errors[verdict.error].sentence, enforced: true }
  }
  const { site, observed } = verdict
  const { decision, session } = observed ?? verdict
  const { rule, row, because, reason, outcome, line } = decision
  return {
    ...common,
    site: `${site.host ?? '*'}${site.path}`,
    ...(session === undefined
      ? {}
      : {
          accountId: session.session.user.id,
          username: session.session.user.username,
          sessionPrefix: session.session.id.slice(0, 8),
        }),
    outcome,
    row,
    because,
    reason,
    rule: { path: rule.path, access: rule.access, ...(rule.line === undefined ? {} : { line: rule.line }) },
    ...(line === undefined ? {} : { line }),
    enforced: observed === undefined,
  }
}

/** Whether an error says that a request could not be understood, and not that it may not or that we could not. */
export function isMalformed(code: ErrorCode): boolean {
  return malformed.has(code)
}

const malformed: ReadonlySet<ErrorCode> = new Set([
  'request.malformed',
  'request.target',
  'request.host',
  'request.headers-too-large',
])

/** Who sent what could not be read: there may be no request to ask, only the peer of a socket. */
export function whereFrom(address: Address | string | undefined): { address: string; network: string } {
  const known = typeof address === 'string' ? parseAddress(address) : address
  return { address: known?.text ?? 'unreadable', network: networkKey(known) }
}
