import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'

/** What a form may be used for: a token of one page is worth nothing on another. */
export type FormPurpose =
  | 'link'
  | 'help'
  | 'magic-link'
  | 'sign-in'
  | 'verify'
  | 'enrol'
  | 'sign-out'
  | 'prove'
  | 'password'
  | 'contact'
  | 'factors'
  | 'sessions'
  | 'not-me'
  | 'backup-codes'
  | 'admin'

/** Asked at each use: the key is another after the store was lost. */
export interface FormKeys {
  /** Shared by all gateways of one installation. */
  readonly formKey: KeyObject
}

const LIFETIME_SECONDS = 12 * 60 * 60

/**
 * Hidden fields that say "this form was read by the browser that holds this cookie". Nothing is stored: the token is
 * the time and an HMAC-SHA-256 over purpose, time and cookie value, so every gateway with the same key can check it.
 */
export class FormTokens {
  readonly #keys: FormKeys
  readonly #now: () => number

  constructor(keys: FormKeys, now: () => number) {
    this.#keys = keys
    this.#now = now
  }

  /** @param cookie the value the browser will send back with the form */
  issue(purpose: FormPurpose, cookie: string): string {
    const time = Math.floor(this.#now() / 1000).toString(36)
    return `${time}.${this.#sign(purpose, time, cookie).toString('base64url')}`
  }

  /** False also when the page was open for more than twelve hours. */
  check(token: string, purpose: FormPurpose, cookie: string | undefined): boolean {
    const [time, signature, ...rest] = token.split('.')
    if (cookie === undefined || !time || !signature || rest.length > 0) return false
    const given = Buffer.from(signature, 'base64url')
    const right = this.#sign(purpose, time, cookie)
    if (given.length !== right.length || !timingSafeEqual(given, right)) return false
    const age = this.#now() / 1000 - Number.parseInt(time, 36)
    return age > -60 && age < LIFETIME_SECONDS
  }

  #sign(purpose: FormPurpose, time: string, cookie: string): Buffer {
    return createHmac('sha256', this.#keys.formKey).update(`${purpose}\n${time}\n${cookie}`).digest()
  }
}
