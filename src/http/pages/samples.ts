import { adminSamples } from './admin/samples.js'

const sampleTime = { words: '21 November 2026 at 21:40 UTC', iso: '2026-11-21T21:40:00.000Z' }

/** One set of data for every page, in every turn a page can take: what a template may count on. */

const totp = { id: 'totp', use: 'totp', label: 'Authenticator app', address: '/' }
const sms = { id: 'sms', use: 'sms', label: 'Text message', sends: 'code', to: '...671', address: '/' }
const passkey = { id: 'passkey', use: 'passkey', label: 'Passkey or security key', asks: 'browser', address: '/' }
const other = { id: 'other', use: 'hardware', label: 'Hardware token', address: '/' }

const always = {
  productName: 'Sample',
  brand: {},
  prefix: '/.gatelodge',
  lang: 'en',
  dir: 'ltr',
  asset: (name: string) => `/.gatelodge/assets/sample/${name}`,
  carried: (path: string) => path,
  token: 'sample',
  returnTo: '/',
  username: 'ada',
  startAgain: '/.gatelodge/sign-in',
}

/** Template name and data, several for a page that has several faces. */
export function samples(
  secondFactor: (use: string, step: 'verify' | 'enrol') => string,
): ReadonlyArray<readonly [name: string, data: object]> {
  const verify = {
    ...always,
    method: totp,
    otherMethods: [],
    show: null,
    triesLeft: 5,
    partial: secondFactor('totp', 'verify'),
    asks: true,
    backupCodePage: '/',
    hasOtherWay: false,
  }
  const confirms = {
    what: 'Make a user an owner, support, a plain user or a program',
    details: [
      ['user', 'augusta.ada.king-noel.countess-of-lovelace@analytical-engines.example.com'],
      ['role', 'owner'],
    ],
  }
  const choose = { ...always, required: true, methods: [totp, other] }
  const enrol = {
    ...always,
    required: true,
    method: totp,
    show: { uri: 'otpauth://totp/sample', key: 'ABCD EFGH IJKL MNOP', qr: { size: 25, path: 'M0 0h1v1h-1z' } },
    triesLeft: 5,
    partial: secondFactor('totp', 'enrol'),
    asks: true,
    hasOtherWay: false,
  }
  const asked = (step: 'verify' | 'enrol') => ({
    method: passkey,
    show: null,
    partial: secondFactor('passkey', step),
    question: '{}',
    script: always.asset('passkeys.js'),
    here: '/',
    nonce: 'sample',
    typedName: '',
  })
  const apps = { ...always, here: '/', entries: [], shown: 0, search: '', isSearchable: false }
  const entry = { address: '/', icon: undefined, asks: undefined, isHidden: false }
  const appEntries = [
    { ...entry, name: 'Customers', initial: 'C', icon: '/.gatelodge/assets/sample/icon.svg' },
    { ...entry, name: 'Invoices', initial: 'I', asks: 'second-factor' },
    { ...entry, name: 'Payroll of the whole of the Riverside Group of Companies', initial: 'P', asks: 'enrol' },
    { ...entry, name: 'Wiki', initial: 'W', asks: 'again' },
  ]
  const hide = (shown: object) => ({ ...shown, isHidden: true })
  const account = { ...always, methods: [] }
  const link = { ...always, link: 'sample', kind: 'login' }
  const forms = { tokenForUsernames: 'token', username: '', email: '', again: '/', signIn: '/' }
  const setup = { ...link, email: 'ada@example.com', shortest: 15, sendsMail: false }
  const help = { ...always, ...forms, isOpen: true, isSent: false }
  const time = { words: '21 November 2026 at 21:40 UTC', iso: '2026-11-21T21:40:00.000Z' }
  const factor = { id: 'a', name: 'Phone', label: 'Authenticator app', since: time, address: '/', isPreferred: true }
  const manage = { ...always, factor, isLast: true, isRequired: true, typed: 'Phone' }
  const contact = { ...always, isPossible: true, email: 'ada@example.com', mobile: '' }
  const hosts = ['crm.example.com', 'wiki.example.org']
  const session = { id: 'a', isHere: true, browser: 'Firefox on Linux', address: '192.0.2.1', since: time, hosts }
  const wayBack = {
    ...always,
    triesLeft: 5,
    recoveryCodeOnly: false,
    codePage: '/',
    backupCodePage: '/',
    recoveryCodePage: '/',
  }
  const backupCodes = { ...always, isEnrolled: true, left: 10, few: 3, setUp: '/' }
  const recovered = { ...always, isEnrolled: false, now: '/', later: '/' }
  const device = {
    id: 'a',
    isHere: true,
    browser: 'Chrome on Android',
    address: '192.0.2.1',
    lastUsed: time,
    until: time,
  }
  const error = { ...always, status: 502, code: 'internal', requestId: 'sample', title: 'Sample', sentence: 'Sample.' }
  return [
    ['setup', { ...setup, asksToKeep: true, keep: false }],
    ...(['expired', 'username', 'email', 'password', 'repeated', 'busy'] as const).map(
      (fault) => ['setup', { ...setup, sendsMail: true, fault, sentence: 'That is not one.' }] as const,
    ),
    ['setup-over', { ...always, signIn: '/' }],
    ['sign-in', { ...always, username: '' }],
    ['sign-in', { ...always, username: '', canHelp: true }],
    ['sign-in', { ...always, username: '', site: 'Customers', siteIcon: '/.gatelodge/assets/sample/icon.svg' }],
    [
      'sign-in',
      {
        ...always,
        username: '',
        brand: {
          logo: 'icon.svg',
          styles: 'style.css',
          support: { words: 'help@example.com', address: 'mailto:help@example.com' },
        },
      },
    ],
    ['sign-in', { ...always, username: '', asksToKeep: true, keep: true }],
    ['sign-in', { ...always, notice: 'again' }],
    ['sign-in', { ...always, noCookies: 'crm.example.com' }],
    ['sign-in', { ...always, notice: 'expired' }],
    ['sign-in', { ...always, fault: 'no-username' }],
    ['sign-in', { ...always, fault: 'no-password' }],
    ['sign-in', { ...always, fault: 'refused' }],
    ['sign-in', { ...always, fault: 'busy' }],
    ['sign-in', { ...always, linkRequest: '/', canHelp: true }],
    ['sign-in', { ...always, site: 'Customers', byEmail: true }],
    ...[undefined, 'stale', 'copied', 'unknown'].map(
      (passkeyFault) => ['sign-in', { ...always, username: '', passkey: asked('verify'), passkeyFault }] as const,
    ),
    ['arrive', { ...always, fault: true, host: 'crm.example.com', again: '/', hasNonce: false }],
    ['arrive', { ...always, fault: true, host: 'crm.example.com', again: '/', hasNonce: true }],
    ['apps', { ...apps, entries: [] }],
    ['apps', { ...apps, entries: appEntries.slice(0, 1), shown: 1 }],
    ['apps', { ...apps, entries: appEntries.slice(0, 2), shown: 2 }],
    ['apps', { ...apps, entries: appEntries, shown: 4, isSearchable: true }],
    ['apps', { ...apps, entries: appEntries.map(hide), shown: 0, isSearchable: true, search: 'accounts' }],
    ['link', { ...link, state: 'here' }],
    ['link', { ...link, state: 'here', asksToKeep: true, keep: false }],
    ['link', { ...link, state: 'elsewhere', signedInAs: 'grace', notice: 'expired' }],
    ['link', { ...link, state: 'other-browser' }],
    ['link-over', { ...always, help: '/' }],
    ['link-over', { ...always, help: '/', askAgain: '/' }],
    ['link-request', help],
    ['link-request', { ...help, fault: 'no-username' }],
    ['link-request', { ...help, notice: 'expired' }],
    ['link-request', { ...help, notice: 'spent' }],
    ['link-request', { ...help, notice: 'busy', waitSeconds: 40 }],
    ['link-request', { ...help, isSent: true }],
    ['help', help],
    ['help', { ...help, fault: 'no-username' }],
    ['help', { ...help, fault: 'no-address' }],
    ['help', { ...help, notice: 'expired' }],
    ['help', { ...help, notice: 'spent' }],
    ['help', { ...help, notice: 'early', waitSeconds: 20 }],
    ['help', { ...help, isSent: true }],
    ['help', { ...help, isOpen: false }],
    ['verify', verify],
    ['verify', { ...verify, fault: 'empty' }],
    ['verify', { ...verify, fault: 'clock' }],
    ['verify', { ...verify, fault: 'wrong', triesLeft: 1, otherMethods: [other] }],
    ['verify', { ...verify, method: other, partial: secondFactor('', 'verify') }],
    ['verify', { ...verify, method: undefined }],
    ['verify', { ...verify, method: undefined, mailProvesNothing: true }],
    ['verify', { ...verify, method: undefined, passkeyProvesNothing: true }],
    ...[undefined, 'empty', 'stale', 'copied', 'wrong'].map(
      (fault) => ['verify', { ...verify, ...asked('verify'), ...(fault && { fault }) }] as const,
    ),
    ['verify', { ...verify, ...asked('verify'), confirms }],
    ['verify', { ...verify, ...asked('verify'), method: other, partial: secondFactor('', 'verify') }],
    ['enrol-method', { ...enrol, ...asked('enrol'), method: other, partial: secondFactor('', 'enrol') }],
    ['enrol-method', { ...enrol, ...asked('enrol') }],
    ['enrol-method', { ...enrol, ...asked('enrol'), fault: 'name', typedName: 'x'.repeat(60) }],
    ['enrol-method', { ...enrol, ...asked('enrol'), fault: 'wrong', triesLeft: 1, otherWays: '/' }],
    ...sent(secondFactor, 'verify').map((data) => ['verify', { ...verify, ...data }] as const),
    ...sent(secondFactor, 'enrol').map((data) => ['enrol-method', { ...enrol, show: null, ...data }] as const),
    ['enrol', { ...choose, methods: [totp, sms] }],
    ['verify', { ...verify, confirms }],
    ['verify', { ...verify, rememberFor: '30 days', remember: true }],
    ['verify-backup-code', wayBack],
    ['verify-backup-code', { ...wayBack, rememberFor: '30 days', remember: false, fault: 'wrong' }],
    ['verify-recovery-code', wayBack],
    ['verify-recovery-code', { ...wayBack, recoveryCodeOnly: true, fault: 'empty' }],
    ['verify-recovery-code', { ...wayBack, fault: 'wrong', triesLeft: 1 }],
    ['recovered', recovered],
    ['recovered', { ...recovered, isEnrolled: true }],
    ['backup-codes', backupCodes],
    ['backup-codes', { ...backupCodes, left: 3, shown: '/' }],
    ['backup-codes', { ...backupCodes, left: 0 }],
    ['backup-codes', { ...backupCodes, left: undefined }],
    ['backup-codes', { ...backupCodes, isEnrolled: false, left: undefined }],
    ['backup-codes-new', { ...always, codes: ['9F3K-71ZQ-0A2B-XX4D-88ME'] }],
    ['enrol', choose],
    ['enrol-waiting', { ...choose, isNew: true, onward: '/' }],
    ['enrol-waiting', { ...choose, isNew: false, label: 'Authenticator app', since: sampleTime }],
    ['enrol-waiting', { ...choose, required: false, notNow: '/', isNew: false, label: 'App', since: sampleTime }],
    ['enrol-waiting', { ...choose, later: { days: 14 }, isNew: false, label: 'App', since: sampleTime }],
    ['enrol', { ...choose, required: false, notNow: '/' }],
    ['enrol', { ...choose, methods: [] }],
    ['enrol', { ...choose, later: { days: 14, signIns: 3 } }],
    ['enrol', { ...choose, later: { days: 1 } }],
    ['enrol-method', { ...enrol, later: { signIns: 1 } }],
    ['enrol-method', enrol],
    ['enrol-method', { ...enrol, required: false, notNow: '/', otherWays: '/', fault: 'wrong', triesLeft: 4 }],
    ['enrol-method', { ...enrol, method: other, show: {}, partial: secondFactor('', 'enrol') }],
    ['sign-out', always],
    ['sign-out', { ...always, username: undefined }],
    ['sign-out', { ...always, everywhere: true }],
    ['sign-out', { ...always, everywhere: true, username: undefined }],
    ['account', account],
    ['account', { ...account, mayAdminister: true, apps: '/' }],
    ['account', { ...account, done: 'enrolled', email: 'ada@example.com', mobile: '+15550100' }],
    ['account', { ...account, methods: [{ label: 'One' }, { label: 'Other', setUp: '/' }] }],
    ['account-prove', always],
    ['account-prove', { ...always, fault: 'no-password' }],
    ['account-prove', { ...always, fault: 'refused' }],
    ['account-prove', { ...always, fault: 'busy' }],
    ['account-prove', { ...always, passkeyWay: '/' }],
    ['account-prove', { ...always, confirms }],
    ['account-prove', { ...always, confirms: { ...confirms, isStale: true } }],
    ['account-prove', { ...always, confirms: { ...confirms, details: [] }, fault: 'refused' }],
    ['account-password', { ...always, isPossible: false }],
    ['account-password', { ...always, shortest: 8, isPossible: true }],
    ['account-password', { ...always, shortest: 8, isPossible: true, byLink: true }],
    ['account-password', { ...always, shortest: 8, isPossible: true, fault: 'empty' }],
    ['account-password', { ...always, shortest: 8, isPossible: true, fault: 'different' }],
    ['account-password', { ...always, shortest: 8, isPossible: true, fault: 'refused', sentence: 'Sample.' }],
    ['account-password', { ...always, shortest: 8, isPossible: true, fault: 'busy' }],
    ['account-methods', { ...always, isRequired: false, factors: [], offered: [] }],
    ['account-methods', { ...always, isRequired: false, factors: [factor], offered: [], backupCodes: 1 }],
    [
      'account-methods',
      { ...always, isRequired: false, factors: [factor, { ...factor, lastUsed: time }], offered: [other] },
    ],
    [
      'account-methods',
      {
        ...always,
        isRequired: false,
        factors: [
          { ...factor, about: { kind: 'Bitwarden', isSynced: true, provesUser: true } },
          { ...factor, about: { kind: 'Phone', isSynced: false, provesUser: false } },
        ],
        offered: [],
        opensAlone: true,
        signals: { text: '[]', script: always.asset('passkeys.js') },
      },
    ],
    ['account-method', { ...manage, factor: { ...factor, about: { kind: 'Security key', isSynced: false } } }],
    ['account-method', manage],
    ['account-method', { ...manage, fault: 'required' }],
    ['account-method', { ...manage, fault: 'name', isLast: false, factor: { ...factor, isPreferred: false } }],
    ['account-sessions', { ...always, signOutToken: 'sample', sessions: [session], devices: [] }],
    [
      'account-sessions',
      { ...always, signOutToken: 'sample', sessions: [session, { ...session, isHere: false }], devices: [device] },
    ],
    ['account-contact', { ...contact, isPossible: false }],
    ['account-contact', contact],
    ['account-contact', { ...contact, wrong: 'mobile', fault: 'wait', seconds: 30 }],
    ['account-confirm', { ...always, what: 'email', value: 'ada@example.com', address: '/' }],
    [
      'account-confirm',
      { ...always, what: 'email', value: 'ada@example.com', address: '/', fault: 'wrong', triesLeft: 4 },
    ],
    ['account-activity', { ...always, entries: [] }],
    ['account-activity', { ...always, entries: [{ event: 'session.opened', outcome: 'success', when: time }] }],
    ['not-me', { ...always, step: 'ask', link: 'sample', notice: 'password-changed' }],
    ['not-me', { ...always, step: 'done', done: 'link' }],
    ['not-me', { ...always, step: 'done', done: 'support' }],
    ['not-me', { ...always, step: 'void' }],
    ...adminSamples(always),
    ['passkey-offer', { ...always, setUp: '/' }],
    ['passkey-offer', { ...always, setUp: undefined }],
    ['verify', { ...verify, capableScript: always.asset('passkeys.js') }],
    ['passkey-needed', { ...always, setUp: '/' }],
    ['passkey-needed', { ...always, setUp: undefined }],
    ['signed-in', always],
    ['expired', always],
    ['throttled', { ...always, retryAfterSeconds: 1, again: '/' }],
    ['throttled', { ...always, retryAfterSeconds: 300, again: '/' }],
    ['locked', { ...always, help: '/', again: '/' }],
    ['error', error],
    ['error', { ...error, status: 404, code: 'not-found' }],
    ['error', { ...error, status: 502, code: 'upstream.invalid' }],
    ['error', { ...error, status: 502, code: 'upstream.none' }],
    ['error', { ...error, status: 403, code: 'access.denied' }],
    ['error', { ...error, status: 401, code: 'sign-in.required', way: '/' }],
    ['framed', { ...always, way: '/', isForeign: false }],
    ['framed', { ...always, way: '/', isForeign: true }],
    [
      'send-again',
      {
        ...always,
        fields: [
          ['SAMLResponse', 'sample'],
          ['submit', ''],
        ],
      },
    ],
  ]
}

