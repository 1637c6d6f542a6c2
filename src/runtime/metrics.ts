import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { performance } from 'node:perf_hooks'
import client from 'prom-client'
import type { Core } from '../app.js'
import type { Logger } from '../contracts.js'
import type { Load } from '../http/applications/load-watch.js'
import type { Observer } from './observer.js'

/** Seconds; a request through the gate takes less than one thousandth of one. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** Where the gateway and not the application may be the one that says so, the status itself is the label. */
const ownWords = new Set([401, 403, 429, 502, 503, 504])

interface Judged {
  readonly site: string
  readonly outcome: string
}

const unjudged: Judged = { site: 'own pages', outcome: 'own' }

/**
 * Counts for Prometheus. Labels are sites, decisions, classes of status and events, which are few: never a user, a path or
 * an address.
 */
export class Metrics implements Observer {
  readonly #judged = new WeakMap<IncomingMessage, Judged>()
  readonly #requests = new client.Counter({
    name: 'gatelodge_requests_total',
    help: 'Requests that were answered.',
    labelNames: ['site', 'outcome', 'status'],
  })
  readonly #duration = new client.Histogram({
    name: 'gatelodge_request_duration_seconds',
    help: 'From the head of a request to the end of its answer.',
    labelNames: ['site'],
    buckets,
  })
  readonly #events = new client.Counter({
    name: 'gatelodge_events_total',
    help: 'What went into the audit log: sign-ins, codes sent, sessions opened and ended, throttles.',
    labelNames: ['event', 'outcome'],
  })
  #store: Core['store'] | undefined
  #webSockets: () => number = () => 0
  #loads: () => readonly Load[] = () => []
  #dependencies: () => ReturnType<Core['dependencies']['all']> = () => []

  constructor() {
    client.collectDefaultMetrics()
    const webSockets = () => this.#webSockets()
    new client.Gauge({
      name: 'gatelodge_open_tunnels',
      help: 'WebSockets that are open.',
      collect() {
        this.set(webSockets())
      },
    })
    const loads = () => this.#loads()
    new client.Gauge({
      name: 'gatelodge_upstream_in_use',
      help: 'Requests, event streams and WebSockets under way at an application.',
      labelNames: ['site', 'kind'],
      collect() {
        this.reset()
        for (const { site, kind, used } of loads()) this.set({ site, kind }, used)
      },
    })
    new client.Gauge({
      name: 'gatelodge_upstream_limit',
      help: 'How many of them there may be at once.',
      labelNames: ['site', 'kind'],
      collect() {
        this.reset()
        for (const { site, kind, limit } of loads()) this.set({ site, kind }, limit)
      },
    })
    new client.Gauge({ name: 'gatelodge_workers', help: 'Processes that answer requests.' }).set(1)
    const dependencies = () => this.#dependencies()
    new client.Gauge({
      name: 'gatelodge_dependency_up',
      help: 'Whether what the gateway needs answers: 1, or 0 from its first failures on until it answers again.',
      labelNames: ['dependency'],
      aggregator: 'min',
      collect() {
        this.reset()
        for (const { name, isUp } of dependencies()) this.set({ dependency: name }, isUp ? 1 : 0)
      },
    })
    const storeSeconds = () => this.#storeSeconds()
    new client.Gauge({
      name: 'gatelodge_store_seconds',
      help: 'What one read of the store took just now; -1 where it failed.',
      aggregator: 'max',
      async collect() {
        this.set(await storeSeconds())
      },
    })
  }

  core(core: Core): void {
    this.#store = core.store
    this.#dependencies = () => core.dependencies.all()
    core.audit.onRecord(({ event, outcome }) => this.#events.inc({ event, outcome }))
  }

  webSockets(count: () => number): void {
    this.#webSockets = count
  }

  loads(read: () => readonly Load[]): void {
    this.#loads = read
  }

  judged(request: IncomingMessage, judged: Judged): void {
    this.#judged.set(request, judged)
  }

  request(request: IncomingMessage, response: ServerResponse): void {
    const started = performance.now()
    response.once('close', () => {
      const { site, outcome } = this.#judged.get(request) ?? unjudged
      const { statusCode } = response
      const status = ownWords.has(statusCode) ? String(statusCode) : `${Math.floor(statusCode / 100)}xx`
      this.#requests.inc({ site, outcome, status })
      this.#duration.observe({ site }, (performance.now() - started) / 1000)
    })
  }

  async #storeSeconds(): Promise<number> {
    const started = performance.now()
    try {
      await this.#store?.get('epoch')
      return (performance.now() - started) / 1000
    } catch {
      return -1
    }
  }
}

/** The counts of this process. */
export function ownMetrics(): Promise<string> {
  return client.register.metrics()
}

/** Lets a worker answer the supervisor that adds the counts of all up. */
export function metricsOfWorker(): Metrics {
  new client.AggregatorRegistry()
  return new Metrics()
}

/** The counts of all workers, added up. */
export function metricsOfWorkers(): () => Promise<string> {
  const registry = new client.AggregatorRegistry()
  return () => registry.clusterMetrics()
}

/** Serves `/metrics` at an address of its own. @throws when the address is taken */
export async function serveMetrics(
  listen: { readonly host: string; readonly port: number },
  read: () => Promise<string>,
  log: Logger,
): Promise<() => Promise<void>> {
  const server = createServer(async (request, response) => {
    if (request.url !== '/metrics' || request.method !== 'GET') {
      response.writeHead(404).end()
      return
    }
    try {
      const text = await read()
      response.writeHead(200, { 'content-type': client.register.contentType }).end(text)
    } catch (err) {
      log.warn({ err }, 'the counts could not be read')
      response.writeHead(503, { 'retry-after': '5' }).end()
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(listen, resolve)
  })
  const { port } = server.address() as AddressInfo
  log.info({ url: `http://${listen.host}:${port}/metrics` }, 'counts for Prometheus')
  return async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}
