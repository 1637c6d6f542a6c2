import type { Json, Logger, Store } from '../contracts.js'
import { GatelodgeError } from '../errors.js'
import { type Block, Blocks, blockKey, type ChainHead, HEAD, lastOf, type PlacedBlock } from './blocks.js'
import { type ChainKey, chainHashOf, GENESIS, sealOf } from './chain-hash.js'

interface Parts {
  readonly store: Store
  readonly log: Logger
  readonly now: () => number
  /** Links what is written from now on; without one by SHA-256 alone. */
  readonly key?: ChainKey | undefined
  /** What has to be done for every block once it is there; may be done more than once. */
  readonly finish: (block: PlacedBlock) => Promise<unknown>
}

/** The end of the chain, as far as this process knows. */
interface Tail {
  readonly count: number
  readonly hash: string
  readonly readAt: number
}

interface Waiting {
  readonly line: string
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * One chain over all processes. A block is created under the number of its first entry, and of several processes that
 * try the store lets one: so the entry and its place in the chain are one atomic write, and no lock is held by a process
 * that dies. Whoever comes second reads what the first one wrote and goes on from there.
 *
 * What is asked for while a write is under way goes into the next one together: any number of sign-ins at once cost as
 * many writes as the store can do, and none waits for more than two.
 */
export class Chain {
  readonly blocks: Blocks
  readonly #parts: Parts
  readonly #waiting: Waiting[] = []
  #tail: Tail | undefined
  #writing: Promise<void> | undefined
  #unfinished: PlacedBlock[] = []
  #finishing: Promise<void> | undefined

  constructor(parts: Parts) {
    this.#parts = parts
    this.blocks = new Blocks(parts.store)
  }

