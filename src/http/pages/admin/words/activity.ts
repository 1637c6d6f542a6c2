import { browserName } from '../../../../messages/browser-name.js'
import type { AuditView } from '../../../../operations/audit/audit-view.js'
import { wayIn, waysIn } from './ways-in.js'
import { type When, when } from './when.js'

/** An entry of the audit as a sentence: `before`, the name of the user, `after`. */
export interface ActivityLine {
  readonly before: string
  /** Empty where it is about nobody. */
  readonly name: string
  readonly after: string
  /** Whether the user did it: where from belongs into the sentence then. */
  readonly isTheirs: boolean
  /** Of the user, for a link; left out where there is none. */
  readonly id?: string
  /** How it ended, where it did not just succeed: as the badge beside it says. */
  readonly state?: 'begun' | 'refused' | 'failed'
  /** Why, in words. */
  readonly why?: string
  /** As in `Firefox on Windows`. */
  readonly browser?: string
  readonly address?: string
  readonly when: When
  /** All of the entry, as JSON. */
  readonly json: string
}

interface Reader {
  /** ms since 1970. */
  readonly now: number
  /** What a second factor is called. */
  readonly label: (method: string) => string
}

type Sentence = (entry: AuditView, label: Reader['label']) => string

/** `§` stands for the user. Of each event, or of how it ended, where that makes it another sentence. */
const sentences: Readonly<Record<string, Sentence>> = {
  'sign-in.password success': () => '§ gave the right password',
  'sign-in.password refused': ({ reason }) =>
    reason === undefined || reason === 'wrong-password' || reason === 'unknown-user'
      ? '§ gave a wrong password'
      : '§ was not let in after the password',
  'sign-in.second-factor success': ({ method }, label) => `§ gave ${way(method, label)}`,
  'sign-in.second-factor refused': ({ method }, label) => `§ gave a wrong answer for ${way(method, label)}`,
  'sign-in.link success': () => '§ opened a login link',
  'sign-in.link refused': () => '§ opened a login link that was not good any more',
  'code.sent success': (entry) => `A code or link was sent to §${sentBy(entry)}`,
  'code.sent refused': () => 'A code or link for § was not sent',
  'code.fallback': () => 'A code for § went by e-mail in place of a text message',
  'recovery-code.issued': ({ by }) => `A recovery code was made for §${bySomebody(by)}`,
  'recovery-code.used success': () => '§ used a recovery code',
  'recovery-code.used refused': () => '§ gave a wrong recovery code',
  'recovery-code.expired': () => 'The recovery code of § expired',
  'backup-code.used success': () => '§ used a backup code',
  'backup-code.used refused': () => '§ gave a wrong backup code',
  'backup-code.renewed': ({ reason }) => (reason === 'first' ? '§ got backup codes' : '§ made new backup codes'),
  'factor.enrolled': ({ method }, label) => `§ set up ${named(method, label)}`,
  'factor.removed': ({ method }, label) => `§ removed ${named(method, label)}`,
  'factor.reset': () => 'The second factors of § were reset',
  'factor.unreadable': ({ method }, label) => `What § set up (${named(method, label)}) cannot be read any more`,
  'password.changed': () => '§ changed the password',
  'account.changed': ({ details }) => `§ changed ${text(details?.['what']) ?? 'something of the account'}`,
  'session.opened': ({ method }, label) =>
    method === undefined ? '§ signed in' : `§ signed in with ${waysIn(method.split('+'), label)}`,
  'session.ended': ({ reason, session }) =>
    reason === 'replaced'
      ? 'A session of § was replaced by a newer one'
      : session === undefined
        ? '§ was signed out everywhere'
        : '§ signed out',
  'session.cleared': () => 'Sessions were cleared',
  'device.remembered': () => '§ had this browser remembered',
  'device.used': () => '§ came back with a remembered browser',
  'device.revoked': () => 'A remembered browser of § was forgotten',
  'access.denied': ({ details }) => `§ was not let through${place(details)}`,
  'api.used': ({ details }) =>
    `A program of § called${text(details?.['name']) ? ` with the token ${text(details?.['name'])}` : ''}`,
  'token.issued': ({ details }) => `A token was issued for §${calledBy(details)}`,
  'token.revoked': ({ details }) => `A token of § was revoked${calledBy(details)}`,
  'throttle.on': (entry) => locked(entry),
  'throttle.off': () => 'Tries of § are judged again',
  'config.reloaded': () => 'The configuration was loaded anew',
  'config.refused': () => 'A new configuration was refused',
  'dependency.down': ({ details }) => `${text(details?.['dependency']) ?? 'Something that is needed'} does not answer`,
  'dependency.up': ({ details }) => `${text(details?.['dependency']) ?? 'Something that is needed'} answers again`,
  'request.malformed': () => 'A request that could not be read was refused',
  'policy.changed': (entry) => policy(entry),
  'admin.user-added': ({ by }) => `§ was added${bySomebody(by)}`,
  'admin.user-deactivated': ({ by }) => `§ was deactivated${bySomebody(by)}`,
  'admin.user-activated': ({ by }) => `§ was activated${bySomebody(by)}`,
  'admin.user-role': ({ by, details }) => `The role of § was changed${to(details?.['role'])}${bySomebody(by)}`,
  'admin.user-changed': ({ by, details }) =>
    `${list(details?.['changed']) ?? 'Something'} of § was changed${bySomebody(by)}`,
  'admin.recovery-code': ({ by }) => `A recovery code was made for §${bySomebody(by)}`,
  'admin.login-link': ({ by }) => `A login link was mailed to §${bySomebody(by)}`,
  'admin.invite-link': ({ by }) => `An invitation link was made for §${bySomebody(by)}`,
  'admin.owner-link': ({ by }) => `A link for the owner § was made${bySomebody(by)}`,
  'admin.message': ({ by }) => `A message was sent to §${bySomebody(by)}`,
  'admin.second-factor-reset': ({ by }) => `The second factors of § were reset${bySomebody(by)}`,
  'admin.factor-approved': ({ by }) => `The second factor of § was approved${bySomebody(by)}`,
  'admin.factor-refused': ({ by }) => `The second factor of § was refused${bySomebody(by)}`,
  'admin.sessions-ended': ({ by }) => `All sessions of § were ended${bySomebody(by)}`,
  'admin.sessions-cleared': ({ by }) => `Sessions of many were cleared${bySomebody(by)}`,
  'admin.token-issued': ({ by, details }) => `A token was issued for §${called(details?.['token'])}${bySomebody(by)}`,
  'admin.token-revoked': ({ by }) => `A token of § was revoked${bySomebody(by)}`,
  'admin.unlocked': ({ by, details, username }) =>
    `${username === undefined ? (text(details?.['network']) ?? 'A network') : '§'} was unlocked${bySomebody(by)}`,
  'admin.test-message': ({ by }) => `A test message was sent${bySomebody(by)}`,
  'admin.import': ({ by }) => `Users were imported${bySomebody(by)}`,
  'admin.export': ({ by }) => `Users were exported${bySomebody(by)}`,
  'admin.backup': ({ by }) => `A backup was taken${bySomebody(by)}`,
  'admin.restore': ({ by }) => `A backup was restored${bySomebody(by)}`,
  'admin.keys-rotated': ({ by }) => `A new signing key was made${bySomebody(by)}`,
}

