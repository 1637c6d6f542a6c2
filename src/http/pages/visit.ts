import { randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type ErrorCode, errors, GatelodgeError } from '../../errors.js'
import type { OpenSession, Session } from '../../identity/sessions/sessions.js'
import { type Onward, onwardOf, onwardPath, readOnward } from '../portal/onward.js'
import type { FormPurpose } from '../web/form-token.js'
import { carried, readCarried, returnPath } from '../web/return-path.js'
import { isSurelySameOrigin } from '../web/same-origin.js'
import type { PagesParts } from './parts.js'
import { policyLeadingTo } from './security-headers.js'

/** As long as browsers keep any cookie: how long a session lasts is decided by the gateway at every request. */
export const LONGEST_COOKIE_SECONDS = 400 * 24 * 60 * 60

/** One request to a page of ours and the answer to it: cookies in and out, form fields, pages and redirects. */
export class Visit {
  readonly parts: PagesParts
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly sessionToken: string | undefined
  /** Of a device this browser was remembered as. */
  readonly deviceToken: string | undefined
  /** Of a browser that somebody was signed in with before. */
  readonly browserToken: string | undefined
  /** The form was sent before, and its own proof given since. */
  readonly isConfirmed: boolean
  #pendingToken: string | undefined
  readonly #fields: unknown

  /** @param confirmed what was sent before, and the session the proof opened */
  constructor(
    parts: PagesParts,
    request: FastifyRequest,
    reply: FastifyReply,
    confirmed?: { readonly fields: Fields; readonly sessionToken: string },
  ) {
    const { cookies } = parts
    this.isConfirmed = confirmed !== undefined
    this.#fields = confirmed === undefined ? request.body : confirmed.fields
    this.parts = parts
    this.request = request
    this.reply = reply
    this.sessionToken = confirmed?.sessionToken ?? cookies.read(request.headers.cookie, cookies.names.session)
    this.deviceToken = cookies.read(request.headers.cookie, cookies.names.device)
    this.browserToken = cookies.read(request.headers.cookie, cookies.names.browser)
    this.#pendingToken = cookies.read(request.headers.cookie, cookies.names.pending)
  }

  get pendingToken(): string | undefined {
    return this.#pendingToken
  }

  session(): Promise<OpenSession | undefined> {
    return this.parts.sessions.find(this.sessionToken)
  }

  /** The same visit with a form that was sent before, in the session its proof opened. */
  confirmed(fields: Fields, sessionToken: string): Visit {
    return new Visit(this.parts, this.request, this.reply, { fields, sessionToken })
  }

  /** Every field of the form. */
  get fields(): Fields {
    return typeof this.#fields === 'object' && this.#fields !== null ? (this.#fields as Fields) : {}
  }

