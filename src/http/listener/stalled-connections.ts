import type { Socket } from 'node:net'

/** Looks in a row that have to find nothing taken: a process that was held up itself has not looked, and cuts nobody for it. */
const inARow = 12

/** Of Node's timers. */
const longestMs = 2 ** 31 - 1

interface Waiting {
  /** Bytes that the other end had taken. */
  taken: number
  /** Looks since then. */
  looks: number
}

/**
 * Connections whose other end takes nothing of what waits for it. It is looked for now and then, in all of them: a write
 * costs nothing more for it, nor does a connection that nothing waits on, which is never ended here.
 */
export class StalledConnections {
  readonly #open = new Map<Socket, () => void>()
  readonly #waiting = new Map<Socket, Waiting>()
  readonly #onCut: (connections: number) => void
  #lookMs: number
  #timer: NodeJS.Timeout | undefined

  /**
   * @param ms what waits may wait for so long, and a twelfth of it, with nothing taken; `Infinity`: for ever
   * @param onCut told how many were ended, once for each look that ended any
   */
  constructor(ms: number, onCut: (connections: number) => void = () => {}) {
    this.#lookMs = lookMsFor(ms)
    this.#onCut = onCut
  }

  /** Connections that are watched. */
  get size(): number {
    return this.#open.size
  }

  /** From now on what waits may wait for so long. */
  allow(ms: number): void {
    if (lookMsFor(ms) === this.#lookMs) return
    this.#lookMs = lookMsFor(ms)
    this.#stop()
    if (this.#open.size > 0) this.#start()
  }

  /**
   * Watches a connection until it is closed.
   * @param cut ends it; without, it is reset, so that the machine keeps nothing for it and half an answer never looks whole
   */
  watch(socket: Socket, cut: () => void = () => socket.resetAndDestroy()): void {
    // One that is read anew after an upgrade that was none comes twice.
    if (this.#open.has(socket) || socket.destroyed) return
    this.#open.set(socket, cut)
    if (this.#open.size === 1) this.#start()
    socket.once('close', () => {
      this.#open.delete(socket)
      this.#waiting.delete(socket)
      if (this.#open.size === 0) this.#stop()
    })
  }

  /** One look at all of them. */
  look(): void {
    let cuts = 0
    for (const [socket, cut] of this.#open) {
      if (!this.#stands(socket)) continue
      cuts += 1
      cut()
    }
    if (cuts > 0) this.#onCut(cuts)
  }

  /** Whether it has waited too long. What waits counts as taken by the write: all of one or nothing. */
  #stands(socket: Socket): boolean {
    const { writableLength } = socket
    if (writableLength === 0) {
      if (this.#waiting.size > 0) this.#waiting.delete(socket)
      return false
    }
    const taken = socket.bytesWritten - writableLength
    const before = this.#waiting.get(socket)
    if (before === undefined) {
      this.#waiting.set(socket, { taken, looks: 0 })
      return false
    }
    before.looks = before.taken === taken ? before.looks + 1 : 0
    before.taken = taken
    return before.looks >= inARow
  }

  #start(): void {
    if (this.#lookMs === Number.POSITIVE_INFINITY) return
    this.#timer = setInterval(() => this.look(), this.#lookMs).unref()
  }

  #stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

/** Between two looks. */
function lookMsFor(ms: number): number {
  return ms === Number.POSITIVE_INFINITY ? ms : Math.min(ms / inARow, longestMs)
}
