import type { Audit } from '../audit/audit.js'
import type { SecondFactor, Store, UserDirectory } from '../contracts.js'
import type { Identity } from '../identity/identity.js'
import type { Messages } from '../messages/messages.js'

/** What operations run over. */
export interface DeskRooms extends Identity {
  readonly store: Store
  readonly directory: UserDirectory
  /** By the name YAML gives them. */
  readonly secondFactors: ReadonlyMap<string, SecondFactor>
  readonly audit: Audit
  readonly messages: Messages
  readonly now: () => number
}
