import type { Store, User } from '../contracts.js'
import { browserName } from '../messages/browser-name.js'
import type { ClientFacts } from './client-facts.js'
import type { Notices } from './notices.js'
import { Records } from './records.js'
import { hashOf } from './secret.js'

/**
 * Which browsers an account was opened with, as far as can be told without a mark in the browser: by its kind and the
 * neighbourhood of its address. Users hear of the first sign-in from each.
 */
export class Browsers {
  readonly #seen: Records<true>
  readonly #notices: Notices

  constructor({ store, notices }: { store: Store; notices: Notices }) {
    this.#seen = new Records(store, 'browser/')
    this.#notices = notices
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

/** Half a year without a sign-in, and it is a new one again. */
const KEPT_SECONDS = 180 * 24 * 60 * 60

/** Addresses change from day to day, mostly within these: an IPv4 /16, an IPv6 /48. */
function neighbourhood(network: string): string {
  return network.includes(':') ? network.split(':').slice(0, 3).join(':') : network.split('.').slice(0, 2).join('.')
}
