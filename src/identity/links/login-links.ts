import type { User } from '../../contracts.js'
import type { Messages } from '../../messages/messages.js'
import type { Account } from '../accounts/account.js'
import type { ClientFacts } from '../store/client-facts.js'
import type { Links } from './links.js'

/** How long a login link works, in seconds: one that was just asked for, one that follows a link from the user's own mailbox, one that support sends out of the blue, and one to break the glass with. */
export const loginLinkSeconds = { help: 10 * 60, proven: 60 * 60, support: 24 * 60 * 60, owner: 15 * 60 } as const

export interface LoginLinksParts {
  readonly links: Links
  readonly messages: Pick<Messages, 'help' | 'loginLink' | 'link'>
  readonly now: () => number
}

/** Mails links to people who cannot give their password. */
export class LoginLinks {
  readonly #links: Links
  readonly #messages: LoginLinksParts['messages']
  readonly #now: () => number

  constructor({ links, messages, now }: LoginLinksParts) {
    this.#links = links
    this.#messages = messages
    this.#now = now
  }

  /**
   * To somebody who asked for it, within the limits of who asks and of the address. Never says whether it was sent.
   * @param asked.browser SHA-256 of the pending cookie of the browser that asked
   */
  async help(
    user: User,
    account: Account,
    asked: {
      readonly client: ClientFacts
      readonly browser?: string
      /** By a link from the user's own mailbox: a stranger's requests must not use this up. */
      readonly isProven?: boolean
    },
  ): Promise<void> {
    const { email, username } = user
    const { client, browser, isProven = false } = asked
    if (email === undefined || !canUseLink(account)) return
    // Longer than the first lock of an account: who reads of wrong codes may have to wait for it.
    const lifetimeSeconds = isProven ? loginLinkSeconds.proven : loginLinkSeconds.help
    const bound = browser === undefined ? {} : { browser }
    const { path, keep } = this.#links.draw()
    await this.#messages.help('login-link', {
      to: email,
      username,
      client,
      ...(isProven ? { accountId: account.id } : {}),
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

  /** For an owner nobody can let in any more, to be handed over by whoever runs the machine. @returns the whole address */
  async issueForOwner(account: Account): Promise<{ readonly link: string; readonly expiresAt: number }> {
    const lifetimeSeconds = loginLinkSeconds.owner
    const { path } = await this.#links.issue({ kind: 'login', purpose: 'sign-in', account, lifetimeSeconds })
    return { link: this.#messages.link(path), expiresAt: this.#now() + lifetimeSeconds * 1000 }
  }

  /** For somebody who was added and has not come in yet, to be handed over where no mail goes. @returns the whole address */
  async issueForInvited(account: Account): Promise<{ readonly link: string; readonly expiresAt: number }> {
    const { path } = await this.issueForSupport(account)
    return { link: this.#messages.link(path), expiresAt: this.#now() + loginLinkSeconds.support * 1000 }
  }

  revoke(id: string): Promise<void> {
    return this.#links.revoke(id)
  }
}

/** Whether a link would open anything for this account. */
export function canUseLink({ status, role }: Account): boolean {
  return status === 'active' && role !== 'api'
}
