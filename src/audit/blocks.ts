import type { Json, Store } from '../contracts.js'

/** Some entries that were written together, as the store has them. */
export interface Block {
  /** Hash of the entry before the first. */
  readonly previous: string
  /** JSON of one {@link AuditRecord} each. As text, so that what was hashed is what is read, whatever a store does to objects. */
  readonly lines: readonly string[]
  /** Hash of the last entry. */
  readonly hash: string
  /** The id of the key, where it is linked by one. */
  readonly key?: string
}

export interface PlacedBlock extends Block {
  /** Number of its first entry. */
  readonly first: number
}

/** The newest entry of the chain that everything has been done for, and where the chain began. */
export interface ChainHead {
  readonly count: number
  readonly hash: string
  /** When the chain began, ms since 1970. */
  readonly startedAt: number
  readonly key?: string
  readonly seal?: string
}

/** The newest entry that retention has removed. */
export interface Checkpoint {
  readonly count: number
  readonly hash: string
  readonly at: number
}

export const HEAD = 'audit-head'
export const CHECKPOINT = 'audit-checkpoint'
export const BLOCKS = 'audit-chain/'

/** The key of the block that begins with this entry. In order of number. */
export function blockKey(first: number): string {
  return BLOCKS + String(first).padStart(15, '0')
}

export function lastOf({ first, lines }: PlacedBlock): number {
  return first + lines.length - 1
}

/** Blocks as they lie in the store. What has not their form is passed over here, and found by `audit verify`. */
export class Blocks {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  async at(first: number): Promise<PlacedBlock | undefined> {
    return placed(first, await this.#store.get(blockKey(first)))
  }

  /** Blocks whose first entry comes after this number, oldest first. */
  async after(number: number, limit: number): Promise<readonly PlacedBlock[]> {
    const rows = await this.#store.list(BLOCKS, { after: blockKey(number), limit })
    return rows.flatMap(([key, value]) => placed(numberOf(key), value) ?? [])
  }

  /** Every block whose first entry comes after this number, oldest first. */
  async *all(number = 0): AsyncGenerator<PlacedBlock> {
    for (let after = number; ; ) {
      const page = await this.after(after, PAGE)
      yield* page
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE) return
      after = last.first
    }
  }

  /**
   * Every block whose first entry comes before this number, newest first. A store lists in one direction only.
   * @param downTo there is nothing up to here
   */
  async *before(number: number, downTo: number): AsyncGenerator<PlacedBlock> {
    let gaps = 0
    for (let to = number; to > downTo + 1; ) {
      const from = Math.max(downTo, to - 1 - PAGE * 2 ** gaps)
      const page = await this.#between(from, to)
      // A chain that was tampered with may have a long stretch of nothing in it.
      gaps = page.length === 0 ? Math.min(gaps + 1, 6) : 0
      yield* page.toReversed()
      to = from + 1
    }
  }

  /** Blocks whose first entry comes after the one number and before the other, oldest first. */
  async #between(from: number, to: number): Promise<PlacedBlock[]> {
    const found: PlacedBlock[] = []
    for (let [after, limit] = [from, STEP]; ; limit *= 2) {
      const page = await this.after(after, limit)
      for (const block of page) {
        if (block.first >= to) return found
        found.push(block)
        after = block.first
      }
      if (page.length < limit) return found
    }
  }
}

const PAGE = 128

/** A page is asked for in growing steps: how many blocks there are between two numbers is not known before. */
const STEP = 4

export function numberOf(key: string): number {
  return Number(key.slice(BLOCKS.length))
}

function placed(first: number, value: Json | undefined): PlacedBlock | undefined {
  return isBlock(value) ? { ...(value as Block), first } : undefined
}

export function isBlock(value: unknown): value is Block {
  if (typeof value !== 'object' || value === null) return false
  const { previous, lines, hash }: { previous?: unknown; lines?: unknown; hash?: unknown } = value
  return (
    typeof previous === 'string' &&
    typeof hash === 'string' &&
    Array.isArray(lines) &&
    lines.length > 0 &&
    lines.every((line) => typeof line === 'string')
  )
}
