import type { House } from '../app.js'
import { formatProblems } from '../commands/check.js'
import { failed, wrongUse } from '../commands/terminal.js'
import { checkConfig } from '../config/load-config.js'
import type { Config } from '../config/schema.js'
import type { Store } from '../contracts.js'
import { createLog } from './log.js'
import { sentenceOf } from './sentence.js'

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
export function inHouse(file: string, run: (rooms: House['identity'] & House) => Promise<number>): Promise<number> {
  return withConfig(file, async (config) => {
    // Results of commands are for a person or a script: of the log only what went wrong.
    const { openHouse } = await import('../app.js')
    const house = await openHouse(config, { log: createLog('warn', process.stderr), now: () => Date.now() })
    try {
      return await run({ ...house.identity, ...house })
    } finally {
      await house.close()
    }
  })
}

/** Runs a command on the two stores that two files name, and on nothing else of them. */
export function betweenStores(
  from: string,
  to: string,
  run: (from: Store, to: Store) => Promise<number>,
): Promise<number> {
  return inStore(from, (old) => inStore(to, (fresh) => run(old, fresh)))
}

function inStore(file: string, run: (store: Store) => Promise<number>): Promise<number> {
  return withConfig(file, async (config) => {
    const { openStore } = await import('../app.js')
    const store = await openStore(config, { log: createLog('warn', process.stderr), now: () => Date.now() })
    try {
      return await run(store)
    } finally {
      await store.close()
    }
  })
}
