import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import { GatelodgeError } from '../../errors.js'
import type { Application, Applications, ProxySite } from '../applications/application.js'
import type { Load } from '../applications/load-watch.js'
import type { RequestTraces } from '../applications/request-traces.js'
import { isDenied, type OnDenied } from '../gate/denied-request.js'
import { type Gate, isForwardAuth, type Judged } from '../gate/gate.js'
import { observedForeign, refusalTo } from '../gate/refusal.js'
import { faultOf } from '../listener/server-options.js'
import { StalledConnections } from '../listener/stalled-connections.js'
import { beginAnswer } from '../upstream/answer-writing.js'
import type { InFlightExchange } from '../upstream/in-flight-exchange.js'
import { bareResponse } from '../web/bare-response.js'
import { Counter } from '../web/counter.js'
import type { ErrorAnswers } from '../web/errors.js'
import { isFromOwnPage } from '../web/origin.js'
import { hasBody } from '../web/request-kind.js'
import { asksForWebSocket, closeCodes, isWellFormed } from './frames.js'
import { Handshake } from './handshake.js'
import { Splice } from './splice.js'

export interface WebSocketLimits {
  /** Open at once, of all sites; each site has a limit of its own besides. */
  readonly total?: number
  readonly perSession?: number
  /** Until the application has agreed. */
  readonly handshakeMs?: number
  /** Without a byte in either direction. */
  readonly idleMs?: number
  /** An application that takes nothing of what waits for it; clients that do are the door's to cut. `Infinity`: for ever. */
  readonly sendMs?: number
}

export interface WebSocketParts {
  readonly gate: Gate<ProxySite>
  readonly applications: Applications
  readonly errors: ErrorAnswers
  readonly requestId: () => string
  readonly limits?: WebSocketLimits | undefined
  readonly onStopped?: OnDenied | undefined
  readonly traces?: RequestTraces | undefined
}

const perSite = 1000

/** A connection that left HTTP behind, or wants to. */
interface Tunnel extends InFlightExchange {
  readonly sessionId: string | undefined
  readonly application: Application
  close(code: number): void
}

/**
 * WebSockets. An upgrade request is judged like any other, the application is asked, and only when it has agreed does the
 * client hear of it; from then on bytes go both ways unread. A refused one gets a plain answer and its connection ends:
 * what stands behind it in the connection is never read.
 */
export class WebSockets {
  readonly #parts: WebSocketParts
  readonly #limits: Required<WebSocketLimits>
  readonly #webSockets = new Set<Tunnel>()
  readonly #stalled: StalledConnections
  readonly #ofSite = new Counter<Application>()
  readonly #ofSession = new Counter<string>()
  #entering = 0
  #closing = false

