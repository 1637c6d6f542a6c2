import { rangesOf } from '../../access/address-list.js'
import type { Address } from '../../access/client-address.js'
import type { AccountFacts, SessionFacts } from '../../access/decide.js'
import type { GracePolicy } from '../../access/policy.js'
import type { User } from '../../contracts.js'
import { isWithinGrace } from '../../identity/second-factors/enrolment-grace.js'

/** What the gate needs of an account, as the identity room keeps it. */
export interface AccountRecord {
  readonly status: string
  readonly role: AccountFacts['role']
  readonly required: boolean
  readonly enrolled: readonly { readonly method: string }[]
  readonly exemption?: {
    readonly sites?: readonly string[]
    readonly networks?: readonly string[]
    readonly until?: number
  }
  readonly addresses?: readonly string[]
  readonly methodsOff?: readonly string[]
  readonly grace?: { readonly from: number; readonly signIns: number }
}

/** What the facts depend on besides the account. */
export interface AccountCircumstances {
  /** The host of the site, as {@link Site} compares it; `undefined` for a site of any host. */
  readonly site: string | undefined
  /** `undefined`: it could not be read. */
  readonly address: Address | undefined
  /** Milliseconds since 1970. */
  readonly now: number
  /** As the installation gives it. */
  readonly grace?: GracePolicy | undefined
}

/** What policy asks to know of an account and its user, for one request. */
export function accountFacts(
  { session, account }: { readonly session: SessionFacts & { readonly user: User }; readonly account: AccountRecord },
  circumstances: AccountCircumstances,
): AccountFacts {
  const { addresses, exemption } = account
  return {
    active: account.status === 'active',
    role: account.role,
    groups: session.user.groups,
    username: session.user.username,
    required: account.required,
    enrolled: isEnrolled(account, session),
    addresses: addresses === undefined ? undefined : rangesOf(addresses),
    exempt: exemption !== undefined && isExempt(exemption, circumstances),
    grace: isWithinGrace(circumstances.grace, account.grace, circumstances.now),
  }
}

/** A method that was switched off counts no more from the next sign-in on: what was proven before stays proven. */
function isEnrolled({ enrolled, methodsOff }: AccountRecord, session: SessionFacts): boolean {
  if (methodsOff === undefined || enrolled.length === 0) return enrolled.length > 0
  if (session.secondFactorAt !== undefined || session.deviceAt !== undefined) return true
  return enrolled.some(({ method }) => !methodsOff.includes(method))
}

function isExempt(
  { sites, networks, until }: NonNullable<AccountRecord['exemption']>,
  { site, address, now }: AccountCircumstances,
): boolean {
  if (until !== undefined && now >= until) return false
  // A site of any host goes by what the client says its host is: no exemption is built on that.
  if (sites !== undefined && (site === undefined || !sites.includes(site))) return false
  return networks === undefined || (address !== undefined && rangesOf(networks).has(address))
}
