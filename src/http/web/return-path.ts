import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { canonicalTarget } from '../../access/targets/canonical-target.js'
import { oddTarget } from '../../access/targets/odd-target.js'

/** Where a visitor may be sent after signing in. */
export interface ReturnPlaces {
  /** Of our own pages, as in `/.gatelodge`. */
  readonly prefix: string
  /** For whoever said nothing, or nothing that is safe; `/` when left out. */
  readonly start?: string
  /** Whether an application is served at this decoded path of the host that was asked. */
  isOnSite(path: string): boolean
}

/** Our own pages one may want to come back to; coming back to `sign-out` would undo the sign-in. */
const OWN_PAGES = ['/apps', '/account', '/admin']

/**
 * The address to go to after signing in: a path on this very host, or the start. The attack: a link to our
 * sign-in page that ends, after a real sign-in, on somebody else's copy of it.
 * @param value what a client said: anything
 * @returns a path with its query that no browser reads as another host: `//x`, `/\x`, `/%5cx` and `https:` are out
 */
export function returnPath(value: unknown, places: ReturnPlaces): string {
  const { start = '/' } = places
  if (typeof value !== 'string') return start
  // Before anything is decoded: what a browser takes for the address of another host.
  if (/^\/(?:[/\\]|%2f|%5c)/i.test(value)) return start
  // Whether its site lets an odd spelling pass is looked at when the browser comes for it.
  const target = canonicalTarget(value) ?? oddTarget(value)
  if (target === undefined) return start
  const { path } = target
  const isOurs = path === places.prefix || path.startsWith(`${places.prefix}/`)
  const isWelcome = isOurs ? isOwnPage(path.slice(places.prefix.length)) : places.isOnSite(path)
  return isWelcome ? target.forward : start
}

function isOwnPage(path: string): boolean {
  return OWN_PAGES.some((page) => path === page || path.startsWith(`${page}/`))
}

/**
 * A place to come back to as it stands in addresses and forms of ours. A long one would be up to three times as long where it is
 * escaped once more, and longer than anybody takes, ourselves included: it is packed (deflate, base64url, after a `~`). It is
 * kept by the browser that wants to go there and by nobody else: whoever may make the gateway keep something before they are
 * known can fill it.
 */
export function carried(place: string): string {
  if (place.length < PACKED_FROM) return place
  return `~${deflateRawSync(Buffer.from(place)).toString('base64url')}`
}

/** What {@link carried} was given. Anything but what it makes is as if nothing was said: it comes from the client. */
export function readCarried(said: string): string {
  if (!said.startsWith('~')) return said
  try {
    return inflateRawSync(Buffer.from(said.slice(1), 'base64url'), { maxOutputLength: LONGEST_PLACE }).toString()
  } catch {
    return ''
  }
}

const PACKED_FROM = 1_000

/** A target of 8 KiB with its origin, on the way over the portal. */
const LONGEST_PLACE = 12_288
