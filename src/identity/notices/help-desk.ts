import type { Audit } from '../../audit/audit.js'
import type { User, UserDirectory } from '../../contracts.js'
import type { Messages } from '../../messages/messages.js'
import type { Account } from '../accounts/account.js'
import type { Accounts } from '../accounts/accounts.js'
import { TypedNames } from '../accounts/typed-names.js'
import { canUseLink, type LoginLinks } from '../links/login-links.js'
import type { AfterAnswer } from '../store/after-answer.js'
import type { ClientFacts } from '../store/client-facts.js'
import { nameHash } from '../store/name-hash.js'
import { hashOf } from '../store/random-token.js'

export interface HelpDeskParts {
  readonly directory: UserDirectory
  readonly byEmail?: boolean | undefined
  readonly accounts: Accounts
  readonly loginLinks: LoginLinks
  readonly messages: Pick<Messages, 'help' | 'link' | 'sendsMail'>
  readonly audit: Audit
  readonly afterAnswer: AfterAnswer
}

/**
 * "Forgot your username or password?" Everything is done after the answer, so that neither its words nor its time can
 * tell whether there is an account. Limits (per network, per mailbox) are kept there too, in silence.
 */
export class HelpDesk {
  readonly #parts: HelpDeskParts
  readonly #names: TypedNames

  constructor(parts: HelpDeskParts) {
    this.#parts = parts
    this.#names = new TypedNames(parts)
  }

  /** Whether any mail can be sent at all. */
  get isOpen(): boolean {
    return this.#parts.messages.sendsMail
  }

  /** Mails the usernames that belong to the address, or that there is none. Returns at once and never throws. */
  askForUsernames(email: string, client: ClientFacts): void {
    this.#parts.afterAnswer.begin('usernames', client, () => this.#mailUsernames(email, client))
  }

  /** Mails the user a login link. Returns at once and never throws. @param asked.pendingToken this browser's pending cookie */
  askForLink(username: string, asked: { readonly client: ClientFacts; readonly pendingToken: string }): void {
    this.#parts.afterAnswer.begin('login-link', asked.client, () => this.#mailLink(username, asked))
  }

  async #mailUsernames(email: string, client: ClientFacts): Promise<void> {
    const { directory, messages, audit } = this.#parts
    const found = await directory.find({ email })
    await audit.record({
      event: 'code.sent',
      outcome: 'success',
      client,
      method: 'usernames',
      nameHash: nameHash(email),
    })
    if (found.length === 0) return messages.help('no-account', { to: email, client, values: {} })
    const open = await Promise.all(found.map((user) => this.#openTo(user)))
    const usernames = new Map<string, string[]>()
    for (const { email: kept = email, username } of found.filter((_, i) => open[i] !== undefined)) {
      usernames.set(kept, [...(usernames.get(kept) ?? []), username])
    }
    const signIn = messages.link('/sign-in')
    // To the address on file and not as it was typed: `É` and `é` are one to us, and two mailboxes somewhere else.
    for (const [to, names] of usernames)
      await messages.help('usernames', { to, client, values: { usernames: names, signIn } })
  }

  async #mailLink(
    username: string,
    { client, pendingToken }: { readonly client: ClientFacts; readonly pendingToken: string },
  ): Promise<void> {
    const { directory, loginLinks, audit } = this.#parts
    const [user] = await directory.find({ username: await this.#names.resolve(username) })
    const account = user && (await this.#openTo(user))
    const who = account ? { accountId: account.id, username: account.username } : { nameHash: nameHash(username) }
    await audit.record({
      event: 'code.sent',
      outcome: account ? 'success' : 'refused',
      method: 'login-link',
      client,
      ...who,
    })
    if (user !== undefined && account !== undefined)
      await loginLinks.help(user, account, { client, browser: hashOf(pendingToken) })
  }

  /** The account, unless it is one that nobody signs in to. */
  async #openTo(user: User): Promise<Account | undefined> {
    const account = await this.#parts.accounts.open(user)
    return canUseLink(account) ? account : undefined
  }
}
