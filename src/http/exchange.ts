import type { IncomingMessage, ServerResponse } from 'node:http'
import { GatelodgeError } from '../errors.js'
import { AnswerError, type Head } from './answer-head.js'
import { writeLent } from './lent.js'
import type { OpenPassage } from './open-passages.js'
import { hasBody } from './page-load.js'
import { Upload, type UploadPatience } from './upload.js'
import { headOf, type Occupant, type UpstreamConnection, UpstreamTimeout } from './upstream-connection.js'

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
}

/** More than this waiting for a client that reads slowly, and the application is read no further. */
const bufferedBytes = 64 * 1024

/** Answers up to this leave in one write. */
const smallBytes = 16 * 1024

/** One request and its answer between the two connections. */
export class Exchange implements Occupant, OpenPassage {
  readonly #passage: Passage
  readonly #response: ServerResponse
  readonly #patience: UploadPatience
  readonly #eventStreams: Set<Exchange>
  readonly #release: (exchange: Exchange) => void
  #connection: UpstreamConnection | undefined
  #upload: Upload | undefined
  /** The first piece of the answer: kept until the turn is over, so that a small answer leaves in one write. */
  #held: string | Buffer | undefined
  /** The head says how long the body is. */
  #isSized = false
  #isStreaming = false
  #isBegun = false
  #isOver = false
  #timer: NodeJS.Timeout | undefined

  constructor(
    passage: Passage,
    patience: UploadPatience,
    eventStreams: Set<Exchange>,
    release: (exchange: Exchange) => void,
  ) {
    this.#passage = passage
    this.#response = passage.response
    this.#patience = patience
    this.#eventStreams = eventStreams
    this.#release = release
    passage.response.on('close', this.#onClientClose)
  }

  /** No longer waiting: counts among those under way. */
  get isBegun(): boolean {
    return this.#isBegun
  }

  get isBound(): boolean {
    return this.#passage.boundTo !== undefined && !this.#isOver
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
    const method = request.method ?? 'GET'
    let head = headOf(method, target, headers)
    if (request.headers['transfer-encoding'] !== undefined) head += 'transfer-encoding: chunked\r\n'
    connection.send(method, `${head}\r\n`)
    if (hasBody(request)) this.#upload = new Upload(request, response, connection, this.#patience, this.#onSlow)
  }

  onHead({ status, reason, headers, contentLength }: Head): void {
    const forClient = this.#passage.policy.response(headers)
    if (reason === '') this.#response.writeHead(status, forClient)
    else this.#response.writeHead(status, reason, forClient)
    this.#isSized = contentLength !== undefined
    if (isEventStream(forClient)) this.#eventStreams.add(this)
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
    if (writeLent(response, piece) || response.writableLength < bufferedBytes) return
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

  onError(cause: Error): void {
    this.#fail(asGatelodgeError(cause))
  }

  /** The turn is over and there is more to come: what there is goes out now (server-sent events wait for nothing). */
  flush(): void {
    if (this.#isStreaming || this.#isOver) return
    this.#isStreaming = true
    if (this.#held === undefined) this.#response.flushHeaders()
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
    this.#eventStreams.delete(this)
    this.#release(this)
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

function isEventStream(headers: readonly string[]): boolean {
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at]?.length === 12 && headers[at]?.toLowerCase() === 'content-type') {
      return headers[at + 1]?.startsWith('text/event-stream') === true
    }
  }
  return false
}

/** What became of a request on its way to an application and back. */
export function asGatelodgeError(cause: Error): GatelodgeError {
  if (cause instanceof UpstreamTimeout) return new GatelodgeError('upstream.timeout', { cause })
  if (cause instanceof AnswerError) return new GatelodgeError('upstream.invalid', { cause })
  return new GatelodgeError('upstream.unreachable', { cause })
}
