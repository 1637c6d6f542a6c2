import { setImmediate as afterTheAnswer } from 'node:timers/promises'
import type { Logger, User, UserDirectory } from '../../contracts.js'
import type { Mails, Notice } from '../../messages/mails.js'
import type { Messages } from '../../messages/messages.js'
import type { ClientFacts } from '../store/client-facts.js'
import type { NotMe } from './not-me.js'

/** What happened, to whom, from where. */
export interface NoticeDetails<Name extends Notice> {
  readonly user: Pick<User, 'id' | 'username' | 'email'>
  readonly values: Mails[Name]
  readonly client?: ClientFacts
  /** In place of the user's own address, as the old one when that was changed. */
  readonly to?: string
  /** The second factor it is about: "this was not me" takes it off again. */
  readonly enrolmentId?: string
}

interface NoticesParts {
  readonly messages: Pick<Messages, 'notify' | 'link'>
  readonly notMe: Pick<NotMe, 'issue'>
  readonly directory: Pick<UserDirectory, 'find'>
  readonly log: Logger
}

/** Tells users by mail what happened to their account, each time with a link for "this was not me". */
export class Notices {
  readonly #parts: NoticesParts
  readonly #underway = new Set<Promise<void>>()

  constructor(parts: NoticesParts) {
    this.#parts = parts
  }

  /**
   * Begins to tell, and returns at once: what happened has happened, and no page waits for a mail server or shows by
   * its time that a mail is sent. Never throws.
   */
  tell<Name extends Notice>(name: Name, about: NoticeDetails<Name>): void {
    this.#begin(name, () => this.#send(name, about))
  }

  /** The same for whoever this account belongs to. */
  tellOf<Name extends Notice>(name: Name, accountId: string, about: Omit<NoticeDetails<Name>, 'user'>): void {
    this.#begin(name, async () => {
      const [user] = await this.#parts.directory.find({ id: accountId })
      if (user !== undefined) await this.#send(name, { ...about, user })
    })
  }

  /** The same, where it turns out to be worth telling. */
  tellIf<Name extends Notice>(isNews: () => Promise<boolean>, name: Name, about: NoticeDetails<Name>): void {
    this.#begin(name, async () => {
      if (await isNews()) await this.#send(name, about)
    })
  }

  /** An address of ours for a mail. @param path under the prefix */
  link(path: string): string {
    return this.#parts.messages.link(path)
  }

  /** Resolves when nothing is being told any more. */
  async settled(): Promise<void> {
    while (this.#underway.size > 0) await Promise.allSettled(this.#underway)
  }

  #begin(mail: Notice, work: () => Promise<void>): void {
    const done = afterTheAnswer()
      .then(work)
      .catch((error) => {
        const reason = error instanceof Error ? error.message : 'unknown'
        this.#parts.log.error({ mail, reason }, 'A mail was not sent')
      })
      .then(() => {
        this.#underway.delete(done)
      })
    this.#underway.add(done)
  }

  async #send<Name extends Notice>(name: Name, about: NoticeDetails<Name>): Promise<void> {
    const { user, to = user.email } = about
    if (to === undefined) return
    const { enrolmentId } = about
    const which = enrolmentId === undefined ? {} : { enrolmentId }
    const notMe = await this.#parts.notMe.issue({ accountId: user.id, notice: name, to, ...which })
    await this.#parts.messages.notify(name, { ...about, to, notMe })
  }
}
