import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'

/** How long the rest of a body nobody wants is read and thrown away before the connection is given up. */
const discardMs = 10_000

/**
 * The body of a request on its way to an application. Stands between the two because whoever sends a body ends the
 * stream when an answer comes early: ended on the request itself, that would tear down the client's connection before the
 * answer got there. What is left of the body is then read and thrown away.
 */
export class RequestBody extends Readable {
  readonly #request: IncomingMessage
  readonly #onData = (chunk: Buffer) => {
    if (!this.push(chunk)) this.#request.pause()
  }
  readonly #onEnd = () => {
    this.#request.socket.setTimeout(0)
    this.push(null)
  }
  readonly #onClose = () => {
    if (!this.#request.complete) this.destroy(new Error('the client left in the middle of the body'))
  }

  /** `idleMs`: a client that sends nothing for so long is gone. */
  constructor(request: IncomingMessage, response: ServerResponse, idleMs: number) {
    super({ highWaterMark: 64 * 1024 })
    this.#request = request
    // Only now, after the decision, is a careful client told to go ahead.
    if (request.headers.expect !== undefined) response.writeContinue()
    request.on('data', this.#onData)
    request.on('end', this.#onEnd)
    request.on('close', this.#onClose)
    request.pause()
    request.socket.setTimeout(idleMs)
  }

  override _read(): void {
    this.#request.resume()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const request = this.#request
    request.off('data', this.#onData)
    request.off('end', this.#onEnd)
    request.off('close', this.#onClose)
    if (!request.complete && !request.destroyed) discard(request)
    done(error)
  }
}

function discard(request: IncomingMessage): void {
  const timer = setTimeout(() => request.destroy(), discardMs)
  timer.unref()
  const stop = () => clearTimeout(timer)
  request.once('end', stop)
  request.once('close', stop)
  request.resume()
}
