import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import type { Core } from '../app.js'
import type { Config } from '../config/schema.js'
import type { Logger } from '../contracts.js'
import { Listener, type ListenerLimits } from '../http/listener/listener.js'
import type { Tracing } from '../tracing.js'
import { type Instance, openInstance } from './instance.js'
import type { Observer } from './observer.js'

/** A generation that is built and does nothing yet: it is put behind the door, or closed again. */
export interface Prepared {
  readonly core: Core
  /** Requests that come from now on are its own, and what is open is judged by its rules. */
  commit(): void
  discard(): Promise<void>
}

/**
 * Generations that wait for a download, an event stream or a WebSocket of theirs to end. The oldest beyond them asks its
 * clients to come back (1001 for WebSockets, a whole end for event streams): reloading often must not fill the memory.
 */
const waitingGenerations = 4

/** Between two looks whether a generation has anything under way. */
const lookMs = 100

/** A gateway that listens: one door, and behind it the generation of the configuration that holds now. */
export class Gateway {
  readonly #log: Logger
  readonly #now: () => number
  readonly #retired = new Set<Retired>()
  readonly #closing = new Set<Promise<void>>()
  readonly #door: Listener
  #current: Instance
  #stopping = false
  /** Where it listens, as `http://host:port`. */
  readonly url: string

  readonly #observer: Observer | undefined
  readonly #tracing: Tracing | undefined

  private constructor(parts: {
    observer: Observer | undefined
    log: Logger
    now: () => number
    tracing: Tracing | undefined
    door: Listener
    first: Instance
    url: string
  }) {
    this.#log = parts.log
    this.#observer = parts.observer
    this.#tracing = parts.tracing
    this.#now = parts.now
    this.#door = parts.door
    this.#current = parts.first
    this.url = parts.url
  }

  /** @throws when something that is named cannot be opened, or the port is taken */
  static async open(config: Config, log: Logger, observer?: Observer, tracing?: Tracing): Promise<Gateway> {
    const now = () => Date.now()
    let gateway: Gateway | undefined
    const first = await openInstance(config, { log, now, tracing }, () => gateway?.isStopping ?? false, observer)
    try {
      const door = new Listener(first.server.server, doorLimits(config), {
        prefix: config.prefix,
        onRequest: observer?.request.bind(observer),
        onBehind: (isBehind) => {
          if (isBehind) log.warn({}, 'more to do than can be done: requests are turned away')
          else log.info({}, 'caught up: requests are taken again')
        },
        onCut: (clients) => log.info({ clients }, 'clients that took nothing of what waited for them were cut'),
      })
      const url = await door.listen(config.listen)
      gateway = new Gateway({ observer, log, now, tracing, door, first, url })
    } catch (fault) {
      await first.close()
      throw fault
    }
    const opened = gateway
    observer?.webSockets(() => opened.webSockets)
    observer?.loads(() => opened.#current.server.passages.loads())
    log.info({ url: gateway.url, sites: config.sites.length, readyMs: Math.round(performance.now()) }, 'listening')
    return gateway
  }

  get core(): Core {
    return this.#current.core
  }

  get config(): Config {
    return this.#current.config
  }

  /** WebSockets that are open, in every generation. */
  get webSockets(): number {
    const all = [this.#current, ...[...this.#retired].map(({ generation }) => generation)]
    return all.reduce((sum, { server }) => sum + server.passages.count(), 0)
  }

  get isStopping(): boolean {
    return this.#stopping
  }

  /** Builds what another configuration asks for, beside what runs. @throws when something cannot be opened */
  async prepare(config: Config): Promise<Prepared> {
    const surroundings = { log: this.#log, now: this.#now, tracing: this.#tracing }
    const next = await openInstance(config, surroundings, () => this.#stopping, this.#observer)
    return {
      core: next.core,
      commit: () => this.#put(next),
      discard: () => next.close(),
    }
  }

  /**
   * Stops: `/readyz` says so for a while, if anybody is to see it; then the listener closes, and what is under way has
   * until the deadline.
   */
  async close({ announceMs = 0, deadlineMs = 10_000 } = {}): Promise<void> {
    this.#stopping = true
    this.#door.announceEnd()
    if (announceMs > 0) await pause(announceMs)
    const closed = this.#door.close()
    const deadline = new AbortController()
    const cut = pause(deadlineMs, undefined, { signal: deadline.signal }).then(
      () => {
        this.#log.warn({ afterMs: deadlineMs }, 'requests that were still under way were cut')
        this.#door.cut()
      },
      () => {},
    )
    const all = [this.#current, ...[...this.#retired].map(({ generation }) => generation)]
    await Promise.race([Promise.all([...all.map(({ server }) => server.passages.end()), closed]), cut])
    deadline.abort()
    await Promise.all([...all.map((generation) => generation.close()), ...this.#closing])
  }

  #put(next: Instance): void {
    const before = this.#current
    this.#current = next
    const underWay = this.#door.leadTo(next.server.server, doorLimits(next.config))
    this.#retired.add({ generation: before, underWay })
    for (const { generation } of this.#retired) generation.server.passages.open.judgeLike(next.server.passages.open)
    const [oldest] = this.#retired
    if (oldest !== undefined && this.#retired.size > waitingGenerations) void oldest.generation.server.passages.end()
    if (this.#retired.size === 1) this.#look()
  }

  /** A generation with nothing under way any more is closed; one that could not be is only logged. */
  #look(): void {
    if (this.#stopping) return
    for (const retired of this.#retired) {
      if (retired.underWay() > 0 || retired.generation.server.passages.count() > 0) continue
      this.#retired.delete(retired)
      this.#close(retired.generation)
    }
    if (this.#retired.size > 0) setTimeout(() => this.#look(), lookMs).unref()
  }

  #close(generation: Instance): void {
    const closing = generation
      .close()
      .catch((err: unknown) => this.#log.error({ err }, 'what an earlier configuration had opened could not be closed'))
      .finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }
}

function doorLimits({ limits, trustedProxies, forwardAuth }: Config): ListenerLimits {
  const { connections, connectionsPerAddress = Math.ceil(connections / 4), requests } = limits
  const sendMs = (limits.sendTimeoutSeconds ?? Number.POSITIVE_INFINITY) * 1000
  const proxies = [...trustedProxies, ...(forwardAuth.peers ?? [])]
  return { connections, connectionsPerAddress, requests, sendMs, proxies }
}

interface Retired {
  readonly generation: Instance
  /** Requests that are still being answered. */
  underWay(): number
}
