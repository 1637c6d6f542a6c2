import type { ConfigProblem } from './problem.js'
import { readConfig } from './read-config.js'
import type { Config } from './schema.js'

/** A configuration that is right in every part, or everything that is wrong with it, in the order of the file. */
export type LoadedConfig = { readonly config: Config } | { readonly problems: readonly ConfigProblem[] }

/**
 * Reads a YAML file into a checked, frozen configuration. All mistakes come back at once. Options of plugins are not
 * looked into: {@link checkConfig} does that, too.
 * @param env what `${NAME}` reads
 */
export function loadConfig(file: string, env: NodeJS.ProcessEnv): LoadedConfig {
  const { config, problems } = readConfig(file, env)
  return config ? { config } : { problems }
}
