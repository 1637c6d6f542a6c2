/** Every mail there is, and what it tells beside {@link CommonValues}. The names are the files in `templates/mail`. */
export interface Mails {
  'sign-in-code': { readonly code: string; readonly minutes: number }
  'enrolment-code': { readonly code: string; readonly minutes: number }
  'address-code': { readonly code: string; readonly minutes: number }
  /** `code` is empty where the link alone is sent. */
  'magic-link': { readonly link: string; readonly code: string; readonly minutes: number }
  /** `bySupport`: sent to somebody who did not ask for it on a page. */
  'login-link': { readonly link: string; readonly minutes: number; readonly bySupport: boolean }
  usernames: { readonly usernames: readonly string[]; readonly signIn: string }
  'no-account': Record<never, never>
  /** Words of a person: stretches of text, each followed by a link or by the empty string. */
  'support-message': {
    readonly title: string
    readonly parts: ReadonlyArray<{ readonly text: string; readonly link: string }>
  }
  'recovery-code-issued': { readonly account: string }
  'recovery-code-used': { readonly account: string }
  'backup-code-used': { readonly left: number }
  'backup-codes-renewed': Record<never, never>
  'factor-added': { readonly method: string }
  'factor-removed': { readonly method: string }
  'factor-reset': Record<never, never>
  /** `name`: what the user calls the passkey that may have a second copy. */
  'factor-copied': { readonly name: string }
  'password-changed': Record<never, never>
  'contact-changed': { readonly what: string }
  'account-changed': { readonly what: string }
  'new-device': Record<never, never>
  'many-failures': { readonly count: number }
  /** `help`: where a login link can be asked for, which ends the lock. */
  'password-locked': { readonly help: string }
  /** The password was right and the codes after it were not. `minutes`: until codes are judged again. */
  'password-known': { readonly count: number; readonly minutes: number }
  /** To owners: what happened since the last one of this kind. */
  'owner-alert': {
    readonly title: string
    readonly lines: readonly string[]
    /** Beside the lines. */
    readonly more: number
    /** Until the next one of this kind. */
    readonly minutes: number
  }
}

export type MailName = keyof Mails

/** The mails that tell users what happened to their account. */
export type Notice = Exclude<
  MailName,
  | 'sign-in-code'
  | 'enrolment-code'
  | 'address-code'
  | 'magic-link'
  | 'login-link'
  | 'usernames'
  | 'no-account'
  | 'support-message'
  | 'owner-alert'
>

/** What every mail may name; the empty string where there is nothing to tell. */
export interface CommonValues {
  readonly service: string
  readonly publicUrl: string
  readonly username: string
  /** A link that ends the account's sessions. */
  readonly notMe: string
  /** Day and time, UTC. */
  readonly when: string
  /** Browser and address. */
  readonly where: string
}

/** Every text message there is. The names are the files in `templates/sms`. */
export interface TextMessages {
  /** `host` is the site whose page takes the code: phones offer to fill it in there only. */
  code: { readonly code: string; readonly host: string }
  'enrolment-code': { readonly code: string; readonly host: string }
  link: { readonly link: string }
}

export type TextMessageName = keyof TextMessages
