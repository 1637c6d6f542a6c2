/** What stood for the factors of a session, in words people have for it. */
const known: Readonly<Record<string, string>> = {
  password: 'the password',
  totp: 'a code from the authenticator app',
  sms: 'a code by text message',
  email: 'a code by e-mail',
  'sms-by-mail': 'a code by e-mail in place of a text message',
  'magic-link': 'a mailed link',
  'login-link': 'a login link',
  passkey: 'a passkey',
  webauthn: 'a passkey',
  'backup-code': 'a backup code',
  'recovery-code': 'a recovery code',
  device: 'a remembered browser',
}

/** @param label of a method, for those that only a plugin knows */
export function wayIn(method: string, label: (method: string) => string): string {
  return known[method] ?? label(method)
}

/** As in `the password and a code from the authenticator app`. */
export function waysIn(via: readonly string[], label: (method: string) => string): string {
  const ways = via.map((method) => wayIn(method, label))
  const last = ways.at(-1) ?? ''
  return ways.length < 2 ? last : `${ways.slice(0, -1).join(', ')} and ${last}`
}