/** The turns a page takes for a code that is sent. */
function sent(
  secondFactor: (use: string, step: 'verify' | 'enrol') => string,
  step: 'verify' | 'enrol',
): readonly object[] {
  const code = { ref: 'sms', via: 'sms', state: 'sent', to: '...671', secondsLeft: 300, triesLeft: 5 }
  const mailed = { ...code, via: 'email', to: 'a…@e…' }
  const none = { isOver: false, waitSeconds: 0 }
  const page = (sent: object) => ({
    method: sms,
    partial: secondFactor('sms', step),
    sent,
    asks: true,
    byWhat: 'text message',
    sendTo: '/',
    here: '/',
  })
  const email = { method: { ...sms, use: 'email' }, partial: secondFactor('email', step) }
  const link = { method: { ...sms, use: 'magic-link', sends: 'link' }, partial: secondFactor('magic-link', step) }
  const troubles = [
    ...['account', 'number', 'network', 'day'].map((limit) => ({ outcome: 'limited', limit, retryAfterSeconds: 9000 })),
    ...['no-address', 'provider-quota', 'refused'].map((reason) => ({ outcome: 'failed', reason })),
  ]
  return [
    page({ ...none, code }),
    { ...page({ ...none, code: mailed }), ...email },
    { ...page({ ...none, code: mailed }), ...link },
    { ...page({ ...none, isOver: true }), ...link, asks: false },
    { ...page({ ...none, code, waitSeconds: 30 }), fault: 'wait' },
    { ...page({ ...none, code }), fault: 'late' },
    page({ ...none, code: { ...mailed, fellBack: 'refused' } }),
    page({ ...none, code: { ...code, state: 'unsure' } }),
    { ...page({ ...none, code: { ...code, state: 'sending' } }), asks: false },
    ...[none, { ...none, isOver: true }, { ...none, waitSeconds: 30 }].map((sent) => ({ ...page(sent), asks: false })),
    page({ ...none, code, trouble: troubles[0] }),
    ...troubles.map((trouble) => ({ ...page({ ...none, trouble }), asks: false, hasOtherWay: true })),
  ]
}
