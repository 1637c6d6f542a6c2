import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { AnswerHead } from './answer-head.js'
import { AnswerParser, type AnswerSink } from './answer-parser.js'
import type { Owner } from './connection-owner.js'

/** How an application is reached and how long it may take. Times in milliseconds; 0 is without end. */
export interface ConnectionSettings {
  readonly host: string
  readonly port: number
  readonly isTls: boolean
  /** The name a certificate must carry. */
  readonly serverName: string
  readonly certificateAuthority: string | undefined
  readonly connectMs: number
  readonly headMs: number
  readonly bodyIdleMs: number
  /** Answers may be written as old devices write them. */
  readonly isLenient?: boolean
}

/** Whose request a connection carries. */
export interface Occupant extends AnswerSink {
  /** The connection stands, and the certificate is the right one: the request may be written. */
  onReady(connection: UpstreamConnection): void
  onError(error: Error): void
}

/** Who keeps connections for later requests. */
export interface ConnectionKeeper {
  /**
   * A request has ended and another may come, but not in this turn: bytes that are there already and belong to no request
   * would be taken for its answer.
   */
  onFree(connection: UpstreamConnection): void
  onClosed(connection: UpstreamConnection): void
}

/** What took longer than it may. */
export class UpstreamTimeout extends Error {
  override readonly name = 'UpstreamTimeout'
}

/** The application ended the connection before it had answered. */
export class UpstreamClosed extends Error {
  override readonly name = 'UpstreamClosed'
  /** It had answered on this connection before, and of this answer not one byte came: it may not have read the request. */
  readonly isStale: boolean

  constructor(isStale: boolean, cause: Error) {
    const words = isStale ? 'the application closed a connection it had kept' : 'the application closed the connection'
    super(`${words} before it had answered`, { cause })
    this.isStale = isStale
  }
}

/** An application that says how long it keeps connections is asked nothing so shortly before that. */
const earlierMs = 500

/** Shorter than the five seconds after which most servers close, so that no request meets a closing connection. */
const idleMs = 4000

/**
 * What comes in is read into this, over whatever connection, and is seen to before anything else is read: a new buffer for
 * each piece, and the stream that it goes through, cost as much as reading it.
 */
const lent = Buffer.allocUnsafeSlow(64 * 1024)

/** One connection to an application, for one request at a time. */
export class UpstreamConnection implements AnswerSink {
  readonly socket: Socket
  readonly #settings: ConnectionSettings
  readonly #parser: AnswerParser
  readonly #keeper: ConnectionKeeper
  #occupant: Occupant | undefined
  #owner: Owner | undefined
  #take: ((piece: Buffer) => void) | undefined
  #isReady = false
  #isAnswering = false
  #isReusable = true
  /** It carried a request before this one. */
  #isReused = false
  /** Something came since the request was sent. */
  #hasSpoken = false
  /** How long the application keeps it, as far as it says. */
  #keptMs = Number.POSITIVE_INFINITY
  /** When patience ends, on the clock of `performance`; looked at from time to time, which costs less than timers. */
  #deadline: number

