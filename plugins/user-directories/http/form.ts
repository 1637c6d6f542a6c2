import { foldUsername, type User } from '../../../src/contracts.js'
import { isAddress } from './call-out.js'
import type { Answer, Exchange } from './exchange.js'
import type { AnswerLook, FormSettings } from './settings.js'

/** Signs in at the application's own login form, to learn whether a password is right. What that opens there is left. */
export class LoginForm {
  readonly #form: FormSettings
  readonly #email: string | undefined
  readonly #exchange: Exchange

  constructor(form: FormSettings, email: string | undefined, exchange: Exchange) {
    this.#form = form
    this.#email = email
    this.#exchange = exchange
  }

  /** @throws when the answer is neither that to a right password nor that to a wrong one */
  async judge(username: string, password: string): Promise<User | undefined> {
    const { url, page = url, hidden, extra, success, failure } = this.#form
    const signal = this.#exchange.deadline()
    const { origin } = new URL(url)
    const shown = hidden ? await this.#exchange.ask(page, { method: 'GET', headers: asBrowser }, signal) : undefined
    if (shown !== undefined && shown.status !== 200) {
      throw new Error(`The page with the login form answered with HTTP status ${shown.status}`)
    }
    const fields = { ...(shown && hiddenFields(shown.text, this.#form.password)), ...extra }
    const typed = { [this.#form.username]: username, [this.#form.password]: password }
    const cookies = shown === undefined ? [] : cookiesOf(shown).map(([name, value]) => `${name}=${value}`)
    const headers = {
      ...asBrowser,
      'content-type': 'application/x-www-form-urlencoded',
      // Where applications look for forgeries: Django, Rails and others compare these with their own address.
      origin,
      referer: page,
      ...(cookies.length === 0 ? {} : { cookie: cookies.join('; ') }),
    }
    const body = new URLSearchParams({ ...fields, ...typed }).toString()
    const answer = await this.#exchange.ask(url, { method: 'POST', headers, body }, signal)
    return isRight(answer, { url, success, failure }) ? this.#user(username) : undefined
  }

  #user(username: string): User {
    const email = this.#email?.replace('{username}', () => username)
    const more = email !== undefined && isAddress(email) ? { email } : {}
    return { id: foldUsername(username), username, groups: [], ...more }
  }
}

const asBrowser = { accept: 'text/html,application/xhtml+xml', 'user-agent': 'Gatelodge' }

/** Answers that say no where no failure is described; others say that something is wrong with the application. */
const usualNo = new Set([400, 401, 403, 422])

function isRight(
  answer: Answer,
  { url, success, failure }: { url: string; success: AnswerLook; failure: AnswerLook | undefined },
): boolean {
  const succeeded = fits(answer, success, url)
  if (failure === undefined) {
    if (succeeded || answer.status < 400 || usualNo.has(answer.status)) return succeeded
    throw new Error(`The login form answered with HTTP status ${answer.status}`)
  }
  // Both, or neither: the application has changed, or the file is wrong. That lets nobody in.
  if (succeeded !== fits(answer, failure, url)) return succeeded
  throw new Error(
    'The login form gave an answer that is neither the one to a right password nor the one to a wrong one',
  )
}

function fits(answer: Answer, { status, redirect, cookie, text }: AnswerLook, url: string): boolean {
  if (status !== undefined && ![status].flat().includes(answer.status)) return false
  if (redirect !== undefined && !leadsTo(answer, redirect, url)) return false
  if (cookie !== undefined && !cookiesOf(answer).some(([name, value]) => name === cookie && value !== '')) return false
  return text === undefined || answer.text.includes(text)
}

function leadsTo({ status, headers: { location } }: Answer, wanted: string, url: string): boolean {
  if (status < 300 || status > 399 || typeof location !== 'string' || !URL.canParse(location, url)) return false
  const target = new URL(location, url)
  const isHere = target.origin === new URL(url).origin
  const text = isHere && wanted.startsWith('/') ? target.pathname + target.search : target.href
  return wanted.endsWith('*') ? text.startsWith(wanted.slice(0, -1)) : text === wanted
}

/** Without attributes; what is deleted by an expiry of long ago has no value here. */
function cookiesOf({ headers }: Answer): Array<readonly [string, string]> {
  return [headers['set-cookie'] ?? []].flat().flatMap((line) => {
    const [, name = '', value = '', attributes = ''] = /^\s*([^=;\s]+)\s*=\s*([^;]*)(.*)$/s.exec(line) ?? []
    if (name === '') return []
    const isGone = /;\s*max-age\s*=\s*(0|-)/i.test(attributes) || /;\s*expires\s*=[^;]*\b(19[67]\d)\b/i.test(attributes)
    return [[name, isGone ? '' : value.trim()] as const]
  })
}

/**
 * The hidden fields of the form that has the password field; of the whole page where none has. Cut up from left to right and
 * never searched twice, so that no page takes long.
 */
export function hiddenFields(page: string, passwordField: string): Record<string, string> {
  const shown = page
    .split('<!--')
    .map((piece, at) => (at === 0 ? piece : after(piece, '-->')))
    .join('')
  const forms = shown
    .split(/<form\b/i)
    .slice(1)
    .map((piece) => inputsOf(piece.split(/<\/form\b/i, 1)[0] ?? ''))
  const form = forms.find((inputs) => inputs.some(({ name }) => name === passwordField)) ?? inputsOf(shown)
  const hidden = form.filter(({ type, name }) => type?.toLowerCase() === 'hidden' && name)
  return Object.fromEntries(hidden.map(({ name = '', value = '' }) => [name, value]))
}

function after(text: string, mark: string): string {
  const at = text.indexOf(mark)
  return at < 0 ? '' : text.slice(at + mark.length)
}

function inputsOf(html: string): Array<Record<string, string | undefined>> {
  return html
    .split(/<input\b/i)
    .slice(1)
    .map((piece) => {
      const [tag = ''] = /^(?:"[^"]*"|'[^']*'|[^'">])*/.exec(piece.slice(0, LONGEST_TAG)) ?? []
      // A name fits with or without a value, so that nothing is read twice.
      const attributes = tag.matchAll(/([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?/g)
      return Object.fromEntries(
        [...attributes].flatMap(([, name = '', a, b, c]) => {
          const value = a ?? b ?? c
          return value === undefined ? [] : [[name.toLowerCase(), plain(value)]]
        }),
      )
    })
}

const LONGEST_TAG = 16_384

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' }

/** Attribute values of tokens have no more than these. */
function plain(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]+));/gi, (all, decimal, hex, name) => {
    if (name !== undefined) return entities[name.toLowerCase()] ?? all
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : all
  })
}
