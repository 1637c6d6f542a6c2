import t from 'tap'
import redis from '../../plugins/stores/redis.js'
import { storeContract } from '../../testing/store.js'
import { build, lentHost } from '../support/lent-host.js'
import { skipWithoutRedis, startRedis } from '../support/redis-server.js'

const plugin = new URL('../../plugins/stores/redis.js', import.meta.url).href
const skip = skipWithoutRedis() && 'skipped: redis-server is not installed (apt-get install redis-server)'

t.test('redis', { skip }, async (t) => {
  const { url } = await startRedis(t)
  let opened = 0
  storeContract(t, {
    async open(t, now) {
      opened++
      const store = await build(redis, { url, keyPrefix: `${opened}:`, timeoutSeconds: 5 }, lentHost({ now }))
      t.teardown(() => store.close())
      return store
    },
    elsewhere: () => ({ plugin, options: { url, keyPrefix: `${opened}:`, timeoutSeconds: 5 } }),
  })
})
