/** One set of data for every page, in every turn a page can take: what templates may count on. Rendered once at the start. */

const totp = { use: 'totp', label: 'Authenticator app' }
const other = { use: 'hardware', label: 'Hardware token' }
const qr = { size: 25, path: 'M0,0h1v1h-1z' }

const always = {
  productName: 'Sample',
  prefix: '/.gatelodge',
  lang: 'en',
  dir: 'ltr',
  asset: (name: string) => `/.gatelodge/assets/sample/${name}`,
  token: 'sample',
  username: 'ada',
  startAgain: '/.gatelodge/sign-in?return=%2F',
}

/** Template name and data, several for a page that has several faces. */
export function samples(
  secondFactor: (use: string, step: 'verify' | 'enrol') => string,
): ReadonlyArray<readonly [string, object]> {
  const verify = { ...always, method: totp, otherMethods: [], partial: secondFactor('totp', 'verify') }
  const enrol = {
    ...always,
    required: false,
    several: false,
    method: totp,
    show: { key: 'ABCDEFGHIJKLMNOP', qr },
    partial: secondFactor('totp', 'enrol'),
  }
  const signIn = { ...always, returnTo: '/' }
  const account = { ...always, methods: [] }
  const error = {
    ...always,
    status: 502,
    code: 'internal',
    requestId: 'sample',
    heading: 'Sample',
    sentence: 'Sample.',
  }
  return [
    ['sign-in', { ...signIn, username: '' }],
    ['sign-in', { ...signIn, notice: 'signed-out' }],
    ['sign-in', { ...signIn, notice: 'expired' }],
    ['sign-in', { ...signIn, fault: 'no-username' }],
    ['sign-in', { ...signIn, fault: 'no-password' }],
    ['sign-in', { ...signIn, fault: 'refused' }],
    ['verify', verify],
    ['verify', { ...verify, fault: 'empty' }],
    ['verify', { ...verify, fault: 'wrong', triesLeft: 1, otherMethods: [other] }],
    ['verify', { ...verify, method: other, partial: secondFactor('', 'verify') }],
    ['enrol', { ...always, required: true, methods: [totp, other] }],
    ['enrol', { ...always, required: false, methods: [totp, other] }],
    ['enrol-method', enrol],
    ['enrol-method', { ...enrol, required: true, several: true, fault: 'wrong', triesLeft: 4 }],
    ['enrol-method', { ...enrol, method: other, show: {}, partial: secondFactor('', 'enrol') }],
    ['sign-out', always],
    ['sign-out', { ...always, username: undefined }],
    ['account', account],
    ['account', { ...account, notice: 'enrolled', email: 'a@example.com', mobile: '+15550100' }],
    [
      'account',
      {
        ...account,
        methods: [
          { ...totp, enrolled: true },
          { ...other, enrolled: false },
        ],
      },
    ],
    ['expired', always],
    ['throttled', { ...always, retryAfterSeconds: 42, again: '/' }],
    ['error', error],
    ['error', { ...error, back: '/' }],
  ]
}
