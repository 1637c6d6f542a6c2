import { createHmac } from 'node:crypto'
import type { Store, User } from '../../contracts.js'
import { browserName } from '../../messages/browser-name.js'
import type { ClientFacts } from '../store/client-facts.js'
import type { Installation } from '../store/installation.js'
import { nameHash } from '../store/name-hash.js'
import { drawToken, hashOf, isSame } from '../store/random-token.js'
import { Records } from '../store/records.js'
import type { Notices } from './notices.js'

/**
 * Which browsers an account was opened with. For the mail about a new one that is told by its kind and the neighbourhood of its
 * address, which a stranger may share. For the budget of wrong passwords it takes a mark in the browser, which no stranger can
 * make: https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies
 */
export class KnownBrowsers {
  readonly #seen: Records<true>
  readonly #notices: Notices
  readonly #installation: Pick<Installation, 'formKey'>

  constructor(parts: { store: Store; notices: Notices; installation: Pick<Installation, 'formKey'> }) {
    this.#seen = new Records(parts.store, 'browser/')
    this.#notices = parts.notices
    this.#installation = parts.installation
  }

  /**
   * The mark of a browser that somebody was just signed in with: `<id>.<mac>.<mac>…`, one for each of the last few names. It
   * opens nothing, and nothing of it is kept in the store.
   * @param token the one it has
   */
  mark(token: string | undefined, username: string): string {
    const { id, macs } = readMark(token) ?? { id: drawToken().slice(0, ID_LENGTH), macs: [] }
    const mac = this.#macOf(id, nameHash(username))
    return [id, mac, ...macs.filter((other) => !isSame(other, mac))].slice(0, 1 + MOST_NAMES).join('.')
  }

  /** The budget this browser has for itself; `undefined`: nobody of this name was ever signed in with it. */
  budgetOf(given: { readonly browserToken?: string; readonly username: string }): OwnBudget | undefined {
    const mark = readMark(given.browserToken)
    if (mark === undefined) return undefined
    const name = nameHash(given.username)
    const mac = this.#macOf(mark.id, name)
    return mark.macs.some((other) => isSame(other, mac)) ? { id: `browser-${mark.id}`, nameHash: name } : undefined
  }

  #macOf(id: string, name: string): string {
    const { formKey } = this.#installation
    return createHmac('sha256', formKey)
      .update(`known-browser\n${id}\n${name}`)
      .digest('base64url')
      .slice(0, MAC_LENGTH)
  }

  /** Returns at once and never throws: the sign-in is done. */
  signedIn(user: User, client: ClientFacts): void {
    this.#notices.tellIf(() => this.#isNew(user.id, client), 'new-device', { user, values: {}, client })
  }

  async #isNew(accountId: string, client: ClientFacts): Promise<boolean> {
    const kind = hashOf(`${browserName(client.userAgent)}\n${neighbourhood(client.network)}`).slice(0, 22)
    const key = `${accountId}/${kind}`
    const isFirst = (await this.#seen.list(`${accountId}/`, { limit: 1 })).length === 0
    if (await this.#seen.add(key, true, KEPT_SECONDS)) return !isFirst
    await this.#seen.set(key, true, KEPT_SECONDS)
    return false
  }
}

function readMark(token: string | undefined): { readonly id: string; readonly macs: readonly string[] } | undefined {
  const [id = '', ...macs] = token !== undefined && token.length <= LONGEST_MARK ? token.split('.') : []
  if (id.length !== ID_LENGTH || !/^[\w-]+$/.test(id) || macs.length > MOST_NAMES) return undefined
  return { id, macs }
}

/** 128 bits each. */
const ID_LENGTH = 22
const MAC_LENGTH = 22
/** Of people who share a browser. */
const MOST_NAMES = 5
const LONGEST_MARK = ID_LENGTH + MOST_NAMES * (MAC_LENGTH + 1)

/** Half a year without a sign-in, and it is a new one again. */
const KEPT_SECONDS = 180 * 24 * 60 * 60

/** Addresses change from day to day, mostly within these: an IPv4 /16, an IPv6 /48. */
function neighbourhood(network: string): string {
  return network.includes(':') ? network.split(':').slice(0, 3).join(':') : network.split('.').slice(0, 2).join('.')
}

/** Somebody's or something's own budget of wrong passwords, beside that of the name: no stranger can use it up. */
export interface OwnBudget {
  readonly id: string
  readonly nameHash: string
}
