import type { Audit } from '../audit/audit.js'
import type { DeniedRequests } from '../audit/denied-requests.js'
import type { Logger, Passwords, SecondFactor, Store, UserDirectory } from '../contracts.js'
import type { Messages } from '../messages/messages.js'
import type { Sealer } from '../secrets/sealer.js'
import { withoutTokens } from './accounts/account.js'
import { Accounts } from './accounts/accounts.js'
import { FirstOwner } from './accounts/first-owner.js'
import { ApiClients } from './api-clients/api-clients.js'
import { AppTokens, type Rate } from './api-clients/app-tokens.js'
import { TokenRates } from './api-clients/token-rates.js'
import { TokenUse } from './api-clients/token-use.js'
import { Attempts } from './attempts/attempts.js'
import { Locks } from './attempts/locks.js'
import { SpentForms } from './attempts/spent-forms.js'
import { Links } from './links/links.js'
import { LoginLinks } from './links/login-links.js'
import { HelpDesk } from './notices/help-desk.js'
import { KnownBrowsers } from './notices/known-browsers.js'
import { type Disable, NotMe, type Recover } from './notices/not-me.js'
import { Notices } from './notices/notices.js'
import { SupportMails } from './notices/support-mails.js'
import { ChangePassword } from './own-account/change-password.js'
import { OwnAccount } from './own-account/own-account.js'
import { Approvals } from './second-factors/approvals.js'
import { BackupCodes } from './second-factors/backup-codes.js'
import { CodeSending } from './second-factors/code-sending.js'
import type { GraceSettings } from './second-factors/enrolment-grace.js'
import { Enrolments, named } from './second-factors/enrolments.js'
import { Factors } from './second-factors/factors.js'
import { RecoveryCodes } from './second-factors/recovery-codes.js'
import { SentCodes } from './second-factors/sent-codes.js'
import { PendingSignIns } from './sessions/pending-sign-ins.js'
import { Recheck } from './sessions/recheck.js'
import { RememberedDevices } from './sessions/remembered-devices.js'
import { Sessions } from './sessions/sessions.js'
import { Tickets } from './sessions/tickets.js'
import { WaitingForms } from './sessions/waiting-forms.js'
import { BrowserSignIn } from './sign-in/browser-sign-in.js'
import { FallbackCodes } from './sign-in/fallback-codes.js'
import { LinkSignIn } from './sign-in/link-sign-in.js'
import { PasswordCheck } from './sign-in/password-check.js'
import { SignIn } from './sign-in/sign-in.js'
import { AfterAnswer } from './store/after-answer.js'
import { Epoch } from './store/epoch.js'
import { Installation } from './store/installation.js'
import { Sealed } from './store/sealed.js'
import { noForms } from './store/setting-forms.js'
import { type FileSettings, RuntimeSettings, type SettingForms } from './store/settings.js'

