import { type DataFile, openDataFile } from './data-file.js'
import { checkKey, type ExpiryKey } from './keys.js'

/** What lies under a key: a text, and the time in ms from which on it is not there any more. */
export interface Entry {
  readonly text: string
  /** `Infinity` for ever. */
  readonly expiresAt: number
}

/** What a change makes of an entry, and what it tells its caller. */
export interface Change<Answer> {
  readonly answer: Answer
  readonly write?: Entry
  readonly remove?: boolean
}

/** Measures of one data file. */
export interface EntriesOptions {
  readonly directory: string
  now(): number
  /** How long a write may take before it is given up on, in ms. */
  readonly deadline: number
  /** Address space set aside at first, in bytes; it grows by itself. */
  readonly mapBytes: number
}

/** How many entries one look at the file passes before other work gets its turn. */
const scanLength = 1000

/**
 * Texts with a lifetime in one LMDB file, shared by any number of processes. Lifetimes are judged here and nowhere else.
 *
 * A write resolves when it is flushed to disk: a killed process, or a machine without power, loses nothing that was
 * acknowledged, as far as the disk keeps what it says it has flushed.
 */
export class Entries {
  readonly #file: DataFile
  readonly #now: () => number
  readonly #deadline: number
  #closed: Promise<void> | undefined

  private constructor(file: DataFile, { now, deadline }: EntriesOptions) {
    this.#file = file
    this.#now = now
    this.#deadline = deadline
  }

  /** @throws in words for the operator */
  static async open(options: EntriesOptions): Promise<Entries> {
    return new Entries(await openDataFile(options.directory, options.mapBytes), options)
  }

  /** The text under the key as of now: also what another process wrote a moment ago. */
  read(key: string): string | undefined {
    checkKey(key)
    return this.#textOf(this.#latest(key))
  }

  /** As {@link read}, for a key that is read again and again: only what changed is looked at anew. */
  watch(key: string): () => string | undefined {
    checkKey(key)
    let known: string | undefined
    let text: string | undefined
    return () => {
      const stored = this.#latest(key)
      // What has a lifetime may be over now.
      if (stored !== known || stored?.startsWith(':') !== true) {
        known = stored
        text = this.#textOf(stored)
      }
      return text
    }
  }

