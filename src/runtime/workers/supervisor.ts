import cluster, { type Worker } from 'node:cluster'
import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { AuditEntry } from '../../audit/audit.js'
import type { Config } from '../../config/schema.js'
import type { Logger } from '../../contracts.js'
import { hello, isAnswer, type WorkerOrder } from './worker-messages.js'

type Said = WorkerOrder extends infer One ? (One extends WorkerOrder ? Omit<One, 'id'> : never) : never

interface Place {
  readonly number: number
  worker: Worker | undefined
  /** When it could take requests, ms of this process; `undefined` while it cannot. */
  readyAt: number | undefined
  /** Ends soon after a start, in a row. */
  failures: number
}

/** A worker that ends within this time of its start ended at once. */
const settledMs = 10_000

/** Waits before a worker is started again: not at all the first time, then doubled from here. */
const firstWaitMs = 250
const longestWaitMs = 30_000

/** After so many ends in a row of every worker the gateway gives up and says why. */
const failuresAllowed = 3

/** A worker that was told to stop has this long beyond its own deadline. */
const graceMs = 20_000

/**
 * Several processes that share one listener and one store. One that ends is started again; a configuration is exchanged in
 * all of them or in none.
 */
export class Supervisor {
  readonly #log: Logger
  readonly #places: readonly Place[]
  readonly #waiting = new Map<number, { resolve: (url: string | undefined) => void; reject: (fault: Error) => void }>()
  readonly #givenUp: Promise<never>
  #giveUp: (fault: Error) => void = () => {}
  #config: Config
  #count = 0
  #started = false
  #stopping = false

