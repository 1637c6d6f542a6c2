import type { Role } from '../identity/accounts/account.js'
import type { AdminScope } from '../identity/api-clients/app-tokens.js'
import type { Actor, Operation } from './operation.js'

/** What the one check of rights says. */
export type Right = 'allowed' | 'denied' | 'scope' | 'own-account' | 'unproven'

/**
 * Whether this actor may ask for this operation on that account. The only place that knows who may do what:
 *
 * - users and API accounts may nothing; an app token with the `admin` scope comes as the owner or the support it belongs to;
 * - support may help users, and users alone: no owner, no other support, no API account;
 * - a program changes owners, and copies the store, only with a token that was issued for that;
 * - what lets somebody in another way is not for one's own account, whoever one is;
 * - sensitive operations want both factors proven a moment ago.
 */
export function rightTo(
  { may, event, fresh, notSelf, scope }: Pick<Operation, 'may' | 'event' | 'fresh' | 'notSelf' | 'scope'>,
  { role, account, isFresh, adminScopes }: Pick<Actor, 'role' | 'account' | 'isFresh' | 'adminScopes'>,
  target?: { readonly id: string; readonly role: Role },
): Right {
  if (role !== 'owner' && role !== 'support') return 'denied'
  if (role === 'support') {
    if (may === 'owner') return 'denied'
    if (event !== undefined && target !== undefined && target.role !== 'user') return 'denied'
  }
  if (scope !== undefined && lacksScope({ adminScopes }, scope)) return 'scope'
  if (event !== undefined && target?.role === 'owner' && lacksScope({ adminScopes }, 'owners')) return 'scope'
  if (notSelf && target !== undefined && target.id === account?.id) return 'own-account'
  return fresh && !isFresh ? 'unproven' : 'allowed'
}

/** Whether somebody came with a token that was not issued for this. */
export function lacksScope({ adminScopes }: Pick<Actor, 'adminScopes'>, scope: AdminScope): boolean {
  return adminScopes !== undefined && !adminScopes.includes(scope)
}
