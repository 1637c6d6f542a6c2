import type { User } from '../contracts.js'
import type { Messages } from '../messages/messages.js'
import type { Account } from './accounts.js'
import type { ClientFacts } from './client-facts.js'
import type { Links } from './links.js'

/** How long a login link works, in seconds: one that was just asked for, and one that support sends out of the blue. */
export const loginLinkSeconds = { help: 10 * 60, support: 24 * 60 * 60 } as const

export interface LoginLinksParts {
  readonly links: Links
  readonly messages: Pick<Messages, 'help' | 'loginLink' | 'link'>
}

/** Mails links to people who cannot give their password. */
export class LoginLinks {
  readonly #links: Links
  readonly #messages: LoginLinksParts['messages']

  constructor({ links, messages }: LoginLinksParts) {
    this.#links = links
    this.#messages = messages
  }

  /**
   * To somebody who asked for it, within the limits of who asks and of the address. Never says whether it was sent.
   * @param asked.browser SHA-256 of the pending cookie of the browser that asked
   */
  async help(
    user: User,
    account: Account,
    asked: { readonly client: ClientFacts /** Hash of its pending cookie. */; readonly browser?: string },
  ): Promise<void> {
    const { email, username } = user
    const { client, browser } = asked
    if (email === undefined || !canUseLink(account)) return
    const lifetimeSeconds = loginLinkSeconds.help
    const bound = browser === undefined ? {} : { browser }
    const { path, keep } = this.#links.draw()
    await this.#messages.help('login-link', {
      to: email,
      username,
      client,
      values: { link: this.#messages.link(path), minutes: lifetimeSeconds / 60, bySupport: false },
      keep: () => keep({ kind: 'login', purpose: 'sign-in', account, lifetimeSeconds, ...bound }),
    })
  }

  /** From support, who decided that it should go. @returns whether it was taken over by the mail server */
  async support(user: User, account: Account): Promise<boolean> {
    const { path, id } = await this.issueForSupport(account)
    const sent = await this.#messages.loginLink(user, { path, minutes: loginLinkSeconds.support / 60 })
    if (!sent) await this.#links.revoke(id)
    return sent
  }

  /** A link for a mail that support writes. It replaces the one support sent before. */
  issueForSupport(account: Account): Promise<{ readonly path: string; readonly id: string }> {
    return this.#links.issue({ kind: 'login', purpose: 'sign-in', account, lifetimeSeconds: loginLinkSeconds.support })
  }

  revoke(id: string): Promise<void> {
    return this.#links.revoke(id)
  }
}

/** Whether a link would open anything for this account. */
export function canUseLink({ status, role }: Account): boolean {
  return status === 'active' && role !== 'api'
}
