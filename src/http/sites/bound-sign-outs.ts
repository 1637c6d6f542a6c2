import type { IncomingMessage } from 'node:http'
import type { Site } from '../../access/policy.js'
import { PathPattern } from '../../access/targets/path-pattern.js'
import { readings } from '../../access/targets/path-readings.js'
import type { ProxySite } from '../applications/application.js'
import type { GateSession, Judged } from '../gate/gate.js'

interface Parts {
  readonly sites: readonly Site<ProxySite>[]
  /** @throws `store.unavailable` */
  readonly end: (
    open: GateSession,
    judged: Judged<ProxySite>,
    request: IncomingMessage,
    requestId: string,
  ) => Promise<unknown>
}

/**
 * The applications' own sign-outs that are ours as well. The session has ended before the application is asked, so that the
 * page it leads to afterwards is judged without it; the application still hears who it was.
 */
export class BoundSignOuts {
  readonly #patterns = new Map<Site<ProxySite>, readonly PathPattern[]>()
  readonly #end: Parts['end']

  constructor({ sites, end }: Parts) {
    this.#end = end
    for (const site of sites) {
      const { signOut } = site.settings
      if (signOut !== undefined)
        this.#patterns.set(
          site,
          signOut.map((path) => new PathPattern(path)),
        )
    }
  }

  /** Ends the session, where the request is a sign-out by whoever is signed in. `undefined`: it is none. */
  of(request: IncomingMessage, judged: Judged<ProxySite>, requestId: string): Promise<unknown> | undefined {
    if (judged.site.settings.signOut === undefined) return undefined
    const { session, program, target } = judged
    if (session === undefined || program === true || isFromElsewhere(request)) return undefined
    const patterns = this.#patterns.get(judged.site) ?? []
    const ways = readings(target.path)
    if (!patterns.some((pattern) => ways.some((way) => pattern.matches(way)))) return undefined
    return this.#end(session, judged, request, requestId)
  }
}

/** A picture on somebody else's page must sign nobody out of everything. */
function isFromElsewhere({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site']
  return site === 'cross-site' || site === 'same-site'
}