/** In words what an entry of the audit says; what only programs care for is in its JSON. */
export function activityLine(entry: AuditView, { now, label }: Reader): ActivityLine {
  const { event, outcome, time, username, accountId, nameHash, userAgent, address } = entry
  const sentence = sentences[`${event} ${outcome}`] ?? sentences[event]
  const says = sentence?.(entry, label) ?? `${event} §`
  const [before = '', ...rest] = says.split('§')
  const isAboutUser = says.includes('§')
  const name = isAboutUser ? (username ?? (nameHash === undefined ? 'somebody' : 'somebody unknown')) : ''
  const isSaid = outcome === 'success' || `${event} ${outcome}` in sentences || outcomeIsEvent.has(event)
  const state = outcome === 'intended' ? 'begun' : outcome === 'failed' ? 'failed' : 'refused'
  const why = entry.reason === undefined ? undefined : reasons[entry.reason]
  return {
    before,
    name: before === '' && username === undefined ? `${name[0]?.toUpperCase() ?? ''}${name.slice(1)}` : name,
    after: rest.join(''),
    isTheirs: before === '' && isAboutUser && !/^ (?:was|has|may) /.test(rest[0] ?? ''),
    ...(isAboutUser && username !== undefined ? { id: accountId ?? username } : {}),
    ...(isSaid ? {} : { state }),
    ...(why === undefined ? {} : { why }),
    ...(userAgent === undefined || userAgent === '' ? {} : { browser: browserName(userAgent) }),
    ...(address === undefined ? {} : { address }),
    when: when(Date.parse(time), now),
    json: JSON.stringify(entry, undefined, 2),
  }
}

