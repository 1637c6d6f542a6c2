import { freeze, startChild } from './child.js'
import { freePort } from './free-port.js'
import { findProgram, skipWithout } from './installed.js'
import { until } from './poll.js'
import type { Scope } from './scope.js'
import { temporaryDirectory } from './temporary-directory.js'

const program = findProgram('redis-server', 'valkey-server')

/** For tap's `skip`. */
export const skipWithoutRedis = () => skipWithout('redis-server', program)

export interface RedisServer {
  readonly url: string
  readonly port: number
  stop(): Promise<void>
  /** Starts it again, empty, on the same port. */
  start(): Promise<void>
  /** Stops and lets run again without closing anything, as a machine that hangs. */
  freeze(): Promise<void>
  thaw(): void
}

/** For tests that start it in a way of their own. */
export function redisProgram(): string {
  if (program === undefined) throw new Error('redis-server is not installed')
  return program
}

/** An empty Redis of the test's own that writes nothing to disk. */
export async function startRedis(t: Scope, extra: readonly string[] = []): Promise<RedisServer> {
  const redis = redisProgram()
  const directory = await temporaryDirectory(t)
  const port = await freePort()
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', directory]
  const run = async () => {
    const child = startChild(redis, [...args, ...extra])
    await until('redis to be ready', () => {
      if (child.ended() !== undefined) throw new Error(`redis ended with ${child.ended()}:\n${child.output()}`)
      return child.output().includes('Ready to accept connections')
    })
    return child
  }
  let child = await run()
  t.teardown(() => child.end('SIGKILL'))
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    async stop() {
      await child.end('SIGKILL')
    },
    async start() {
      child = await run()
    },
    freeze: () => freeze(child.pid),
    thaw: () => void process.kill(child.pid, 'SIGCONT'),
  }
}