  constructor(settings: ConnectionSettings, occupant: Occupant, keeper: ConnectionKeeper) {
    this.#settings = settings
    this.#occupant = occupant
    this.#keeper = keeper
    this.#parser = new AnswerParser(this, settings.isLenient)
    this.#deadline = after(settings.connectMs)
    const { host, port, isTls, serverName, certificateAuthority } = settings
    const place = { host, port, noDelay: true, keepAlive: true }
    const onread = { buffer: lent, callback: (length: number) => this.#readLent(length) }
    this.socket = isTls
      ? connectTls({
          ...place,
          rejectUnauthorized: true,
          servername: isIP(serverName) === 0 ? serverName : '',
          ...(certificateAuthority === undefined ? {} : { ca: certificateAuthority }),
        })
      : connectTcp({ ...place, onread })
    // Not before: a request must never be sent to a stranger whose certificate is looked at afterwards.
    this.socket.on(isTls ? 'secureConnect' : 'connect', () => {
      this.#isReady = true
      this.#occupant?.onReady(this)
    })
    if (isTls) this.socket.on('data', (chunk: Buffer) => this.#read(chunk))
    this.socket.on('end', this.#finish)
    this.socket.on('error', this.#lose)
    this.socket.on('close', this.#close)
  }

  get occupant(): Occupant | undefined {
    return this.#occupant
  }

  /** Set once somebody may be signed in on it: it serves nobody else any more (security.md, invariant 14). */
  get owner(): Owner | undefined {
    return this.#owner
  }

  /** Makes it somebody's own. Whose it is stays as it is said first. */
  bindTo(owner: Owner): void {
    this.#owner ??= owner
  }

  get isUsable(): boolean {
    if (this.#occupant !== undefined || !this.#isReusable || this.socket.destroyed) return false
    return performance.now() < this.#deadline
  }

  /** Takes the next request over a connection that stands. */
  occupy(occupant: Occupant): void {
    this.#occupant = occupant
    this.#isReused = true
    occupant.onReady(this)
  }

  /**
   * Sends the head of a request; what follows on the socket is its body.
   * @param maySwitch it asks for another protocol
   */
  send(method: string, head: string, { maySwitch = false } = {}): void {
    this.#isAnswering = false
    this.#hasSpoken = false
    this.#deadline = after(this.#settings.headMs)
    this.#parser.expect(method, maySwitch)
    this.socket.write(head, 'latin1')
  }

  /** The application has the word: its patience runs, unless it has begun to answer. */
  waitForApplication(): void {
    if (!this.#isAnswering) this.#deadline = after(this.#settings.headMs)
  }

  /** The client has the word; how long it may take is watched elsewhere. */
  waitForClient(): void {
    if (!this.#isAnswering) this.#deadline = Number.POSITIVE_INFINITY
  }

  /** A client that takes nothing is no fault of the application. */
  pause(): void {
    this.#deadline = Number.POSITIVE_INFINITY
    this.socket.pause()
  }

  resume(): void {
    this.#deadline = after(this.#settings.bodyIdleMs)
    this.socket.resume()
  }

  /**
   * Leaves HTTP: what comes in from now on, and how the connection ends, is the caller's to see to.
   * @param take given pieces that are lent: each holds something else after the call
   */
  release(take: (piece: Buffer) => void): void {
    this.#take = take
    this.#occupant = undefined
    this.socket.off('end', this.#finish)
    this.socket.off('error', this.#lose)
    this.socket.off('close', this.#close)
  }

  /** Not to be used for another request. */
  spoil(): void {
    this.#isReusable = false
  }

  /** Gives it up, with the request it carries. */
  destroy(): void {
    this.#isReusable = false
    this.#occupant = undefined
    this.socket.destroy()
  }

  /** Called now and then: ends what has waited too long. */
  look(now: number): void {
    if (now < this.#deadline) return
    this.#break(new UpstreamTimeout(this.#isReady ? 'no answer in time' : 'no connection in time'))
  }

  onHead(head: AnswerHead): void {
    this.#isAnswering = true
    if (head.keepAliveSeconds !== undefined) this.#keepFor(head.keepAliveSeconds)
    // The patience for the beginning of the answer has done its part: nothing may come after the head for a long time.
    this.#deadline = after(this.#settings.bodyIdleMs)
    this.#occupant?.onHead(head)
  }

  onBody(piece: Buffer): void {
    if (this.#take === undefined) this.#occupant?.onBody(piece)
    else this.#take(piece)
  }

  onEnd(): void {
    const occupant = this.#occupant
    this.#occupant = undefined
    // One that is somebody's ends with the client's connection, or when its place is needed.
    this.#deadline = after(this.#owner === undefined ? Math.min(idleMs, this.#keptMs) : this.#keptMs)
    if (!this.#parser.keepAlive) this.#isReusable = false
    occupant?.onEnd()
    // An answer that came before all of the request was taken: what is still leaving would stand before the next one.
    if (this.#isReusable && this.socket.writableLength === 0) this.#keeper.onFree(this)
    else this.destroy()
  }

  #keepFor(seconds: number): void {
    if (seconds === 0) this.#isReusable = false
    else this.#keptMs = seconds * 1000 - earlierMs
  }

  #readLent(length: number): boolean {
    this.#read(lent.subarray(0, length))
    return true
  }

  #read(chunk: Buffer): void {
    this.#hasSpoken = true
    if (this.#take !== undefined) {
      this.#take(chunk)
      return
    }
    if (this.#isAnswering) this.#deadline = after(this.#settings.bodyIdleMs)
    try {
      this.#parser.read(chunk)
    } catch (error) {
      this.#break(error as Error)
    }
  }

  readonly #close = (): void => {
    this.#lose(new Error('the connection was closed'))
    this.#keeper.onClosed(this)
  }

  readonly #finish = (): void => {
    this.#isReusable = false
    try {
      this.#parser.finish()
      this.socket.destroy()
    } catch (error) {
      this.#lose(error as Error)
    }
  }

  /** The connection has gone, by whatever way. Before it stood, the reason says more than that. */
  readonly #lose = (error: Error): void => {
    if (this.#occupant === undefined || !this.#isReady) this.#break(error)
    else this.#break(new UpstreamClosed(this.#isReused && !this.#hasSpoken, error))
  }

  readonly #break = (error: Error): void => {
    this.#isReusable = false
    const occupant = this.#occupant
    this.#occupant = undefined
    this.socket.destroy()
    occupant?.onError(error)
  }
}

/** Up to the last header, without the empty line. */
export function headOf(method: string, target: string, headers: readonly string[]): string {
  let head = `${method} ${target} HTTP/1.1\r\n`
  for (let at = 0; at < headers.length; at += 2) head += `${headers[at]}: ${headers[at + 1]}\r\n`
  return head
}

function after(ms: number): number {
  return ms === 0 ? Number.POSITIVE_INFINITY : performance.now() + ms
}
