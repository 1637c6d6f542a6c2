import type { User } from '../../contracts.js'
import type { Messages } from '../../messages/messages.js'
import type { Account } from '../accounts/account.js'
import { canUseLink, type LoginLinks } from '../links/login-links.js'

export interface SupportParts {
  readonly loginLinks: LoginLinks
  readonly messages: Pick<Messages, 'supportMessage'>
}

/** Why nothing was sent: no address on file, an account nobody signs in to, or no mail server that took it. */
export type NotSent = 'no-address' | 'inactive' | 'not-sent'

export type SupportOutcome = { readonly outcome: 'sent' } | { readonly outcome: 'refused'; readonly reason: NotSent }

export type MessageOutcome =
  | { readonly outcome: 'sent'; readonly link: boolean; readonly copies: number }
  | { readonly outcome: 'refused'; readonly reason: NotSent; readonly copies: number }

/** Whom support writes to. */
export interface Written {
  readonly user: User
  readonly account: Account
}

/**
 * What support can do for people without ever seeing a password: send them links and words. Whoever calls has written down
 * who asked for it.
 */
export class SupportMails {
  readonly #parts: SupportParts

  constructor(parts: SupportParts) {
    this.#parts = parts
  }

  /** Why nothing could be sent; `undefined` where it can be tried. */
  whyNot({ user, account }: Written, withLink = true): NotSent | undefined {
    if (user.email === undefined) return 'no-address'
    return withLink && !canUseLink(account) ? 'inactive' : undefined
  }

  /** Mails a link that works for 24 hours and once. It is shown to nobody else. */
  async sendLoginLink(to: Written): Promise<SupportOutcome> {
    const { loginLinks } = this.#parts
    const reason = this.whyNot(to) ?? ((await loginLinks.support(to.user, to.account)) ? undefined : 'not-sent')
    return reason === undefined ? { outcome: 'sent' } : { outcome: 'refused', reason }
  }

  /**
   * Mails a message. `[loginLink]` in it becomes a working link in the user's copy only; the others keep the word. A message
   * that names no link goes to deactivated users as well.
   */
  async sendMessage(
    to: Written,
    message: { readonly title: string; readonly text: string; readonly copies: readonly string[] },
  ): Promise<MessageOutcome> {
    const { loginLinks, messages } = this.#parts
    const wantsLink = message.text.includes(LINK_TAG)
    const reason = this.whyNot(to, wantsLink)
    if (reason !== undefined) return { outcome: 'refused', reason, copies: 0 }
    const link = wantsLink ? await loginLinks.issueForSupport(to.account) : undefined
    const sent = await messages.supportMessage({ ...message, user: to.user, path: link?.path ?? '' })
    if (!sent.user && link !== undefined) await loginLinks.revoke(link.id)
    if (!sent.user) return { outcome: 'refused', reason: 'not-sent', copies: sent.copies }
    return { outcome: 'sent', link: wantsLink, copies: sent.copies }
  }
}

/** What `Messages.supportMessage` puts the link in place of. */
const LINK_TAG = '[loginLink]'
