import type { Portal, ReturnPlace } from '../../access/portal.js'
import { isToken } from '../../identity/store/random-token.js'
import { carried, readCarried } from '../web/return-path.js'

/** The way from the portal on to a site, once somebody is signed in. */
export interface Onward {
  readonly place: ReturnPlace
  /** SHA-256 of the nonce at the site: the ticket is for the browser that has it. None: the way starts at the site. */
  readonly state?: string
  /** The second try. */
  readonly isAgain: boolean
}

/** The page at the portal that hands over to a site. */
export const GO = '/go'

/**
 * As a path of the portal: pages, forms and pending sign-ins keep where somebody wanted to go as one, and none of them has
 * to know of other hosts.
 */
export function onwardPath(prefix: string, { place, state, isAgain }: Onward): string {
  const query = new URLSearchParams({ return: carried(place.origin + place.target) })
  if (state !== undefined) query.set('state', state)
  if (isAgain) query.set('again', '1')
  return `${prefix}${GO}?${query}`
}

/** @param target a path of ours, perhaps one of {@link onwardPath} */
export function readOnward(portal: Portal, prefix: string, target: string): Onward | undefined {
  const start = `${prefix}${GO}?`
  if (!target.startsWith(start)) return undefined
  return onwardOf(portal, new URLSearchParams(target.slice(start.length)))
}

/** @param query with `return`, `state` and `again`, as the client sent them */
export function onwardOf(portal: Portal, query: URLSearchParams): Onward | undefined {
  const [said, ...more] = query.getAll('return')
  const place = said === undefined || more.length > 0 ? undefined : portal.place(readCarried(said))
  if (place === undefined) return undefined
  const state = query.get('state') ?? ''
  return { place, ...(isToken(state) ? { state } : {}), isAgain: query.get('again') === '1' }
}
