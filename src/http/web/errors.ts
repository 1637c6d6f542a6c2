import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from '../../contracts.js'
import { type ErrorCode, errors, GatelodgeError } from '../../errors.js'
import { endAfterBody } from './lingering-close.js'
import { isMalformed } from './malformed.js'
import { type Asked, hasBody, wantsPage } from './request-kind.js'
import { isUnknownMethod, type ParserFault } from './unknown-method.js'

/** What is told about an error; nothing of it is secret. */
export interface ErrorFacts {
  readonly status: number
  readonly code: ErrorCode
  readonly title: string
  readonly sentence: string
  readonly requestId: string
  readonly retryAfterSeconds?: number
  /** The address of a page of ours that helps. */
  readonly way?: string
}

/** Lent by the hosted pages: an error as HTML, with the headers a page of ours has (its content policy above all). */
export type RenderError = (facts: ErrorFacts) => RenderedPage

/** A page, and what its headers have to say of it. */
export interface RenderedPage {
  readonly html: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface ErrorAnswersSettings {
  readonly log: Logger
  /** A number for requests that failed before they got one. */
  readonly requestId: () => string
  readonly render?: RenderError | undefined
  /** What a 401 asks for. */
  readonly challenge?: string
  /** Told of what was no request, or none that could be judged. Must not throw. */
  readonly onMalformed?: ((fault: MalformedFault) => void) | undefined
}

export interface MalformedFault {
  readonly code: ErrorCode
  readonly requestId: string
  /** `undefined` where there are only bytes. */
  readonly request: IncomingMessage | undefined
  /** Address of the peer. */
  readonly peer: string | undefined
}

const defaultRetrySeconds = 5

/** How long a client may take to read the answer to what was no request. */
const leavingMs = 500

/** What Fastify and Node call the same faults. */
const otherNames: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'request.body-too-large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'request.content-type',
  FST_ERR_BAD_URL: 'request.target',
  FST_ERR_MAX_PARAM_LENGTH: 'request.target',
  FST_ERR_NOT_FOUND: 'not-found',
  HPE_HEADER_OVERFLOW: 'request.headers-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request.timeout',
}

/** The one place where an error becomes an answer: a page for whoever waits for a page, else a problem document (RFC 9457). */
export class ErrorAnswers {
  readonly #log: Logger
  readonly #requestId: () => string
  readonly #render: RenderError | undefined
  readonly #challenge: string
  readonly #onMalformed: ((fault: MalformedFault) => void) | undefined
  readonly #leaving = new WeakSet<Socket>()

  constructor({ log, requestId, render, challenge, onMalformed }: ErrorAnswersSettings) {
    this.#log = log
    this.#requestId = requestId
    this.#render = render
    this.#challenge = challenge ?? 'Cookie realm="gatelodge"'
    this.#onMalformed = onMalformed
  }

  /**
   * Answers on the bare response, so that it works before, inside and after Fastify. Once the answer has begun, all that
   * is left is to cut it short: a client must not take half an answer for a whole one.
   * @param asked who waits for it, where another proxy asks for its client
   */
  answer(
    request: IncomingMessage,
    response: ServerResponse,
    error: unknown,
    requestId = this.#requestId(),
    more: Readonly<Record<string, string | string[]>> = {},
    asked: Asked = request,
  ): void {
    const facts = this.#facts(error, requestId)
    // In a flood the log would be another: the door says when it begins and ends.
    if (facts.status >= 500 && facts.code !== 'overloaded')
      this.#log.error({ requestId, code: facts.code, ...whatWas(error) }, 'request failed')
    if (isMalformed(facts.code)) {
      this.#onMalformed?.({ code: facts.code, requestId, request, peer: request.socket.remoteAddress })
    }
    if (response.headersSent || response.destroyed) {
      response.destroy()
      return
    }
    const page = wantsPage(asked) ? this.#page(facts) : undefined
    const body = Buffer.from(page?.html ?? problem(facts))
    const headers: Record<string, string | string[] | number> = {
      ...page?.headers,
      ...(error instanceof GatelodgeError ? error.headers : undefined),
      ...more,
      'content-type': page === undefined ? 'application/problem+json' : 'text/html; charset=utf-8',
      'content-length': body.length,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-request-id': requestId,
    }
    if (facts.retryAfterSeconds !== undefined) headers['retry-after'] = Math.ceil(facts.retryAfterSeconds)
    if (facts.status === 401) headers['www-authenticate'] ??= this.#challenge
    // Nothing after a refused request is ever read as one: what follows may be the body it was refused for (invariant 3).
    if (facts.status < 500 || hasBody(request)) {
      headers['connection'] = 'close'
      this.#leaving.add(request.socket)
    }
    response.writeHead(facts.status, headers)
    endAfterBody(request, response, body)
  }

  /** Sends whoever waits for a page to one of ours: also a refusal, so the connection ends with it. */
  redirect(
    request: IncomingMessage,
    response: ServerResponse,
    location: string,
    requestId: string,
    more: Readonly<Record<string, string>> = {},
  ): void {
    response.writeHead(302, {
      ...more,
      location,
      'content-length': 0,
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-request-id': requestId,
      connection: 'close',
    })
    endAfterBody(request, response, Buffer.alloc(0))
  }

