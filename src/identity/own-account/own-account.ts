import type { AuditRecord } from '../../audit/audit.js'
import type { Accounts } from '../accounts/accounts.js'
import type { BackupCodes } from '../second-factors/backup-codes.js'
import type { Enrolments } from '../second-factors/enrolments.js'
import { type MissingProof, missingProof } from '../sessions/fresh-proof.js'
import type { RememberedDevices } from '../sessions/remembered-devices.js'
import type { OpenSession } from '../sessions/sessions.js'
import type { ChangePassword } from './change-password.js'
import { OwnContact, type OwnContactParts } from './own-contact.js'
import { OwnFactors } from './own-factors.js'
import { OwnPassword } from './own-password.js'
import { OwnSessions } from './own-sessions.js'

interface OwnAccountParts extends OwnContactParts {
  readonly accounts: Accounts
  readonly enrolments: Enrolments
  readonly changePassword: ChangePassword
  readonly devices: RememberedDevices
  readonly backupCodes: Pick<BackupCodes, 'left'>
}

/** What users see of their own account, and may change. */
export class OwnAccount {
  readonly password: OwnPassword
  readonly contact: OwnContact
  readonly factors: OwnFactors
  readonly sessions: OwnSessions
  readonly #parts: OwnAccountParts

  constructor(parts: OwnAccountParts) {
    this.password = new OwnPassword(parts)
    this.contact = new OwnContact(parts)
    this.factors = new OwnFactors(parts)
    this.sessions = new OwnSessions(parts)
    this.#parts = parts
  }

  /** What has to be proven again before anything can be changed. */
  missingProof(open: OpenSession): MissingProof | undefined {
    return missingProof(open, this.#parts.now())
  }

  /** How many backup codes are left; `undefined` when there are none to speak of. */
  backupCodesLeft({ account }: OpenSession): Promise<number | undefined> {
    return this.#parts.backupCodes.left(account)
  }

  /** What happened lately, newest first. */
  recent({ session }: OpenSession): Promise<readonly AuditRecord[]> {
    return this.#parts.audit.recent(session.accountId, SHOWN)
  }
}

const SHOWN = 50
