import t from 'tap'
import embedded from '../../plugins/stores/embedded.js'
import { storeContract } from '../../testing/store.js'
import { build, lentHost } from '../support/lent-host.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const plugin = new URL('../../plugins/stores/embedded.js', import.meta.url).href

t.test('embedded', async (t) => {
  let path = ''
  storeContract(t, {
    async open(t, now) {
      path = await temporaryDirectory(t)
      const store = await build(embedded, { path }, lentHost({ now }))
      t.teardown(() => store.close())
      return store
    },
    elsewhere: () => ({ plugin, options: { path } }),
  })
})