  /** In the place of an application's answer: a page of ours that says how to go on. The connection ends with it. */
  page(
    request: IncomingMessage,
    response: ServerResponse,
    status: 200 | 401,
    { html, headers }: RenderedPage,
    requestId: string,
  ): void {
    if (response.headersSent || response.destroyed) return
    const body = Buffer.from(html)
    response.writeHead(status, {
      ...headers,
      ...(status === 401 && { 'www-authenticate': this.#challenge }),
      'content-length': body.length,
      'x-request-id': requestId,
      connection: 'close',
    })
    this.#leaving.add(request.socket)
    endAfterBody(request, response, body)
  }

  /** For `setErrorHandler`: everything thrown in a handler or hook, and what Fastify itself refuses. */
  readonly handler = (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    reply.hijack()
    const cookies = reply.getHeader('set-cookie')
    const more = cookies === undefined ? {} : { 'set-cookie': [cookies].flat().map(String) }
    this.answer(request.raw, reply.raw, error, request.id, more)
  }

  /** For `setNotFoundHandler`. */
  readonly notFound = (request: FastifyRequest, reply: FastifyReply): void => {
    this.handler(new GatelodgeError('not-found'), request, reply)
  }

  /**
   * For the server's `clientError`: bytes that are no request. Answered plainly, and the connection is over. While
   * another answer is on its way nothing may be written between its bytes.
   */
  readonly clientError = (
    error: NodeJS.ErrnoException & ParserFault,
    socket: Socket & { _httpMessage?: ServerResponse },
  ): void => {
    // More bytes on a connection that has its answer already.
    if (error.code !== 'ECONNRESET' && this.#leaving.has(socket)) return
    if (error.code === 'ECONNRESET' || !socket.writable || socket._httpMessage?.headersSent === true) {
      socket.destroy()
      return
    }
    const known = isUnknownMethod(error) ? 'method.unknown' : otherNames[error.code ?? '']
    const facts = this.#facts(new GatelodgeError(known ?? 'request.malformed'), this.#requestId())
    this.#log.debug({ requestId: facts.requestId, code: facts.code, reason: error.code }, 'request refused')
    if (isMalformed(facts.code)) {
      const { code, requestId } = facts
      this.#onMalformed?.({ code, requestId, request: undefined, peer: socket.remoteAddress })
    }
    // Closed at once, a connection with bytes still to be read is reset, and the answer lost with it.
    this.#leaving.add(socket)
    socket.end(plainAnswer(facts))
    const timer = setTimeout(() => socket.destroy(), leavingMs)
    socket.once('close', () => clearTimeout(timer))
  }

  #page(facts: ErrorFacts): ReturnType<RenderError> {
    try {
      if (this.#render !== undefined) return this.#render(facts)
    } catch (err) {
      this.#log.error({ requestId: facts.requestId, err }, 'the page for an error could not be made')
    }
    return {
      html: plainPage(facts),
      headers: { 'content-security-policy': "default-src 'none'; frame-ancestors 'none'" },
    }
  }

  #facts(error: unknown, requestId: string): ErrorFacts {
    const known = error instanceof GatelodgeError ? error : new GatelodgeError(codeOf(error))
    const { status, sentence: general } = errors[known.code]
    const sentence = known.detail === undefined ? general : `${general} ${known.detail}`
    const wait = known.retryAfterSeconds ?? (status === 429 || status === 503 ? defaultRetrySeconds : undefined)
    return {
      status,
      code: known.code,
      title: STATUS_CODES[status] ?? 'Error',
      sentence,
      requestId,
      ...(wait === undefined ? {} : { retryAfterSeconds: wait }),
      ...(known.way === undefined ? {} : { way: known.way }),
    }
  }
}

/** The whole answer as bytes, for where there is no response to write to: connection over. */
export function plainAnswer(facts: ErrorFacts): string {
  const body = problem(facts)
  return (
    `HTTP/1.1 ${facts.status} ${facts.title}\r\nContent-Type: application/problem+json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n${body}`
  )
}

/** Where we know what it was, its reason is enough; for what nobody expected there is the stack. */
function whatWas(error: unknown): { reason: string } | { err: unknown } {
  return error instanceof GatelodgeError && error.code !== 'internal' ? { reason: reasonOf(error) } : { err: error }
}

/** What went wrong underneath, in one line: never more than the errors of Node and of plugins say. */
export function reasonOf({ code, cause }: GatelodgeError): string {
  const words: string[] = []
  for (let at = cause; at instanceof Error && words.length < 3; at = at.cause) {
    const known = 'code' in at && typeof at.code === 'string' ? at.code : undefined
    words.push(known === undefined || at.message.includes(known) ? at.message : `${known}: ${at.message}`)
  }
  return words.join('; ').replace(/\s+/g, ' ').slice(0, 300) || code
}

/** An error nobody put a name to: by the name Node or Fastify gave it, else by its status, else our own fault. */
function codeOf(error: unknown): ErrorCode {
  const { code, statusCode } = (error ?? {}) as { code?: unknown; statusCode?: unknown }
  const known = typeof code === 'string' ? otherNames[code] : undefined
  if (known !== undefined) return known
  if (statusCode === 404) return 'not-found'
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500 ? 'request.malformed' : 'internal'
}

function problem({ status, code, title, sentence, requestId }: ErrorFacts): string {
  return JSON.stringify({ type: 'about:blank', title, status, code, detail: sentence, requestId })
}

/** Every word here is from the table of errors or made by us: nothing to escape. */
function plainPage({ title, sentence, requestId }: ErrorFacts): string {
  return (
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>Error: ${title}</title>` +
    `<h1>${title}</h1><p>${sentence}</p><p>${requestId}</p></html>\n`
  )
}
