import type { Owner } from './connection-owner.js'
import { Exchange, type ExchangeKeeper, type Passage } from './exchange.js'
import type { InFlightExchange } from './in-flight-exchange.js'
import { PrivateConnections } from './private-connections.js'
import { Distrust } from './stale-connections.js'
import type { UploadPatience } from './upload.js'
import {
  type ConnectionKeeper,
  type ConnectionSettings,
  type Occupant,
  UpstreamConnection,
} from './upstream-connection.js'

/** Where an application is and how much patience it gets. Times in milliseconds; 0 is without end. */
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
  /** A client that sends nothing of its body for so long is gone. */
  readonly clientIdleTimeoutMs?: number
  /** One that sends fewer bytes a second of its body is turned away; any rate is enough without. */
  readonly uploadBytesPerSecond?: number | undefined
  /** Over so long at least. */
  readonly uploadWindowMs?: number | undefined
  /** Requests under way at once; those beyond wait, and beyond `queue` are refused: a slow application holds up only itself. */
  readonly concurrency?: number
  /** Answers that never end by themselves, at once: they are not counted among the requests under way. */
  readonly eventStreams?: number
  readonly queue?: number
  readonly queueTimeoutMs?: number
  /** Answers may be written as old devices write them. */
  readonly isLenient?: boolean
}

/** Between two looks at what has waited too long. */
const lookMs = 250

const keepsNone: ConnectionKeeper = {
  onFree: (connection) => connection.destroy(),
  onClosed: () => {},
}

/** One application: its connections, its limits, and the moving of bytes to and from it. Nothing is sent twice, but what an
 * application cannot have taken: see {@link Exchange}. */
export class Upstream implements ConnectionKeeper {
  readonly #connection: ConnectionSettings
  readonly #patience: UploadPatience
  readonly #concurrency: number
  readonly #mostStreams: number
  readonly #queue: number
  readonly #queueTimeoutMs: number
  readonly #all = new Set<UpstreamConnection>()
  /** The last one used is used first: those left over are closed by being idle. */
  readonly #idle: UpstreamConnection[] = []
  #cooling: UpstreamConnection[] = []
  readonly #private = new PrivateConnections()
  readonly #waiting: Exchange[] = []
  readonly #timer: NodeJS.Timeout
  readonly #distrust = new Distrust()
  readonly #keeper: ExchangeKeeper
  readonly #streams = new Set<Exchange>()
  #active = 0

