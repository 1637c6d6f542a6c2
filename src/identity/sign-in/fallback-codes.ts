import type { User } from '../../contracts.js'
import type { Account } from '../accounts/account.js'
import type { BackupCodes } from '../second-factors/backup-codes.js'
import type { RecoveryCodes } from '../second-factors/recovery-codes.js'
import type { PendingSignIn, PendingSignIns } from '../sessions/pending-sign-ins.js'
import type { ClientFacts } from '../store/client-facts.js'
import type { Judge } from './answer-check.js'

/** What may be given in place of the second factor, by whoever has none at hand. */
export type FallbackCode = 'backup-code' | 'recovery-code'

/** Judges what is given in place of a second factor, within the one budget of guesses of the account. */
export class FallbackCodes {
  readonly #backupCodes: BackupCodes
  readonly #recoveryCodes: RecoveryCodes
  readonly #pending: PendingSignIns

  constructor(parts: { backupCodes: BackupCodes; recoveryCodes: RecoveryCodes; pending: PendingSignIns }) {
    this.#backupCodes = parts.backupCodes
    this.#recoveryCodes = parts.recoveryCodes
    this.#pending = parts.pending
  }

  judge(way: FallbackCode, { pending, account }: Standing, client: ClientFacts): Judge {
    const about = { pending, account, user: pending.user, client }
    return (answer) => (way === 'backup-code' ? this.#backupCode(about, answer) : this.#recoveryCode(about, answer))
  }

  async #backupCode({ pending, account, user, client }: About, answer: string): ReturnType<Judge> {
    const left = await this.#backupCodes.spend(account, answer)
    if (left === undefined) return undefined
    return async () => {
      if (!(await this.#pending.win(pending))) return false
      await this.#backupCodes.used(account, user, left, client)
      return true
    }
  }

  async #recoveryCode({ pending, account, user, client }: About, answer: string): ReturnType<Judge> {
    const spend = await this.#recoveryCodes.judge(account, answer, client)
    if (spend === undefined) return undefined
    return async () => {
      if (!(await spend()) || !(await this.#pending.win(pending))) return false
      await this.#recoveryCodes.used(account, user, client)
      return true
    }
  }
}

interface Standing {
  readonly pending: PendingSignIn
  readonly account: Account
}

interface About extends Standing {
  readonly user: User
  readonly client: ClientFacts
}
