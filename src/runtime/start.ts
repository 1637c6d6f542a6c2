import { availableParallelism } from 'node:os'
import type { House } from '../app.js'
import { done } from '../commands/terminal.js'
import type { Config } from '../config/schema.js'
import type { Logger } from '../contracts.js'
import type { Tracing } from '../tracing.js'
import { listenForCommands } from './control.js'
import { controlSocket } from './control-place.js'
import { createLog } from './log.js'
import type { Observer } from './observer.js'
import { Reload, type Reloadable, type ReloadOutcome } from './reload.js'
import { ServiceNotices } from './service-notices.js'
import { untilStopped } from './stop.js'
import { tracesOf } from './traces/wanted.js'
import { withConfig } from './with-config.js'

/** A gateway that listens. */
export interface RunningGateway {
  readonly house: House
  /** Where it listens, as `http://host:port`. */
  readonly url: string
  /** Lets what is under way finish, for a while; then closes everything. */
  close(): Promise<void>
}

/** Opens the house, and the door. @throws when something that is named cannot be opened, or the port is taken */
export async function startGateway(config: Config, log: Logger): Promise<RunningGateway> {
  return openGateway(config, log)
}

/** `gatelodge start`: runs until SIGTERM or SIGINT. @returns the exit code */
export function start(file: string): Promise<number> {
  return withConfig(file, (config) => runGateway(config))
}

async function runGateway(config: Config): Promise<number> {
  const log = createLog(config.log.level)
  warnAboutNode(log)
  const notices = new ServiceNotices(process.env, log)
  let readAnew: ((by: string) => Promise<ReloadOutcome>) | undefined
  // From the start: without a listener the signal ends the process.
  process.on('SIGHUP', () => void readAnew?.('SIGHUP'))
  const running = await open(config, log)
  const reload = new Reload(running, log, process.env)
  const toldReload = notices.aboutReloads((by: string) => reload.request(by))
  readAnew = toldReload
  const deaf = await listenForCommands(
    () => controlSocket(config),
    () => toldReload('gatelodge reload'),
    log,
  )
  notices.ready()
  const stopped = untilStopped(async (signal) => {
    const { announceSeconds, deadlineSeconds } = running.config.stop
    log.info({ signal }, 'stopping')
    notices.stopping()
    await deaf()
    // Who sits at the terminal waits for nobody's load balancer.
    const announceMs = signal === 'SIGTERM' ? announceSeconds * 1000 : 0
    await running.close({ announceMs, deadlineMs: deadlineSeconds * 1000 })
    await notices.close()
    log.info({}, 'stopped')
  })
  await Promise.race([stopped, running.givenUp ?? stopped])
  return done
}

/** What runs: a gateway in this process, or several under a supervisor. */
interface Running extends Reloadable {
  /** Rejects when it cannot go on. */
  readonly givenUp?: Promise<never>
  close(stop: { announceMs: number; deadlineMs: number }): Promise<void>
}

async function open(config: Config, log: ReturnType<typeof createLog>): Promise<Running> {
  const workers = config.workers === 'auto' ? availableParallelism() : config.workers
  if (workers === 1) return openOne(config, log)
  const { Supervisor } = await import('./supervisor.js')
  const supervisor = new Supervisor(config, workers, log)
  await supervisor.start()
  log.info({ workers }, 'all workers listen')
  if (config.metrics === undefined) return supervisor
  const { metricsOfWorkers, serveMetrics } = await import('./metrics.js')
  const unserve = await serveMetrics(config.metrics.listen, metricsOfWorkers(), log)
  return {
    get config() {
      return supervisor.config
    },
    audit: supervisor.audit,
    givenUp: supervisor.givenUp,
    prepare: (next) => supervisor.prepare(next),
    close: async (stop) => {
      await supervisor.close(stop)
      await unserve()
    },
  }
}

/** Loaded when it is known that this process serves requests itself. */
async function openGateway(config: Config, log: Logger, observer?: Observer, tracing?: Tracing) {
  const { Gateway } = await import('./gateway.js')
  return Gateway.open(config, log, observer, tracing)
}

async function openOne(config: Config, log: ReturnType<typeof createLog>): Promise<Running> {
  const metrics = config.metrics && (await import('./metrics.js'))
  const observer = metrics && new metrics.Metrics()
  const traces = await tracesOf(process.env, log)
  const gateway = await openGateway(config, log, observer, traces)
  const unserve =
    config.metrics && (await metrics?.serveMetrics(config.metrics.listen, () => metrics.ownMetrics(), log))
  return {
    get config() {
      return gateway.config
    },
    get audit() {
      return gateway.house.audit
    },
    prepare: async (next: Config) => {
      const { house, commit, discard } = await gateway.prepare(next)
      const take = () => {
        commit()
        log.level = next.log.level
      }
      return { audit: house.audit, commit: take, discard }
    },
    close: async (stop) => {
      await gateway.close(stop)
      await Promise.all([unserve?.(), traces?.close()])
    },
  }
}

/** Node 20 is past its end of life: it still works, and gets no more security fixes. */
function warnAboutNode(log: Logger): void {
  const major = Number(process.versions.node.split('.')[0])
  if (major < 22) {
    log.warn({ node: process.version }, 'this version of Node gets no more security fixes: run on Node 24')
  }
}
