import type { Logger } from '../../../src/contracts.js'
import type { Connection } from './connection.js'

/** Tells the operator of settings of the server with which it may forget what was acknowledged. Not every server says. */
export async function warnOfForgetting(connection: Connection, log: Logger): Promise<void> {
  const [memory, persistence] = await Promise.all(
    ['memory', 'persistence'].map((section) => connection.ask((client) => client.info(section)).catch(() => '')),
  )
  const policy = /^maxmemory_policy:(\S+)/m.exec(memory ?? '')?.[1]
  if (policy !== undefined && policy !== 'noeviction') {
    const advice = 'Redis may throw away accounts and sessions when its memory is full: set maxmemory-policy noeviction'
    log.warn({ policy }, advice)
  }
  if (/^aof_enabled:0/m.test(persistence ?? '')) {
    log.warn({}, 'Redis loses what came after its last snapshot when it crashes: set appendonly yes')
  }
}
