import { lookup } from 'node:dns/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { inTurn, nodeOptions } from './server-options.js'

/** What answers at a door: a server that need not listen itself, and how much of what it was given is still under way. */
interface Behind {
  readonly server: Server
  underWay: number
}

type OnRequest = (request: IncomingMessage, response: ServerResponse) => void

/** Between two looks whether connections have come free, while the door closes. */
const lookMs = 50

/**
 * The listener. It stays the same, and so does every connection, while what answers behind it is exchanged: a request is
 * given to whoever is behind the door at the moment it can be answered.
 */
export class Door {
  readonly #listeners: Server[] = []
  #current: Behind
  #maxConnections: number
  #closing = false

  readonly #onRequest: OnRequest | undefined

  /** `onRequest` is told of every request before it is given on. */
  constructor(server: Server, maxConnections: number, onRequest?: OnRequest) {
    this.#onRequest = onRequest
    this.#current = { server, underWay: 0 }
    this.#maxConnections = maxConnections
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
  leadTo(server: Server, maxConnections: number): () => number {
    const before = this.#current
    this.#adopt(server)
    this.#maxConnections = maxConnections
    for (const listener of this.#listeners) listener.maxConnections = maxConnections
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
    listener.maxConnections = this.#maxConnections
    listener.on('checkContinue', inTurn(this.#give))
    for (const event of ['checkExpectation', 'connect', 'upgrade', 'clientError']) {
      listener.on(event, (...args) => this.#current.server.emit(event, ...args))
    }
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
    behind.underWay += 1
    response.once('close', () => {
      behind.underWay -= 1
    })
    this.#onRequest?.(request, response)
    if (this.#closing) response.shouldKeepAlive = false
    behind.server.emit('request', request, response)
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
