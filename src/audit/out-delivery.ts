import { randomBytes } from 'node:crypto'
import type { AuditLine, AuditOut, Json, Logger, Store } from '../contracts.js'
import { type Audit, type ChainedEntry, textOf } from './audit.js'

interface Parts {
  readonly store: Store
  readonly audit: Audit
  readonly out: AuditOut
  readonly log: Logger
  readonly now: () => number
  /** Name of this machine. */
  readonly machine: string
  /** Between two looks for what other processes wrote, ms; half of it after the first failure, doubling to a minute. */
  readonly everyMs?: number
}

/**
 * Takes the audit to one place outside. How far it got is in the store, so nothing is lost when processes end; of all
 * processes one at a time delivers, and when it dies another takes over. An entry counts as delivered when the out says
 * so: one that was taken and not yet noted when the process died is delivered again.
 */
export class OutDelivery {
  readonly #parts: Parts
  readonly #key: string
  readonly #formerKey: string | undefined
  readonly #me = randomBytes(9).toString('base64url')
  readonly #stopListening: () => void
  #leaseUntil = 0
  #reached: number | undefined
  #failures = 0
  #isDown = false
  #wake: () => void = () => undefined
  #isAwake = false
  #closing = false
  #running: Promise<void> | undefined

  constructor(parts: Parts) {
    this.#parts = parts
    const { out, machine, audit } = parts
    const keyOf = (name: string) => `audit-out/${out.perMachine ? `${machine}/` : ''}${name}`.slice(0, 600)
    this.#key = keyOf(out.name)
    this.#formerKey = out.formerName === undefined ? undefined : keyOf(out.formerName)
    this.#stopListening = audit.onRecord(() => this.#rouse())
  }

  /** Begins. What is written from the first start on is delivered. */
  async start(): Promise<void> {
    const { store, audit } = this.#parts
    if ((await store.get(this.#key)) === undefined) {
      const before = this.#formerKey && (await store.get(this.#formerKey))
      await store.add(this.#key, before ?? (await audit.count()))
    }
    this.#running = this.#run()
  }

  /** Delivers what is there, if nobody else does, for a moment at most; then leaves it to others. */
  async close(patienceMs = 2_000): Promise<void> {
    this.#closing = true
    this.#stopListening()
    this.#rouse()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, patienceMs)
    })
    await Promise.race([this.#running, late])
    clearTimeout(timer)
    if (this.#leaseUntil > 0) await this.#parts.store.delete(this.#leaseKey).catch(() => undefined)
  }

  get #leaseKey(): string {
    return `${this.#key}/lease`
  }

  async #run(): Promise<void> {
    for (let isLast = false; !isLast; ) {
      // Once more after it was asked to stop: what a command wrote is on its way before the command ends.
      isLast = this.#closing
      let pauseMs = this.#parts.everyMs ?? EVERY_MS
      try {
        if (await this.#lead()) await this.#deliverAll()
        else pauseMs = Math.max(pauseMs, EVERY_MS)
        await this.#worked()
      } catch (error) {
        pauseMs = await this.#failed(error)
        if (isLast) return
      }
      if (!isLast) await this.#sleep(pauseMs)
    }
  }

  /** Whether this process is the one that delivers. */
  async #lead(): Promise<boolean> {
    const { store, now } = this.#parts
    const lease: Json = this.#me
    if (this.#leaseUntil - now() > (LEASE_SECONDS * 1000) / 2) return true
    const until = now() + LEASE_SECONDS * 1000
    const isMine =
      (this.#leaseUntil > 0 && (await store.replace(this.#leaseKey, lease, lease, LEASE_SECONDS))) ||
      (await store.add(this.#leaseKey, lease, LEASE_SECONDS))
    // Whoever led meanwhile got further than is known here.
    if (!isMine || this.#leaseUntil === 0) this.#reached = undefined
    this.#leaseUntil = isMine ? until : 0
    return isMine
  }

  async #deliverAll(): Promise<void> {
    const { store, audit, out, log } = this.#parts
    this.#reached ??= Number((await store.get(this.#key)) ?? 0)
    const removed = (await audit.removed())?.count ?? 0
    if (this.#reached < removed) {
      log.error(
        { out: out.name, entries: removed - this.#reached },
        'Audit entries were removed before they were delivered',
      )
      this.#reached = removed
    }
    let batch: AuditLine[] = []
    for await (const entry of audit.entries(this.#reached)) {
      batch.push(lineOf(entry))
      if (batch.length < BATCH) continue
      await this.#deliver(batch)
      batch = []
      if (!(await this.#lead())) return
    }
    if (batch.length > 0) await this.#deliver(batch)
  }

  async #deliver(batch: readonly AuditLine[]): Promise<void> {
    const before = this.#reached
    // A receiver that takes its time is no reason for another process to begin.
    const beat = setInterval(() => this.#lead().catch(() => undefined), (LEASE_SECONDS * 1000) / 3).unref()
    try {
      await this.#parts.out.deliver(batch, (number) => {
        this.#reached = number
      })
      this.#reached = batch.at(-1)?.number ?? before
    } finally {
      clearInterval(beat)
      if (this.#reached !== undefined && this.#reached !== before) await this.#parts.store.set(this.#key, this.#reached)
    }
  }

  async #worked(): Promise<void> {
    this.#failures = 0
    if (!this.#isDown) return
    this.#isDown = false
    this.#parts.log.info({ out: this.#parts.out.name }, 'The audit is delivered again')
    await this.#note('dependency.up', 'success')
  }

  /** @returns how long to wait, in ms */
  async #failed(error: unknown): Promise<number> {
    const { log, out } = this.#parts
    this.#failures += 1
    const reason = error instanceof Error ? error.message : String(error)
    if (this.#failures === DOWN_AFTER) {
      this.#isDown = true
      log.error({ out: out.name, reason }, 'The audit cannot be delivered; it is kept, and tried again and again')
      await this.#note('dependency.down', 'refused').catch(() => undefined)
    }
    return Math.min(((this.#parts.everyMs ?? EVERY_MS) / 2) * 2 ** (this.#failures - 1), LONGEST_PAUSE_MS)
  }

  #note(event: 'dependency.down' | 'dependency.up', outcome: 'refused' | 'success'): Promise<void> {
    return this.#parts.audit.record({ event, outcome, details: { dependency: `audit-out ${this.#parts.out.name}` } })
  }

  /** What is recorded here cuts a pause short, but not the one after a failure. */
  async #sleep(pauseMs: number): Promise<void> {
    const until = performance.now() + pauseMs
    for (let left = pauseMs; left > 0 && !this.#closing; left = until - performance.now()) {
      if (this.#isAwake && this.#failures === 0) break
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        timer = setTimeout(resolve, Math.min(left, 5_000)).unref()
      })
      clearTimeout(timer)
      if (this.#failures > 0) await this.#lead().catch(() => undefined)
    }
    this.#isAwake = false
  }

  #rouse(): void {
    this.#isAwake = true
    this.#wake()
  }
}

/** Entries handed over at once. */
const BATCH = 100

/** After so long without a sign of life another process takes over. */
const LEASE_SECONDS = 30
const DOWN_AFTER = 5
const EVERY_MS = 1_000
const LONGEST_PAUSE_MS = 60_000

function lineOf(entry: ChainedEntry): AuditLine {
  const { time, event, outcome } = JSON.parse(entry.line)
  return { number: entry.number, time, event, outcome, text: textOf(entry) }
}
