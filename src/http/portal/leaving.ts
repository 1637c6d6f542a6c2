import type { Portal } from '../../access/portal.js'
import { hashOf } from '../../identity/store/random-token.js'
import type { Cookies } from '../web/cookies.js'
import { carried } from '../web/return-path.js'
import { newNonce, nonceText, readNonce } from './nonce.js'

/** Where a browser is sent, and the cookie it has to come back with. */
export interface Way {
  readonly location: string
  readonly headers: Readonly<Record<string, string>>
}

export interface WayAsked {
  /** Of the site, as compared. */
  readonly host: string | undefined
  /** Of the request's `Cookie` field. */
  readonly cookie: string | undefined
  /** The page of ours that helps, under the prefix, as in `sign-in`. */
  readonly page: string
  /** Path and query to come back to. */
  readonly target: string
  /** It came back once already, and something was wrong. */
  readonly isAgain?: boolean
}

/** The way from a site to the portal. */
export class Leaving {
  readonly #portal: Portal
  readonly #cookies: Cookies
  readonly #prefix: string

  constructor({ portal, cookies, prefix }: { portal: Portal; cookies: Cookies; prefix: string }) {
    this.#portal = portal
    this.#cookies = cookies
    this.#prefix = prefix
  }

  /**
   * The portal learns the hash of the nonce alone, and binds the ticket to it. A nonce that is there stays, so that several
   * tabs can set out at the same time.
   * @returns `undefined` where the page is served at this very host
   */
  from({ host, cookie, page, target, isAgain }: WayAsked): Way | undefined {
    if (host === undefined || !this.#portal.isElsewhere(host)) return undefined
    const address = this.#portal.addressAt(host, target)
    if (address === undefined) return undefined
    const { names } = this.#cookies
    const known = readNonce(this.#cookies.read(cookie, names.pending))
    const nonce = known ?? newNonce()
    const query = new URLSearchParams({ return: carried(address), state: hashOf(nonce.token) })
    if (isAgain) query.set('again', '1')
    return {
      location: `${this.#portal.origin}${this.#prefix}/${page}?${query}`,
      headers: known === undefined ? { 'set-cookie': this.#cookies.write(names.pending, nonceText(nonce)) } : {},
    }
  }
}
