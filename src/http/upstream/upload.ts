import type { IncomingMessage, ServerResponse } from 'node:http'
import type { UpstreamConnection } from './upstream-connection.js'

/** How long the rest of a body nobody wants is read and thrown away before the connection is given up. */
const discardMs = 10_000

/** How patient the gateway is with a client that sends. Times in milliseconds. */
export interface UploadPatience {
  /** One that sends nothing for so long is gone. */
  readonly idleMs: number
  /** One that sends less is taken for gone as well: byte by byte it would keep its place for ever. `undefined`: any rate. */
  readonly bytesPerSecond: number | undefined
  /** Over so long at least; the time an application takes none does not count. */
  readonly windowMs: number
}

/** The body of one request on its way to an application, as fast as the application takes it. */
export class Upload {
  readonly #request: IncomingMessage
  readonly #connection: UpstreamConnection
  readonly #isChunked: boolean
  readonly #patience: UploadPatience
  #isSent = false
  #windowSince = performance.now()
  #windowBytes = 0
  #pausedSince = 0
  readonly #onData = (piece: Buffer) => {
    if (this.#isTooSlow(piece.length)) {
      this.#onSlow()
      return
    }
    if (this.#write(piece)) return
    this.#pausedSince = performance.now()
    this.#request.pause()
    this.#connection.waitForApplication()
  }
  readonly #onDrain = () => {
    if (this.#pausedSince > 0) this.#windowSince += performance.now() - this.#pausedSince
    this.#pausedSince = 0
    this.#request.resume()
    this.#connection.waitForClient()
  }
  readonly #onEnd = () => {
    this.#isSent = true
    if (this.#isChunked) this.#connection.socket.write('0\r\n\r\n', 'latin1')
    this.#detach()
    this.#connection.waitForApplication()
  }

  readonly #onSlow: () => void

  /**
   * The head has been written already.
   * @param onSlow told of a client that sends too slowly; nothing more is read of it
   */
  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    connection: UpstreamConnection,
    patience: UploadPatience,
    onSlow: () => void,
  ) {
    this.#request = request
    this.#connection = connection
    this.#patience = patience
    this.#onSlow = onSlow
    this.#isChunked = request.headers['transfer-encoding'] !== undefined
    // Only now, after the decision, is a careful client told to go ahead.
    if (request.headers.expect !== undefined) response.writeContinue()
    request.socket.setTimeout(patience.idleMs)
    connection.waitForClient()
    connection.socket.on('drain', this.#onDrain)
    request.on('data', this.#onData)
    request.on('end', this.#onEnd)
  }

  /** Whether all of it was handed to the connection. */
  get isSent(): boolean {
    return this.#isSent
  }

  /** The answer came, or never will: what is left of the body is read and thrown away, for the client's next request. */
  stop(): void {
    if (this.#isSent) return
    this.#detach()
    const request = this.#request
    if (request.complete && request.readableEnded) return
    const timer = setTimeout(() => request.destroy(), discardMs)
    timer.unref()
    const done = () => clearTimeout(timer)
    request.once('end', done)
    request.once('close', done)
    request.resume()
  }

  #isTooSlow(bytes: number): boolean {
    const { bytesPerSecond, windowMs } = this.#patience
    if (bytesPerSecond === undefined) return false
    this.#windowBytes += bytes
    const now = performance.now()
    const ms = now - this.#windowSince
    if (ms < windowMs) return false
    const isTooSlow = this.#windowBytes * 1000 < bytesPerSecond * ms
    this.#windowSince = now
    this.#windowBytes = 0
    return isTooSlow
  }

  #write(piece: Buffer): boolean {
    const { socket } = this.#connection
    if (!this.#isChunked) return socket.write(piece)
    socket.cork()
    socket.write(`${piece.length.toString(16)}\r\n`, 'latin1')
    socket.write(piece)
    const goOn = socket.write('\r\n', 'latin1')
    socket.uncork()
    return goOn
  }

  #detach(): void {
    this.#request.socket.setTimeout(0)
    this.#connection.socket.off('drain', this.#onDrain)
    this.#request.off('data', this.#onData)
    this.#request.off('end', this.#onEnd)
  }
}
