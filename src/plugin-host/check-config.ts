import { isDeepStrictEqual } from 'node:util'
import { checkPlugins } from '../config/checks/plugins.js'
import type { Complaint } from '../config/complaints.js'
import type { LoadedConfig } from '../config/load-config.js'
import { sortProblems } from '../config/problem.js'
import { readConfig } from '../config/read-config.js'
import type { Config } from '../config/schema.js'
import { PluginCatalog } from './catalog.js'

/**
 * {@link loadConfig}, and every plugin the file names is found and its options are checked, with positions. Nothing is
 * built. This is what `start` and `check` go by.
 * @param running what a gateway runs with that is to go on with this file: what only a restart changes is a mistake then
 */
export async function checkConfig(
  file: string,
  env: NodeJS.ProcessEnv,
  running?: Pick<Config, FixedKey>,
): Promise<LoadedConfig> {
  const read = readConfig(file, env)
  const { config, root, locator, baseDirectory } = read
  const inPlugins = root && locator ? await checkPlugins(root, locator, new PluginCatalog(baseDirectory)) : []
  const fixed = config && running && locator ? locator.problems(changesOf(config, running)) : []
  const problems = sortProblems([...read.problems, ...inPlugins, ...fixed])
  return config && problems.length === 0 ? { config } : { problems }
}

/** What is opened once, when the gateway starts. */
const fixedKeys = ['listen', 'workers', 'store', 'metrics'] as const

type FixedKey = (typeof fixedKeys)[number]

function changesOf(config: Config, running: Pick<Config, FixedKey>): Complaint[] {
  return fixedKeys
    .filter((key) => !isDeepStrictEqual(config[key], running[key]))
    .map((key) => ({
      path: [key],
      at: 'key',
      message: 'cannot change while the gateway runs',
      accepted: 'what it was started with, or a restart',
    }))
}
