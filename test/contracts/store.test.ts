import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import embedded from '../../plugins/stores/embedded.js'
import type { Host, Logger } from '../../src/contracts.js'
import { storeContract } from './store.js'

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

t.test('embedded', async (t) => {
  let path = ''
  storeContract(t, {
    async open(t, now) {
      path = await mkdtemp(join(tmpdir(), 'gatelodge-store-'))
      const store = await embedded.create(embedded.options.parse({ path }), { now, log: silent } as Host)
      t.teardown(async () => {
        await store.close()
        await rm(path, { recursive: true })
      })
      return store
    },
    elsewhere: () => ({ plugin: new URL('../../plugins/stores/embedded.js', import.meta.url).href, options: { path } }),
  })
})
