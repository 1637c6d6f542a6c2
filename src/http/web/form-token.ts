import { createHmac, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto'

/** What a form may be used for: a token of one page is worth nothing on another. */
export type FormPurpose =
  | 'link'
  | 'help'
  | 'magic-link'
  | 'sign-in'
  | 'setup'
  | 'passkey'
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
  /** No form: a picture on a page that this browser was shown. */
  | `icon/${string}`

/** Asked at each use: the key is another after the store was lost. */
export interface FormKeys {
  /** Shared by all gateways of one installation. */
  readonly formKey: KeyObject
}

/** For how long a form may be open before it is sent. */
export const LIFETIME_SECONDS = 12 * 60 * 60

/**
 * Hidden fields that say "this form was read by the browser that holds this cookie". Nothing is stored: the token is
 * the time, something by chance that tells two forms of the same second apart, and an HMAC-SHA-256 over purpose, both and the
 * cookie value, so every gateway with the same key can check it.
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
    const time = `${Math.floor(this.#now() / 1000).toString(36)}.${randomBytes(9).toString('base64url')}`
    return `${time}.${this.#sign(purpose, time, cookie).toString('base64url')}`
  }

  /** The same for a form that is there before anybody is: it says by itself, too, that it is ours and not old. */
  issueForAnybody(purpose: FormPurpose, cookie: string): string {
    const token = this.issue(purpose, cookie)
    return `${token}.${this.#sign(purpose, FormTokens.nameOf(token), ANYBODY).toString('base64url')}`
  }

  /** What tells a form from every other: its token without the signatures. */
  static nameOf(token: string): string {
    return token.split('.', 2).join('.')
  }

  /** Whether a form for anybody is ours and not old, whichever cookie it was read with: that says nothing of who sent it. */
  checkForAnybody(token: string, purpose: FormPurpose): boolean {
    const [time, chance, , signature, ...rest] = token.split('.')
    return rest.length === 0 && this.#isSigned(token, purpose, { time, chance, signature, cookie: ANYBODY })
  }

  /** False also when the page was open for more than twelve hours. */
  check(token: string, purpose: FormPurpose, cookie: string | undefined): boolean {
    const [time, chance, signature, second, ...rest] = token.split('.')
    if (rest.length > 0 || (second !== undefined && !this.checkForAnybody(token, purpose))) return false
    return this.#isSigned(token, purpose, { time, chance, signature, cookie })
  }

  #isSigned(token: string, purpose: FormPurpose, { time, chance, signature, cookie }: SignedParts): boolean {
    if (cookie === undefined || !time || !chance || !signature) return false
    const given = Buffer.from(signature, 'base64url')
    const right = this.#sign(purpose, `${time}.${chance}`, cookie)
    if (given.length !== right.length || !timingSafeEqual(given, right)) return false
    const age = this.ageSeconds(token)
    return age > -60 && age < LIFETIME_SECONDS
  }

  /** For how long the form of a token has been open that was checked. */
  ageSeconds(token: string): number {
    return this.#now() / 1000 - Number.parseInt(token, 36)
  }

  #sign(purpose: FormPurpose, time: string, cookie: string): Buffer {
    return createHmac('sha256', this.#keys.formKey).update(`${purpose}\n${time}\n${cookie}`).digest()
  }
}

/** No value of a cookie is this one. */
const ANYBODY = 'anybody'

interface SignedParts {
  readonly time: string | undefined
  readonly chance: string | undefined
  readonly signature: string | undefined
  readonly cookie: string | undefined
}
