import { type Address, networkKey, parseAddress } from '../../access/client-address.js'
import type { SiteSettings } from '../../access/policy.js'
import type { DeniedRequest } from '../../audit/denied-requests.js'
import { errors } from '../../errors.js'
import { isPageLoad } from '../web/request-kind.js'
import type { Gate, Judgeable, Judged, Refused, Verdict } from './gate.js'
import { refusalTo } from './refusal.js'

/** What is written down about a request that may not pass: never its path or query, which may carry secrets. */
export function deniedRequest(
  gate: Pick<Gate, 'client'>,
  request: Judgeable,
  requestId: string,
  verdict: Judged<SiteSettings> | Refused,
): DeniedRequest {
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
    ...(observed === undefined && refusalTo(request, verdict)?.page !== undefined && isPageLoad(request)
      ? { isLed: true as const }
      : {}),
  }
}

/** Who sent what could not be read: there may be no request to ask, only the peer of a socket. */
export function whereFrom(address: Address | string | undefined): { address: string; network: string } {
  const known = typeof address === 'string' ? parseAddress(address) : address
  return { address: known?.text ?? 'unreadable', network: networkKey(known) }
}

/** Told of a denied request. @param denied the judgement, or the refusal of what could not be judged */
export type OnDenied = (request: Judgeable, requestId: string, denied: Exclude<Verdict, { kind: 'own' }>) => void

/** Tells whether a request may not pass, or would not if its site were enforced. */
export function isDenied<S extends SiteSettings>(verdict: Verdict<S>): verdict is Exclude<Verdict<S>, { kind: 'own' }> {
  if (verdict.kind !== 'judged') return verdict.kind === 'refused'
  return verdict.decision.outcome !== 'allow' || verdict.observed !== undefined
}
