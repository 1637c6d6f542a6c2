import { adminSamples } from './admin/samples.js'

const sampleTime = { words: '21 November 2026 at 21:40 UTC', iso: '2026-11-21T21:40:00.000Z' }

/** One set of data for every page, in every turn a page can take: what a template may count on. */

const totp = { id: 'totp', use: 'totp', label: 'Authenticator app', address: '/' }
const sms = { id: 'sms', use: 'sms', label: 'Text message', sends: 'code', to: '...671', address: '/' }
const other = { id: 'other', use: 'hardware', label: 'Hardware token', address: '/' }

const always = {
  productName: 'Sample',
  prefix: '/.gatelodge',
  lang: 'en',
  dir: 'ltr',
  asset: (name: string) => `/.gatelodge/assets/sample/${name}`,
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
  const account = { ...always, methods: [] }
  const link = { ...always, link: 'sample', kind: 'login' }
  const help = { ...always, username: '', email: '', isOpen: true, isSent: false, again: '/', signIn: '/' }
  const time = { words: '21 November 2026 at 21:40 UTC', iso: '2026-11-21T21:40:00.000Z' }
  const factor = { id: 'a', name: 'Phone', label: 'Authenticator app', since: time, address: '/', isPreferred: true }
  const manage = { ...always, factor, isLast: true, isRequired: true, typed: 'Phone' }
  const contact = { ...always, isPossible: true, email: 'ada@example.com', mobile: '' }
  const session = { id: 'a', isHere: true, browser: 'Firefox on Linux', address: '192.0.2.1', since: time }
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
    ['sign-in', { ...always, username: '' }],
    ['sign-in', { ...always, notice: 'again' }],
    ['sign-in', { ...always, notice: 'expired' }],
    ['sign-in', { ...always, fault: 'no-username' }],
    ['sign-in', { ...always, fault: 'no-password' }],
    ['sign-in', { ...always, fault: 'refused' }],
    ['sign-in', { ...always, fault: 'busy' }],
    ['sign-in', { ...always, linkRequest: '/' }],
    ['link', { ...link, state: 'here' }],
    ['link', { ...link, state: 'elsewhere', signedInAs: 'grace', notice: 'expired' }],
    ['link', { ...link, state: 'other-browser' }],
    ['link-over', { ...always, help: '/' }],
    ['link-over', { ...always, help: '/', askAgain: '/' }],
    ['link-request', help],
    ['link-request', { ...help, fault: 'no-username' }],
    ['link-request', { ...help, notice: 'expired' }],
    ['link-request', { ...help, isSent: true }],
    ['help', help],
    ['help', { ...help, fault: 'no-username' }],
    ['help', { ...help, fault: 'no-address' }],
    ['help', { ...help, notice: 'expired' }],
    ['help', { ...help, isSent: true }],
    ['help', { ...help, isOpen: false }],
    ['verify', verify],
    ['verify', { ...verify, fault: 'empty' }],
    ['verify', { ...verify, fault: 'wrong', triesLeft: 1, otherMethods: [other] }],
    ['verify', { ...verify, method: other, partial: secondFactor('', 'verify') }],
    ['verify', { ...verify, method: undefined }],
    ['verify', { ...verify, method: undefined, mailProvesNothing: true }],
    ...sent(secondFactor, 'verify').map((data) => ['verify', { ...verify, ...data }] as const),
    ...sent(secondFactor, 'enrol').map((data) => ['enrol-method', { ...enrol, show: null, ...data }] as const),
    ['enrol', { ...choose, methods: [totp, sms] }],
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
    ['account', account],
    ['account', { ...account, mayAdminister: true }],
    ['account', { ...account, done: 'enrolled', email: 'ada@example.com', mobile: '+15550100' }],
    ['account', { ...account, methods: [{ label: 'One' }, { label: 'Other', setUp: '/' }] }],
    ['account-prove', always],
    ['account-prove', { ...always, fault: 'no-password' }],
    ['account-prove', { ...always, fault: 'refused' }],
    ['account-prove', { ...always, fault: 'busy' }],
    ['account-password', { ...always, isPossible: false }],
    ['account-password', { ...always, isPossible: true }],
    ['account-password', { ...always, isPossible: true, byLink: true }],
    ['account-password', { ...always, isPossible: true, fault: 'empty' }],
    ['account-password', { ...always, isPossible: true, fault: 'different' }],
    ['account-password', { ...always, isPossible: true, fault: 'refused', sentence: 'Sample.' }],
    ['account-password', { ...always, isPossible: true, fault: 'busy' }],
    ['account-methods', { ...always, isRequired: false, factors: [], offered: [] }],
    ['account-methods', { ...always, isRequired: false, factors: [factor], offered: [], backupCodes: 1 }],
    [
      'account-methods',
      { ...always, isRequired: false, factors: [factor, { ...factor, lastUsed: time }], offered: [other] },
    ],
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
    ['signed-in', always],
    ['expired', always],
    ['throttled', { ...always, retryAfterSeconds: 1, again: '/' }],
    ['throttled', { ...always, retryAfterSeconds: 300, again: '/' }],
    ['error', error],
    ['error', { ...error, status: 404, code: 'not-found' }],
    ['error', { ...error, status: 403, code: 'access.denied' }],
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
    ...['no-address', 'refused'].map((reason) => ({ outcome: 'failed', reason })),
  ]
  return [
    page({ ...none, code }),
    { ...page({ ...none, code: mailed }), ...email },
    { ...page({ ...none, code: mailed }), ...link },
    { ...page({ ...none, isOver: true }), ...link, asks: false },
    { ...page({ ...none, code, waitSeconds: 30 }), fault: 'wait' },
    { ...page({ ...none, code }), fault: 'late' },
    ...['refused', 'over-budget', 'no-address'].map((fellBack) => page({ ...none, code: { ...mailed, fellBack } })),
    page({ ...none, code: { ...code, state: 'unsure' } }),
    { ...page({ ...none, code: { ...code, state: 'sending' } }), asks: false },
    ...[none, { ...none, isOver: true }, { ...none, waitSeconds: 30 }].map((sent) => ({ ...page(sent), asks: false })),
    page({ ...none, code, trouble: troubles[0] }),
    ...troubles.map((trouble) => ({ ...page({ ...none, trouble }), asks: false, hasOtherWay: true })),
  ]
}
