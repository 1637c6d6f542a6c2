import { resolve } from 'node:path'
import { formatProblems } from '../config/problem.js'
import { readConfig } from '../config/read-config.js'
import { done, failed, wrongUse } from '../exit-codes.js'
import { checkConfig } from '../plugin-host/check-config.js'
import { command } from '../runtime/control.js'
import { controlSocket } from '../runtime/control-socket.js'

/** `gatelodge reload`: the gateway that runs with this file reads it anew. @returns the exit code */
export async function reloadRunning(file: string): Promise<number> {
  const { root, baseDirectory } = readConfig(file, process.env)
  // The file may be wrong elsewhere: the running gateway is asked all the same, so that the refusal is in its audit log.
  const { store } = (root?.value ?? {}) as { store?: { use?: unknown; path?: unknown } }
  const socket = controlSocket({ file: resolve(file), baseDirectory, store })
  const answer = await command(socket, 'reload')
  if (answer?.outcome === 'reloaded') {
    process.stdout.write(`${file} is what the gateway runs with now.\n`)
    return done
  }
  if (answer !== undefined) {
    const { problems, sentence } = answer
    process.stderr.write(sentence === undefined ? formatProblems(file, problems) : `${sentence}\n`)
    process.stderr.write('The gateway runs on with the configuration it had.\n')
    return sentence === undefined ? wrongUse : failed
  }
  const checked = await checkConfig(file, process.env)
  if ('problems' in checked) {
    process.stderr.write(formatProblems(file, checked.problems))
    return wrongUse
  }
  process.stderr.write(`No gateway runs with ${file}: nothing listens at ${socket}\n`)
  return failed
}
