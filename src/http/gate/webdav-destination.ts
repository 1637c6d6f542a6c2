import type { Policy, Site, SiteSettings } from '../../access/policy.js'
import type { CanonicalTarget } from '../../access/targets/canonical-target.js'
import { readTarget } from '../../access/targets/read-target.js'
import type { Asked } from '../web/request-kind.js'

/** What a WebDAV request writes besides its own target. */
export interface Destination<S extends SiteSettings> {
  readonly host: string | undefined
  readonly site: Site<S>
  readonly target: CanonicalTarget
}

/**
 * Where a `MOVE` or `COPY` goes (RFC 4918, 10.3). The attack: a rule closes `/private/**`, and what is moved there, or copied
 * over what is there, is asked for under another path.
 * @param asked where the request itself goes. Applications that take the path of `Destination` and do not look at its host are
 *   common, so the path is judged there whatever host is named, and at the named one besides.
 * @param overrides methods that headers say it really has
 * @returns none where nothing is moved; `unclear` where two programs could read it as two paths
 */
export function destinationsOf<S extends SiteSettings>(
  policy: Policy<S>,
  { method = '', headers }: Asked,
  asked: Site<S>,
  overrides: readonly string[],
): readonly Destination<S>[] | 'unclear' {
  const said = headers['destination']
  if (said === undefined || ![method, ...overrides].some((each) => moving.test(each))) return none
  if (typeof said !== 'string') return 'unclear'
  const [, authority, absolute] = /^https?:\/\/([^/?#\\@]+)(.*)$/is.exec(said) ?? []
  const own = headers.host
  const named = authority?.toLowerCase() ?? own
  const raw = authority === undefined ? said : absolute || '/'
  const places: Destination<S>[] = []
  for (const host of new Set([own, named])) {
    const target = readTarget(policy, host, raw)
    if (target.path === undefined) return 'unclear'
    const site = policy.site(host, target.path) ?? (host === own ? asked : undefined)
    if (site !== undefined) places.push({ host, site, target })
  }
  return places
}

const none: readonly never[] = Object.freeze([])

/** Those of versions of WebDAV that write to another place. */
const moving = /^(?:MOVE|COPY|BMOVE|BCOPY)$/i
