import type { Store } from '../../contracts.js'
import type { Account } from '../accounts/account.js'
import type { Accounts } from '../accounts/accounts.js'
import type { Installation } from '../store/installation.js'
import { drawToken, hashOf, isToken } from '../store/random-token.js'
import { Records } from '../store/records.js'

/** `magic`: of the method of that name; `login`: of the login helper or of support, for who has lost the password. */
export type LinkKind = 'magic' | 'login'

/** `sign-in`: in place of the password; `second-factor`: after it, for the one pending sign-in that asked. */
export type LinkPurpose = 'sign-in' | 'second-factor'

/** A one-time link on its way. The store keeps it under the hash of its token and does not know the token. */
export interface Link {
  /** SHA-256 of the token in base64url. */
  readonly id: string
  readonly kind: LinkKind
  readonly purpose: LinkPurpose
  readonly accountId: string
  /** As they were when it was issued: a revocation since then ends the link as well. */
  readonly generation: number
  readonly installation: number
  /**
   * The browser that asked for it: SHA-256 of its pending cookie, which for `second-factor` is the id of the pending
   * sign-in. Left out where nobody asked by a browser, as with support's.
   */
  readonly browser?: string
  /** What YAML calls the method it was sent by; `login` links have none. */
  readonly method?: string
  readonly returnTo?: string
  /** Milliseconds since 1970. */
  readonly issuedAt: number
  readonly expiresAt: number
}

export interface LinkWanted extends Pick<Link, 'kind' | 'purpose' | 'browser' | 'method' | 'returnTo'> {
  /** Its generation is the one that held when the right to the link was proven. */
  readonly account: Pick<Account, 'id' | 'generation'>
  readonly lifetimeSeconds: number
}

/** A link that nobody has heard of yet. */
export interface DrawnLink {
  /** Under the prefix. A secret. */
  readonly path: string
  readonly id: string
  keep(wanted: LinkWanted): Promise<void>
}

/** A link that works now, with its account. */
export interface LiveLink {
  readonly link: Link
  readonly account: Account
}

/** One-time links by mail: 256 bits each, bound to an account, its generation and one purpose, won once. */
export class Links {
  readonly #records: Records<Link>
  readonly #byAccount: Records<true>
  readonly #accounts: Pick<Accounts, 'find'>
  readonly #installation: Pick<Installation, 'generation'>
  readonly #now: () => number

  constructor(parts: {
    store: Store
    accounts: Pick<Accounts, 'find'>
    installation: Pick<Installation, 'generation'>
    now: () => number
  }) {
    this.#records = new Records(parts.store, 'link/')
    this.#byAccount = new Records(parts.store, 'link-of/')
    this.#accounts = parts.accounts
    this.#installation = parts.installation
    this.#now = parts.now
  }

  /**
   * A new link; the one before of the same kind, purpose and browser dies. Those that other browsers asked for do not: a
   * stranger who asks again and again must not be able to void the user's own.
   * @returns the path under the prefix, which is a secret, and the id to revoke it by
   */
  async issue(wanted: LinkWanted): Promise<{ readonly path: string; readonly id: string }> {
    const { path, id, keep } = this.draw()
    await keep(wanted)
    return { path, id }
  }

  /** The same in two steps, for a link that goes out only if there is still a budget for it: before `keep` it is nothing. */
  draw(): DrawnLink {
    const token = drawToken()
    const id = hashOf(token)
    return { path: `/link?token=${token}`, id, keep: (wanted) => this.#keep(id, wanted) }
  }

  /** The link of this token if it would work now. Changes nothing. */
  async find(token: string): Promise<LiveLink | undefined> {
    if (!isToken(token)) return undefined
    const link = await this.#records.get(hashOf(token))
    if (link === undefined || this.#now() >= link.expiresAt) return undefined
    const [account, installation] = await Promise.all([
      this.#accounts.find(link.accountId),
      this.#installation.generation(),
    ])
    if (account === undefined || account.status !== 'active' || account.role === 'api') return undefined
    if (account.generation !== link.generation || installation !== link.installation) return undefined
    return { link, account }
  }

  /**
   * Uses the link up. Atomic: true for one caller only, over all processes. Links that could have been used in its place
   * die with it.
   */
  async win(link: Link): Promise<boolean> {
    if (!(await this.#records.delete(link.id))) return false
    await this.#byAccount.delete(indexKey(link))
    if (link.purpose === 'sign-in') await this.#end(link.accountId, ({ purpose }) => purpose === 'sign-in')
    return true
  }

  /** The link opens nothing any more, as when its mail could not be sent. */
  async revoke(id: string): Promise<void> {
    const link = await this.#records.get(id)
    if (link === undefined) return
    await Promise.all([this.#records.delete(id), this.#byAccount.delete(indexKey(link))])
  }

  async #keep(id: string, { account, lifetimeSeconds, ...about }: LinkWanted): Promise<void> {
    const issuedAt = this.#now()
    const link: Link = {
      ...about,
      id,
      accountId: account.id,
      generation: account.generation,
      installation: await this.#installation.generation(),
      issuedAt,
      expiresAt: issuedAt + lifetimeSeconds * 1000,
    }
    await this.#end(account.id, (before) => isSameKind(before, link))
    await this.#byAccount.set(indexKey(link), true, lifetimeSeconds)
    await this.#records.set(link.id, link, lifetimeSeconds)
  }

  async #end(accountId: string, fits: (link: Link) => boolean): Promise<void> {
    for await (const [key] of this.#byAccount.all(`${accountId}/`)) {
      const link = await this.#records.get(key.slice(accountId.length + 1))
      if (link !== undefined && fits(link)) await this.revoke(link.id)
    }
  }
}

function isSameKind(a: Link, b: Link): boolean {
  return a.kind === b.kind && a.purpose === b.purpose && a.browser === b.browser
}

function indexKey({ accountId, id }: Pick<Link, 'accountId' | 'id'>): string {
  return `${accountId}/${id}`
}
