import type { Duplex } from 'node:stream'
import { closeFrame, FrameBoundary } from './web-socket.js'

/** How long the far side has to take our Close frame. */
const farewellMs = 1000
/** How long one half may stay open after the other: what is on its way still arrives. */
const halfOpenMs = 10_000

export interface SpliceParts {
  readonly client: Duplex
  readonly application: Duplex
  /** Neither side said anything for so long: over. */
  readonly idleMs: number
  readonly onEnd: () => void
}

/** Two connections joined into one: bytes go both ways unread, each side as fast as the other takes them. */
export class Splice {
  readonly #client: Duplex
  readonly #application: Duplex
  readonly #onEnd: () => void
  readonly #toClient = new FrameBoundary()
  readonly #idle: NodeJS.Timeout
  #closing: NodeJS.Timeout | undefined
  #farewell: Buffer | undefined
  #over = false

  constructor({ client, application, idleMs, onEnd }: SpliceParts) {
    this.#client = client
    this.#application = application
    this.#onEnd = onEnd
    this.#idle = setTimeout(() => this.destroy(), idleMs)
    this.#join(client, application)
    this.#join(application, client, this.#toClient)
  }

  /** Ends the WebSocket with a Close frame, at once or after the frame under way, and both connections soon after. */
  close(code: number): void {
    if (this.#over || this.#farewell !== undefined) return
    this.#farewell = closeFrame(code)
    this.#destroyIn(farewellMs)
    if (this.#toClient.isBetweenFrames) this.#sayFarewell()
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

  #join(from: Duplex, to: Duplex, boundary?: FrameBoundary): void {
    from.on('data', (chunk: Buffer) => {
      this.#idle.refresh()
      if (boundary !== undefined) {
        boundary.see(chunk)
        // After our Close frame nothing may follow; what the application still says has nowhere to go.
        if (this.#farewell !== undefined && this.#client.writableEnded) return
      }
      if (!to.write(chunk)) from.pause()
      if (boundary?.isBetweenFrames === true && this.#farewell !== undefined) this.#sayFarewell()
    })
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
    if (!this.#client.writableEnded) this.#client.end(this.#farewell)
    this.#application.end()
  }

  #destroyIn(ms: number): void {
    clearTimeout(this.#closing)
    this.#closing = setTimeout(() => this.destroy(), ms)
  }
}
