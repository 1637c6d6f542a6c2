import type { Address } from '../../access/client-address.js'
import type { AccountFacts, DecideInput, SessionFacts } from '../../access/decide.js'
import type { Policy, Site } from '../../access/policy.js'
import type { Rule } from '../../access/rule.js'
import type { User } from '../../contracts.js'
import { type AccountRecord, accountFacts } from './account-facts.js'

/** Who is behind a request, as far as it is known. */
export interface Who {
  readonly session: SessionFacts & { readonly user: User }
  readonly account: AccountRecord
}

/** A request, or the look ahead at one. */
export interface JudgedFacts {
  readonly rule: Rule
  /** `undefined`: a page of ours. */
  readonly site: Site | undefined
  readonly method: string
  /** Decoded. */
  readonly path: string
  /** `undefined`: it could not be read. */
  readonly address: Address | undefined
  readonly who: Who | undefined
  /** Milliseconds since 1970. */
  readonly now: number
}

/** What `decide()` is asked about a request: the only place where it is put together. */
export function decideInput(policy: Policy, asked: JudgedFacts, assumed?: Partial<AccountFacts>): DecideInput {
  const { rule, site, method, path, address, who, now } = asked
  const { secondFactor } = policy
  const facts = who && accountFacts(who, { site: site?.host, address, now, grace: secondFactor.grace })
  return {
    rule,
    network: policy.network(address, site),
    method,
    path,
    address,
    account: facts && assumed ? { ...facts, ...assumed } : facts,
    session: who?.session,
    secondFactor,
    now,
  }
}
