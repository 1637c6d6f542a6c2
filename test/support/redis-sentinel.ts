import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient } from '@keyv/redis'
import { startChild } from './child.js'
import { freePort } from './free-port.js'
import { until } from './poll.js'
import { type RedisServer, redisProgram, startRedis } from './redis-server.js'
import type { Scope } from './scope.js'
import { temporaryDirectory } from './temporary-directory.js'

/** Two servers, one of them the replica of the other, and a Sentinel that watches over both under the name `people`. */
export interface WatchedPair {
  readonly master: RedisServer
  readonly replica: RedisServer
  /** Of the Sentinel. */
  readonly url: string
}

/** @param silentMs after so long without a word the master is taken for dead */
export async function startWatchedPair(t: Scope, silentMs: number): Promise<WatchedPair> {
  const master = await startRedis(t)
  const replica = await startRedis(t, ['--replicaof', '127.0.0.1', String(master.port)])
  const port = await freePort()
  const file = join(await temporaryDirectory(t), 'sentinel.conf')
  writeFileSync(
    file,
    `port ${port}
bind 127.0.0.1
sentinel monitor people 127.0.0.1 ${master.port} 1
sentinel down-after-milliseconds people ${silentMs}
sentinel failover-timeout people 3000
`,
  )
  const sentinel = startChild(redisProgram(), [file, '--sentinel'])
  t.teardown(() => sentinel.end('SIGKILL'))
  const url = `redis://127.0.0.1:${port}`
  await until('the Sentinel to know both', async () => {
    const client = createClient({ url, socket: { reconnectStrategy: false } })
    client.on('error', () => {})
    try {
      await client.connect()
      const replicas = (await client.sendCommand(['SENTINEL', 'REPLICAS', 'people'])) as unknown as string[][]
      return replicas.some((fields) => fields.includes('ok') || fields.join().includes(String(replica.port)))
    } catch {
      // Not there yet.
      return false
    } finally {
      client.destroy()
    }
  })
  return { master, replica, url }
}
