import type { IncomingMessage } from 'node:http'
import { GatelodgeError } from '../../errors.js'
import type { Verdict } from '../gate/gate.js'
import type { InFlightExchange } from '../upstream/in-flight-exchange.js'

/** All that is asked of the gate here. */
interface Judge {
  judge(request: IncomingMessage, requestId: '', isUnderWay: true): Verdict | Promise<Verdict>
}

/** Between two looks at everything that is open: a session also ends by time, which nobody announces. */
const lookMs = 1000

/** Looks in a row that may fail before what cannot be judged is cut: a store that is away for a moment ends nothing. */
const failuresAllowed = 8

/** Where things are under way. Asked for them only now and then, so that a request that is over at once costs nothing. */
export interface InFlightSource {
  /** What is under way and hangs on a session; with `everything`, also what nobody had to be known for. */
  underWay(everything?: boolean): Iterable<InFlightExchange>
}

/** Calls the listener whenever a session may have ended, and gives what stops that. */
export type OnEnded = (listener: () => void) => () => void

/** Everything under way that hangs on a session, judged again while it lasts (invariant 6: a revocation ends it, too). */
export class InFlight {
  #gate: Judge
  readonly #sources: readonly InFlightSource[]
  #unsubscribe: (() => void) | undefined
  readonly #onEnded: OnEnded | undefined
  readonly #timer: NodeJS.Timeout
  /** Of each, how many looks in a row failed: one directory that is away must not end what hangs on others. */
  readonly #failures = new WeakMap<IncomingMessage, number>()
  #looking = false
  #again = false

  /** `onEnded` calls the listener whenever a session may have ended. */
  constructor(gate: Judge, sources: readonly InFlightSource[], onEnded?: OnEnded) {
    this.#gate = gate
    this.#sources = sources
    this.#onEnded = onEnded
    this.#timer = setInterval(() => void this.#look(false), lookMs).unref()
    this.#unsubscribe = onEnded?.(() => this.recheck())
  }

  /** Judges everything again, now. */
  recheck(): void {
    this.#again = true
    void this.#look(true)
  }

  /** From now on the rules of another gate hold for what is under way here, beginning with a look at all of it. */
  judgeLike(other: InFlight): void {
    this.#gate = other.#gate
    this.#unsubscribe?.()
    this.#unsubscribe = other.#onEnded?.(() => this.recheck())
    this.recheck()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#unsubscribe?.()
  }

  /** @param everything also what nobody had to be known for: rules may have changed */
  async #look(everything: boolean): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    this.#again = false
    for (const passage of this.#all(everything)) {
      const { request } = passage
      const allowed = await this.#isAllowed(request)
      const failures = allowed === undefined ? (this.#failures.get(request) ?? 0) + 1 : 0
      this.#failures.set(request, failures)
      if (allowed === false || failures > failuresAllowed) passage.cut()
    }
    this.#looking = false
    if (this.#again) await this.#look(true)
  }

  #all(everything: boolean): InFlightExchange[] {
    return this.#sources.flatMap((source) => [...source.underWay(everything)])
  }

  /** `undefined` when it could not be judged. */
  async #isAllowed(request: IncomingMessage): Promise<boolean | undefined> {
    try {
      const verdict = await this.#gate.judge(request, '', true)
      // On a site that is only observed, too: what was let in in somebody's name must not outlive that.
      return verdict.kind === 'judged' && verdict.decision.outcome === 'allow' && verdict.observed === undefined
    } catch (error) {
      // Too many wrong passwords for this name: nothing is broken that would pass, and the program may come again.
      return error instanceof GatelodgeError && error.statusCode === 429 ? false : undefined
    }
  }
}