  constructor(parts: WebSocketParts) {
    this.#parts = parts
    this.#limits = {
      ...{ total: 10_000, perSession: 100, handshakeMs: 10_000, idleMs: 3_600_000, sendMs: 60_000 },
      ...parts.limits,
    }
    this.#stalled = new StalledConnections(this.#limits.sendMs)
  }

  /** Open, or being judged. */
  get size(): number {
    return this.#webSockets.size + this.#entering
  }

  /** What was let in by a session, or all of it. */
  *underWay(everything = false): Iterable<InFlightExchange> {
    for (const tunnel of this.#webSockets) if (everything || tunnel.sessionId !== undefined) yield tunnel
  }

  /** How many are open of each site, where any are. */
  *loads(): Iterable<Load> {
    for (const application of new Set([...this.#webSockets].map((tunnel) => tunnel.application))) {
      const used = this.#ofSite.of(application)
      yield { site: application.name, kind: 'web-sockets', used, limit: limitOf(application) }
    }
  }

  /** Takes over the server's upgrades. */
  attach(server: Server): void {
    server.on('upgrade', (request: IncomingMessage, socket: Socket & { _httpMessage?: unknown }, head: Buffer) => {
      // From here on Node listens no more: a reset in the middle of a decision would end the process.
      socket.on('error', () => socket.destroy())
      // An upgrade sent ahead while an earlier answer is under way would mix the two; no browser does that.
      if (socket._httpMessage !== undefined && socket._httpMessage !== null) socket.destroy()
      else if (faultOf(request) === undefined && (!asksForWebSocket(request) || this.#isQuestion(request))) {
        withoutUpgrade(server, request, socket, head)
      } else void this.#enter(request, socket, head)
    })
  }

  /** Says goodbye to every WebSocket (1001, going away) and ends what is still there after the deadline. */
  async close(deadlineMs = 1000): Promise<void> {
    this.#closing = true
    for (const tunnel of this.#webSockets) tunnel.close(closeCodes.goingAway)
    const deadline = performance.now() + deadlineMs
    while (this.#webSockets.size > 0 && performance.now() < deadline) await new Promise((done) => setTimeout(done, 20))
    for (const tunnel of this.#webSockets) tunnel.cut()
  }

  async #enter(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const requestId = this.#parts.requestId()
    this.#entering += 1
    this.#parts.traces?.begin(request, requestId)
    try {
      const judged = await this.#judge(request, requestId)
      const { applications } = this.#parts
      const headers = await applications.headersFor(applications.of(judged.site), request, judged, requestId)
      if (socket.destroyed) {
        this.#parts.traces?.gone(request)
        return
      }
      this.#open(request, socket, head, judged, headers, requestId)
    } catch (error) {
      this.#answer(request, socket, error, requestId)
    } finally {
      this.#entering -= 1
    }
  }

  /** A proxy that asks about a handshake it holds may pass on all of it. */
  #isQuestion({ url = '' }: IncomingMessage): boolean {
    const { prefix } = this.#parts.gate
    return url.startsWith(prefix) && isForwardAuth(url.slice(prefix.length).split('?', 1)[0] ?? '')
  }

  async #judge(request: IncomingMessage, requestId: string): Promise<Judged<ProxySite>> {
    const fault = faultOf(request)
    if (fault !== undefined) throw new GatelodgeError(fault)
    // A body would be taken for frames by one side and for a request by another.
    if (!isWellFormed(request) || hasBody(request)) throw new GatelodgeError('request.malformed')
    const verdict = await this.#parts.gate.judge(request, requestId)
    if (verdict.kind === 'own') throw new GatelodgeError('not-found')
    const { onStopped, traces } = this.#parts
    traces?.decided(request, verdict)
    if (isDenied(verdict)) onStopped?.(request, requestId, verdict)
    if (verdict.kind === 'refused') throw new GatelodgeError(verdict.error)
    const refusal = refusalTo(request, verdict)
    if (refusal !== undefined) throw refusal.error
    const { origins } = verdict.site.settings
    if (isFromOwnPage(request, this.#parts.applications.scheme, origins ?? [])) return verdict
    // Another page may have opened it: on a site that is only observed it passes, but not in anybody's name.
    if (verdict.site.settings.enforce === false) {
      const observed = observedForeign(verdict)
      if (verdict.observed === undefined) onStopped?.(request, requestId, observed)
      return observed
    }
    throw new GatelodgeError('upgrade.refused')
  }

  #open(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    judged: Judged<ProxySite>,
    headers: readonly string[],
    requestId: string,
  ): void {
    const application = this.#parts.applications.of(judged.site)
    if (application.upstream === undefined) throw new GatelodgeError('upstream.none')
    const sessionId = judged.session?.session.id
    if (this.#closing || this.#isFull(application, sessionId)) throw new GatelodgeError('upgrade.limit')
    const { traces } = this.#parts
    const upstreamSpan = traces?.upstreamSpan(request, undefined, application)
    let splice: Splice | undefined
    const tunnel: Tunnel = {
      request,
      application,
      sessionId,
      close: (code) => (splice === undefined ? socket.destroy() : splice.close(code)),
      cut: () => tunnel.close(closeCodes.policy),
    }
    const end = () => this.#forget(tunnel)
    this.#count(tunnel)
    const abandon = () => {
      end()
      traces?.gone(request)
      handshake.abandon()
    }
    socket.once('close', abandon)

    const fail = (error: unknown) => {
      upstreamSpan?.failed(error)
      if (splice === undefined && !socket.destroyed && !socket.writableEnded)
        this.#answer(request, socket, error, requestId)
    }
    const handshake = new Handshake(application.upstream, {
      target: judged.target.forward,
      headers: upstreamSpan?.headers(headers) ?? headers,
      key: request.headers['sec-websocket-key'] ?? '',
      timeoutMs: this.#limits.handshakeMs,
      owner: { client: socket, person: this.#parts.gate.people.of(request, sessionId) },
      onFailed: fail,
      onRefused: ({ status, headers }) => {
        const response = bareResponse(request, socket)
        upstreamSpan?.answered(status)
        traces?.endsWith(request, response)
        beginAnswer(response, status, '', [...application.headers.response(headers), 'Connection', 'close'])
        return response
      },
      onAgreed: ({ headers }, connection) => {
        socket.off('close', abandon)
        upstreamSpan?.answered(101)
        traces?.answered(request, 101)
        for (const side of [socket, connection.socket]) {
          side.setTimeout(0)
          side.setNoDelay(true)
          side.setKeepAlive(true, 60_000)
        }
        socket.write(switching(application.headers.response(headers)), 'latin1')
        if (head.length > 0) socket.unshift(head)
        const joined = new Splice({ client: socket, application: connection, idleMs: this.#limits.idleMs, onEnd: end })
        this.#stalled.watch(connection.socket, () => joined.destroy())
        splice = joined
      },
    })
  }

  #isFull(application: Application, sessionId: string | undefined): boolean {
    if (this.#webSockets.size >= this.#limits.total) return true
    if (sessionId !== undefined && this.#ofSession.of(sessionId) >= this.#limits.perSession) return true
    return this.#ofSite.of(application) >= limitOf(application)
  }

  #count(tunnel: Tunnel): void {
    this.#webSockets.add(tunnel)
    this.#ofSite.add(tunnel.application)
    if (tunnel.sessionId !== undefined) this.#ofSession.add(tunnel.sessionId)
  }

  #forget(tunnel: Tunnel): void {
    // It may be said twice that it is over.
    if (!this.#webSockets.delete(tunnel)) return
    this.#ofSite.remove(tunnel.application)
    if (tunnel.sessionId !== undefined) this.#ofSession.remove(tunnel.sessionId)
  }

  #answer(request: IncomingMessage, socket: Socket, error: unknown, requestId: string): void {
    const { traces, errors } = this.#parts
    if (socket.destroyed) {
      traces?.gone(request)
      return
    }
    const response = bareResponse(request, socket)
    traces?.endsWith(request, response)
    errors.answer(request, response, error, requestId)
  }
}

function limitOf({ site }: Application): number {
  return site.settings.limits?.webSockets ?? perSite
}

function switching(headers: readonly string[]): string {
  let text = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
  for (let at = 0; at < headers.length; at += 2) text += `${headers[at]}: ${headers[at + 1]}\r\n`
  return `${text}\r\n`
}

const upgradeOnly = new Set(['upgrade', 'http2-settings'])

/**
 * An upgrade to anything else, to HTTP/2 above all, is not for us, and a server may read such a request as if the header
 * were not there (RFC 9110 7.8). Passed on, it would open a connection to the application that nobody judges (h2c
 * smuggling). Node has already stopped reading this connection as HTTP, so the request is put back without the header and
 * read anew.
 */
function withoutUpgrade(server: Server, request: IncomingMessage, socket: Socket, head: Buffer): void {
  const { rawHeaders, method, url } = request
  let text = `${method} ${url} HTTP/1.${request.httpVersionMinor}\r\n`
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    let value = rawHeaders[at + 1] ?? ''
    if (upgradeOnly.has(name.toLowerCase())) continue
    if (name.toLowerCase() === 'connection') {
      const options = value.split(',').filter((option) => !upgradeOnly.has(option.trim().toLowerCase()))
      if (options.length === 0) continue
      value = options.join(',').trim()
    }
    text += `${name}: ${value}\r\n`
  }
  socket.removeAllListeners('error')
  socket.unshift(Buffer.concat([Buffer.from(`${text}\r\n`, 'latin1'), head]))
  server.emit('connection', socket)
}
