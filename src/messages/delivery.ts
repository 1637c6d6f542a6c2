import { setTimeout as pause } from 'node:timers/promises'
import { TransportError } from '../contracts.js'

/** How often and how long one message is tried, and when a broken way is left alone. Times in ms. */
export interface DeliverySettings {
  readonly tries: number
  /** From the first try; after it no other one begins. */
  readonly deadline: number
  /** After which a transport that says nothing at all is given up. */
  readonly silence: number
  /** Failures in a row after which the way is closed. */
  readonly failures: number
  /** How long it stays closed before one message may probe it. */
  readonly rest: number
}

const defaults: DeliverySettings = { tries: 3, deadline: 5_000, silence: 20_000, failures: 5, rest: 30_000 }

export interface DeliveryStanding {
  readonly isUp: boolean
  readonly since: number | undefined
  /** Of the last failure, in the transport's words: they carry no address, text or credential. */
  readonly reason: string | undefined
  readonly failedAt: number | undefined
  readonly workedAt: number | undefined
  /** Until then it is left alone. */
  readonly nextTryAt: number | undefined
}

/**
 * One way out: sends through a transport without ever sending twice. Only a message that was certainly not taken is tried
 * again, and a transport that keeps failing is left alone for a while, so that nobody waits for it (circuit breaker).
 */
export class Delivery<Message> {
  readonly #transport: (message: Message) => Promise<void>
  readonly #now: () => number
  readonly #wait: (ms: number) => Promise<unknown>
  readonly #changed: (state: 'down' | 'up') => void
  readonly #settings: DeliverySettings
  #failuresInARow = 0
  #closedUntil: number | undefined
  #probing = false
  #workedAt: number | undefined
  #failedAt: number | undefined
  #downSince: number | undefined
  #reason: string | undefined
  /** Of the failures in a row one was the provider's own limit: being left alone is then no failure of its either. */
  #isOverQuota = false

  constructor(parts: {
    transport: (message: Message) => Promise<void>
    now: () => number
    wait?: ((ms: number) => Promise<unknown>) | undefined
    /** Called when the way is closed and when it is open again. */
    changed?: (state: 'down' | 'up') => void
    settings?: Partial<DeliverySettings>
  }) {
    this.#transport = parts.transport
    this.#now = parts.now
    this.#wait = parts.wait ?? pause
    this.#changed = parts.changed ?? (() => undefined)
    this.#settings = { ...defaults, ...parts.settings }
  }

  get isDown(): boolean {
    return this.#closedUntil !== undefined
  }

  /** How it does, as far as was seen here. Times in ms since 1970. */
  standing(): DeliveryStanding {
    return {
      isUp: !this.isDown,
      since: this.#downSince,
      reason: this.#reason,
      failedAt: this.#failedAt,
      workedAt: this.#workedAt,
      nextTryAt: this.#closedUntil,
    }
  }

  /** @throws TransportError */
  async send(message: Message): Promise<void> {
    const deadline = this.#now() + this.#settings.deadline
    for (let tried = 1; ; tried++) {
      const failure = await this.#try(message)
      if (failure === undefined) return
      const backoff = 200 * 3 ** (tried - 1)
      const wait = Math.max(backoff, (failure.retryAfterSeconds ?? 0) * 1000)
      const again = failure.reason === 'unavailable' && tried < this.#settings.tries && !this.isDown
      if (!again || this.#now() + wait >= deadline) throw failure
      await this.#wait(wait)
    }
  }

  async #try(message: Message): Promise<TransportError | undefined> {
    if (this.#closedUntil === undefined) return this.#attempt(message)
    const rest = this.#closedUntil - this.#now()
    if (this.#probing || rest > 0) {
      const retryAfterSeconds = Math.max(1, Math.ceil(rest / 1000))
      return new TransportError('unavailable', 'The provider failed repeatedly and is left alone', {
        retryAfterSeconds,
        isOverQuota: this.#isOverQuota,
      })
    }
    this.#probing = true
    try {
      return await this.#attempt(message)
    } finally {
      this.#probing = false
    }
  }

  async #attempt(message: Message): Promise<TransportError | undefined> {
    try {
      await this.#patiently(this.#transport(message))
      this.#workedAt = this.#now()
      this.#answered()
      return undefined
    } catch (error) {
      // What a careless transport throws may quote the message: nothing of it is kept.
      const broken = new TransportError('unknown', 'The transport broke while sending')
      const failure = error instanceof TransportError ? error : broken
      this.#failedAt = this.#now()
      this.#reason = failure.message
      if (failure.reason === 'refused') this.#answered()
      else this.#failed(failure)
      return failure
    }
  }

  /** A provider that refuses one message is well. */
  #answered(): void {
    this.#failuresInARow = 0
    this.#isOverQuota = false
    if (this.#closedUntil === undefined) return
    this.#closedUntil = undefined
    this.#downSince = undefined
    this.#changed('up')
  }

  #failed({ isOverQuota }: TransportError): void {
    this.#failuresInARow += 1
    this.#isOverQuota ||= isOverQuota
    if (this.#failuresInARow < this.#settings.failures) return
    const wasOpen = this.#closedUntil === undefined
    this.#closedUntil = this.#now() + this.#settings.rest
    if (!wasOpen) return
    this.#downSince = this.#now()
    this.#changed('down')
  }

  async #patiently(sending: Promise<void>): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const silence = new Promise<never>((_, reject) => {
      const overdue = () => reject(new TransportError('unknown', 'The transport did not come to an end'))
      timer = setTimeout(overdue, this.#settings.silence)
    })
    try {
      await Promise.race([sending, silence])
    } finally {
      clearTimeout(timer)
    }
  }
}
