import { runDemo } from '../../demo/run.js'
import { formatProblems } from '../commands/check.js'
import { done, failed } from '../commands/terminal.js'
import { checkConfig } from '../config/load-config.js'
import { addUser } from '../identity/add-user.js'
import { createLog } from './log.js'
import { startGateway } from './start.js'
import { StopSignals } from './stop.js'

/** Runs the demonstration until Ctrl+C. `PORT` says where, 8080 unless it is set. @returns the exit code */
export async function demonstrate(): Promise<number> {
  const port = Number(process.env['PORT'] ?? 8080)
  const demo = await runDemo({
    port,
    startGateway: async ({ configFile, environment, log }) => {
      const checked = await checkConfig(configFile, { ...process.env, ...environment })
      if ('problems' in checked) throw new Error(formatProblems(configFile, checked.problems))
      const gateway = await startGateway(checked.config, createLog('info', log))
      const { house } = gateway
      return {
        close: () => gateway.close(),
        addUser: async (user) => {
          const added = await addUser({ ...house, ...house.identity }, user)
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
