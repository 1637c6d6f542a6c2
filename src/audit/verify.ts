import type { Store } from '../contracts.js'
import {
  BLOCKS,
  type Block,
  CHECKPOINT,
  type ChainHead,
  type Checkpoint,
  HEAD,
  isBlock,
  lastOf,
  numberOf,
  type PlacedBlock,
} from './blocks.js'
import { type ChainKey, chainHashOf, GENESIS, isSameHash, sealOf } from './chain-hash.js'
import type { AuditRecord } from './entry.js'

/** One thing that is not as it was written. */
export interface Break {
  /** Of the first entry concerned. */
  readonly number: number
  readonly sentence: string
}

/** What became of looking at the whole chain. */
export interface Verification {
  readonly intact: boolean
  /** At most 20: one that was cut and joined may have any number. */
  readonly breaks: readonly Break[]
  /** How many entries are there. */
  readonly entries: number
  /** The oldest one there is. */
  readonly first?: { readonly number: number; readonly time: string }
  /** The newest one: what to keep elsewhere, and to compare with later. */
  readonly head: { readonly number: number; readonly hash: string; readonly time?: string }
  /** When the chain began, ISO 8601: what is older was never protected. */
  readonly startedAt?: string
  /** How many entries retention has removed, by its own record. */
  readonly removed: number
  /** From which entry on it takes the key to make them. */
  readonly keyedFrom?: number
  /** Number of the entry whose hash was asked for. */
  readonly anchor?: number
}

export interface VerifyOptions {
  /** The keys of the configuration, the one of today first. */
  readonly keys?: readonly ChainKey[]
  /** The hash of an entry as it was noted elsewhere: it has to be in the chain still. */
  readonly anchor?: string
}

/**
 * Goes through the whole chain and compares: every entry with its hash and the one before, the newest with the record of
 * it, the oldest with what retention wrote down. Reads only; beside a gateway that is writing it looks at what was there
 * when it began.
 */
export async function verifyAudit(store: Store, options: VerifyOptions = {}): Promise<Verification> {
  for (let round = 1; ; round++) {
    const checkpoint = await store.get(CHECKPOINT)
    const verdict = await walkThrough(store, checkpoint as unknown as Checkpoint | undefined, options)
    // Retention may have removed what was still to be looked at.
    const isSame = JSON.stringify(await store.get(CHECKPOINT)) === JSON.stringify(checkpoint)
    if (verdict.intact || isSame || round === 3) return verdict
  }
}

async function walkThrough(
  store: Store,
  checkpoint: Checkpoint | undefined,
  options: VerifyOptions,
): Promise<Verification> {
  // Before the blocks: what is written meanwhile comes after it.
  const head = (await store.get(HEAD)) as unknown as ChainHead | undefined
  const walk = new Walk(options.keys ?? [], head, checkpoint, options.anchor)
  for (let after = BLOCKS; ; ) {
    const rows = await store.list(BLOCKS, { after, limit: PAGE })
    for (const [key, value] of rows) walk.take(key, value)
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) break
    after = last[0]
  }
  return walk.end()
}

const PAGE = 200
const MOST_BREAKS = 20

class Walk {
  readonly #keys: ReadonlyMap<string, ChainKey>
  readonly #today: ChainKey | undefined
  readonly #head: ChainHead | undefined
  readonly #checkpoint: Checkpoint | undefined
  readonly #anchor: string | undefined
  /** The first few. */
  readonly #breaks: Break[] = []
  #number: number
  #hash: string
  #entries = 0
  #first: { number: number; time: string } | undefined
  #time: string | undefined
  #keyedFrom: number | undefined
  #anchoredAt: number | undefined
  #headHash: string | undefined
  #isRemovalConfirmed = false

  constructor(
    keys: readonly ChainKey[],
    head: ChainHead | undefined,
    checkpoint: Checkpoint | undefined,
    anchor: string | undefined,
  ) {
    this.#keys = new Map(keys.map((key) => [key.id, key]))
    this.#today = keys[0]
    this.#head = head
    this.#checkpoint = checkpoint
    this.#anchor = anchor
    this.#number = checkpoint?.count ?? 0
    this.#hash = checkpoint?.hash ?? GENESIS
    this.#reach(this.#number, this.#hash)
  }

