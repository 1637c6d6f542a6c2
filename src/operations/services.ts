import type { Audit } from '../audit/audit.js'
import type { SecondFactor, Store, User, UserDirectory } from '../contracts.js'
import type { Account } from '../identity/accounts/account.js'
import type { Identity } from '../identity/identity.js'
import type { Messages } from '../messages/messages.js'
import type { Sealer } from '../secrets/sealer.js'
import type { SiteView } from './installation/site-view.js'

/** What operations run over. */
export interface Services extends Identity {
  readonly store: Store
  readonly sealer: Sealer
  readonly directory: UserDirectory
  /** By the name YAML gives them. */
  readonly secondFactors: ReadonlyMap<string, SecondFactor>
  readonly audit: Audit
  readonly messages: Messages
  readonly now: () => number
  /** What is needed and others run, as this process has seen it. */
  readonly dependencies?: { all(): readonly HealthState[] }
  /** Names of the places the audit is taken to, as its entries about them have it. */
  readonly outs?: readonly string[]
  /** What the file says of sites. */
  readonly sites?: readonly SiteView[]
  /** Address of a peer that looks like a proxy whose word on clients is not believed, as this process has seen it. */
  readonly likelyProxy?: () => string | undefined
  /** What the gate would make of a request, in lines of text. Lent by the room that has the gate. */
  readonly explain?: (request: ExplainRequest) => Promise<readonly string[]>
}

/** A request nobody has sent. */
export interface ExplainRequest {
  readonly method: string
  readonly host: string
  readonly target: string
  /** Canonical. */
  readonly address: string | undefined
  readonly who?: Target & { readonly secondFactor: boolean }
}

/** How something does, as far as this process has seen. Times in ms since 1970. */
export interface HealthState {
  readonly name: string
  readonly isUp: boolean
  readonly since?: number | undefined
  readonly reason?: string | undefined
  readonly failedAt?: number | undefined
  readonly workedAt?: number | undefined
  readonly nextTryAt?: number | undefined
}

/** Whom an operation is about. */
export interface Target {
  readonly user: User
  /** Left out for somebody the directory knows who never signed in here, where the operation only looks. */
  readonly account?: Account
}
