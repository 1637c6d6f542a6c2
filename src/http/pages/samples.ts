/** One set of data for every page, in every turn a page can take: what a template may count on. */

const totp = { id: 'totp', use: 'totp', label: 'Authenticator app', address: '/' }
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
  }
  const choose = { ...always, required: true, methods: [totp, other] }
  const enrol = {
    ...always,
    required: true,
    method: totp,
    show: { uri: 'otpauth://totp/sample', key: 'ABCD EFGH IJKL MNOP', qr: { size: 25, path: 'M0 0h1v1h-1z' } },
    triesLeft: 5,
    partial: secondFactor('totp', 'enrol'),
  }
  const account = { ...always, methods: [] }
  const error = { ...always, status: 502, code: 'internal', requestId: 'sample', title: 'Sample', sentence: 'Sample.' }
  return [
    ['sign-in', { ...always, username: '' }],
    ['sign-in', { ...always, notice: 'again' }],
    ['sign-in', { ...always, notice: 'expired' }],
    ['sign-in', { ...always, fault: 'no-username' }],
    ['sign-in', { ...always, fault: 'no-password' }],
    ['sign-in', { ...always, fault: 'refused' }],
    ['sign-in', { ...always, fault: 'busy' }],
    ['verify', verify],
    ['verify', { ...verify, fault: 'empty' }],
    ['verify', { ...verify, fault: 'wrong', triesLeft: 1, otherMethods: [other] }],
    ['verify', { ...verify, method: other, partial: secondFactor('', 'verify') }],
    ['verify', { ...verify, method: undefined }],
    ['enrol', choose],
    ['enrol', { ...choose, required: false, notNow: '/' }],
    ['enrol', { ...choose, methods: [] }],
    ['enrol-method', enrol],
    ['enrol-method', { ...enrol, required: false, notNow: '/', otherWays: '/', fault: 'wrong', triesLeft: 4 }],
    ['enrol-method', { ...enrol, method: other, show: {}, partial: secondFactor('', 'enrol') }],
    ['sign-out', always],
    ['sign-out', { ...always, username: undefined }],
    ['account', account],
    ['account', { ...account, done: 'enrolled', email: 'ada@example.com', mobile: '+15550100' }],
    ['account', { ...account, methods: [{ label: 'One' }, { label: 'Other', setUp: '/' }] }],
    ['signed-in', always],
    ['expired', always],
    ['throttled', { ...always, retryAfterSeconds: 1, again: '/' }],
    ['throttled', { ...always, retryAfterSeconds: 300, again: '/' }],
    ['error', error],
    ['error', { ...error, status: 404, code: 'not-found' }],
    ['error', { ...error, status: 403, code: 'access.denied' }],
  ]
}
