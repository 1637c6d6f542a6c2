import { readFileSync } from 'node:fs'
import { Option } from 'commander'
import type { Terminal } from '../terminal.js'

/** What commands are made of. */

export const config = () => new Option('-c, --config <file>', 'the YAML file').default('gatelodge.yaml')
export const json = () => new Option('--json', 'answer in JSON, for scripts')

/** Commands end with a number, and load what they need when they are run: none waits for the parts of another. */
export const exit =
  <Args extends unknown[]>(run: (...args: Args) => Promise<number>) =>
  async (...args: Args) => {
    process.exitCode = await run(...args)
  }

type Rooms = Parameters<Parameters<typeof import('../with-config.js')['withCore']>[1]>[0]

/** Runs a command in the house that the file describes, beside a gateway that may be running. */
export async function withCore(file: string, run: (services: Rooms) => Promise<number>): Promise<number> {
  return (await import('../with-config.js')).withCore(file, run)
}

/**
 * The same for a command that tells what an operation did: with `--json` that is on standard output as the management API has
 * it, and the words for people go to standard error.
 */
export async function withAnswer(
  { config, json = false }: { readonly config: string; readonly json?: boolean },
  run: (services: Rooms, terminal: Terminal) => Promise<number>,
): Promise<number> {
  return withCore(config, async (services) => {
    if (!json) return run(services, process)
    const { inJson } = await import('./in-json.js')
    return inJson(services, process, run)
  })
}

export function version(): string {
  return JSON.parse(readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8')).version
}
