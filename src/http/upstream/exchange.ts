import type { IncomingMessage, ServerResponse } from 'node:http'
import { GatelodgeError } from '../../errors.js'
import { hasBody } from '../web/request-kind.js'
import { AnswerError, type AnswerHead } from './answer-head.js'
import { beginAnswer } from './answer-writing.js'
import { signsInConnection } from './bound-credentials.js'
import type { Owner } from './connection-owner.js'
import type { InFlightExchange } from './in-flight-exchange.js'
import type { People } from './people.js'
import { writeCopy } from './reused-buffers.js'
import { isIdempotent } from './stale-connections.js'
import { Upload, type UploadPatience } from './upload.js'
import {
  headOf,
  type Occupant,
  UpstreamClosed,
  type UpstreamConnection,
  UpstreamTimeout,
} from './upstream-connection.js'

/** One request, judged and ready to go. */
export interface Passage {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** The request target, sent byte for byte. */
  readonly target: string
  /** Name, value, name, value. */
  readonly headers: readonly string[]
  /** What of the answer's headers the client gets. */
  readonly policy: { response(raw: readonly string[]): string[] }
  /** Answers the error; after the answer has begun, cuts it short. */
  readonly fail: (error: GatelodgeError) => void
  /** Let in by a session or by credentials, so that it is judged again while it lasts. */
  readonly boundTo?: 'session' | 'program' | undefined
  /** Of the session or program it was let in by. */
  readonly sessionId?: string | undefined
  /** Asked whose the request is where the application signs in connections. */
  readonly people: Pick<People, 'of'>
}

/** More than this waiting for a client that reads slowly, and the application is read no further. */
const bufferedBytes = 64 * 1024

/** Answers up to this leave in one write. */
const smallBytes = 16 * 1024

/** Who gives connections to exchanges. */
export interface ExchangeKeeper {
  /**
   * The answer never ends by itself, and is counted apart from now on.
   * @returns whether there is a place for it
   */
  readonly stream: (exchange: Exchange) => boolean
  readonly release: (exchange: Exchange) => void
  /** A connection that was kept was closed under the request, or before it. */
  readonly onStale: () => void
  /** Gives the same request a connection that was never used. */
  readonly repeat: (exchange: Exchange) => void
}

/** One request and its answer between the two connections. */
export class Exchange implements Occupant, InFlightExchange {
  readonly #passage: Passage
  readonly #response: ServerResponse
  readonly #patience: UploadPatience
  readonly #keeper: ExchangeKeeper
  #connection: UpstreamConnection | undefined
  #upload: Upload | undefined
  /** The first piece of the answer: kept until the turn is over, so that a small answer leaves in one write. */
  #held: string | Buffer | undefined
  /** The head says how long the body is. */
  #isSized = false
  #isStreaming = false
  #isBegun = false
  #isOver = false
  #isRepeated = false
  #timer: NodeJS.Timeout | undefined

