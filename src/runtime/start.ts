import type { House } from '../app.js'
import { done } from '../commands/terminal.js'
import type { Config } from '../config/schema.js'
import type { Logger } from '../contracts.js'
import { listenForCommands } from './control.js'
import { controlSocket } from './control-place.js'
import { Gateway } from './gateway.js'
import { createLog } from './log.js'
import { Reload } from './reload.js'
import { untilStopped } from './stop.js'
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
  return Gateway.open(config, log)
}

/** `gatelodge start`: runs until SIGTERM or SIGINT. @returns the exit code */
export function start(file: string): Promise<number> {
  return withConfig(file, (config) => runGateway(config))
}

async function runGateway(config: Config): Promise<number> {
  const log = createLog(config.log.level)
  warnAboutNode(log)
  let reload: Reload | undefined
  // From the start: without a listener the signal ends the process.
  process.on('SIGHUP', () => void reload?.request('SIGHUP'))
  const gateway = await Gateway.open(config, log)
  const setLevel = (level: Config['log']['level']) => {
    log.level = level
  }
  const reloads = new Reload(reloadable(gateway, setLevel), log, process.env)
  reload = reloads
  const deaf = await listenForCommands(
    () => controlSocket(config),
    () => reloads.request('gatelodge reload'),
    log,
  )
  await untilStopped(async (signal) => {
    const { announceSeconds, deadlineSeconds } = gateway.config.stop
    log.info({ signal }, 'stopping')
    await deaf()
    // Who sits at the terminal waits for nobody's load balancer.
    const announceMs = signal === 'SIGTERM' ? announceSeconds * 1000 : 0
    await gateway.close({ announceMs, deadlineMs: deadlineSeconds * 1000 })
    log.info({}, 'stopped')
  })
  return done
}

function reloadable(gateway: Gateway, setLevel: (level: Config['log']['level']) => void) {
  return {
    get config() {
      return gateway.config
    },
    get audit() {
      return gateway.house.audit
    },
    prepare: async (config: Config) => {
      const { house, commit, discard } = await gateway.prepare(config)
      return {
        audit: house.audit,
        commit: () => {
          commit()
          setLevel(config.log.level)
        },
        discard,
      }
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
