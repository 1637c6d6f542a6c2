import type { IncomingMessage, ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import { buildConnector, type Dispatcher, Pool } from 'undici'
import { GatelodgeError } from '../errors.js'
import { hasBody } from './page-load.js'
import { RequestBody } from './request-body.js'

/** Where an application is and how much patience it gets. Times in milliseconds. */
export interface UpstreamSettings {
  /** `scheme://host[:port]`, without a path. */
  readonly url: string
  /** Certificates (PEM) that an https upstream may be signed by, in place of the system's. It is always verified. */
  readonly certificateAuthority?: string
  /** The name its certificate must carry, where that is not the host of the address. */
  readonly serverName?: string
  readonly connectTimeoutMs?: number
  /** Until the head of the answer. */
  readonly headersTimeoutMs?: number
  /** Between two pieces of the answer's body. */
  readonly bodyIdleTimeoutMs?: number
  /** A client that neither sends of its body nor takes of the answer for so long is gone. */
  readonly clientIdleTimeoutMs?: number
  /** Requests under way at once; those beyond wait, and beyond `queue` are refused: a slow application holds up only itself. */
  readonly concurrency?: number
  readonly queue?: number
  readonly queueTimeoutMs?: number
}

/** One request, judged and ready to go. */
export interface Passage {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** The request target, sent byte for byte. */
  readonly target: string
  /** Name, value, name, value. */
  readonly headers: string[]
  /** What of the answer's headers the client gets. */
  readonly policy: { response(raw: readonly (Buffer | string)[]): string[] }
  /** Answers the error; after the answer has begun, cuts it short. */
  readonly fail: (error: GatelodgeError) => void
  /** Called once when nothing is under way any more. */
  readonly onEnd?: (() => void) | undefined
}

/** More than this waiting for a client that reads slowly, and the application is read no further. */
const bufferedBytes = 256 * 1024

/** Answers up to this are copied once more to leave in one write. */
const smallBytes = 16 * 1024

/** One application: its connections, its limits, and the moving of bytes to and from it. Nothing is ever sent twice. */
export class Upstream {
  readonly #pool: Pool
  readonly #serverName: string | undefined
  readonly #clientIdleTimeoutMs: number
  readonly #concurrency: number
  readonly #queue: number
  readonly #queueTimeoutMs: number
  readonly #waiting: Exchange[] = []
  /** Answers that never end by themselves. */
  readonly #eventStreams = new Set<Exchange>()
  #active = 0

  constructor(settings: UpstreamSettings) {
    const { protocol, hostname, origin } = new URL(settings.url)
    this.#clientIdleTimeoutMs = settings.clientIdleTimeoutMs ?? 60_000
    this.#concurrency = settings.concurrency ?? 1024
    this.#queue = settings.queue ?? 512
    this.#queueTimeoutMs = settings.queueTimeoutMs ?? 5000
    const serverName = settings.serverName ?? bareHost(hostname)
    this.#serverName = protocol === 'https:' ? serverName : undefined
    const ca = settings.certificateAuthority
    const connect = buildConnector({
      timeout: settings.connectTimeoutMs ?? 5000,
      rejectUnauthorized: true,
      ...(ca === undefined ? {} : { ca }),
    })
    this.#pool = new Pool(origin, {
      connections: this.#concurrency,
      pipelining: 1,
      headersTimeout: settings.headersTimeoutMs ?? 60_000,
      bodyTimeout: settings.bodyIdleTimeoutMs ?? 300_000,
      maxHeaderSize: 64 * 1024,
      // The certificate is checked against the configured name, not against the Host that a client sent.
      connect: (options, callback) =>
        connect({ ...options, servername: isIP(serverName) === 0 ? serverName : '' }, callback),
    })
  }

  /** Moves one request there and its answer back. Every ending, good or bad, is answered by the passage. */
  forward(passage: Passage): void {
    const exchange = new Exchange(passage, this.#clientIdleTimeoutMs, this.#eventStreams, this.#release)
    if (this.#active < this.#concurrency) this.#start(exchange)
    else if (this.#waiting.length < this.#queue) {
      this.#waiting.push(exchange)
      exchange.wait(this.#queueTimeoutMs)
    } else exchange.refuse()
  }

  /** Ends event streams: nobody need wait for them, and browsers come back by themselves. */
  endEventStreams(): void {
    for (const exchange of [...this.#eventStreams]) exchange.finish()
  }

  /** Ends idle connections at once; requests under way are the caller's to wait for. */
  close(): Promise<void> {
    return this.#pool.destroy()
  }

  #start(exchange: Exchange): void {
    this.#active += 1
    exchange.start(this.#pool, this.#serverName)
  }

  readonly #release = (): void => {
    this.#active -= 1
    for (;;) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      if (!next.isOver) {
        this.#start(next)
        return
      }
    }
  }
}

/** One request and its answer between the two connections. The methods named `on...` are called by undici. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #passage: Passage
  readonly #response: ServerResponse
  readonly #idleMs: number
  readonly #eventStreams: Set<Exchange>
  readonly #release: () => void
  #abort: ((error?: Error) => void) | undefined
  #resume: (() => void) | undefined
  /** The first piece of the answer: kept until the turn is over, so that a small answer leaves in one write. */
  #held: Buffer | undefined
  #streaming = false
  #started = false
  #over = false
  #timer: NodeJS.Timeout | undefined

  constructor(passage: Passage, idleMs: number, eventStreams: Set<Exchange>, release: () => void) {
    this.#passage = passage
    this.#response = passage.response
    this.#idleMs = idleMs
    this.#eventStreams = eventStreams
    this.#release = release
    passage.response.on('close', this.#onClientClose)
  }

  get isOver(): boolean {
    return this.#over
  }

  wait(forMs: number): void {
    this.#timer = setTimeout(() => this.refuse(), forMs)
  }

  refuse(): void {
    this.#fail(new GatelodgeError('upstream.busy', { retryAfterSeconds: 2 }))
  }

  start(pool: Pool, servername: string | undefined): void {
    clearTimeout(this.#timer)
    this.#started = true
    const { request, response, target, headers } = this.#passage
    const options: Dispatcher.DispatchOptions & { servername?: string } = {
      path: target,
      method: request.method ?? 'GET',
      headers,
      body: hasBody(request) ? new RequestBody(request, response, this.#idleMs) : null,
    }
    if (servername !== undefined) options.servername = servername
    pool.dispatch(options, this)
  }

  onConnect(abort: (error?: Error) => void): void {
    if (this.#over) abort()
    else this.#abort = abort
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void, reason: string): boolean {
    // Word that the answer is still being thought about (102, 103) is not passed on: the client hears of the real one.
    if (status < 200) return true
    this.#resume = resume
    const headers = this.#passage.policy.response(raw)
    if (reason === '' || !/^[\t\x20-\x7e]+$/.test(reason)) this.#response.writeHead(status, headers)
    else this.#response.writeHead(status, reason, headers)
    if (isEventStream(headers)) this.#eventStreams.add(this)
    process.nextTick(flush, this)
    return true
  }

  onData(chunk: Buffer): boolean {
    const response = this.#response
    if (!this.#streaming && this.#held === undefined) {
      this.#held = chunk
      return true
    }
    this.flush()
    if (response.write(chunk) || response.writableLength < bufferedBytes) return true
    response.socket?.setTimeout(this.#idleMs)
    response.once('drain', () => {
      response.socket?.setTimeout(0)
      this.#resume?.()
    })
    return false
  }

  onComplete(): void {
    if (this.#over) return
    this.#settle()
    const held = this.#held
    this.#held = undefined
    if (held === undefined) this.#response.end()
    // As text, Node sends it in one piece with the head; as bytes it would be two, gathered by a costlier call.
    else if (held.length <= smallBytes) this.#response.end(held.toString('latin1'), 'latin1')
    else this.#response.end(held)
  }

  onError(error: Error): void {
    this.#fail(asGatelodgeError(error))
  }

  /** The turn is over and there is more to come: what there is goes out now (server-sent events wait for nothing). */
  flush(): void {
    if (this.#streaming || this.#over) return
    this.#streaming = true
    if (this.#held === undefined) this.#response.flushHeaders()
    else this.#response.write(this.#held)
    this.#held = undefined
  }

  /** Ends the answer as if the application had. */
  finish(): void {
    if (this.#over) return
    this.flush()
    this.onComplete()
    this.#abort?.()
  }

  readonly #onClientClose = (): void => {
    if (this.#over) return
    this.#settle()
    this.#abort?.()
  }

  #fail(error: GatelodgeError): void {
    if (this.#over) return
    this.#settle()
    this.#passage.fail(error)
  }

  #settle(): void {
    this.#over = true
    this.#eventStreams.delete(this)
    clearTimeout(this.#timer)
    if (this.#started) this.#release()
    this.#passage.onEnd?.()
  }
}

function flush(exchange: Exchange): void {
  exchange.flush()
}

function isEventStream(headers: readonly string[]): boolean {
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at]?.length === 12 && headers[at]?.toLowerCase() === 'content-type') {
      return headers[at + 1]?.startsWith('text/event-stream') === true
    }
  }
  return false
}

function bareHost(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
}

const invalidAnswers = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_RES_EXCEEDED_MAX_SIZE',
])

function asGatelodgeError(cause: Error & { code?: unknown }): GatelodgeError {
  const code = String(cause.code ?? '')
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
    return new GatelodgeError('upstream.timeout', { cause })
  }
  if (code.startsWith('HPE_') || invalidAnswers.has(code) || cause.message.startsWith('bad ')) {
    return new GatelodgeError('upstream.invalid', { cause })
  }
  return new GatelodgeError('upstream.unreachable', { cause })
}