  /** Resolves when the line is in the chain, for good. @throws when the store cannot write */
  append(line: string): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ line, resolve, reject })
    })
    this.#beginToWrite()
    return done
  }

  async head(): Promise<ChainHead | undefined> {
    const head = await this.#parts.store.get(HEAD)
    return head === undefined ? undefined : (head as unknown as ChainHead)
  }

  /** The newest entry of all processes: 0 before the first. */
  async count(): Promise<number> {
    return (await this.#readTail()).count
  }

  /** Resolves when nothing of this process is under way any more. */
  async settled(): Promise<void> {
    while (this.#writing !== undefined || this.#finishing !== undefined) {
      await this.#writing
      await this.#finishing
    }
  }

  async #write(): Promise<void> {
    // The calls of this turn go together.
    await Promise.resolve()
    for (let batch = this.#waiting.splice(0, BATCH); batch.length > 0; batch = this.#waiting.splice(0, BATCH)) {
      try {
        const block = await this.#add(batch.map(({ line }) => line))
        for (const { resolve } of batch) resolve()
        this.#finish(block)
      } catch (error) {
        // Whether it was written is not known: what is in the store by now is looked up again.
        this.#tail = undefined
        for (const { reject } of batch) reject(error)
      }
    }
  }

  async #add(lines: readonly string[]): Promise<PlacedBlock> {
    const { store, key, now } = this.#parts
    for (let round = 0; round < ROUNDS; round++) {
      const tail = this.#freshTail() ?? (await this.#begin())
      const hash = lines.reduce(
        (previous, line, index) => chainHashOf(key, previous, tail.count + 1 + index, line),
        tail.hash,
      )
      const block: Block = { previous: tail.hash, lines, hash, ...(key === undefined ? {} : { key: key.id }) }
      const first = tail.count + 1
      if (await store.add(blockKey(first), block as unknown as Json)) {
        this.#tail = { count: tail.count + lines.length, hash, readAt: now() }
        return { ...block, first }
      }
      this.#tail = await this.#follow(tail)
    }
    throw new GatelodgeError('store.unavailable')
  }

  /**
   * What was read a while ago may lie behind what retention has removed by now, and a block added there would be the
   * beginning of a second chain. The same when the whole store was put back from a backup.
   */
  #freshTail(): Tail | undefined {
    const age = this.#tail && this.#parts.now() - this.#tail.readAt
    return age !== undefined && age >= 0 && age < TAIL_MS ? this.#tail : undefined
  }

  /** The head is there before the first block: whoever removes it removes it visibly. */
  async #begin(): Promise<Tail> {
    const { store, now } = this.#parts
    if ((await this.head()) === undefined) {
      await store.add(HEAD, this.#headAt({ count: 0, hash: GENESIS }, now()) as unknown as Json)
    }
    return this.#readTail()
  }

  async #readTail(): Promise<Tail> {
    const head = await this.head()
    this.#tail = await this.#follow({ count: head?.count ?? 0, hash: head?.hash ?? GENESIS, readAt: 0 })
    return this.#tail
  }

  /** From an end of the chain over what came after it. */
  async #follow(from: Tail): Promise<Tail> {
    let { count, hash } = from
    for await (const block of this.blocks.all(from.count)) {
      count = lastOf(block)
      hash = block.hash
    }
    return { count, hash, readAt: this.#parts.now() }
  }

  #finish(block: PlacedBlock): void {
    this.#unfinished.push(block)
    this.#beginToFinish()
  }

  /** Between the last look at what waits and the end of the work, more may come: it is looked for once again. */
  #beginToWrite(): void {
    if (this.#writing !== undefined || this.#waiting.length === 0) return
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined
      this.#beginToWrite()
    })
  }

  #beginToFinish(): void {
    if (this.#finishing !== undefined || this.#unfinished.length === 0) return
    this.#finishing = this.#finishAll().finally(() => {
      this.#finishing = undefined
      this.#beginToFinish()
    })
  }

  async #finishAll(): Promise<void> {
    while (this.#unfinished.length > 0) {
      const own = this.#unfinished.splice(0)
      try {
        await Promise.all(own.map(this.#parts.finish))
        await this.#moveHead(own)
      } catch (error) {
        // The head stays behind them: whoever writes next finishes them.
        const reason = error instanceof Error ? error.message : String(error)
        this.#parts.log.warn({ reason }, 'What was written to the audit is not yet found by search')
      }
    }
  }

  /**
   * Moves the head over the blocks of this process. Others between them are of a process that is not ready with them, or
   * that died: what has to be done for them is done here, for nobody knows which.
   */
  async #moveHead(own: readonly PlacedBlock[]): Promise<void> {
    const last = own.at(-1)
    if (last === undefined) return
    const mine = new Set(own.map(({ first }) => first))
    for (let round = 0; round < ROUNDS; round++) {
      const head = await this.head()
      const count = head?.count ?? 0
      if (count >= lastOf(last)) return
      const isNext = own[0]?.first === count + 1 && own.every((one, i) => i === 0 || isAfter(own[i - 1], one))
      if (!isNext) {
        for await (const block of this.blocks.all(count)) {
          if (block.first >= last.first) break
          if (mine.has(block.first)) continue
          await this.#parts.finish(block)
          mine.add(block.first)
        }
      }
      const next = this.#headAt({ count: lastOf(last), hash: last.hash }, head?.startedAt ?? this.#parts.now())
      const done =
        head === undefined
          ? await this.#parts.store.add(HEAD, next as unknown as Json)
          : await this.#parts.store.replace(HEAD, head as unknown as Json, next as unknown as Json)
      if (done) return
    }
  }

  #headAt({ count, hash }: Pick<ChainHead, 'count' | 'hash'>, startedAt: number): ChainHead {
    const { key } = this.#parts
    return { count, hash, startedAt, ...(key === undefined ? {} : { key: key.id, seal: sealOf(key, count, hash) }) }
  }
}

/** Entries in one write at most: some 40 KB. */
export const BATCH = 64

/** How long the end of the chain is taken for granted: retention leaves alone what is younger than many times this. */
const TAIL_MS = 1_000

/** Every round somebody wins, so only a store that lies about `add` can use them up. */
const ROUNDS = 2000

function isAfter(one: PlacedBlock | undefined, other: PlacedBlock): boolean {
  return one !== undefined && lastOf(one) + 1 === other.first
}
