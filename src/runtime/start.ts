import { performance } from 'node:perf_hooks'
import type { FastifyInstance } from 'fastify'
import { buildGateway, type House, openHouse } from '../app.js'
import { done } from '../commands/terminal.js'
import type { Config } from '../config/schema.js'
import type { Logger } from '../contracts.js'
import { createLog } from './log.js'
import { untilStopped } from './stop.js'
import { withConfig } from './with-config.js'

/** A gateway that listens. */
export interface RunningGateway {
  readonly house: House
  /** Where it listens, as `http://host:port`. */
  readonly url: string
  /** Lets what is under way finish, for a while; then closes everything. */
  close(): Promise<void>
}

/** Requests that are under way when the gateway stops have this long; then their connections are cut. */
const DRAIN_MS = 10_000

/** Opens the house, and the door. @throws when something that is named cannot be opened, or the port is taken */
export async function startGateway(config: Config, log: Logger): Promise<RunningGateway> {
  const house = await openHouse(config, { log, now: () => Date.now() })
  try {
    const server = await buildGateway(house)
    const url = await server.listen({ host: config.listen.host, port: config.listen.port })
    log.info({ url, sites: config.sites.length, readyMs: Math.round(performance.now()) }, 'listening')
    return { house, url, close: () => closeGateway(server, house, log) }
  } catch (fault) {
    await house.close()
    throw fault
  }
}

/** `gatelodge start`: runs until SIGTERM or SIGINT. @returns the exit code */
export function start(file: string): Promise<number> {
  return withConfig(file, (config) => runGateway(config, createLog(config.log.level)))
}

async function runGateway(config: Config, log: Logger): Promise<number> {
  warnAboutNode(log)
  const gateway = await startGateway(config, log)
  await untilStopped(async (signal) => {
    log.info({ signal }, 'stopping')
    await gateway.close()
    log.info({}, 'stopped')
  })
  return done
}

/** Fastify waits for idle and slow connections without end (security.md): it is given a while, then they are cut. */
async function closeGateway(server: FastifyInstance, house: House, log: Logger): Promise<void> {
  const deadline = setTimeout(() => {
    log.warn({ afterMs: DRAIN_MS }, 'requests that were still under way were cut')
    server.server.closeAllConnections()
  }, DRAIN_MS)
  try {
    await server.close()
  } finally {
    clearTimeout(deadline)
    await house.close()
  }
}

/** Node 20 is past its end of life: it still works, and gets no more security fixes. */
function warnAboutNode(log: Logger): void {
  const major = Number(process.versions.node.split('.')[0])
  if (major < 22) {
    log.warn({ node: process.version }, 'this version of Node gets no more security fixes: run on Node 24')
  }
}
