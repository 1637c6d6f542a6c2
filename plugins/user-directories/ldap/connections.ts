import { readFileSync } from 'node:fs'
import { isIP, type Socket, connect as tcpConnect } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { Client, ResultCodeError } from 'ldapts'

export interface ConnectionSettings {
  /** Tried in this order, from the one that answered last. */
  readonly urls: readonly string[]
  readonly startTls: boolean
  /** A PEM file. Certificates are always verified. */
  readonly ca: string | undefined
  /** For one exchange, from taking a connection to the answer, ms. */
  readonly deadline: number
  /** Connections at once. */
  readonly most: number
  now(): number
}

interface Connection {
  readonly client: Client
  isOpen(): boolean
  destroy(): void
  usedAt: number
}

/**
 * Connections to one server that are used by one exchange at a time: a bind changes who a connection is. The library
 * opens a lost connection again by itself, and then nobody is bound on it; so each is looked at before use, and what fails
 * otherwise than by an answer of the server is thrown away.
 */
export class Connections {
  readonly #settings: ConnectionSettings
  readonly #prepare: (client: Client) => Promise<void>
  readonly #tls: { readonly ca?: string }
  readonly #idle: Connection[] = []
  readonly #waiting: Array<() => void> = []
  readonly #all = new Set<Connection>()
  #busy = 0
  #lastGood = 0
  #isClosed = false

  /** @param prepare makes a new connection ready, as by binding */
  constructor(settings: ConnectionSettings, prepare: (client: Client) => Promise<void>) {
    this.#settings = settings
    this.#prepare = prepare
    this.#tls = settings.ca === undefined ? {} : { ca: readFileSync(settings.ca, 'utf8') }
  }

  /** @throws when there is no answer in time */
  use<Result>(work: (client: Client) => Promise<Result>): Promise<Result> {
    const until = performance.now() + this.#settings.deadline
    return this.#inTurn(until, async () => {
      const kept = this.#takeIdle()
      if (kept === undefined) return this.#exchange(await this.#open(until), until, work)
      try {
        return await this.#exchange(kept, until, work)
      } catch (fault) {
        // The server may have closed it while nobody looked. None of what is done here does harm when done twice.
        if (fault instanceof ResultCodeError || performance.now() >= until) throw fault
        return this.#exchange(await this.#open(until), until, work)
      }
    })
  }

  close(): void {
    this.#isClosed = true
    for (const connection of this.#all) connection.destroy()
    this.#all.clear()
    this.#idle.length = 0
  }

  async #exchange<Result>(
    connection: Connection,
    until: number,
    work: (client: Client) => Promise<Result>,
  ): Promise<Result> {
    try {
      const result = await within(until, work(connection.client))
      // Opened again by the library in the middle: then nobody was bound, and the answer is not to be believed.
      if (!connection.isOpen()) throw new Error('The connection to the directory was lost')
      this.#keep(connection)
      return result
    } catch (fault) {
      if (fault instanceof ResultCodeError && connection.isOpen()) this.#keep(connection)
      else this.#drop(connection)
      throw fault
    }
  }

  #takeIdle(): Connection | undefined {
    for (let one = this.#idle.pop(); one !== undefined; one = this.#idle.pop()) {
      if (one.isOpen() && this.#settings.now() - one.usedAt < IDLE_MS) return one
      this.#drop(one)
    }
    return undefined
  }

  #keep(connection: Connection): void {
    connection.usedAt = this.#settings.now()
    if (this.#isClosed) this.#drop(connection)
    else this.#idle.push(connection)
  }

  #drop(connection: Connection): void {
    this.#all.delete(connection)
    connection.destroy()
  }

  async #open(until: number): Promise<Connection> {
    const { urls } = this.#settings
    const faults: unknown[] = []
    const from = this.#lastGood
    for (let n = 0; n < urls.length && !this.#isClosed; n += 1) {
      const at = (from + n) % urls.length
      // A server that hangs must leave time for the next one.
      const share = performance.now() + (until - performance.now()) / (urls.length - n)
      const connection = this.#connectionTo(urls[at] ?? '')
      this.#all.add(connection)
      try {
        await within(share, this.#makeReady(connection.client, urls[at] ?? ''))
        this.#lastGood = at
        return connection
      } catch (fault) {
        this.#drop(connection)
        faults.push(fault)
      }
    }
    throw faults.at(-1) ?? new Error('The directory is closed')
  }

  #connectionTo(url: string): Connection {
    const sockets: Socket[] = []
    const watch = <Kind extends Socket>(socket: Kind): Kind => {
      sockets.push(socket)
      return socket
    }
    const client = new Client({
      url,
      timeout: this.#settings.deadline,
      connectTimeout: this.#settings.deadline,
      createConnection: ((...how: Parameters<typeof tcpConnect>) => watch(tcpConnect(...how))) as typeof tcpConnect,
      createSecureConnection: ((...how: Parameters<typeof tlsConnect>) =>
        watch(tlsConnect(...how))) as typeof tlsConnect,
      ...(url.startsWith('ldaps:') ? { tlsOptions: { ...this.#tls, rejectUnauthorized: true } } : {}),
    })
    return {
      client,
      usedAt: 0,
      // More sockets than one connection needs: the library has opened it again.
      isOpen: () => sockets.length === (this.#settings.startTls ? 2 : 1) && sockets.every((one) => isUsable(one)),
      destroy: () => {
        for (const socket of sockets) {
          socket.on('error', () => undefined)
          socket.destroy()
        }
      },
    }
  }

  async #makeReady(client: Client, url: string): Promise<void> {
    if (this.#settings.startTls) {
      const host = new URL(url).hostname.replace(/^\[|\]$/g, '')
      // Without a name the certificate would be compared with `localhost`.
      await client.startTLS({
        ...this.#tls,
        host,
        ...(isIP(host) ? {} : { servername: host }),
        rejectUnauthorized: true,
      })
    }
    await this.#prepare(client)
  }

  async #inTurn<Result>(until: number, work: () => Promise<Result>): Promise<Result> {
    if (this.#busy >= this.#settings.most) {
      if (this.#waiting.length >= QUEUE) throw new Error('Too many wait for the directory')
      await this.#place(until)
    } else {
      this.#busy += 1
    }
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#busy -= 1
      else next()
    }
  }

  /** A place that is handed on by who leaves; who has waited too long gives up its turn. */
  async #place(until: number): Promise<void> {
    let turn = (): void => undefined
    const mine = new Promise<void>((resolve) => {
      turn = resolve
    })
    this.#waiting.push(turn)
    try {
      await within(until, mine)
    } catch (fault) {
      const at = this.#waiting.indexOf(turn)
      if (at >= 0) this.#waiting.splice(at, 1)
      throw fault
    }
  }
}

const IDLE_MS = 60_000
const QUEUE = 64

function isUsable(socket: Socket): boolean {
  return !socket.destroyed && socket.writable && socket.readable
}

/** @param until as `performance.now` counts */
async function within<Result>(until: number, work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    const left = Math.max(0, until - performance.now())
    timer = setTimeout(() => reject(new Error('The directory did not answer in time')), left)
  })
  // What fails after its time is nobody's any more.
  work.catch(() => undefined)
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
