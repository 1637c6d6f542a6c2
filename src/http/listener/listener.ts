import { lookup } from 'node:dns/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { AddressRanges } from '../../access/client-address.js'
import { bareResponse } from '../web/bare-response.js'
import { ConnectionsPerAddress } from './connections-per-address.js'
import { EventLoopLag } from './event-loop-lag.js'
import { inTurn, nodeOptions } from './server-options.js'
import { StalledConnections } from './stalled-connections.js'

/** What answers at a door: a server that need not listen itself, and how much of what it was given is still under way. */
interface Behind {
  readonly server: Server
  underWay: number
}

/** How much is let in at once. */
export interface ListenerLimits {
  readonly connections: number
  readonly connectionsPerAddress: number
  /** Requests under way. */
  readonly requests: number
  /** A client that takes nothing of what waits for it for so long is cut; `Infinity`: never. */
  readonly sendMs: number
  /** Ranges of proxies in front, for which the limit of one address is not meant. */
  readonly proxies: readonly string[]
}

type OnRequest = (request: IncomingMessage, response: ServerResponse) => void

/** Between two looks whether connections have come free, while the door closes. */
const lookMs = 50

/**
 * The listener. It stays the same, and so does every connection, while what answers behind it is exchanged: a request is
 * given to whoever is behind the door at the moment it can be answered.
 */
export class Listener {
  readonly #listeners: Server[] = []
  readonly #perAddress = new ConnectionsPerAddress()
  readonly #eventLoopLag: EventLoopLag
  readonly #stalled: StalledConnections
  readonly #prefix: string
  readonly #onRequest: OnRequest | undefined
  #current: Behind
  #limits: ListenerLimits
  #proxies: AddressRanges
  #underWay = 0
  #closing = false

  /**
   * @param parts.prefix of our own pages
   * @param parts.onRequest told of every request before it is given on
   * @param parts.onBehind told when there is more to do than can be done, and when that is over
   * @param parts.onCut told how many clients were cut because they took nothing
   */
  constructor(
    server: Server,
    limits: ListenerLimits,
    parts: {
      readonly prefix: string
      readonly onRequest?: OnRequest | undefined
      readonly onBehind?: (isBehind: boolean) => void
      readonly onCut?: (clients: number) => void
    },
  ) {
    this.#prefix = parts.prefix
    this.#onRequest = parts.onRequest
    this.#eventLoopLag = new EventLoopLag(parts.onBehind)
    this.#stalled = new StalledConnections(limits.sendMs, parts.onCut)
    this.#current = { server, underWay: 0 }
    this.#limits = limits
    this.#proxies = AddressRanges.parse(limits.proxies)
    this.#adopt(server)
  }

  /**
   * `localhost` may stand for two addresses, and a browser takes either: both are listened on.
   * @returns where, as `http://host:port`
   * @throws when the address is taken
   */
  async listen({ host, port }: { readonly host: string; readonly port: number }): Promise<string> {
    const hosts = host === 'localhost' ? await addressesOf(host) : [host]
    let actual = port
    for (const [index, each] of hosts.entries()) {
      try {
        actual = await this.#listenOn(each, actual)
      } catch (fault) {
        // The second address of a name is as good as it gets: there may be no IPv6 here.
        if (index === 0) throw fault
      }
    }
    return `http://${host.includes(':') ? `[${host}]` : host}:${actual}`
  }

  /**
   * From now on requests go to another server. Those under way are left where they are.
   * @returns how many are still under way at the one before, whenever it is asked
   */
  leadTo(server: Server, limits: ListenerLimits): () => number {
    const before = this.#current
    this.#adopt(server)
    this.#limits = limits
    this.#proxies = AddressRanges.parse(limits.proxies)
    for (const listener of this.#listeners) listener.maxConnections = limits.connections
    this.#stalled.allow(limits.sendMs)
    this.#current = { server, underWay: 0 }
    return () => before.underWay
  }

  /** Every answer from now on is the last one of its connection: clients go elsewhere for the next. */
  announceEnd(): void {
    this.#closing = true
  }

  /** Takes no new connection, ends idle ones, and resolves when the last one has gone. */
  async close(): Promise<void> {
    this.#closing = true
    const idle = setInterval(() => this.#closeIdle(), lookMs)
    await Promise.all(this.#listeners.map((listener) => new Promise((resolve) => listener.close(resolve))))
    clearInterval(idle)
    this.#eventLoopLag.stop()
  }

  /** Ends every connection, whatever is under way on it. */
  cut(): void {
    for (const listener of this.#listeners) listener.closeAllConnections()
  }

  #closeIdle(): void {
    for (const listener of this.#listeners) listener.closeIdleConnections()
  }

  async #listenOn(host: string, port: number): Promise<number> {
    const listener = createServer(nodeOptions({}), inTurn(this.#give))
    // Node drops fields beyond its count without a word, and with them the length of the body: whoever answers counts.
    listener.maxHeadersCount = 0
    listener.maxConnections = this.#limits.connections
    listener.on('checkContinue', inTurn(this.#give))
    for (const event of ['checkExpectation', 'connect', 'clientError']) {
      listener.on(event, (...args) => this.#current.server.emit(event, ...args))
    }
    listener.on('upgrade', this.#giveUpgrade)
    listener.on('connection', (socket) => {
      this.#perAddress.enter(socket, this.#limits.connectionsPerAddress, this.#proxies)
      this.#stalled.watch(socket)
    })
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject)
      listener.listen({ host, port }, () => {
        listener.off('error', reject)
        resolve()
      })
    })
    // Out of file descriptors for a moment, for one: the listener goes on.
    listener.on('error', () => {})
    this.#listeners.push(listener)
    return (listener.address() as AddressInfo).port
  }

  readonly #give = (request: IncomingMessage, response: ServerResponse): void => {
    const behind = this.#current
    const isTooMuch = this.#isTooMuch() && !this.#isHealthCheck(request)
    behind.underWay += 1
    this.#underWay += 1
    // It comes once: to take the listener off then costs more than what it does.
    response.on('close', () => {
      behind.underWay -= 1
      this.#underWay -= 1
    })
    this.#onRequest?.(request, response)
    if (this.#closing) response.shouldKeepAlive = false
    behind.server.emit(isTooMuch ? 'overload' : 'request', request, response)
  }

  /** Browsers open again what was cut, all at once: what cannot be taken is told to come back. */
  readonly #giveUpgrade = (request: IncomingMessage, socket: Socket & { _httpMessage?: unknown }, head: Buffer) => {
    const { server } = this.#current
    if (!this.#isTooMuch() || (socket._httpMessage !== undefined && socket._httpMessage !== null)) {
      server.emit('upgrade', request, socket, head)
      return
    }
    socket.on('error', () => socket.destroy())
    server.emit('overload', request, bareResponse(request, socket))
  }

  #isTooMuch(): boolean {
    return this.#underWay >= this.#limits.requests || this.#eventLoopLag.isBehind
  }

  /** Asked by those who would otherwise take this gateway away, and make it worse for the others. */
  #isHealthCheck({ url }: IncomingMessage): boolean {
    return url === `${this.#prefix}/healthz` || url === `${this.#prefix}/readyz`
  }

  /** A connection that is to be read anew comes back here, to whoever is behind the door then. */
  #adopt(server: Server): void {
    server.removeAllListeners('connection')
    server.on('connection', (socket: Socket) => this.#listeners[0]?.emit('connection', socket))
  }
}

async function addressesOf(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true })
  return [...new Set(found.map(({ address }) => address))]
}