  /** Atomic over all processes: `decide` sees the entry that lives now, and what it says is done before anybody else looks. */
  change<Answer>(key: string, decide: (entry: Entry | undefined) => Change<Answer>): Promise<Answer> {
    return this.#transact(() => {
      const stored = this.#stored(key)
      const { answer, write, remove } = decide(stored && stored.expiresAt > this.#now() ? stored : undefined)
      if (write) this.#put(key, write, stored)
      if (remove && stored) this.#remove(key, stored)
      return answer
    }, key)
  }

  /**
   * The entries that live, in order of key, in turns short enough for everything else in the process.
   * @param wanted how many the caller is going to take, where it knows: no more are read at first
   */
  async *scan(
    prefix: string,
    after?: string,
    wanted = scanLength,
  ): AsyncGenerator<readonly [key: string, text: string]> {
    let from = after !== undefined && Buffer.compare(Buffer.from(after), Buffer.from(prefix)) >= 0 ? after : undefined
    for (let length = wanted; ; length *= 2) {
      const page = this.#page(prefix, from, Math.min(length, scanLength))
      yield* page.living
      if (page.next === undefined) return
      from = page.next
      await new Promise(setImmediate)
    }
  }

  /** Every entry that lives, in order of key, as of the moment of the call, whatever is written meanwhile. */
  async *snapshot(): AsyncGenerator<readonly [key: string, entry: Entry]> {
    this.#checkOpen()
    this.#file.entries.resetReadTxn()
    const transaction = this.#file.entries.useReadTransaction()
    const now = this.#now()
    try {
      let seen = 0
      for (const { key, value } of this.#file.entries.getRange({ start: '', transaction })) {
        const entry = entryOf(value)
        if (entry.expiresAt > now) yield [key, entry]
        seen++
        if (seen % scanLength === 0) await new Promise(setImmediate)
      }
    } finally {
      transaction.done()
    }
  }

  /** Puts these in the place of everything, in one step: other writers wait, readers see the old or the new. */
  async replaceAll(entries: Iterable<readonly [key: string, entry: Entry]>): Promise<number> {
    this.#checkOpen()
    const now = this.#now()
    const work = () => {
      let kept = 0
      this.#file.entries.clearSync()
      this.#file.expiries.clearSync()
      for (const [key, entry] of entries) {
        checkKey(key)
        if (entry.expiresAt <= now) continue
        this.#put(key, entry, undefined)
        kept++
      }
      return kept
    }
    // Not as other changes: of those, lmdb commits what was done before a fault. No deadline: how long it takes is a
    // matter of how much there is.
    try {
      await this.#file.root.flushed
      return this.#file.root.transactionSync(work)
    } catch (cause) {
      throw failure('The store was left as it was', cause)
    }
  }

  /** Removes every entry whose key starts so. */
  async clear(prefix: string): Promise<void> {
    for (;;) {
      const removed = await this.#transact(() => {
        const keys = [...this.#file.entries.getKeys({ start: prefix, limit: scanLength })].filter((key) =>
          key.startsWith(prefix),
        )
        for (const key of keys) this.#remove(key, this.#stored(key))
        return keys.length
      })
      if (removed < scanLength) return
    }
  }

  /** Removes at most so many entries that have expired, and says how many; costs nothing when there are none. */
  async sweep(atMost: number): Promise<number> {
    this.#checkOpen()
    this.#file.root.readerCheck()
    this.#file.expiries.resetReadTxn()
    if (this.#due(1).length === 0) return 0
    return this.#transact(() => {
      const due = this.#due(atMost)
      for (const [expiresAt, key] of due) {
        const stored = this.#stored(key)
        if (stored?.expiresAt === expiresAt) this.#file.entries.remove(key)
        this.#file.expiries.remove([expiresAt, key])
      }
      return due.length
    })
  }

  /** Waits for what is being written. Everything asked for later is refused. */
  close(): Promise<void> {
    this.#closed ??= this.#inTime(this.#file.close())
    return this.#closed
  }

  #due(limit: number): ExpiryKey[] {
    return [...this.#file.expiries.getKeys({ start: [0, ''], end: [this.#now(), ''], limit })]
  }

  #page(prefix: string, from: string | undefined, length: number) {
    this.#checkOpen()
    this.#file.entries.resetReadTxn()
    const now = this.#now()
    const living: Array<readonly [string, string]> = []
    let next: string | undefined
    let seen = 0
    const range = { start: from ?? prefix, exclusiveStart: from !== undefined, limit: length }
    for (const { key, value } of this.#file.entries.getRange(range)) {
      if (!key.startsWith(prefix)) return { living, next: undefined }
      seen++
      next = key
      const { text, expiresAt } = entryOf(value)
      if (expiresAt > now) living.push([key, text])
    }
    return { living, next: seen < length ? undefined : next }
  }

  #latest(key: string): string | undefined {
    this.#checkOpen()
    // Otherwise lmdb goes on with the snapshot of up to a millisecond ago, and a session ended elsewhere would still open.
    this.#file.entries.resetReadTxn()
    return this.#file.entries.get(key)
  }

  #textOf(stored: string | undefined): string | undefined {
    if (stored === undefined) return undefined
    const { text, expiresAt } = entryOf(stored)
    return expiresAt > this.#now() ? text : undefined
  }

  #stored(key: string): Entry | undefined {
    const stored = this.#file.entries.get(key)
    return stored === undefined ? undefined : entryOf(stored)
  }

  #put(key: string, { text, expiresAt }: Entry, before: Entry | undefined): void {
    this.#file.entries.put(key, `${Number.isFinite(expiresAt) ? expiresAt : ''}:${text}`)
    if (before?.expiresAt === expiresAt) return
    if (before && Number.isFinite(before.expiresAt)) this.#file.expiries.remove([before.expiresAt, key])
    if (Number.isFinite(expiresAt)) this.#file.expiries.put([expiresAt, key], '-')
  }

  #remove(key: string, before: Entry | undefined): void {
    this.#file.entries.remove(key)
    if (before && Number.isFinite(before.expiresAt)) this.#file.expiries.remove([before.expiresAt, key])
  }

  async #transact<Answer>(work: () => Answer, key?: string): Promise<Answer> {
    if (key !== undefined) checkKey(key)
    this.#checkOpen()
    return this.#inTime(this.#write(work))
  }

  async #write<Answer>(work: () => Answer): Promise<Answer> {
    const { fullDisk, root } = this.#file
    if (fullDisk.hasFailed) await fullDisk.check()
    try {
      return await root.transaction(work).catch(explainCommit)
    } catch (error) {
      fullDisk.noteFailure()
      throw error
    }
  }

  async #inTime<Answer>(work: Promise<Answer>): Promise<Answer> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      const giveUp = () => reject(new Error(`not done within ${this.#deadline} ms; it may still be done later`))
      // One more turn first: it may be this process that was held up, with the answer waiting.
      timer = setTimeout(() => setImmediate(giveUp), this.#deadline)
    })
    try {
      return await Promise.race([work, late])
    } catch (cause) {
      throw failure('The store could not write', cause)
    } finally {
      clearTimeout(timer)
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new Error('The store is closed.')
  }
}

function entryOf(stored: string): Entry {
  const colon = stored.indexOf(':')
  return {
    text: stored.slice(colon + 1),
    expiresAt: colon === 0 ? Number.POSITIVE_INFINITY : Number(stored.slice(0, colon)),
  }
}

/** lmdb says only that a commit failed, and keeps the reason in a promise that must be caught too. */
async function explainCommit(error: unknown): Promise<never> {
  if (error instanceof Error && 'commitError' in error) await error.commitError
  throw error
}

function failure(what: string, cause: unknown): Error {
  return new Error(`${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
}
