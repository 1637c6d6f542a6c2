import type { Socket } from 'node:net'
import { writeCopy } from '../upstream/reused-buffers.js'
import type { UpstreamConnection } from '../upstream/upstream-connection.js'
import { closeFrame, FrameBoundary } from './frames.js'

/** How long the far side has to take our Close frame. */
const farewellMs = 1000
/** How long one half may stay open after the other: what is on its way still arrives. */
const halfOpenMs = 10_000

const smallBytes = 4096

export interface SpliceParts {
  readonly client: Socket
  readonly application: UpstreamConnection
  /** Neither side said anything for so long: over. */
  readonly idleMs: number
  readonly onEnd: () => void
}

/** Two connections joined into one: bytes go both ways unread, each side as fast as the other takes them. */
export class Splice {
  readonly #client: Socket
  readonly #application: Socket
  readonly #onEnd: () => void
  /** On their way to the client. */
  readonly #frames = new FrameBoundary()
  readonly #idle: NodeJS.Timeout
  #closing: NodeJS.Timeout | undefined
  #farewell: Buffer | undefined
  #over = false

  constructor({ client, application, idleMs, onEnd }: SpliceParts) {
    this.#client = client
    this.#application = application.socket
    this.#onEnd = onEnd
    this.#idle = setTimeout(() => this.destroy(), idleMs)
    client.on('data', (chunk: Buffer) => {
      this.#idle.refresh()
      if (!this.#application.write(chunk)) client.pause()
    })
    application.release((piece) => this.#toClient(piece))
    this.#join(client, this.#application)
    this.#join(this.#application, client)
  }

  /** Ends the WebSocket with a Close frame, at once or after the frame under way, and both connections soon after. */
  close(code: number): void {
    if (this.#over || this.#farewell !== undefined) return
    this.#farewell = closeFrame(code)
    this.#destroyIn(farewellMs)
    if (this.#frames.isBetweenFrames) this.#sayFarewell()
  }

  destroy(): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#idle)
    clearTimeout(this.#closing)
    this.#client.destroy()
    this.#application.destroy()
    this.#onEnd()
  }

  #toClient(piece: Buffer): void {
    const client = this.#client
    this.#idle.refresh()
    this.#frames.see(piece)
    // After our Close frame nothing may follow; what the application still says has nowhere to go.
    if (this.#farewell !== undefined && client.writableEnded) return
    // The piece is only lent. As text it costs less than as bytes, while it is short.
    const flows =
      piece.length <= smallBytes ? client.write(piece.toString('latin1'), 'latin1') : writeCopy(client, piece)
    if (!flows) this.#application.pause()
    if (this.#farewell !== undefined && this.#frames.isBetweenFrames) this.#sayFarewell()
  }

  #join(from: Socket, to: Socket): void {
    to.on('drain', () => from.resume())
    from.on('end', () => {
      to.end()
      if (this.#farewell === undefined) this.#destroyIn(halfOpenMs)
    })
    from.on('error', () => this.destroy())
    from.on('close', () => {
      if (!from.readableEnded || to.destroyed) this.destroy()
    })
  }

  #sayFarewell(): void {
    if (this.#farewell !== undefined && !this.#client.writableEnded) this.#client.end(this.#farewell)
    this.#application.end()
  }

  #destroyIn(ms: number): void {
    clearTimeout(this.#closing)
    this.#closing = setTimeout(() => this.destroy(), ms)
  }
}