  take(key: string, value: unknown): void {
    const first = numberOf(key)
    // What retention is about to remove.
    if (this.#checkpoint !== undefined && first <= this.#checkpoint.count) return
    if (!isBlock(value) || !Number.isSafeInteger(first)) {
      this.#break(first, 'is not an entry of the audit at all')
      return
    }
    this.#follow({ ...value, first })
  }

  end(): Verification {
    this.#judgeHead()
    this.#judgeRemoval()
    if (this.#anchor !== undefined && this.#anchoredAt === undefined) {
      this.#break(
        this.#number,
        'is the newest one, and none has the hash that was given: entries were replaced or removed',
      )
    }
    return {
      intact: this.#breaks.length === 0,
      breaks: this.#breaks,
      entries: this.#entries,
      ...(this.#first && { first: this.#first }),
      head: { number: this.#number, hash: this.#hash, ...(this.#time !== undefined && { time: this.#time }) },
      ...(this.#head && { startedAt: new Date(this.#head.startedAt).toISOString() }),
      removed: this.#checkpoint?.count ?? 0,
      ...(this.#keyedFrom !== undefined && { keyedFrom: this.#keyedFrom }),
      ...(this.#anchoredAt !== undefined && { anchor: this.#anchoredAt }),
    }
  }

  #follow(block: PlacedBlock): void {
    const { first, previous, lines, hash } = block
    const wanted = this.#number + 1
    if (first > wanted)
      this.#break(wanted, `is missing${first > wanted + 1 ? `, and so are all up to ${first - 1}` : ''}`)
    else if (first < wanted) this.#break(first, 'is there twice: something was put in between')
    else if (previous !== this.#hash) this.#break(first, 'does not follow from the one before')
    const computed = this.#link(block)
    if (computed !== undefined && !isSameHash(computed, hash)) {
      const last = lastOf(block)
      this.#break(first, last > first ? `or one up to ${last} was changed` : 'was changed')
    }
    this.#note(block, lines)
    this.#number = lastOf(block)
    this.#hash = hash
    this.#reach(this.#number, hash)
  }

  /** The hash the block should have; `undefined` where nobody can say. */
  #link(block: Block & { readonly first: number }): string | undefined {
    const key = block.key === undefined ? undefined : this.#keys.get(block.key)
    if (block.key !== undefined && key === undefined) {
      this.#break(block.first, `was written with a key (${block.key}) that the configuration does not have`)
      return undefined
    }
    if (block.key === undefined && this.#keyedFrom !== undefined) {
      this.#break(block.first, 'was written without a key, after others that have one')
    }
    if (block.key !== undefined) this.#keyedFrom ??= block.first
    return block.lines.reduce((previous, line, index) => {
      const linked = chainHashOf(key, previous, block.first + index, line)
      if (linked === this.#anchor) this.#anchoredAt = block.first + index
      return linked
    }, block.previous)
  }

  #note(block: PlacedBlock, lines: readonly string[]): void {
    this.#entries += lines.length
    const newest = parse(lines.at(-1))
    if (this.#first === undefined) this.#first = { number: block.first, time: parse(lines[0])?.time ?? '' }
    this.#time = newest?.time
    const { count, hash } = this.#checkpoint ?? {}
    for (const line of lines) {
      if (count === undefined || this.#isRemovalConfirmed || !line.includes(REMOVED)) continue
      const record = parse(line)
      const { upTo, hash: noted } = record?.details ?? {}
      this.#isRemovalConfirmed = record?.event === REMOVED && upTo === count && noted === hash
    }
  }

  #reach(number: number, hash: string): void {
    if (number === this.#head?.count) this.#headHash = hash
    if (hash === this.#anchor) this.#anchoredAt = number
  }

  #judgeHead(): void {
    const head = this.#head
    if (head === undefined) {
      if (this.#entries > 0)
        this.#break(this.#number, 'is the newest one there is, but the record of the newest is gone')
      return
    }
    if (head.count > this.#number) {
      const missing = head.count - this.#number
      this.#break(this.#number + 1, `and all after it are missing: ${missing} at the end`)
      return
    }
    if (this.#headHash === undefined || !isSameHash(head.hash, this.#headHash)) {
      this.#break(head.count, 'is not the one that was the newest when it was written')
    }
    const key = head.key === undefined ? undefined : this.#keys.get(head.key)
    if (key === undefined ? this.#today !== undefined && this.#keyedFrom !== undefined : !isSealed(key, head)) {
      this.#break(head.count, 'is named as the newest by a record that was not made with the key')
    }
  }

  #judgeRemoval(): void {
    if (this.#checkpoint === undefined || this.#isRemovalConfirmed) return
    this.#break(this.#checkpoint.count, 'and all before it were removed, but not by retention: no entry says so')
  }

  #break(number: number, sentence: string): void {
    if (this.#breaks.length < MOST_BREAKS) this.#breaks.push({ number, sentence: `Entry ${number} ${sentence}.` })
  }
}

/** What retention writes down before it removes anything. */
export const REMOVED = 'admin.audit-removed'

function isSealed(key: ChainKey, { count, hash, seal }: ChainHead): boolean {
  return seal !== undefined && isSameHash(seal, sealOf(key, count, hash))
}

function parse(line: string | undefined): AuditRecord | undefined {
  try {
    return JSON.parse(line ?? '')
  } catch {
    return undefined
  }
}
