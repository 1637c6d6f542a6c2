import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { until } from './poll.js'
import type { Scope } from './scope.js'

/** A TCP connection that sends exactly what it is told and keeps every byte that comes back. */
export class RawSocket {
  readonly #socket: Socket
  #received: Buffer[] = []
  #state: 'open' | 'ended' | 'reset' = 'open'

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk) => this.#received.push(chunk))
    socket.on('end', () => {
      if (this.#state === 'open') this.#state = 'ended'
    })
    socket.on('error', () => {
      this.#state = 'reset'
    })
  }

  static async open(t: Scope, port: number): Promise<RawSocket> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    await once(socket, 'connect')
    t.teardown(() => socket.destroy())
    return new RawSocket(socket)
  }

  /** Text goes out as Latin-1, one byte a character. */
  write(bytes: string | Uint8Array): void {
    this.#socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** Sends what was written, then half-closes. */
  end(): void {
    this.#socket.end()
  }

  /** Lets go with a reset, as a process that dies does. */
  reset(): void {
    this.#socket.resetAndDestroy()
  }

  /** Stops reading, as a client that does not keep up. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  bytes(): Buffer {
    return Buffer.concat(this.#received)
  }

  /** What came so far, as Latin-1. */
  text(): string {
    return this.bytes().toString('latin1')
  }

  /** `open` while the other side may still send. */
  state(): 'open' | 'ended' | 'reset' {
    return this.#state
  }

  /** Waits until what came contains the text or fits the expression, and gives all of it back. */
  async untilReceived(expected: string | RegExp, deadlineMs = 30_000): Promise<string> {
    const fits = (all: string) => (typeof expected === 'string' ? all.includes(expected) : expected.test(all))
    return until(`${expected} in what was received`, () => (fits(this.text()) ? this.text() : undefined), deadlineMs)
  }

  /** Waits until the other side closes or resets, and gives back all that came. */
  async untilClosed(deadlineMs = 30_000): Promise<string> {
    await until('the other side to close', () => this.#state !== 'open', deadlineMs)
    return this.text()
  }
}

/** One connection, these bytes, and everything until it is closed or nothing closed it in time. */
export async function rawExchange(
  t: Scope,
  port: number,
  bytes: string | Uint8Array,
  restMs = 2_000,
): Promise<{ readonly text: string; readonly state: 'open' | 'ended' | 'reset' }> {
  const socket = await RawSocket.open(t, port)
  socket.write(bytes)
  await until('a word or the end', () => socket.state() !== 'open' || socket.bytes().length > 0).catch(() => undefined)
  const text = await socket.untilClosed(restMs).catch(() => socket.text())
  const state = socket.state()
  socket.reset()
  return { text, state }
}
