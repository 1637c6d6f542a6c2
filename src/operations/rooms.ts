import type { Audit } from '../audit/audit.js'
import type { SecondFactor, Store, UserDirectory } from '../contracts.js'
import type { Identity } from '../identity/identity.js'
import type { Messages } from '../messages/messages.js'
import type { Standing } from './health.js'
import type { Target } from './operation.js'
import type { SiteView } from './sites.js'

/** What operations run over. */
export interface DeskRooms extends Identity {
  readonly store: Store
  readonly directory: UserDirectory
  /** By the name YAML gives them. */
  readonly secondFactors: ReadonlyMap<string, SecondFactor>
  readonly audit: Audit
  readonly messages: Messages
  readonly now: () => number
  /** What is needed and others run, as this process has seen it. */
  readonly dependencies?: { all(): readonly Standing[] }
  /** Names of the places the audit is taken to, as its entries about them have it. */
  readonly outs?: readonly string[]
  /** What the file says of sites. */
  readonly sites?: readonly SiteView[]
  /** What the gate would make of a request, in lines of text. Lent by the room that has the gate. */
  readonly explain?: (request: ImaginedRequest) => Promise<readonly string[]>
}

/** A request nobody has sent. */
export interface ImaginedRequest {
  readonly method: string
  readonly host: string
  readonly target: string
  /** Canonical. */
  readonly address: string | undefined
  readonly who?: Target & { readonly secondFactor: boolean }
}
