import type { Audit } from '../audit/audit.js'
import type { Logger, Passwords, SecondFactor, Store, UserDirectory } from '../contracts.js'
import type { Messages } from '../messages/messages.js'
import { Accounts } from './accounts.js'
import { Afterwards } from './afterwards.js'
import { ApiUse } from './api-use.js'
import { Approvals } from './approvals.js'
import { Attempts } from './attempts.js'
import { BackupCodes } from './backup-codes.js'
import { Browsers } from './browsers.js'
import { ChangePassword } from './change-password.js'
import { CodeSending } from './code-sending.js'
import { Devices } from './devices.js'
import { Enrolments } from './enrolments.js'
import { Epoch } from './epoch.js'
import { Factors } from './factors.js'
import type { GraceSettings } from './grace.js'
import { HelpDesk } from './help-desk.js'
import { Installation } from './installation.js'
import { LinkSignIn } from './link-sign-in.js'
import { Links } from './links.js'
import { Locks } from './locks.js'
import { LoginLinks } from './login-links.js'
import { NotMe, type Recover } from './not-me.js'
import { Notices } from './notices.js'
import { OwnAccount } from './own-account.js'
import { PasswordStep } from './password-step.js'
import { PendingSignIns } from './pending.js'
import { Programs } from './programs.js'
import { RecoveryCodes } from './recovery-codes.js'
import { Sealed } from './sealed.js'
import { SentCodes } from './sent-codes.js'
import { Sessions } from './sessions.js'
import { noForms } from './setting-forms.js'
import { type FileSettings, type SettingForms, Settings } from './settings.js'
import { SignIn } from './sign-in.js'
import { Support } from './support.js'
import { TokenRates } from './token-rates.js'
import { type Rate, Tokens } from './tokens.js'
import { WaysBack } from './ways-back.js'

/** Everything of this room, put together. */
export interface Identity {
  readonly accounts: Accounts
  /** The guess budgets. */
  readonly attempts: Attempts
  /** Whose guesses are not judged for a while. */
  readonly locks: Locks
  readonly enrolments: Enrolments
  /** Second factors that wait for an owner. */
  readonly approvals: Approvals
  readonly sessions: Sessions
  readonly signIn: SignIn
  readonly backupCodes: BackupCodes
  readonly recoveryCodes: RecoveryCodes
  readonly devices: Devices
  /** Backup codes while they may be shown. */
  readonly sealed: Sealed
  readonly changePassword: ChangePassword
  /** What users change about themselves. */
  readonly own: OwnAccount
  /** Mails about what happened to an account, each with a link to `notMe`. */
  readonly notices: Notices
  readonly notMe: NotMe
  readonly linkSignIn: LinkSignIn
  readonly loginLinks: LoginLinks
  readonly helpDesk: HelpDesk
  readonly support: Support
  /** App tokens of programs. */
  readonly tokens: Tokens
  /** Whom a program's `Authorization` stands for. */
  readonly programs: Programs
  readonly installation: Installation
  readonly epoch: Epoch
  /** What may be changed while the gateway runs. */
  readonly settings: Settings
  /** Resolves when nothing that was begun for a sign-in is under way any more, as a message that is being sent. */
  settled(): Promise<void>
  close(): void
}

export async function openIdentity(given: {
  store: Store
  directory: UserDirectory
  /** By the name YAML gives them, in the order they are offered. */
  factors: ReadonlyMap<string, SecondFactor>
  audit: Audit
  messages: Messages
  passwords: Passwords
  log: Logger
  /** What the YAML file says. */
  settings: FileSettings
  /** How settings are written that may be changed at run time. Left out: none may. */
  settingForms?: SettingForms
  /** How often an app token may be used that has no rate of its own. */
  tokenRate?: Rate | undefined
  /** For how long setting up a second factor that is required can be put off; left out: not at all. */
  grace?: GraceSettings | undefined
  /** Who has to agree to a second factor that a user sets up; left out: nobody. */
  approval?: 'off' | 'owner' | undefined
  /** How long a page may wait for a provider that sends, ms. Left out: as long as is bearable. */
  patience?: number
  now: () => number
}): Promise<Identity> {
  const { store, now, settings: file, settingForms: forms = noForms } = given
  const epoch = new Epoch({ store })
  await epoch.read()
  const settings = await Settings.open({ ...given, epoch, file, forms })
  const parts = { ...given, settings }
  const installation = await Installation.open({ store, epoch })
  const accounts = new Accounts({ store, epoch, now })
  const enrolments = new Enrolments({ store, accounts, now })
  const sessions = new Sessions({ ...parts, accounts, epoch, installation })
  const links = new Links({ store, accounts, installation, now })
  const loginLinks = new LoginLinks({ ...parts, links })
  const afterwards = new Afterwards(parts)
  const recover: Recover = (user, account, client) =>
    afterwards.begin('recovery', client, () => loginLinks.help(user, account, { client }))
  const notMe = new NotMe({ ...parts, accounts, sessions, recover })
  const notices = new Notices({ ...parts, notMe })
  const browsers = new Browsers({ store, notices })
  const changePassword = new ChangePassword({ ...parts, accounts, sessions, notices })
  const helpDesk = new HelpDesk({ ...parts, accounts, loginLinks, afterwards })
  const support = new Support({ ...parts, loginLinks })
  const pending = new PendingSignIns({ store, now })
  const attempts = new Attempts({ store, now })
  const locks = new Locks({ store, now })
  const codes = new SentCodes({ store, now })
  const sending = new CodeSending({ ...parts, codes, links, factors: new Factors({ ...parts, enrolments }) })
  const devices = new Devices({ ...parts, accounts, installation })
  const backupCodes = new BackupCodes({ ...parts, notices })
  const approvals = new Approvals({ ...parts, accounts, enrolments, backupCodes, devices, notices })
  const own = new OwnAccount({
    ...parts,
    accounts,
    enrolments,
    sessions,
    devices,
    backupCodes,
    changePassword,
    notices,
  })
  const recoveryCodes = new RecoveryCodes({ ...parts, accounts, devices, notices })
  const waysBack = new WaysBack({ backupCodes, recoveryCodes, pending })
  const signIn = new SignIn({
    ...parts,
    accounts,
    enrolments,
    approvals,
    sessions,
    pending,
    attempts,
    locks,
    codes,
    sending,
    notices,
    browsers,
    installation,
    devices,
    backupCodes,
    waysBack,
  })
  const tokens = new Tokens({ ...parts, accounts, epoch })
  const use = new ApiUse({ ...parts, tokens })
  const programs = new Programs({
    ...parts,
    tokens,
    rates: new TokenRates({ store, now }),
    use,
    passwordStep: new PasswordStep({ ...parts, accounts, attempts, locks, notices }),
    accounts,
    epoch,
    rate: parts.tokenRate,
  })
  const linkSignIn = new LinkSignIn({ ...parts, accounts, links, signIn, afterwards })
  return {
    accounts,
    attempts,
    locks,
    enrolments,
    approvals,
    sessions,
    signIn,
    backupCodes,
    recoveryCodes,
    devices,
    sealed: new Sealed(parts),
    changePassword,
    own,
    notices,
    notMe,
    linkSignIn,
    loginLinks,
    helpDesk,
    support,
    tokens,
    programs,
    installation,
    epoch,
    settings,
    settled: async () => {
      await Promise.all([afterwards.settled(), sending.settled(), recoveryCodes.settled(), use.settled()])
      await notices.settled()
    },
    close: () => {
      settings.close()
      installation.close()
      epoch.close()
    },
  }
}
