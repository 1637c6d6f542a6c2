import type { IncomingMessage, ServerResponse } from 'node:http'
import { type AddressRanges, parseAddress } from '../../access/client-address.js'
import { errors } from '../../errors.js'
import { errorType, type RemoteParent, type Span, type Tracing } from '../../tracing.js'
import type { Verdict } from '../gate/gate.js'
import type { MalformedFault } from '../web/errors.js'
import { type Application, type ProxySite, siteName } from './application.js'

/** The way of one request to its application and back. */
export interface UpstreamSpan {
  /** The headers the application gets, with what we are doing in place of what a client said it is. */
  headers(headers: readonly string[]): string[]
  answered(status: number): void
  failed(error: unknown): void
}

/**
 * Tells every request as a span: what was asked by its route and not by its path, which may carry an application's secrets,
 * what was decided and by which rule, and how it was answered.
 */
export class RequestTraces {
  readonly #tracing: Tracing
  readonly #trusted: AddressRanges
  readonly #scheme: string
  readonly #spans = new WeakMap<IncomingMessage, Span>()

  /**
   * @param trusted whose word is taken for what a request is a part of. A stranger's is not: it could put its requests into
   * other people's traces, and have everything recorded that it sends (W3C Trace Context, 5 and 6)
   */
  constructor(tracing: Tracing, trusted: AddressRanges, scheme: string) {
    this.#tracing = tracing
    this.#trusted = trusted
    this.#scheme = scheme
  }

  begin(request: IncomingMessage, requestId: string): Span {
    const span = this.#start(request, requestId)
    this.#spans.set(request, span)
    return span
  }

  /** Refused before anything could be decided over it; one that was begun here says so itself. */
  malformed({ code, request, requestId }: Omit<MalformedFault, 'peer'>): void {
    if (request !== undefined && this.#spans.has(request)) return
    const span = this.#start(request, requestId)
    span.set({
      'gatelodge.decision': 'refused',
      'gatelodge.code': code,
      'http.response.status_code': errors[code].status,
    })
    span.end()
  }

  /** What is begun in there is a part of this request. */
  within(request: IncomingMessage, run: () => void): void {
    const span = this.#spans.get(request)
    if (span === undefined) run()
    else span.within(run)
  }

  /** It ends with this answer. */
  endsWith(request: IncomingMessage, response: ServerResponse): void {
    response.once('close', () => {
      if (response.headersSent) this.answered(request, response.statusCode)
      else this.gone(request)
    })
  }

  answered(request: IncomingMessage, status: number): void {
    this.#spans.get(request)?.set({ 'http.response.status_code': status })
    this.#end(request, status >= 500 ? String(status) : undefined)
  }

  /** One of our own pages, by its route. */
  ownPage(request: IncomingMessage, route: string): void {
    const span = this.#spans.get(request)
    span?.rename(`${request.method} ${route}`)
    span?.set({ 'http.route': route })
  }

  /** @param isAsked another proxy asks about it: the question keeps its own name */
  decided(request: IncomingMessage, verdict: Verdict<ProxySite>, isAsked = false): void {
    const span = this.#spans.get(request)
    if (span === undefined || verdict.kind === 'own') return
    if (verdict.kind === 'refused') {
      span.set({ 'gatelodge.decision': 'refused', 'gatelodge.code': verdict.error })
      return
    }
    const { site, rule, decision, observed } = verdict
    const { outcome, row, line } = observed?.decision ?? decision
    span.set({
      'gatelodge.site': siteName(site),
      'gatelodge.decision': outcome,
      'gatelodge.row': row,
      ...(line === undefined ? {} : { 'gatelodge.line': line }),
      ...(observed === undefined ? {} : { 'gatelodge.observed': true }),
      ...(isAsked ? { 'gatelodge.rule': rule.path } : { 'http.route': rule.path }),
    })
    if (!isAsked) span.rename(`${request.method} ${rule.path}`)
  }

  /** On to the application. @param response whose end is the end of the way back */
  upstreamSpan(
    request: IncomingMessage,
    response: ServerResponse | undefined,
    { site }: Pick<Application, 'site'>,
  ): UpstreamSpan {
    const { hostname, port, protocol } = new URL(site.settings.upstream)
    const method = request.method ?? ''
    const span = this.#tracing.start(method, {
      kind: 'client',
      parent: this.#spans.get(request),
      attributes: {
        'http.request.method': method,
        'server.address': hostname,
        'server.port': port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
      },
    })
    const answered = (status: number) => {
      span.set({ 'http.response.status_code': status })
      span.end(status >= 400 ? String(status) : undefined)
    }
    response?.once('close', () => (response.headersSent ? answered(response.statusCode) : span.end()))
    return {
      headers: (headers) => [...withoutTrace(headers), ...span.headers],
      answered,
      failed: (error) => span.end(errorType(error)),
    }
  }

  /** The client left before it was answered. */
  gone(request: IncomingMessage): void {
    this.#end(request)
  }

  /** @param request `undefined` where there are only bytes: `_OTHER` is what the semantic conventions call their method */
  #start(request: IncomingMessage | undefined, requestId: string): Span {
    return this.#tracing.start(request?.method ?? 'HTTP', {
      kind: 'server',
      parent: request && this.#parentOf(request),
      attributes: {
        'http.request.method': request?.method ?? '_OTHER',
        'url.scheme': this.#scheme,
        'gatelodge.request_id': requestId,
      },
    })
  }

  #parentOf({ headers, socket }: IncomingMessage): RemoteParent | undefined {
    const { traceparent, tracestate } = headers
    if (typeof traceparent !== 'string') return undefined
    const peer = parseAddress(socket.remoteAddress ?? '')
    if (peer === undefined || !this.#trusted.has(peer)) return undefined
    return { traceparent, ...(typeof tracestate === 'string' ? { tracestate } : {}) }
  }

  #end(request: IncomingMessage, error?: string): void {
    this.#spans.get(request)?.end(error)
    this.#spans.delete(request)
  }
}

function withoutTrace(headers: readonly string[]): string[] {
  const kept: string[] = []
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const [name = '', value = ''] = headers.slice(at, at + 2)
    if (!/^trace(?:parent|state)$/i.test(name)) kept.push(name, value)
  }
  return kept
}
