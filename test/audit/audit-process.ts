import { writeSync } from 'node:fs'
import { Audit } from '../../src/audit/audit.js'
import { chainKey } from '../../src/audit/chain-hash.js'
import type { Host, Json, Logger, Plugin } from '../../src/contracts.js'

/** A process beside the test that writes into the same audit. */
export interface AuditProcessSettings {
  /** Address of the compiled store plugin. */
  readonly plugin: string
  readonly options: { readonly [option: string]: Json }
  /** What tells its entries from those of others. */
  readonly name: string
  readonly key?: string
}

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }
const settings: AuditProcessSettings = JSON.parse(process.argv[2] ?? '')
const plugin: Plugin<'stores'> = (await import(settings.plugin)).default
const store = await plugin.create(plugin.options.parse(settings.options), { now: Date.now, log: silent } as Host)
const keys = settings.key === undefined ? [] : [chainKey(settings.key)]
const audit = new Audit({ store, log: silent, now: Date.now, keys })

function write(index: number): Promise<void> {
  const client = { address: '192.0.2.7', userAgent: 'test', requestId: `${settings.name}-${index}` }
  return audit.record({ event: 'sign-in.password', outcome: 'refused', nameHash: settings.name, client })
}

process.on('message', async ({ entries, endless }: { entries?: number; endless?: boolean }) => {
  if (entries !== undefined) {
    await Promise.all(Array.from({ length: entries }, (_, index) => write(index)))
    await audit.settled()
    process.send?.('written')
  }
  // Says at once what is written: what is said before a `kill -9` is heard.
  for (let index = 0; endless; index++) {
    await Promise.all([write(2 * index), write(2 * index + 1)])
    writeSync(1, `${2 * index}\n${2 * index + 1}\n`)
  }
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
