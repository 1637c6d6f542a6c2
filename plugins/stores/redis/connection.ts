import { createHash } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { createClient, type RedisClientType } from '@keyv/redis'
import type { Logger } from '../../../src/contracts.js'
import type { ServerAddress, Servers } from './servers.js'

/** A script and its name on the server. */
export interface Script {
  readonly text: string
  readonly sha1: string
}

export const script = (text: string): Script => ({ text, sha1: createHash('sha1').update(text).digest('hex') })

/** Between two looks whether the server is still the one to write to. */
const LOOK_MS = 500

/** How a server is reached. */
export interface ConnectionOptions {
  readonly servers: Servers
  /** How long any command may take, in ms. */
  readonly deadline: number
  readonly log: Logger
  /** Called when a connection stands again after one was lost: it may be to another server. */
  readonly onAgain?: (connection: Connection) => void
}

/**
 * One connection that answers in time or says no. Nothing waits in a queue for a server that is gone: while there is no
 * connection every command fails at once, and a command that got no answer in time takes the connection down with it,
 * because a server that is frozen or cut off keeps its socket open.
 */
export class Connection {
  readonly #servers: Servers
  readonly #deadline: number
  readonly #log: Logger
  readonly #onAgain: ConnectionOptions['onAgain']
  #client: RedisClientType | undefined
  #reconnecting = false
  readonly #asked = new Set<Promise<unknown>>()
  #watched: { readonly key: string; readonly changed: () => void } | undefined
  #isWatching = false
  /** When the last command was sent that has been answered, by a clock that is never set. */
  #heardSince = Number.NEGATIVE_INFINITY
  #closing: Promise<void> | undefined

  private constructor({ servers, deadline, log, onAgain }: ConnectionOptions) {
    this.#onAgain = onAgain
    this.#servers = servers
    this.#deadline = deadline
    this.#log = log
  }

