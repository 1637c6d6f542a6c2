import type { Portal } from '../../access/portal.js'

interface Asked {
  readonly portal: Portal | undefined
  /** Of our own pages, as in `/.gatelodge`. */
  readonly prefix: string
  /** Of the site, as compared. */
  readonly host: string | undefined
  /** The page of ours that helps, under the prefix. */
  readonly page: string
  /** Path and query of the request. */
  readonly target: string
}

/** Where a browser goes that has to prove something for a page of a site: to the portal and back, where there is one. */
export function waySteps({ portal, prefix, host, page, target }: Asked): readonly string[] {
  const branch = portal?.branchHost(host)
  const address = branch === undefined ? undefined : portal?.addressAt(branch, target)
  if (portal === undefined || branch === undefined || address === undefined) return []
  const query = new URLSearchParams({ return: address })
  return [
    `302 to ${portal.origin}${prefix}/${page}?${query}, with a nonce of this browser as a cookie of ${branch}`,
    `at ${portal.host} whatever is missing is asked for; whoever is signed in there, and well enough, sees no page`,
    `302 to ${portal.addressAt(branch, `${prefix}/arrive`)} with a ticket that is good once, for 30 s, for this browser`,
    `303 to ${target}, with a cookie of ${branch} alone`,
  ]
}
