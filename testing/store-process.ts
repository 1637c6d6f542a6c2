import { writeSync } from 'node:fs'
import type { Host, Json, Logger, Plugin } from '../src/contracts.js'

/** A process beside the test that uses the same store; see `elsewhere` in `store.ts`. */
export interface StoreProcessSettings {
  /** Address of the compiled plugin. */
  readonly plugin: string
  readonly options: { readonly [option: string]: Json }
}

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

const settings: StoreProcessSettings = JSON.parse(process.argv[2] ?? '')
const plugin: Plugin<'stores'> = (await import(settings.plugin)).default
// A store is the first thing built: nothing else can be lent to it yet.
const host = { now: Date.now, log: silent } as Host
const store = await plugin.create(plugin.options.parse(settings.options), host)

process.on(
  'message',
  async ({ calls, redeem }: { calls?: Array<{ method: string; args: Json[] }>; redeem?: number }) => {
    if (calls) {
      const methods = store as unknown as Record<string, (...args: Json[]) => Promise<Json>>
      const answers = await Promise.all(
        calls.map(async ({ method, args }) => (await methods[method]?.(...args)) ?? null),
      )
      process.send?.(answers)
    }
    if (redeem) await redeemTokens(redeem)
  },
)
process.on('disconnect', () => process.exit())
process.send?.('ready')

/** Writes to the pipe at once: what is said before a `kill -9` is heard. */
async function redeemTokens(tokens: number): Promise<void> {
  const say = (line: string) => writeSync(1, `${line}\n`)
  for (let index = 0; index < tokens; index++) {
    if (await store.delete(`token:${index}`)) say(`redeemed ${index}`)
    if (await store.add(`written:${index}`, index)) say(`written ${index}`)
  }
}