  constructor(passage: Passage, patience: UploadPatience, keeper: ExchangeKeeper) {
    this.#passage = passage
    this.#response = passage.response
    this.#patience = patience
    this.#keeper = keeper
    passage.response.on('close', this.#onClientClose)
  }

  /** No longer waiting: counts among those under way. */
  get isBegun(): boolean {
    return this.#isBegun
  }

  get isBound(): boolean {
    return this.#passage.boundTo !== undefined && !this.#isOver
  }

  /** Who has to be the same for a connection to be used on that somebody may be signed in on. */
  get person(): string | undefined {
    return this.#passage.people.of(this.#passage.request, this.#passage.sessionId)
  }

  get request(): IncomingMessage {
    return this.#passage.request
  }

  /** In the middle of an answer the client sees that it is not whole. */
  cut(): void {
    if (!this.#isOver) this.#response.destroy()
  }

  begin(): void {
    this.#isBegun = true
    if (this.#timer !== undefined) clearTimeout(this.#timer)
  }

  wait(forMs: number): void {
    this.#timer = setTimeout(() => this.refuse(), forMs)
  }

  refuse(): void {
    this.#fail(new GatelodgeError('upstream.busy', { retryAfterSeconds: 2 }))
  }

  onReady(connection: UpstreamConnection): void {
    if (this.#isOver) {
      connection.destroy()
      return
    }
    this.#connection = connection
    const { request, response, target, headers } = this.#passage
    if (signsInConnection(headers)) connection.bindTo(this.#owner())
    const method = request.method ?? 'GET'
    let head = headOf(method, target, headers)
    if (request.headers['transfer-encoding'] !== undefined) head += 'transfer-encoding: chunked\r\n'
    connection.send(method, `${head}\r\n`)
    if (hasBody(request)) this.#upload = new Upload(request, response, connection, this.#patience, this.#onSlow)
  }

  onHead({ status, reason, headers, contentLength, bindsConnection }: AnswerHead): void {
    if (bindsConnection) this.#connection?.bindTo(this.#owner())
    const forClient = this.#passage.policy.response(headers)
    if (isEndless(forClient) && !this.#keeper.stream(this)) {
      const connection = this.#connection
      this.refuse()
      connection?.destroy()
      return
    }
    beginAnswer(this.#response, status, reason, forClient)
    this.#isSized = contentLength !== undefined
    process.nextTick(flush, this)
  }

  onBody(piece: Buffer): void {
    const response = this.#response
    if (!this.#isStreaming && this.#held === undefined) {
      // As text, Node sends it in one piece with the head; as bytes it would be two, gathered by a costlier call.
      this.#held = piece.length <= smallBytes ? piece.toString('latin1') : Buffer.from(piece)
      return
    }
    this.flush()
    if (writeCopy(response, piece) || response.writableLength < bufferedBytes) return
    this.#connection?.pause()
    response.once('drain', () => this.#connection?.resume())
  }

  onEnd(): void {
    if (this.#isOver) return
    if (this.#upload?.isSent === false) this.#connection?.spoil()
    this.#settle()
    const held = this.#held
    this.#held = undefined
    if (held === undefined) this.#response.end()
    else if (this.#isSized) endInOneWrite(this.#response, held)
    else this.#response.end(held, 'latin1')
  }

  /** It has no body, and does no harm if the application gets it twice. */
  get isRepeatable(): boolean {
    const { request } = this.#passage
    return isIdempotent(request.method) && !hasBody(request)
  }

  onError(cause: Error): void {
    if (cause instanceof UpstreamClosed && cause.isStale && !this.#isOver) {
      this.#keeper.onStale()
      // Once: the next connection is a fresh one, and how that ends is the answer.
      if (!this.#isRepeated && this.isRepeatable) {
        this.#isRepeated = true
        this.#connection = undefined
        this.#keeper.repeat(this)
        return
      }
    }
    this.#fail(asGatelodgeError(cause))
  }

  /** The turn is over and there is more to come: what there is goes out now (server-sent events wait for nothing). */
  flush(): void {
    if (this.#isStreaming || this.#isOver) return
    this.#isStreaming = true
    // `flushHeaders` writes the head as UTF-8, and every byte beyond ASCII twice.
    if (this.#held === undefined) this.#response.write('', 'latin1')
    else this.#response.write(this.#held, 'latin1')
    this.#held = undefined
  }

  /** Ends the answer as if the application had. */
  finish(): void {
    if (this.#isOver) return
    const connection = this.#connection
    this.flush()
    this.onEnd()
    connection?.destroy()
  }

  /** What has come of the body is of no use, and the application must not take it for the whole. */
  readonly #onSlow = (): void => {
    const connection = this.#connection
    this.#fail(new GatelodgeError('request.timeout'))
    connection?.destroy()
  }

  readonly #onClientClose = (): void => {
    if (this.#isOver) return
    const connection = this.#connection
    this.#settle()
    connection?.destroy()
  }

  #owner(): Owner {
    return { client: this.request.socket, person: this.person }
  }

  #fail(error: GatelodgeError): void {
    if (this.#isOver) return
    this.#settle()
    this.#passage.fail(error)
  }

  #settle(): void {
    this.#isOver = true
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#upload?.stop()
    // Late word from the client's side must not reach a connection that carries another's request by now.
    this.#connection = undefined
    this.#keeper.release(this)
  }
}

function flush(exchange: Exchange): void {
  exchange.flush()
}

/** Where it is not chunked. `end(body)` writes twice, the second time nothing, which takes the dearer call for several pieces. */
function endInOneWrite(response: ServerResponse, body: string | Buffer): void {
  const { socket } = response
  socket?.cork()
  response.write(body, 'latin1')
  socket?.uncork()
  response.end()
}

/** Server-sent events, and pictures of cameras that take each other's place. */
function isEndless(headers: readonly string[]): boolean {
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at]?.length === 12 && headers[at]?.toLowerCase() === 'content-type') {
      const type = headers[at + 1] ?? ''
      return type.startsWith('text/event-stream') || type.startsWith('multipart/x-mixed-replace')
    }
  }
  return false
}

/** What became of a request on its way to an application and back. */
export function asGatelodgeError(cause: Error): GatelodgeError {
  if (cause instanceof UpstreamTimeout) return new GatelodgeError('upstream.timeout', { cause })
  if (cause instanceof UpstreamClosed) return new GatelodgeError('upstream.closed', { cause })
  if (cause instanceof AnswerError) {
    return new GatelodgeError('upstream.invalid', { cause, detail: `What was wrong: ${cause.message}.` })
  }
  // Of our own making: what an application says or fails to do makes none of these.
  if (cause instanceof TypeError || cause instanceof RangeError) return new GatelodgeError('internal', { cause })
  return new GatelodgeError('upstream.unreachable', { cause })
}
