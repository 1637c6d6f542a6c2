import type { FastifyInstance } from 'fastify'
import { buildGateway, type Core, type CoreParts, openCore } from '../app.js'
import type { Config } from '../config/schema.js'
import { warningsAbout } from '../config/warnings.js'
import { siteName } from '../http/applications/application.js'
import type { SitesParts } from '../http/sites/sites.js'
import type { Observer } from './observer.js'

/** Everything that is built from one reading of the configuration: the house, and its door without a listener. */
export interface Instance {
  readonly config: Config
  readonly core: Core
  readonly server: FastifyInstance
  /** Stops what is under way, as far as it may be stopped, and closes everything. */
  close(): Promise<void>
}

/** @throws when something that is named cannot be opened; nothing is left open then */
export async function openInstance(
  config: Config,
  surroundings: CoreParts,
  isStopping: () => boolean,
  observer: Observer | undefined,
): Promise<Instance> {
  for (const warning of warningsAbout(config)) surroundings.log.warn({}, `line ${warning}`)
  const core = await openCore(config, surroundings)
  try {
    await warnOfNoOwner(core)
    observer?.core(core)
    const server = await buildGateway(core, { isStopping, onJudged: observer && toldTo(observer) })
    await server.ready()
    const close = async () => {
      try {
        await server.close()
      } finally {
        await core.close()
      }
    }
    return { config, core, server, close }
  } catch (fault) {
    await core.close()
    throw fault
  }
}

/** Nobody could help who is locked out, or see what happens. A store that is away is another matter. */
async function warnOfNoOwner({ identity, log }: Core): Promise<void> {
  const owners = await identity.accounts.owners.list().catch(() => undefined)
  if (owners?.length === 0) log.warn({}, 'nobody is an owner yet: gatelodge setup-link prints a link that makes one')
}

function toldTo(observer: Observer): NonNullable<SitesParts['onJudged']> {
  return (request, { site, decision }) => {
    observer.judged(request, { site: siteName(site), outcome: decision.outcome })
  }
}
