import type { Logger } from '../../../src/contracts.js'
import type { Connection } from './connection.js'

/**
 * Looks at settings of the server with which it may forget what was acknowledged. Not every server says.
 * @throws in words for the operator when it throws entries away: one of them could be the word that ended a session
 */
export async function checkMemory(connection: Connection, log: Logger): Promise<void> {
  const [persistence, replication] = await Promise.all([
    infoOf(connection, 'persistence'),
    infoOf(connection, 'replication'),
    checkEviction(connection),
  ])
  if (/^aof_enabled:0/m.test(persistence)) {
    log.warn({}, 'Redis loses what came after its last snapshot when it crashes: set appendonly yes')
  }
  // Replication does not wait: what only the old master had is gone when a replica takes over (valkey.io, cluster spec).
  // The number of good replicas is said where min-replicas-to-write is set, and nowhere else.
  if (/^connected_slaves:[1-9]/m.test(replication) && !/^min_slaves_good_slaves:/m.test(replication)) {
    log.warn(
      {},
      'A server that is cut off from its replicas goes on taking writes, and a failover loses them: set min-replicas-to-write 1',
    )
  }
}

/** @throws in words for the operator when the server throws entries away */
export async function checkEviction(connection: Connection): Promise<void> {
  const policy = /^maxmemory_policy:(\S+)/m.exec(await infoOf(connection, 'memory'))?.[1]
  if (policy === undefined || policy === 'noeviction') return
  throw new Error(
    `Redis throws entries away when its memory is full (maxmemory-policy ${policy}): accounts and what ended a session could be among them. Set maxmemory-policy noeviction`,
  )
}

/** Empty where the server does not say. */
const infoOf = (connection: Connection, section: string): Promise<string> =>
  connection.ask((client) => client.info(section)).catch(() => '')