  /** A form field. One that is missing or comes twice is empty. */
  field(name: string): string {
    return text(this.#fields, name)
  }

  /** A parameter of the address. One that is missing or comes twice is empty. */
  parameter(name: string): string {
    return text(this.request.query, name)
  }

  /**
   * Where people land who wanted to go nowhere else: the applications of a portal, which are its `/` where no site is; with a
   * sign-in for this host alone its `/`, where a site is there.
   */
  get start(): string {
    const { portal, prefix, pagePolicy } = this.parts
    if (portal.startsAt(this.request.headers.host)) return '/'
    return portal.isShared || !pagePolicy.isOnSite(this.request, '/') ? `${prefix}/apps` : '/'
  }

  /** A safe place to go on to, from what the client said: a path of this host, which at the portal may lead to a site. */
  returnPath(saidPlace: string): string {
    const said = readCarried(saidPlace)
    const { prefix, pagePolicy, portal } = this.parts
    const onward = this.onward(said) ?? onwardOf(portal, this.#wayOnward(said))
    if (onward !== undefined) return onwardPath(prefix, onward)
    return returnPath(said, { prefix, start: this.start, isOnSite: (path) => pagePolicy.isOnSite(this.request, path) })
  }

  /** Where a safe place leads to, if that is another host. */
  onward(returnTo: string): Onward | undefined {
    return readOnward(this.parts.portal, this.parts.prefix, returnTo)
  }

  #wayOnward(said: string): URLSearchParams {
    return new URLSearchParams({ return: said, state: this.parameter('state'), again: this.parameter('again') })
  }

  /** The address of one of our pages, on the way to another one. */
  own(page: string, returnTo = this.start, notice?: 'again' | 'expired' | 'sent'): string {
    const query = new URLSearchParams()
    if (returnTo !== this.start) query.set('return', carried(returnTo))
    if (notice !== undefined) query.set('notice', notice)
    return `${this.parts.prefix}${page}${query.size === 0 ? '' : `?${query}`}`
  }

  /** A token for a form before there is a sign-in: bound to a cookie that stands for nothing else. */
  formTokenForAnybody(purpose: FormPurpose): string {
    if (this.#pendingToken === undefined) this.startPending(randomBytes(32).toString('base64url'))
    return this.#pendingToken === undefined ? '' : this.parts.formTokens.issueForAnybody(purpose, this.#pendingToken)
  }

  /**
   * What is wrong with a form that was sent before there is a sign-in.
   *
   * Tabs that are opened at once all come without a cookie, and the last answer's cookie is the one that stays: the forms of the
   * others were read with one that is gone. What the cookie proves, that the form was sent from a page of ours and not by
   * another site (which would sign people in as somebody else), the browser says itself in such a case, where no page can
   * lie about it. Without a single cookie of ours there is nothing to go on with, and the browser most likely keeps none.
   */
  formFault(purpose: FormPurpose): 'expired' | 'no-cookies' | undefined {
    if (this.hasFormToken(purpose, this.#pendingToken)) return undefined
    if (this.sendsNoCookies) return 'no-cookies'
    // A link that came by mail is somebody's key: which browser asked for it is a part of how it is judged.
    if (purpose === 'link' || purpose === 'not-me') return 'expired'
    const isOurs = this.parts.formTokens.checkForAnybody(this.field('token'), purpose)
    return isOurs && isSurelySameOrigin(this.request.headers) ? undefined : 'expired'
  }

  /** A form came without any of our cookies, although its page sets one. */
  get sendsNoCookies(): boolean {
    const { names } = this.parts.cookies
    const { cookie } = this.request.headers
    return Object.values(names).every((name) => this.parts.cookies.read(cookie, name) === undefined)
  }

  formToken(purpose: FormPurpose, cookie: string | undefined): string {
    return cookie === undefined ? '' : this.parts.formTokens.issue(purpose, cookie)
  }

  /** Whether the form was read by this browser, not long ago. */
  hasFormToken(purpose: FormPurpose, cookie: string | undefined): boolean {
    // One that was confirmed was checked when it came, against the session it came from.
    return this.isConfirmed || this.parts.formTokens.check(this.field('token'), purpose, cookie)
  }

  /** Whether a picture belongs to a page that this browser was shown. */
  hasPictureToken(name: string): boolean {
    return this.parts.formTokens.check(this.parameter('token'), `icon/${name}`, this.pendingToken)
  }

  startPending(token: string): void {
    const { cookies } = this.parts
    this.#pendingToken = token
    this.reply.header('set-cookie', cookies.write(cookies.names.pending, token))
  }

  /** Fully signed in: one cookie comes, the other goes, and the browser is known from now on. */
  startSession({ token, session }: { readonly token: string; readonly session: Session }): void {
    const { cookies, knownBrowsers } = this.parts
    const lasting = { maxAgeSeconds: LONGEST_COOKIE_SECONDS }
    const lifetime = session.isBrief ? {} : lasting
    this.reply.header('set-cookie', cookies.write(cookies.names.session, token, lifetime))
    const mark = knownBrowsers.mark(this.browserToken, session.user.username)
    this.reply.header('set-cookie', cookies.write(cookies.names.browser, mark, lasting))
    this.forgetPending()
  }

  endSession(): void {
    const { cookies } = this.parts
    this.reply.header('set-cookie', cookies.forget(cookies.names.session))
    this.forgetPending()
  }

  forgetPending(): void {
    const { cookies } = this.parts
    this.#pendingToken = undefined
    this.reply.header('set-cookie', cookies.forget(cookies.names.pending))
  }

  rememberDevice(token: string): void {
    const { cookies, devices } = this.parts
    const maxAgeSeconds = devices.rememberSeconds
    if (maxAgeSeconds === undefined) return
    this.reply.header('set-cookie', cookies.write(cookies.names.device, token, { maxAgeSeconds }))
  }

  forgetDevice(): void {
    const { cookies } = this.parts
    if (this.deviceToken !== undefined) this.reply.header('set-cookie', cookies.forget(cookies.names.device))
  }

  /** 303, so that the browser asks with GET whatever it did before. */
  goTo(target: string): FastifyReply {
    return this.reply.redirect(target, 303)
  }

  page(name: string, data: object): FastifyReply {
    return this.reply.view(name, this.#withSite(data))
  }

  /** A page on the way to another host says its name, and its form may lead there. */
  #withSite(data: { readonly returnTo?: unknown }): object {
    const place = typeof data.returnTo === 'string' ? this.onward(data.returnTo)?.place : undefined
    if (place === undefined) return data
    this.reply.header('content-security-policy', policyLeadingTo(place.origin))
    const icon = this.parts.listedSites.all.find(({ host, path }) => host === place.host && path === '/')?.icon
    if (icon === undefined) return { ...data, site: place.name }
    // To strangers it is shown beside the name, and otherwise not: what runs here is nobody else's business.
    const token = this.formTokenForAnybody(`icon/${icon}`)
    return { ...data, site: place.name, siteIcon: `${this.own(`/icons/${icon}`)}?${new URLSearchParams({ token })}` }
  }

  /** The form once more, with the words why it was not taken. */
  refuseForm(fault: 'expired' | 'no-cookies', name: string, data: object): FastifyReply {
    if (fault === 'expired') return this.refuse('sign-in.expired', name, { ...data, notice: 'expired' })
    return this.refuse('sign-in.no-cookies', name, { ...data, noCookies: this.request.hostname })
  }

  /** A page that says what went wrong, with the status of the error; a program gets the error itself. */
  refuse(code: ErrorCode, name: string, data: object, retryAfterSeconds?: number): FastifyReply {
    if (this.#asksForJson()) {
      throw new GatelodgeError(code, retryAfterSeconds === undefined ? {} : { retryAfterSeconds })
    }
    if (retryAfterSeconds !== undefined) this.reply.header('retry-after', retryAfterSeconds)
    return this.reply.code(errors[code].status).view(name, this.#withSite(data))
  }

  #asksForJson(): boolean {
    const accept = this.request.headers.accept ?? ''
    return /\bapplication\/(?:[\w.-]+\+)?json\b/i.test(accept) && !/\btext\/html\b/i.test(accept)
  }
}

type Fields = Readonly<Record<string, string | readonly string[]>>

function text(fields: unknown, name: string): string {
  if (typeof fields !== 'object' || fields === null || !Object.hasOwn(fields, name)) return ''
  const value: unknown = Reflect.get(fields, name)
  return typeof value === 'string' ? value : ''
}

/** Answers with a page, which gets what the address has in the place of `:method`. */
export type On = (
  page: (visit: Visit, method: string) => Promise<FastifyReply>,
) => (request: FastifyRequest<{ Params: { method?: string } }>, reply: FastifyReply) => Promise<FastifyReply>
