import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { createClient, type RedisClientType } from '@keyv/redis'
import type { Logger } from '../../../src/contracts.js'

/** A script and its name on the server. */
export interface Script {
  readonly text: string
  readonly sha1: string
}

export const script = (text: string): Script => ({ text, sha1: createHash('sha1').update(text).digest('hex') })

/** How a server is reached. */
export interface ConnectionOptions {
  readonly url: string
  /** How long any command may take, in ms. */
  readonly deadline: number
  readonly log: Logger
}

/**
 * One connection that answers in time or says no. Nothing waits in a queue for a server that is gone: while there is no
 * connection every command fails at once, and a command that got no answer in time takes the connection down with it,
 * because a server that is frozen or cut off keeps its socket open.
 */
export class Connection {
  readonly client: RedisClientType
  readonly #deadline: number
  readonly #log: Logger
  #reconnecting = false
  readonly #asked = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  private constructor({ url, deadline, log }: ConnectionOptions) {
    this.#deadline = deadline
    this.#log = log
    this.client = createClient({
      url,
      disableOfflineQueue: true,
      commandsQueueMaxLength: 20_000,
      // Reconnecting is done here: the client would wait for ever for a server that accepts and then says nothing.
      socket: { reconnectStrategy: false, connectTimeout: deadline },
    }) as RedisClientType
    this.client.on('error', (error: Error) => this.#lost(error))
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
      // The address may carry a password: only its host is named.
      throw new Error(`Redis at ${new URL(options.url).host} cannot be reached: ${reason(cause)}`, { cause })
    }
  }

  /** The answer to what `command` asks. */
  async ask<Answer>(command: (client: RedisClientType) => Promise<Answer>): Promise<Answer> {
    if (this.#closing) throw new Error('The store is closed.')
    if (!this.client.isReady) throw new Error('The store could not be asked: Redis is not connected.')
    const answer = this.#inTime(command(this.client))
    this.#asked.add(answer)
    try {
      return await answer
    } catch (cause) {
      // A server that became a replica stays one: behind the same name another may be the one to write to by now.
      if (cause instanceof Late || (cause instanceof Error && cause.message.startsWith('READONLY'))) this.#lost(cause)
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
    if (this.client.isOpen) this.client.destroy()
  }

  async #connect(): Promise<void> {
    await this.#inTime(this.client.connect())
    // Connecting alone does not tell whether the server lets us ask: it may want a password.
    await this.#inTime(this.client.ping())
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
      if (this.client.isOpen) this.client.destroy()
      await pause(Math.min(50 * 2 ** tries, 500), undefined, { ref: false })
      try {
        if (this.#closing) return
        await this.#connect()
        this.#log.info({ tries: tries + 1 }, 'connected to Redis again')
        this.#reconnecting = false
        return
      } catch {
        // Said once when it was lost; tried again until it works or the store is closed.
      }
    }
  }
}

class Late extends Error {
  constructor(deadline: number) {
    super(`no answer within ${deadline} ms; what was asked may still be done`)
  }
}

const reason = (cause: unknown) => (cause instanceof Error ? cause.message || cause.name : String(cause))
