import { randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type ErrorCode, errors, GatelodgeError } from '../../errors.js'
import type { OpenSession } from '../../identity/sessions.js'
import type { FormPurpose } from '../form-token.js'
import { returnPath } from '../return-path.js'
import type { PagesParts } from './parts.js'

/** As long as browsers keep any cookie: how long a session lasts is decided by the gateway at every request. */
const SESSION_COOKIE_SECONDS = 400 * 24 * 60 * 60

/** One request to a page of ours and the answer to it: cookies in and out, form fields, pages and redirects. */
export class Visit {
  readonly parts: PagesParts
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly sessionToken: string | undefined
  /** Of a device this browser was remembered as. */
  readonly deviceToken: string | undefined
  #pendingToken: string | undefined

  constructor(parts: PagesParts, request: FastifyRequest, reply: FastifyReply) {
    const { cookies } = parts
    this.parts = parts
    this.request = request
    this.reply = reply
    this.sessionToken = cookies.read(request.headers.cookie, cookies.names.session)
    this.deviceToken = cookies.read(request.headers.cookie, cookies.names.device)
    this.#pendingToken = cookies.read(request.headers.cookie, cookies.names.pending)
  }

  get pendingToken(): string | undefined {
    return this.#pendingToken
  }

  session(): Promise<OpenSession | undefined> {
    return this.parts.sessions.find(this.sessionToken)
  }

  /** A form field. One that is missing or comes twice is empty. */
  field(name: string): string {
    return text(this.request.body, name)
  }

  /** A parameter of the address. One that is missing or comes twice is empty. */
  parameter(name: string): string {
    return text(this.request.query, name)
  }

  /** A safe place to go on to, from what the client said. */
  returnPath(said: string): string {
    const { prefix, entrance } = this.parts
    return returnPath(said, { prefix, isOnSite: (path) => entrance.isOnSite(this.request, path) })
  }

  /** The address of one of our pages, on the way to another one. */
  own(page: string, returnTo = '/', notice?: 'again' | 'expired' | 'sent'): string {
    const query = new URLSearchParams()
    if (returnTo !== '/') query.set('return', returnTo)
    if (notice !== undefined) query.set('notice', notice)
    return `${this.parts.prefix}${page}${query.size === 0 ? '' : `?${query}`}`
  }

  /** A token for a form before there is a sign-in: bound to a cookie that stands for nothing else. */
  formTokenForAnybody(purpose: FormPurpose): string {
    if (this.#pendingToken === undefined) this.startPending(randomBytes(32).toString('base64url'))
    return this.formToken(purpose, this.#pendingToken)
  }

  formToken(purpose: FormPurpose, cookie: string | undefined): string {
    return cookie === undefined ? '' : this.parts.formTokens.issue(purpose, cookie)
  }

  /** Whether the form was read by this browser, not long ago. */
  hasFormToken(purpose: FormPurpose, cookie: string | undefined): boolean {
    return this.parts.formTokens.check(this.field('token'), purpose, cookie)
  }

  startPending(token: string): void {
    const { cookies } = this.parts
    this.#pendingToken = token
    this.reply.header('set-cookie', cookies.write(cookies.names.pending, token))
  }

  /** Fully signed in: one cookie comes, the other goes. */
  startSession(token: string): void {
    const { cookies } = this.parts
    this.reply.header(
      'set-cookie',
      cookies.write(cookies.names.session, token, { maxAgeSeconds: SESSION_COOKIE_SECONDS }),
    )
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
    return this.reply.view(name, data)
  }

  /** A page that says what went wrong, with the status of the error; a program gets the error itself. */
  refuse(code: ErrorCode, name: string, data: object, retryAfterSeconds?: number): FastifyReply {
    if (this.#asksForJson()) {
      throw new GatelodgeError(code, retryAfterSeconds === undefined ? {} : { retryAfterSeconds })
    }
    if (retryAfterSeconds !== undefined) this.reply.header('retry-after', retryAfterSeconds)
    return this.reply.code(errors[code].status).view(name, data)
  }

  #asksForJson(): boolean {
    const accept = this.request.headers.accept ?? ''
    return /\bapplication\/(?:[\w.-]+\+)?json\b/i.test(accept) && !/\btext\/html\b/i.test(accept)
  }
}

function text(fields: unknown, name: string): string {
  if (typeof fields !== 'object' || fields === null || !Object.hasOwn(fields, name)) return ''
  const value: unknown = Reflect.get(fields, name)
  return typeof value === 'string' ? value : ''
}
