import type { FastifyInstance } from 'fastify'
import { buildGateway, type House, openHouse, type Surroundings } from '../app.js'
import { warningsAbout } from '../commands/check.js'
import type { Config } from '../config/schema.js'
import { siteName } from '../http/application.js'
import type { ProxyParts } from '../http/proxy.js'
import type { Observer } from './observer.js'

/** Everything that is built from one reading of the configuration: the house, and its door without a listener. */
export interface Generation {
  readonly config: Config
  readonly house: House
  readonly server: FastifyInstance
  /** Stops what is under way, as far as it may be stopped, and closes everything. */
  close(): Promise<void>
}

/** @throws when something that is named cannot be opened; nothing is left open then */
export async function openGeneration(
  config: Config,
  surroundings: Surroundings,
  isStopping: () => boolean,
  observer: Observer | undefined,
): Promise<Generation> {
  for (const warning of warningsAbout(config)) surroundings.log.warn({}, `line ${warning}`)
  const house = await openHouse(config, surroundings)
  try {
    observer?.house(house)
    const server = await buildGateway(house, { isStopping, onJudged: observer && toldTo(observer) })
    await server.ready()
    const close = async () => {
      try {
        await server.close()
      } finally {
        await house.close()
      }
    }
    return { config, house, server, close }
  } catch (fault) {
    await house.close()
    throw fault
  }
}

function toldTo(observer: Observer): NonNullable<ProxyParts['onJudged']> {
  return (request, { site, decision }) => {
    observer.judged(request, { site: siteName(site), outcome: decision.outcome })
  }
}