  constructor(settings: UpstreamSettings) {
    const { protocol, hostname, port } = new URL(settings.url)
    const host = hostname.replace(/^\[|\]$/g, '')
    const isTls = protocol === 'https:'
    this.#connection = {
      host,
      port: port === '' ? (isTls ? 443 : 80) : Number(port),
      isTls,
      serverName: settings.serverName ?? host,
      certificateAuthority: settings.certificateAuthority,
      connectMs: settings.connectTimeoutMs ?? 5000,
      headMs: settings.headersTimeoutMs ?? 60_000,
      bodyIdleMs: settings.bodyIdleTimeoutMs ?? 300_000,
      isLenient: settings.isLenient ?? false,
    }
    this.#patience = {
      idleMs: settings.clientIdleTimeoutMs ?? 60_000,
      bytesPerSecond: settings.uploadBytesPerSecond,
      windowMs: settings.uploadWindowMs ?? 30_000,
    }
    this.#concurrency = settings.concurrency ?? 1024
    this.#mostStreams = settings.eventStreams ?? 1000
    this.#queue = settings.queue ?? 512
    // Where all places are taken for so long, an application hangs: its users hear it, and come back.
    this.#queueTimeoutMs = settings.queueTimeoutMs ?? 1000
    this.#keeper = {
      stream: this.#stream,
      release: this.#release,
      onStale: () => this.#distrust.raise(),
      repeat: (exchange) => void this.#all.add(new UpstreamConnection(this.#connection, exchange, this)),
    }
    this.#timer = setInterval(() => this.#look(), lookMs).unref()
  }

  /** Moves one request there and its answer back. Every ending, good or bad, is answered by the passage. */
  forward(passage: Passage): void {
    const exchange = new Exchange(passage, this.#patience, this.#keeper)
    if (this.#waiting.length === 0 && this.#hasRoom()) this.#start(exchange)
    else if (this.#waiting.length < this.#queue) {
      this.#waiting.push(exchange)
      exchange.wait(this.#queueTimeoutMs)
    } else exchange.refuse()
  }

  /**
   * A connection by itself, which counts for no limit here and is not used again. Who is signed in on one (NTLM) goes on over
   * that one.
   */
  connect(occupant: Occupant, owner: Owner): UpstreamConnection {
    const own = this.#private.take(owner.client, owner)
    if (own === undefined) return new UpstreamConnection(this.#connection, occupant, keepsNone)
    this.#all.delete(own)
    own.occupy(occupant)
    return own
  }

  /** What is under way and was let in by a session, or all of it. */
  *underWay(everything = false): Iterable<InFlightExchange> {
    for (const exchange of this.#waiting) if (everything || exchange.isBound) yield exchange
    for (const { occupant } of this.#all) {
      if (occupant instanceof Exchange && (everything || occupant.isBound)) yield occupant
    }
  }

  /** Ends event streams: nobody need wait for them, and browsers come back by themselves. */
  endEventStreams(): void {
    for (const exchange of [...this.#streams]) exchange.finish()
  }

  /** What is under way of what may be at once. */
  get loads() {
    return [
      { kind: 'requests', used: this.#active, limit: this.#concurrency },
      { kind: 'event-streams', used: this.#streams.size, limit: this.#mostStreams },
    ] as const
  }

  /** Ends all connections at once; requests under way are the caller's to wait for. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    for (const connection of this.#all) connection.destroy()
  }

  /** Used again only after a turn: an application that closes after its answer without saying so has then been heard. */
  onFree(connection: UpstreamConnection): void {
    if (connection.owner !== undefined) {
      // At once: the next step of a sign-in has to find it, and what else may come on it is its owner's.
      this.#private.keep(connection)
      this.#startWaiting()
      return
    }
    this.#cooling.push(connection)
    if (this.#cooling.length === 1) setImmediate(() => this.#cool())
  }

  onClosed(connection: UpstreamConnection): void {
    this.#all.delete(connection)
    this.#private.forget(connection)
    this.#startWaiting()
  }

  /** Connections that take up places. */
  get #open(): number {
    return this.#all.size - this.#streams.size
  }

  #hasRoom(): boolean {
    if (this.#active >= this.#concurrency) return false
    return this.#idle.length > 0 || this.#open < this.#concurrency || this.#private.size > 0
  }

  #start(exchange: Exchange): void {
    this.#active += 1
    exchange.begin()
    if (this.#private.size > 0) {
      const own = this.#private.take(exchange.request.socket, exchange)
      if (own !== undefined) {
        own.occupy(exchange)
        return
      }
    }
    // Fresh, for what could not be sent again where a kept connection turns out to be closed. It takes that one's place.
    if (this.#distrust.isRaised && !exchange.isRepeatable) this.#idle.pop()?.destroy()
    else
      for (let known = this.#idle.pop(); known !== undefined; known = this.#idle.pop()) {
        if (!known.isUsable) continue
        known.occupy(exchange)
        return
      }
    if (this.#open >= this.#concurrency) {
      const oldest = this.#private.endOldest()
      if (oldest !== undefined) this.#all.delete(oldest)
    }
    this.#all.add(new UpstreamConnection(this.#connection, exchange, this))
  }

  #cool(): void {
    for (const connection of this.#cooling) if (connection.isUsable) this.#idle.push(connection)
    this.#cooling = []
    this.#startWaiting()
  }

  #startWaiting(): void {
    while (this.#waiting.length > 0 && this.#hasRoom()) {
      const next = this.#waiting.shift()
      if (next !== undefined) this.#start(next)
    }
  }

  #look(): void {
    const now = performance.now()
    for (const connection of this.#all) connection.look(now)
  }

  readonly #stream = (exchange: Exchange): boolean => {
    if (this.#streams.size >= this.#mostStreams) return false
    this.#streams.add(exchange)
    this.#active -= 1
    this.#startWaiting()
    return true
  }

  readonly #release = (exchange: Exchange): void => {
    if (this.#streams.delete(exchange)) return
    if (exchange.isBegun) {
      this.#active -= 1
      if (this.#waiting.length > 0) this.#startWaiting()
      return
    }
    const place = this.#waiting.indexOf(exchange)
    if (place >= 0) this.#waiting.splice(place, 1)
  }
}
