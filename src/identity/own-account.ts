import type { Audit, AuditRecord } from '../audit/audit.js'
import type { Accounts } from './accounts.js'
import type { ChangePassword } from './change-password.js'
import type { Enrolments } from './enrolments.js'
import { type MissingProof, missingProof } from './fresh-proof.js'
import { OwnContact, type OwnContactParts } from './own-contact.js'
import { OwnFactors } from './own-factors.js'
import { OwnPassword } from './own-password.js'
import { OwnSessions } from './own-sessions.js'
import type { OpenSession } from './sessions.js'

/** What users see of their own account, and may change. */
export class OwnAccount {
  readonly password: OwnPassword
  readonly contact: OwnContact
  readonly factors: OwnFactors
  readonly sessions: OwnSessions
  readonly #audit: Audit
  readonly #now: () => number

  constructor(parts: OwnContactParts & { accounts: Accounts; enrolments: Enrolments; changePassword: ChangePassword }) {
    this.password = new OwnPassword(parts)
    this.contact = new OwnContact(parts)
    this.factors = new OwnFactors(parts)
    this.sessions = new OwnSessions(parts)
    this.#audit = parts.audit
    this.#now = parts.now
  }

  /** What has to be proven again before anything can be changed. */
  missingProof(open: OpenSession): MissingProof | undefined {
    return missingProof(open, this.#now())
  }

  /** What happened lately, newest first. */
  recent({ session }: OpenSession): Promise<readonly AuditRecord[]> {
    return this.#audit.recent(session.accountId, SHOWN)
  }
}

const SHOWN = 50
