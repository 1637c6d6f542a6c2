import type { Address } from '../../access/client-address.js'
import type { Policy, Site, SiteSettings } from '../../access/policy.js'
import type { Rule } from '../../access/rule.js'
import type { PathToRead } from '../../access/targets/path-readings.js'
import { type Asked, hasBody } from '../web/request-kind.js'

/**
 * The rule a CORS preflight passes by: browsers send it without credentials (Fetch standard, 4.8), so it passes like a
 * public request where the rule for the request it asks about says `preflight: pass`. What a rule for `OPTIONS` itself
 * denies stays denied, and so does every client of a denied network.
 * @returns `undefined` for everything else
 */
export function preflightRule<S extends SiteSettings>(
  policy: Policy<S>,
  site: Site<S>,
  path: PathToRead,
  request: Asked,
  client: Address | undefined,
): Rule | undefined {
  if (request.method !== 'OPTIONS') return undefined
  const { origin, authorization, 'access-control-request-method': wanted } = request.headers
  if (origin === undefined || authorization !== undefined || wanted === undefined || hasBody(request)) return undefined
  if (!/^[A-Za-z-]{1,31}$/.test(wanted)) return undefined
  const rule = policy.rule(site, path, wanted, client)
  if (![rule, ...(rule.also ?? [])].every(({ preflight }) => preflight === 'pass')) return undefined
  const own = policy.rule(site, path, 'OPTIONS', client)
  if ([own, ...(own.also ?? [])].some(({ access }) => access === 'deny')) return undefined
  const { also: _, ...plain } = rule
  return { ...plain, access: 'public' }
}
