import type { Mails, TextMessages } from './mails.js'

/** Something to say for every template: what an operator's own is tried with before the gateway starts. */
export const sampleMails: Mails = {
  'sign-in-code': { code: '123456', minutes: 10 },
  'enrolment-code': { code: '123456', minutes: 10 },
  'address-code': { code: '123456', minutes: 10 },
  'magic-link': { link: 'https://example.com/link?token=sample', code: '123456', minutes: 10 },
  'login-link': { link: 'https://example.com/link?token=sample', minutes: 10, bySupport: false },
  usernames: { usernames: ['ada', 'grace'], signIn: 'https://example.com/sign-in' },
  'no-account': {},
  'support-message': {
    title: 'About your account',
    parts: [
      { text: 'Hello Ada,\nopen ', link: 'https://example.com/link?token=sample' },
      { text: ' today.', link: '' },
    ],
  },
  'recovery-code-issued': { account: 'ada' },
  'recovery-code-used': { account: 'ada' },
  'backup-code-used': { left: 2 },
  'backup-codes-renewed': {},
  'factor-added': { method: 'Authenticator app' },
  'factor-removed': { method: 'Authenticator app' },
  'factor-reset': {},
  'factor-copied': { name: 'Security key' },
  'password-changed': {},
  'contact-changed': { what: 'mobile number' },
  'account-changed': { what: 'preferred method' },
  'new-device': {},
  'many-failures': { count: 5 },
  'password-locked': { help: 'https://example.com/help' },
  'password-known': { count: 5, minutes: 15 },
  'owner-alert': {
    title: 'Policy was changed',
    lines: ['2026-11-21 20:57 UTC: secondFactor.required, by ada'],
    more: 2,
    minutes: 10,
  },
}

export const sampleTextMessages: TextMessages = {
  code: { code: '123456', host: 'example.com' },
  'enrolment-code': { code: '123456', host: 'example.com' },
  link: { link: 'https://example.com/link?token=sample' },
}
