import { runDemo } from '../../demo/run.js'
import { formatProblems } from '../config/problem.js'
import { done, failed, wrongUse } from '../exit-codes.js'
import { addUser } from '../identity/accounts/add-user.js'
import { checkConfig } from '../plugin-host/check-config.js'
import { createLog } from '../runtime/log/log.js'
import { startGateway } from '../runtime/start.js'
import { StopSignals } from '../runtime/stop-signals.js'
import { complain, type Terminal } from './terminal.js'

/** As given on the command line. */
export interface DemoOptions {
  readonly port?: string
}

/** Runs the demonstration until Ctrl+C. `--port` or `PORT` says where, 8080 unless one does. @returns the exit code */
export async function demonstrate({ port: given }: DemoOptions = {}, terminal: Terminal = process): Promise<number> {
  const text = given ?? process.env['PORT'] ?? '8080'
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65_535) {
    return complain(terminal, wrongUse, `"${text}" is no port: it is a number from 1 to 65535, as in --port 8081.`)
  }
  const demo = await runDemo({
    port,
    startGateway: async ({ configFile, environment, log }) => {
      const checked = await checkConfig(configFile, { ...process.env, ...environment })
      if ('problems' in checked) throw new Error(formatProblems(configFile, checked.problems))
      const gateway = await startGateway(checked.config, createLog('info', log))
      const { core } = gateway
      return {
        close: () => gateway.close(),
        addUser: async (user) => {
          const added = await addUser({ ...core, ...core.identity }, user)
          if (added.outcome !== 'added') throw new Error(added.sentence)
        },
      }
    },
  })
  if (demo === undefined) return failed
  await new StopSignals().first()
  await demo.close()
  return done
}
