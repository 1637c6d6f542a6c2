import type { Logger, User } from '../contracts.js'
import type { Mails, Notice } from '../messages/mails.js'
import type { Messages } from '../messages/messages.js'
import type { ClientFacts } from './client-facts.js'
import type { NotMe } from './not-me.js'

/** What happened, to whom, from where. */
export interface Told<Name extends Notice> {
  readonly user: Pick<User, 'id' | 'username' | 'email'>
  readonly values: Mails[Name]
  readonly client?: ClientFacts
  /** In place of the user's own address, as the old one when that was changed. */
  readonly to?: string
}

/** Tells users by mail what happened to their account, each time with a link for "this was not me". */
export class Notices {
  readonly #messages: Pick<Messages, 'notify'>
  readonly #notMe: Pick<NotMe, 'issue'>
  readonly #log: Logger
  readonly #underway = new Set<Promise<void>>()

  constructor(parts: { messages: Pick<Messages, 'notify'>; notMe: Pick<NotMe, 'issue'>; log: Logger }) {
    this.#messages = parts.messages
    this.#notMe = parts.notMe
    this.#log = parts.log
  }

  /**
   * Begins to tell, and returns at once: what happened has happened, and no page waits for a mail server or shows by
   * its time that a mail is sent. Never throws.
   */
  tell<Name extends Notice>(name: Name, about: Told<Name>): void {
    const work = this.#tell(name, about).finally(() => this.#underway.delete(work))
    this.#underway.add(work)
  }

  /** Resolves when nothing is being told any more. */
  async settled(): Promise<void> {
    while (this.#underway.size > 0) await Promise.allSettled(this.#underway)
  }

  async #tell<Name extends Notice>(name: Name, about: Told<Name>): Promise<void> {
    const { user, to = user.email } = about
    if (to === undefined) return
    try {
      const notMe = await this.#notMe.issue({ accountId: user.id, notice: name, to })
      await this.#messages.notify(name, { ...about, to, notMe })
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'unknown'
      this.#log.error({ mail: name, reason }, 'A mail was not sent')
    }
  }
}
