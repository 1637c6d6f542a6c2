import embedded from '../../plugins/stores/embedded.js'
import type { Host } from '../../src/contracts.js'

/** A process of its own that writes to the store in the directory it is given until nothing more goes in, and ends. */

const host = { now: Date.now, log: { debug() {}, info() {}, warn() {}, error() {} } }
const store = await embedded.create(embedded.options.parse({ path: process.argv[2] }), host as unknown as Host)
for (const size of [100_000, 10_000, 1000]) {
  for (let count = 0; ; count += 1) {
    const isKept = await store.set(`ballast/${size}/${count}`, 'x'.repeat(size)).then(
      () => true,
      () => false,
    )
    if (!isKept) break
  }
}
process.exit(0)
