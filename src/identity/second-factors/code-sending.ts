import type { Logger } from '../../contracts.js'
import type { Messages } from '../../messages/messages.js'
import { codeLifetimeSeconds, type Sending } from '../../messages/sending.js'
import type { Links } from '../links/links.js'
import type { PendingSignIn } from '../sessions/pending-sign-ins.js'
import type { ClientFacts } from '../store/client-facts.js'
import { drawToken } from '../store/random-token.js'
import type { Factors } from './factors.js'
import type { SendOutcome, SentView } from './outcomes.js'
import { type CodePurpose, drawCode, hashOfCode, type SentCodes } from './sent-codes.js'

export interface CodeSendingParts {
  readonly codes: SentCodes
  readonly messages: Pick<Messages, 'send' | 'waitForCode'>
  readonly factors: Pick<Factors, 'sendsLink' | 'beganByMail'>
  readonly links: Pick<Links, 'draw'>
  readonly log: Logger
  readonly now: () => number
  /** How long a page may be held, ms. */
  readonly patience?: number
}

/** A code that is wanted. */
export interface CodeWanted {
  readonly pending: PendingSignIn
  /** Of the pending sign-in, from the browser. */
  readonly token: string
  /** The enrolment; while a method is being taken over, the method. */
  readonly ref: string
  readonly method: string
  readonly purpose: CodePurpose
  readonly client: ClientFacts
  /** The first code of a sign-in right after an enrolment is not held up by the enrolment's own. */
  readonly afterEnrolment?: boolean
}

/**
 * Sends codes to pending sign-ins. A page waits for it as long as is bearable, because where the code went is what it has
 * to say; a provider that takes longer finishes behind the page, which asks again.
 */
export class CodeSending {
  readonly #parts: CodeSendingParts
  readonly #underway = new Set<Promise<unknown>>()

  constructor(parts: CodeSendingParts) {
    this.#parts = parts
  }

  /** @throws `store.unavailable` */
  async send(wanted: CodeWanted): Promise<SendOutcome> {
    const work = this.#send(wanted)
    this.#underway.add(work)
    const { log, patience = PATIENCE } = this.#parts
    let timer: NodeJS.Timeout | undefined
    const tooLong = new Promise<'sending'>((resolve) => {
      timer = setTimeout(resolve, patience, 'sending')
    })
    work
      // Whether or not the page is still waiting, the operator hears of it.
      .catch((error) => log.error({ err: error, method: wanted.method }, 'A code was not sent'))
      .finally(() => this.#underway.delete(work))
    try {
      const result = await Promise.race([work, tooLong])
      return result === 'sending' ? { outcome: 'sending' } : result
    } finally {
      clearTimeout(timer)
    }
  }

  /** What a page may know of the code that stands for this pending sign-in, and of the next one. */
  async view(pending: PendingSignIn, purpose: CodePurpose, ref: string, method: string): Promise<SentView> {
    const { codes, messages, now } = this.#parts
    const [record, wait] = await Promise.all([codes.find(pending), messages.waitForCode(pending.accountId, method)])
    const code = codes.live(record, purpose)
    const trouble = record.trouble?.ref === ref ? record.trouble : undefined
    return {
      ...(code === undefined
        ? {}
        : {
            code: {
              ref: code.ref,
              via: code.via,
              // A process that ended while it was sending never says what became of it.
              state: code.state === 'sending' && now() > code.sentAt + FORGOTTEN ? 'unsure' : code.state,
              ...(code.to === undefined ? {} : { to: code.to }),
              ...(code.fellBack === undefined ? {} : { fellBack: code.fellBack }),
              secondsLeft: Math.ceil((code.expiresAt - now()) / 1000),
              triesLeft: code.triesLeft,
            },
          }),
      isOver: record.code !== undefined && code === undefined,
      ...(trouble === undefined ? {} : { trouble: trouble.outcome }),
      waitSeconds: wait ?? 0,
    }
  }

  /** Resolves when no sending is under way any more. */
  async settled(): Promise<void> {
    while (this.#underway.size > 0) await Promise.allSettled(this.#underway)
  }

  async #send({ pending, token, ref, method, purpose, client, afterEnrolment }: CodeWanted): Promise<Sending> {
    const { codes, messages, factors, links, now } = this.#parts
    const id = drawToken().slice(0, 16)
    const code = drawCode()
    const hash = hashOfCode(token, { id, purpose }, code)
    // The link is another way to give the same answer; only a sign-in can be ended by it.
    const link = purpose === 'sign-in' && factors.sendsLink(method) ? links.draw() : undefined
    const sending = await messages.send({
      user: pending.user,
      method,
      client,
      code,
      purpose,
      ...(link === undefined ? {} : { path: link.path }),
      // A mail proves nothing to whoever came by a mail.
      mayFallBack: pending.mayFallBack === true && !factors.beganByMail(pending.via),
      ...(client.site === undefined ? {} : { host: client.site }),
      ...(afterEnrolment === undefined ? {} : { afterEnrolment }),
      // Before it leaves: a quick reader must not be turned away. On the way round by mail its time begins again.
      keep: async (via, isFallback) => {
        const lifetimeSeconds = codeLifetimeSeconds[via]
        const expiresAt = now() + lifetimeSeconds * 1000
        await link?.keep({
          kind: 'magic',
          purpose: 'second-factor',
          account: { id: pending.accountId, generation: pending.generation },
          browser: pending.id,
          method,
          lifetimeSeconds,
        })
        const kept = { id, purpose, ref, method, hash, via, sentAt: now(), expiresAt, state: 'sending' } as const
        await codes.keep(pending, isFallback ? { ...kept, isFallback } : kept)
      },
    })
    await codes.settle(pending, id, sending, ref)
    return sending
  }
}

/** Longer than the transports' own deadlines and the way round by mail after one of them usually take. */
const PATIENCE = 9_500

/** After which a sending of which nothing was heard is taken for lost, ms. */
const FORGOTTEN = 60_000
