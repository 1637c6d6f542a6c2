import { readFileSync } from 'node:fs'
import { Option } from 'commander'

/** What commands are made of. */

export const config = () => new Option('-c, --config <file>', 'the YAML file').default('gatelodge.yaml')
export const json = () => new Option('--json', 'answer in JSON, for scripts')

/** Commands end with a number, and load what they need when they are run: none waits for the parts of another. */
export const exit =
  <Args extends unknown[]>(run: (...args: Args) => Promise<number>) =>
  async (...args: Args) => {
    process.exitCode = await run(...args)
  }

type Rooms = Parameters<Parameters<typeof import('../runtime/with-config.js')['inHouse']>[1]>[0]

/** Runs a command in the house that the file describes, beside a gateway that may be running. */
export async function inHouse(file: string, run: (rooms: Rooms) => Promise<number>): Promise<number> {
  return (await import('../runtime/with-config.js')).inHouse(file, run)
}

export function version(): string {
  return JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')).version
}