  constructor(config: Config, workers: number, log: Logger) {
    this.#config = config
    this.#log = log
    this.#places = Array.from({ length: workers }, (_, index) => ({
      number: index + 1,
      worker: undefined,
      readyAt: undefined,
      failures: 0,
    }))
    this.#givenUp = new Promise((_resolve, reject) => {
      this.#giveUp = reject
    })
    this.#givenUp.catch(() => {})
    cluster.setupPrimary({
      exec: fileURLToPath(new URL('./worker-process.js', import.meta.url)),
      args: [],
      serialization: 'advanced',
    })
  }

  get config(): Config {
    return this.#config
  }

  /** Rejects when workers end again and again and none is left. */
  get givenUp(): Promise<never> {
    return this.#givenUp
  }

  /**
   * All of them are ready.
   * @param stopping ends it in the middle
   * @throws what the first that is not says, or that it was stopped; none is left then
   */
  async start(stopping: AbortSignal): Promise<void> {
    stopping.throwIfAborted()
    let closed: Promise<void> | undefined
    const close = () => {
      closed = this.close({ announceMs: 0, deadlineMs: 0 })
    }
    stopping.addEventListener('abort', close)
    const urls = await Promise.allSettled(this.#places.map((place) => this.#begin(place)))
    stopping.removeEventListener('abort', close)
    await closed
    stopping.throwIfAborted()
    const fault = urls.find((one) => one.status === 'rejected')
    if (fault === undefined) {
      this.#started = true
      return
    }
    this.#stopping = true
    for (const { worker } of this.#places) worker?.process.kill('SIGKILL')
    throw fault.reason
  }

  /** What workers write down is in the one store: any of them does it. */
  readonly audit = {
    record: async (entry: AuditEntry): Promise<void> => {
      const [place] = this.#ready()
      if (place === undefined) throw new Error('No worker is there to write it down.')
      await this.#tell(place, { do: 'audit', entry })
    },
  }

  /** @throws when one worker cannot: then none does */
  async prepare(config: Config) {
    const places = this.#ready()
    const discard = async () => void (await Promise.allSettled(places.map((one) => this.#tell(one, { do: 'discard' }))))
    const told = await Promise.allSettled(
      places.map((place) => this.#tell(place, { do: 'prepare', config: this.#shareOf(config) })),
    )
    const fault = told.find((one) => one.status === 'rejected')
    if (fault !== undefined) {
      await discard()
      throw fault.reason
    }
    const commit = () => {
      this.#config = config
      // One that started meanwhile has the old configuration, and one that fails now may have either: both start anew.
      for (const place of this.#places) {
        if (!places.includes(place)) place.worker?.process.kill('SIGKILL')
        else this.#tell(place, { do: 'commit' }).catch(() => place.worker?.process.kill('SIGKILL'))
      }
    }
    return { audit: this.audit, commit, discard }
  }

  async close(stop: { announceMs: number; deadlineMs: number }): Promise<void> {
    this.#stopping = true
    const ended = this.#places.map(async (place) => {
      const { worker } = place
      if (worker === undefined || worker.isDead()) return
      const gone = new Promise((resolve) => worker.once('exit', resolve))
      // It ends without an answer. One that is still starting, or does not listen, is not waited for.
      this.#tell(place, { do: 'stop', ...stop }).catch(() => {})
      if (place.readyAt === undefined) worker.process.kill('SIGKILL')
      const late = setTimeout(() => worker.process.kill('SIGKILL'), stop.announceMs + stop.deadlineMs + graceMs)
      await gone
      clearTimeout(late)
    })
    await Promise.all(ended)
  }

  #ready(): Place[] {
    return this.#places.filter(({ readyAt }) => readyAt !== undefined)
  }

  /** Connections and requests are counted by each worker for itself. */
  #shareOf(config: Config): Config {
    const share = (count: number) => Math.ceil(count / this.#places.length)
    const { connections, requests } = config.limits
    return { ...config, limits: { ...config.limits, connections: share(connections), requests: share(requests) } }
  }

  async #begin(place: Place): Promise<void> {
    const worker = cluster.fork()
    place.worker = worker
    const config = this.#config
    worker.on('message', (message) => {
      if (!isAnswer(message)) return
      const waiting = this.#waiting.get(message.answers)
      this.#waiting.delete(message.answers)
      if (message.fault === undefined) waiting?.resolve(message.url)
      else waiting?.reject(new Error(message.fault))
    })
    // A message to one that has just ended.
    worker.on('error', () => {})
    worker.once('exit', (code, signal) => this.#onExit(place, code, signal))
    await this.#hears(worker, place)
    await this.#tell(place, { do: 'start', config: this.#shareOf(config) })
    place.readyAt = performance.now()
    // Read anew while this one was starting.
    if (config !== this.#config) worker.process.kill('SIGKILL')
  }

  #hears(worker: Worker, { number }: Place): Promise<void> {
    return new Promise((resolve, reject) => {
      const onMessage = (message: unknown) => {
        if (!isAnswer(message) || message.answers !== hello) return
        worker.off('message', onMessage)
        resolve()
      }
      worker.on('message', onMessage)
      worker.once('exit', () => reject(new Error(`Worker ${number} ended before it was ready.`)))
    })
  }

  #tell(place: Place, said: Said): Promise<string | undefined> {
    const { worker } = place
    this.#count += 1
    const id = this.#count
    return new Promise((resolve, reject) => {
      if (worker === undefined || worker.isDead()) {
        reject(new Error(`Worker ${place.number} has ended.`))
        return
      }
      const gone = () => reject(new Error(`Worker ${place.number} ended before it was done.`))
      worker.once('exit', gone)
      const settled = () => {
        worker.off('exit', gone)
        this.#waiting.delete(id)
      }
      this.#waiting.set(id, {
        resolve: (url) => {
          settled()
          resolve(url)
        },
        reject: (fault) => {
          settled()
          reject(fault)
        },
      })
      worker.send({ ...said, id })
    })
  }

  #onExit(place: Place, code: number | null, signal: string | null): void {
    const { readyAt } = place
    place.readyAt = undefined
    // At the start nothing is tried again: whoever started it is there to read why.
    if (this.#stopping || !this.#started) return
    const atOnce = readyAt === undefined || performance.now() - readyAt < settledMs
    place.failures = atOnce ? place.failures + 1 : 0
    const waitMs = place.failures === 0 ? 0 : Math.min(firstWaitMs * 2 ** (place.failures - 1), longestWaitMs)
    const facts = { worker: place.number, pid: place.worker?.process.pid, code, signal }
    // One that is on its way may be the one that lives: it has its own tries.
    if (this.#places.every((one) => one.readyAt === undefined && one.failures >= failuresAllowed)) {
      this.#log.error(facts, 'workers end at once, again and again, and none is left')
      this.#stopping = true
      for (const { worker } of this.#places) worker?.process.kill('SIGKILL')
      this.#giveUp(
        new Error(`Worker ${place.number} ended ${place.failures} times at once. Its last words are in the log.`),
      )
      return
    }
    this.#log.error({ ...facts, waitMs }, 'a worker ended, and is started again')
    void this.#beginAgain(place, waitMs)
  }

  async #beginAgain(place: Place, waitMs: number): Promise<void> {
    await pause(waitMs, undefined, { ref: false })
    if (this.#stopping) return
    try {
      await this.#begin(place)
      this.#log.info({ worker: place.number, pid: place.worker?.process.pid }, 'a worker is ready again')
    } catch (err) {
      this.#log.error({ worker: place.number, err }, 'a worker could not start')
      place.worker?.process.kill('SIGKILL')
    }
  }
}