/** Everything of this room, put together. */
export interface Identity {
  readonly accounts: Accounts
  /** The way in while nobody is an owner. */
  readonly firstOwner: FirstOwner
  /** The guess budgets. */
  readonly attempts: Attempts
  /** Whose guesses are not judged for a while. */
  readonly locks: Locks
  readonly enrolments: Enrolments
  /** Second factors that wait for an owner. */
  readonly approvals: Approvals
  readonly sessions: Sessions
  /** What carries a sign-in from the portal to another host. */
  readonly tickets: Tickets
  readonly signIn: SignIn
  readonly backupCodes: BackupCodes
  readonly recoveryCodes: RecoveryCodes
  readonly devices: RememberedDevices
  readonly knownBrowsers: KnownBrowsers
  /** Backup codes while they may be shown. */
  readonly sealed: Sealed
  /** Forms that wait for a proof of their own. */
  readonly waitingForms: WaitingForms
  readonly changePassword: ChangePassword
  /** What users change about themselves. */
  readonly own: OwnAccount
  /** Mails about what happened to an account, each with a link to `notMe`. */
  readonly notices: Notices
  readonly notMe: NotMe
  /** Tokens of forms that anybody may send: each is good for one. */
  readonly spentForms: SpentForms
  readonly linkSignIn: LinkSignIn
  /** Signing in by a passkey, without a username. */
  readonly browserSignIn: BrowserSignIn
  readonly loginLinks: LoginLinks
  readonly helpDesk: HelpDesk
  readonly support: SupportMails
  /** App tokens of programs. */
  readonly tokens: AppTokens
  /** Whom a program's `Authorization` stands for. */
  readonly programs: ApiClients
  readonly installation: Installation
  readonly epoch: Epoch
  /** What may be changed while the gateway runs. */
  readonly settings: RuntimeSettings
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
  /** Writes down what strangers did in numbers, not one by one. Left out: one by one. */
  refusals?: Pick<DeniedRequests, 'condense'>
  passwords: Passwords
  log: Logger
  /** Seals what of all this is a secret that has to be read again. */
  sealer: Sealer
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
  /** How often the directory is asked again about the user of this id while somebody is signed in; left out: not at all. */
  recheckSeconds?: ((accountId: string) => number | undefined) | undefined
  /** Whether people may type their mail address for their username; left out: no. */
  byEmail?: boolean | undefined
  /** How long a page may wait for a provider that sends, ms. Left out: as long as is bearable. */
  patience?: number
  now: () => number
}): Promise<Identity> {
  const { store, now, settings: file, settingForms: forms = noForms } = given
  const epoch = new Epoch({ store })
  await epoch.read()
  const settings = await RuntimeSettings.open({ ...given, epoch, file, forms })
  const parts = { ...given, settings }
  const installation = await Installation.open({ ...given, epoch })
  const accounts = new Accounts({ store, epoch, now })
  const firstOwner = new FirstOwner({ ...parts, accounts })
  const enrolments = new Enrolments({ ...given, accounts })
  const recheck = new Recheck({
    ...parts,
    gone: async (accountId) => {
      const reason = 'gone-from-directory'
      await sessions.endAll(accountId, { reason })
      await accounts.change(accountId, withoutTokens)
      await devices.revokeAll(accountId, { reason })
    },
    found: (user) => sessions.follow(user),
  })
  const sessions = new Sessions({ ...parts, accounts, epoch, installation, recheck })
  const links = new Links({ store, accounts, installation, now })
  const loginLinks = new LoginLinks({ ...parts, links })
  const afterAnswer = new AfterAnswer(parts)
  const recover: Recover = (user, account, client) =>
    afterAnswer.begin('recovery', client, () => loginLinks.help(user, account, { client, isProven: true }))
  const disable: Disable = async (accountId, id, client) => {
    const removed = await enrolments.disable(accountId, id)
    if (removed === undefined) return
    const entry = { accountId, method: removed.method, ...named(removed), client, reason: 'not-me' }
    await parts.audit.record({ event: 'factor.removed', outcome: 'success', ...entry })
  }
  const notMe = new NotMe({ ...parts, accounts, sessions, recover, disable })
  const notices = new Notices({ ...parts, notMe })
  const knownBrowsers = new KnownBrowsers({ store, notices, installation })
  const changePassword = new ChangePassword({ ...parts, accounts, sessions, notices })
  const helpDesk = new HelpDesk({ ...parts, accounts, loginLinks, afterAnswer })
  const support = new SupportMails({ ...parts, loginLinks })
  const pending = new PendingSignIns(given)
  const attempts = new Attempts({ store, now })
  const locks = new Locks({ store, now })
  const codes = new SentCodes({ store, now })
  const sending = new CodeSending({ ...parts, codes, links, factors: new Factors({ ...parts, enrolments }) })
  const devices = new RememberedDevices({ ...parts, accounts, installation })
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
  const fallbackCodes = new FallbackCodes({ backupCodes, recoveryCodes, pending })
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
    knownBrowsers,
    installation,
    devices,
    backupCodes,
    fallbackCodes,
  })
  const tokens = new AppTokens({ ...parts, accounts, epoch, missing: (accountId) => recheck.missing(accountId) })
  const use = new TokenUse({ ...parts, tokens })
  const programs = new ApiClients({
    ...parts,
    tokens,
    rates: new TokenRates({ store, now }),
    use,
    passwordCheck: new PasswordCheck({ ...parts, accounts, attempts, locks, notices }),
    accounts,
    epoch,
    rate: parts.tokenRate,
  })
  const spentForms = new SpentForms({ store })
  const browserSignIn = new BrowserSignIn({ ...parts, accounts, enrolments, signIn, spentForms, notices, installation })
  const linkSignIn = new LinkSignIn({ ...parts, accounts, links, signIn, afterAnswer, locks })
  return {
    accounts,
    firstOwner,
    attempts,
    locks,
    enrolments,
    approvals,
    sessions,
    tickets: new Tickets({ store, now }),
    signIn,
    backupCodes,
    recoveryCodes,
    devices,
    knownBrowsers,
    sealed: new Sealed(parts),
    waitingForms: new WaitingForms(parts),
    changePassword,
    own,
    notices,
    notMe,
    spentForms,
    linkSignIn,
    browserSignIn,
    loginLinks,
    helpDesk,
    support,
    tokens,
    programs,
    installation,
    epoch,
    settings,
    settled: async () => {
      await Promise.all([afterAnswer.settled(), sending.settled(), recoveryCodes.settled(), use.settled()])
      await recheck.settled()
      await notices.settled()
    },
    close: () => {
      settings.close()
      installation.close()
      epoch.close()
    },
  }
}
