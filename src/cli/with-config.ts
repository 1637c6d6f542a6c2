import type { Core } from '../app.js'
import { keySettings } from '../config/key-settings.js'
import { formatProblems } from '../config/problem.js'
import type { Config } from '../config/schema.js'
import { failed, wrongUse } from '../exit-codes.js'
import { checkConfig } from '../plugin-host/check-config.js'
import { sentenceOf } from '../runtime/error-text.js'
import { createLog } from '../runtime/log/log.js'
import { openSecrets } from '../secrets/open-secrets.js'
import type { StoreWithKeys } from './commands/backup.js'
import type { StoreAndKeys } from './commands/keys.js'

/**
 * Runs a command that needs a configuration that is right. What is wrong with the file goes to standard error.
 * @returns its exit code
 */
export async function withConfig(file: string, run: (config: Config) => Promise<number>): Promise<number> {
  const checked = await checkConfig(file, process.env)
  if ('problems' in checked) {
    process.stderr.write(formatProblems(file, checked.problems))
    return wrongUse
  }
  try {
    return await run(checked.config)
  } catch (fault) {
    process.stderr.write(`${sentenceOf(fault)}\n`)
    return failed
  }
}

/** Runs a command in the opened house, beside a gateway that may be running on the same store, and closes it again. */
export function withCore(file: string, run: (services: Core['identity'] & Core) => Promise<number>): Promise<number> {
  return withConfig(file, async (config) => {
    // Results of commands are for a person or a script: of the log only what went wrong.
    const { openCore } = await import('../app.js')
    const core = await openCore(config, { log: createLog('warn', process.stderr), now: () => Date.now() })
    try {
      return await run({ ...core.identity, ...core })
    } finally {
      await core.close()
    }
  })
}

/** Runs a command on the two stores that two files name, and on nothing else of them. */
export function betweenStores(
  from: string,
  to: string,
  run: (from: StoreWithKeys, to: StoreWithKeys) => Promise<number>,
): Promise<number> {
  return inStore(from, (old) => inStore(to, (fresh) => run(old, fresh)))
}

/** Runs a command on a store alone, as it is, and on what is said of its keys. */
export function inStoreAlone(file: string, run: (services: StoreAndKeys) => Promise<number>): Promise<number> {
  return inStore(file, run)
}

function inStore(file: string, run: (store: StoreWithKeys & StoreAndKeys) => Promise<number>): Promise<number> {
  return withConfig(file, async (config) => {
    const { openStore } = await import('../app.js')
    const log = createLog('warn', process.stderr)
    const store = await openStore(config, { log, now: () => Date.now() })
    const keys = keySettings(config)
    const sealer = async () => openSecrets(store, keys, log)
    try {
      return await run({ store, keys, sealer })
    } finally {
      await store.close()
    }
  })
}
