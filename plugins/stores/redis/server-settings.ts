import type { Logger } from '../../../src/contracts.js'
import type { Connection } from './connection.js'

/**
 * Looks at settings of the server with which it may forget what was acknowledged. Not every server says.
 * @throws in words for the operator when it throws entries away: one of them could be the word that ended a session
 */
export async function checkMemory(connection: Connection, log: Logger): Promise<void> {
  const [persistence] = await Promise.all([infoOf(connection, 'persistence'), checkEviction(connection)])
  if (/^aof_enabled:0/m.test(persistence)) {
    log.warn({}, 'Redis loses what came after its last snapshot when it crashes: set appendonly yes')
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
