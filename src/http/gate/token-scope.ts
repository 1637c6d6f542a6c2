import type { Address } from '../../access/client-address.js'
import { Scope, type ScopedRequest, type ScopeSettings } from '../../access/scope.js'
import type { CanonicalTarget } from '../../access/targets/canonical-target.js'
import type { Asked } from '../web/request-kind.js'

interface ScopedToken {
  readonly scopes: ScopeSettings
  readonly admin: boolean
}

/** By the token itself: tokens are found as copies, so a scope is compiled once for as long as its copy lives. */
const compiled = new WeakMap<ScopedToken, Scope>()

/** What a token of this kind reaches of the sites: one for the management API only those that it names. */
export function scopeOf(token: ScopedToken): Scope {
  const known = compiled.get(token)
  if (known !== undefined) return known
  const { scopes, admin } = token
  const scope = new Scope(admin && scopes.sites === undefined ? { ...scopes, sites: [] } : scopes)
  compiled.set(token, scope)
  return scope
}

export function scopedRequest(
  { headers, method = '' }: Asked,
  { target, client }: { readonly target: Pick<CanonicalTarget, 'path' | 'ways'>; readonly client: Address | undefined },
): ScopedRequest {
  return { host: headers.host, method, path: target.path, ways: target.ways, address: client }
}
