import { availableParallelism } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import type { Core } from '../app.js'
import type { Config } from '../config/schema.js'
import type { Logger } from '../contracts.js'
import { done } from '../exit-codes.js'
import type { Tracing } from '../tracing.js'
import { listenForCommands } from './control.js'
import { controlSocket } from './control-socket.js'
import { createLog } from './log/log.js'
import type { Observer } from './observer.js'
import { Reload, type Reloadable } from './reload.js'
import { ServiceNotices } from './service-notices.js'
import { StopSignals } from './stop-signals.js'
import { tracesOf } from './traces/wanted.js'
import { welcome } from './welcome.js'

/** A gateway that listens. */
export interface RunningGateway {
  readonly core: Core
  /** Where it listens, as `http://host:port`. */
  readonly url: string
  /** Lets what is under way finish, for a while; then closes everything. */
  close(): Promise<void>
}

/** Opens the house, and the door. @throws when something that is named cannot be opened, or the port is taken */
export async function startGateway(config: Config, log: Logger): Promise<RunningGateway> {
  return openGateway(config, log)
}

/**
 * Runs the gateway until SIGTERM or SIGINT.
 * @param stop signals that are listened for already
 * @returns the exit code
 */
export async function runGateway(config: Config, stop = new StopSignals()): Promise<number> {
  const log = createLog(config.log.level, undefined, config.log.format)
  const stopping = new AbortController()
  const stopped = stop.first().then((signal) => {
    log.info({ signal }, 'stopping')
    stopping.abort()
    return signal
  })
  warnAboutNode(log)
  const notices = new ServiceNotices(process.env, log)
  let isChanged = false
  let readAnew = () => {
    isChanged = true
  }
  // From the start: without a listener the signal ends the process.
  process.on('SIGHUP', () => readAnew())
  const running = await unlessStopped(open(config, log, stopping.signal), stopping.signal, config.stop.deadlineSeconds)
  if (running === undefined) {
    log.info({}, 'stopped')
    return done
  }
  const reload = new Reload(running, log, process.env)
  const toldReload = notices.aboutReloads((by: string) => reload.request(by))
  readAnew = () => void toldReload('SIGHUP')
  if (isChanged) readAnew()
  const deaf = await listenForCommands(
    () => controlSocket(config),
    () => toldReload('gatelodge reload'),
    log,
  )
  notices.ready()
  if (process.stdout.isTTY === true && running.here !== undefined) await welcome(running.here.core, running.here.url)
  let end = { announceMs: 0, deadlineMs: 0 }
  try {
    const signal = await Promise.race([stopped, running.givenUp ?? stopped])
    const { announceSeconds, deadlineSeconds } = running.config.stop
    // Who sits at the terminal waits for nobody's load balancer.
    end = { announceMs: signal === 'SIGTERM' ? announceSeconds * 1000 : 0, deadlineMs: deadlineSeconds * 1000 }
  } finally {
    notices.stopping()
    await deaf()
    await running.close(end)
    await notices.close()
  }
  log.info({}, 'stopped')
  return done
}

/** Whoever ends a group of processes may end a worker this long before this one has heard of it. */
const heardWithinMs = 100

/**
 * Waits for what is being opened. What was told to stop meanwhile is closed as soon as it is open; what does not get there
 * by the deadline is left, with the process.
 * @returns `undefined` when it was told to stop
 * @throws when it cannot be opened
 */
async function unlessStopped(
  opening: Promise<Running>,
  stopping: AbortSignal,
  deadlineSeconds: number,
): Promise<Running | undefined> {
  const deadlineMs = deadlineSeconds * 1000
  let late: NodeJS.Timeout | undefined
  const leave = () => {
    late = setTimeout(() => process.exit(done), deadlineMs).unref()
  }
  stopping.addEventListener('abort', leave)
  try {
    const running = await opening
    if (!stopping.aborted) return running
    await running.close({ announceMs: 0, deadlineMs })
  } catch (fault) {
    if (!stopping.aborted) await pause(heardWithinMs)
    if (!stopping.aborted) throw fault
  } finally {
    stopping.removeEventListener('abort', leave)
    clearTimeout(late)
  }
  return undefined
}

/** What runs: a gateway in this process, or several under a supervisor. */
interface Running extends Reloadable {
  /** Where it listens, and what is behind it, where this process serves requests itself. */
  readonly here?: Pick<RunningGateway, 'url' | 'core'>
  /** Rejects when it cannot go on. */
  readonly givenUp?: Promise<never>
  close(stop: { announceMs: number; deadlineMs: number }): Promise<void>
}

async function open(config: Config, log: ReturnType<typeof createLog>, stopping: AbortSignal): Promise<Running> {
  const workers = config.workers === 'auto' ? availableParallelism() : config.workers
  if (workers === 1) return openOne(config, log)
  const { Supervisor } = await import('./workers/supervisor.js')
  const supervisor = new Supervisor(config, workers, log)
  await supervisor.start(stopping)
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
    here: { url: gateway.url, core: gateway.core },
    get config() {
      return gateway.config
    },
    get audit() {
      return gateway.core.audit
    },
    prepare: async (next: Config) => {
      const { core, commit, discard } = await gateway.prepare(next)
      const take = () => {
        commit()
        log.level = next.log.level
      }
      return { audit: core.audit, commit: take, discard }
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