/** Events that say themselves that something did not go well. */
const outcomeIsEvent: ReadonlySet<string> = new Set([
  'access.denied',
  'throttle.on',
  'dependency.down',
  'config.refused',
  'request.malformed',
  'factor.unreadable',
])

/** Those that a person wonders about; the others stand in the entry itself. */
const reasons: Readonly<Record<string, string>> = {
  'wrong-password': 'it was not the password',
  'unknown-user': 'nobody has that name',
  'another-time': 'the clock of the phone is off',
  deactivated: 'the user is deactivated',
  'api-account': 'it is an account for programs',
  policy: 'the policy lets nobody in from there',
  denied: 'they may not do that',
  'signed-out': 'they signed out',
  'password-changed': 'the password was changed',
  'awaits-approval': 'it waits for an owner',
  'all-others': 'they signed the others out',
  self: 'it is their own account',
  expired: 'it was too old',
  used: 'it was used already',
}

function way(method: string | undefined, label: Reader['label']): string {
  return method === undefined ? 'the second factor' : wayIn(method, label)
}

function named(method: string | undefined, label: Reader['label']): string {
  return method === undefined ? 'a second factor' : label(method)
}

function bySomebody(by: string | undefined): string {
  if (by === undefined) return ''
  if (by === 'command-line') return ' at the command line'
  return by === 'api' ? ' by a program' : ` by ${by}`
}

function sentBy({ details }: AuditView): string {
  const via = details?.['via']
  if (via === 'sms') return ' by text message'
  return via === 'email' ? ' by e-mail' : ''
}

function locked({ details, username, reason }: AuditView): string {
  const seconds = details?.['seconds']
  const wait = typeof seconds === 'number' ? ` for ${Math.ceil(seconds / 60)} min` : ''
  if (username !== undefined) {
    return `§ has to wait${wait}: too many wrong ${details?.['budget'] === 'second-factor' ? 'codes' : 'passwords'}`
  }
  return reason === undefined ? `Tries from a network have to wait${wait}` : `Sending was stopped: ${reason}`
}

function policy({ by, details, username }: AuditView): string {
  const who = bySomebody(by)
  const key = text(details?.['key'])
  if (key !== undefined) return `The setting ${key} was changed${to(details?.['new'])}${who}`
  if (username === undefined) return `The policy was changed${who}`
  const { what } = details ?? {}
  if (what === 'required') {
    return `A second factor was ${details?.['required'] === true ? 'required of' : 'no longer required of'} §${who}`
  }
  if (what === 'exemption') {
    if (details?.['off'] === true) return `The exemption of § was taken back${who}`
    const reason = text(details?.['reason'])
    return `§ was exempted from the second factor${who}${reason === undefined ? '' : `: ${reason}`}`
  }
  if (what === 'addresses') {
    const only = list(details?.['addresses'])
    return only === undefined ? `§ may come from anywhere now${who}` : `§ may come from ${only} only${who}`
  }
  return `The second factors that § may use were changed${who}`
}

function place(details: AuditView['details']): string {
  const site = text(details?.['site'])
  const where = site === undefined ? '' : ` to ${site}`
  const count = details?.['count']
  return typeof count === 'number' ? `${where}, ${count} times` : where
}

function calledBy(details: AuditView['details']): string {
  return `${called(details?.['name'])}${bySomebody(text(details?.['by']))}`
}

function called(name: unknown): string {
  return text(name) === undefined ? '' : `, "${text(name)}"`
}

function to(value: unknown): string {
  if (value === undefined) return ''
  const said = typeof value === 'string' ? value : JSON.stringify(value)
  return ` to ${said.length > 120 ? `${said.slice(0, 120)}…` : said}`
}

function list(value: unknown): string | undefined {
  return Array.isArray(value) && value.length > 0 ? value.join(', ') : undefined
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