  /** @throws in words for the operator when the server does not answer */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const connection = new Connection(options)
    try {
      connection.#reconnecting = true
      await connection.#connect()
      connection.#reconnecting = false
      return connection
    } catch (cause) {
      await connection.close()
      // The address may carry a password: only hosts are named.
      throw new Error(`Redis at ${options.servers.name} cannot be reached: ${reason(cause)}`, { cause })
    }
  }

  /** Calls `changed` when somebody changes this key, and when such a word may have been missed. One key at most. */
  async watch(key: string, changed: () => void): Promise<void> {
    this.#watched = { key, changed }
    if (this.#client !== undefined) await this.#beginToWatch(this.#client)
  }

  /** Whether everything the server had to say up to so many ms ago has arrived, and changes are told. */
  isHeard(withinMs: number): boolean {
    return this.#isWatching && this.#client?.isReady === true && performance.now() - this.#heardSince < withinMs
  }

  /** The answer to what `command` asks. */
  async ask<Answer>(command: (client: RedisClientType) => Promise<Answer>): Promise<Answer> {
    if (this.#closing) throw new Error('The store is closed.')
    const client = this.#client
    if (client?.isReady !== true) throw new Error('The store could not be asked: Redis is not connected.')
    const sentAt = performance.now()
    const answer = this.#inTime(command(client))
    this.#asked.add(answer)
    try {
      const answered = await answer
      if (client === this.#client && sentAt > this.#heardSince) this.#heardSince = sentAt
      return answered
    } catch (cause) {
      if (cause instanceof Late || (cause instanceof Error && isElsewhere(cause))) this.#lost(cause)
      throw new Error(`The store could not be asked: ${reason(cause)}`, { cause })
    } finally {
      this.#asked.delete(answer)
    }
  }

  /** Runs a script by its name, and sends it where the server does not know it yet. */
  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const rest = [String(keys.length), ...keys, ...args]
    return this.ask(async (client) => {
      try {
        return await client.sendCommand(['EVALSHA', script.sha1, ...rest])
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
        return client.sendCommand(['EVAL', script.text, ...rest])
      }
    })
  }

  /** Waits for what was asked; everything asked for later is refused. */
  close(): Promise<void> {
    this.#closing ??= this.#leave()
    return this.#closing
  }

  async #leave(): Promise<void> {
    await Promise.allSettled(this.#asked)
    this.#drop()
  }

  async #connect(): Promise<void> {
    const client = newClient(await this.#servers.find(this.#deadline), this.#deadline)
    client.on('error', (error: Error) => {
      if (client === this.#client) this.#lost(error)
    })
    client.on('invalidate', () => this.#watched?.changed())
    this.#client = client
    await this.#inTime(client.connect())
    // Connecting alone does not tell whether the server lets us ask: it may want a password.
    await this.#inTime(client.ping())
    await this.#inTime(this.#checkRole(client))
    await this.#beginToWatch(client)
    this.#lookAgain(client)
  }

  /** @throws {Elsewhere} at a replica: what ended elsewhere may reach it late, or never where its master is out of reach */
  async #checkRole(client: RedisClientType): Promise<void> {
    const answer = await client.sendCommand(['ROLE']).catch((error: Error) => {
      // Not every name may ask for it, and not every server that speaks the protocol knows it.
      if (this.#servers.mayNameReplica || !/^(NOPERM|ERR)\b/.test(error.message)) throw error
    })
    if (Array.isArray(answer) && String(answer[0]) !== 'master') throw new Elsewhere()
  }

  /** A server that is made a replica keeps its connections, and who only reads would never hear of it. */
  #lookAgain(client: RedisClientType): void {
    const look = async () => {
      if (client !== this.#client || this.#closing) return
      await this.ask((asked) => this.#checkRole(asked)).catch(() => {}) // what is wrong takes the connection down
      this.#lookAgain(client)
    }
    setTimeout(look, LOOK_MS).unref()
  }

  async #beginToWatch(client: RedisClientType): Promise<void> {
    if (this.#watched === undefined) return
    // The client turns it on for every key that is read; of one key alone it costs nothing.
    await this.#inTime(client.sendCommand(['CLIENT', 'TRACKING', 'OFF']))
    await this.#inTime(client.sendCommand(['CLIENT', 'TRACKING', 'ON', 'BCAST', 'PREFIX', this.#watched.key]))
    this.#watched.changed()
    this.#isWatching = client === this.#client
  }

  #drop(): void {
    this.#isWatching = false
    this.#heardSince = Number.NEGATIVE_INFINITY
    this.#watched?.changed()
    const client = this.#client
    this.#client = undefined
    if (client?.isOpen) client.destroy()
  }

  async #inTime<Answer>(work: Promise<Answer>): Promise<Answer> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      // One more look at the network first: it may be this process that was held up, with the answer waiting.
      timer = setTimeout(() => setImmediate(() => reject(new Late(this.#deadline))), this.#deadline)
    })
    try {
      return await Promise.race([work, late])
    } finally {
      clearTimeout(timer)
    }
  }

  #lost(cause: Error): void {
    if (this.#closing || this.#reconnecting) return
    this.#reconnecting = true
    this.#log.warn({ reason: cause.message }, 'the connection to Redis was lost')
    void this.#reconnect()
  }

  async #reconnect(): Promise<void> {
    for (let tries = 0; !this.#closing; tries++) {
      this.#drop()
      await pause(Math.min(50 * 2 ** tries, 500), undefined, { ref: false })
      try {
        if (this.#closing) return
        await this.#connect()
        if (this.#closing) {
          this.#drop()
          return
        }
        this.#log.info({ tries: tries + 1 }, 'connected to Redis again')
        this.#reconnecting = false
        this.#onAgain?.(this)
        return
      } catch {
        // Said once when it was lost; tried again until it works or the store is closed.
      }
    }
  }
}

/**
 * RESP3 is how the server tells of changed keys, so it has to be Redis 6 or later. The server's certificate is always
 * verified.
 */
function newClient({ url, ca }: ServerAddress, deadline: number): RedisClientType {
  // Reconnecting is done here: the client would wait for ever for a server that accepts and then says nothing.
  const socket = { reconnectStrategy: false, connectTimeout: deadline } as const
  return createClient({
    url,
    RESP: 3,
    emitInvalidate: true,
    disableOfflineQueue: true,
    commandsQueueMaxLength: 20_000,
    socket: ca === undefined ? socket : { ...socket, tls: true, ca },
  }) as unknown as RedisClientType
}

/**
 * A server that became a replica stays one, and a node of a cluster may have given our keys away: behind the same name
 * another may be the one to write to by now.
 */
function isElsewhere(error: Error): boolean {
  return error instanceof Elsewhere || /^(READONLY|MOVED|ASK|CLUSTERDOWN|MASTERDOWN|TRYAGAIN)\b/.test(error.message)
}

class Elsewhere extends Error {
  constructor() {
    super('it is a replica, and takes no writes')
  }
}

class Late extends Error {
  constructor(deadline: number) {
    super(`no answer within ${deadline} ms; what was asked may still be done`)
  }
}

const reason = (cause: unknown) => (cause instanceof Error ? cause.message || cause.name : String(cause))
