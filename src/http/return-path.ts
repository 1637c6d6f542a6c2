import { canonicalTarget } from '../access/canonical-target.js'

/** Where a visitor may be sent after signing in. */
export interface ReturnPlaces {
  /** Of our own pages, as in `/.gatelodge`. */
  readonly prefix: string
  /** Whether an application is served at this decoded path of the host that was asked. */
  isOnSite(path: string): boolean
}

/** Our own pages one may want to come back to; coming back to `sign-out` would undo the sign-in. */
const OWN_PAGES = ['/account', '/admin']

/**
 * The address to go to after signing in: a path on this very host, or the start page. The attack: a link to our
 * sign-in page that ends, after a real sign-in, on somebody else's copy of it.
 * @param value what a client said: anything
 * @returns a path with its query that no browser reads as another host: `//x`, `/\x`, `/%5cx` and `https:` are out
 */
export function returnPath(value: unknown, places: ReturnPlaces): string {
  if (typeof value !== 'string') return '/'
  const target = canonicalTarget(value)
  if (target === undefined) return '/'
  const { path } = target
  const isOurs = path === places.prefix || path.startsWith(`${places.prefix}/`)
  const isWelcome = isOurs ? isOwnPage(path.slice(places.prefix.length)) : places.isOnSite(path)
  return isWelcome ? target.forward : '/'
}

function isOwnPage(path: string): boolean {
  return OWN_PAGES.some((page) => path === page || path.startsWith(`${page}/`))
}
