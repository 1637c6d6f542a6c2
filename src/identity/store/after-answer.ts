import { setImmediate as afterTheAnswer } from 'node:timers/promises'
import type { Logger } from '../../contracts.js'
import type { ClientFacts } from './client-facts.js'

/**
 * Work that is begun when the answer is out, so that the time of the answer tells nothing about it: mail to somebody who
 * may or may not have an account.
 */
export class AfterAnswer {
  readonly #log: Logger
  readonly #underway = new Set<Promise<void>>()

  constructor({ log }: { log: Logger }) {
    this.#log = log
  }

  /** Returns at once and never throws. @param what for the operator, when it fails */
  begin(what: string, client: ClientFacts, work: () => Promise<unknown>): void {
    // Whoever asks faster than mail servers answer is passed over in silence: memory has a bound.
    if (this.#underway.size >= MOST_AT_ONCE) return
    const done = afterTheAnswer()
      .then(work)
      .catch((error) => this.#log.error({ err: error, work: what, requestId: client.requestId }, 'A mail was not sent'))
      .then(() => {
        this.#underway.delete(done)
      })
    this.#underway.add(done)
  }

  /** Resolves when nothing is under way any more. */
  async settled(): Promise<void> {
    while (this.#underway.size > 0) await Promise.allSettled(this.#underway)
  }
}

const MOST_AT_ONCE = 200
