import { type Blocks, lastOf, type PlacedBlock } from './blocks.js'
import type { AuditOutcome, AuditRecord, KeptRecord } from './entry.js'
import { common, type EntryIndex, familyOf, listOf, whoseOf } from './entry-index.js'

/** What is looked for: everything that is named has to fit. */
export interface AuditQuery {
  /** Ids of accounts, or hashes of names that belong to nobody: entries about any of them. */
  readonly whose?: readonly string[]
  /** One event, or all that begin alike, as in `admin.*`. */
  readonly event?: string
  readonly outcome?: AuditOutcome
  /** The canonical address a request came from. */
  readonly address?: string
  /** ms since 1970. */
  readonly since?: number
  readonly until?: number
  /** Anything else. */
  readonly fits?: (record: KeptRecord) => boolean
}

export interface AuditPageRequest {
  /** 50 unless told otherwise, 1,000 at most. */
  readonly limit?: number
  /** The `next` of the page before. */
  readonly after?: string | undefined
}

/** Newest first. */
export interface AuditPage {
  readonly entries: readonly KeptRecord[]
  /**
   * There may be more: ask for the page after this. A page may have fewer entries than asked for, or none, and a `next`
   * all the same: each costs a bounded amount of work.
   */
  readonly next?: string
}

interface Parts {
  readonly blocks: Blocks
  readonly finding: EntryIndex
  /** Number of the newest entry. */
  readonly count: () => Promise<number>
  /** Number of the newest entry that was removed. */
  readonly removed: () => Promise<number>
}

/** One page of what fits. */
export async function searchAudit(parts: Parts, query: AuditQuery, page: AuditPageRequest = {}): Promise<AuditPage> {
  const limit = Math.min(Math.max(page.limit ?? 50, 1), 1000)
  const removed = await parts.removed()
  const from = numberIn(page.after) ?? (await startOf(parts, query, removed))
  const entries: KeptRecord[] = []
  let work = WORK
  for await (const { number, record, cost } of candidates(parts, query, from, removed)) {
    if (record !== undefined) {
      if (query.since !== undefined && Date.parse(record.time) < query.since - SKEW_MS) break
      if (fits(record, query)) entries.push(record)
    }
    work -= cost
    if (entries.length < limit && work > 0) continue
    return number > removed + 1 ? { entries, next: String(number) } : { entries }
  }
  return { entries }
}

/** The entries of a block with their numbers, newest last. */
export function recordsOf(block: PlacedBlock): readonly KeptRecord[] {
  return block.lines.flatMap((_, index) => recordAt(block, index) ?? [])
}

function recordAt({ first, lines }: PlacedBlock, index: number): KeptRecord | undefined {
  const line = lines[index]
  return line === undefined ? undefined : { ...(JSON.parse(line) as AuditRecord), number: first + index }
}

/** The oldest entry of a block is always read: it says when to stop. */
function mayFit({ lines }: PlacedBlock, index: number, needle: string): boolean {
  return index === 0 || lines[index]?.includes(needle) === true
}

/**
 * Number from which on entries may be as young as this: found by halving, as times grow with numbers but for the difference
 * between the clocks of several machines.
 */
export async function numberAt(
  { blocks, count, removed }: Pick<Parts, 'blocks' | 'count' | 'removed'>,
  time: number,
): Promise<number> {
  let low = (await removed()) + 1
  let high = (await count()) + 1
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const [block] = await blocks.after(middle - 1, 1)
    if (block !== undefined && timeOf(block) < time) low = Math.max(middle, lastOf(block)) + 1
    else high = middle
  }
  return high
}

/** Clocks of gateways on several machines may differ by this. */
export const SKEW_MS = 5 * 60_000

/** Entries one page looks at. One that an index led to costs a read of its own. */
const WORK = 5000
const INDEXED = 5

function timeOf({ lines }: PlacedBlock): number {
  return Date.parse((JSON.parse(lines[0] ?? '{}') as AuditRecord).time)
}

function numberIn(cursor: string | undefined): number | undefined {
  return cursor !== undefined && /^\d{1,15}$/.test(cursor) ? Number(cursor) : undefined
}

async function startOf(parts: Parts, { until }: AuditQuery, removed: number): Promise<number> {
  const end = (await parts.count()) + 1
  if (until === undefined) return end
  return Math.max(removed + 1, Math.min(end, await numberAt(parts, until + SKEW_MS)))
}

interface Candidate {
  readonly number: number
  readonly record: KeptRecord | undefined
  readonly cost: number
}

/** From the shortest list there is: by user, by address, by a rare kind of event; else the chain itself. */
async function* candidates(parts: Parts, query: AuditQuery, from: number, removed: number): AsyncGenerator<Candidate> {
  const lists = listsFor(query)
  if (lists === undefined) {
    const needle =
      query.event === undefined || query.event.endsWith('*') ? '' : `"event":${JSON.stringify(query.event)}`
    for await (const block of parts.blocks.before(from, removed)) {
      for (let index = block.lines.length - 1; index >= 0; index--) {
        const number = block.first + index
        // Most entries that do not fit are told by their text, which is a fifth of the work of reading them.
        if (number < from)
          yield { number, record: mayFit(block, index, needle) ? recordAt(block, index) : undefined, cost: 1 }
      }
    }
    return
  }
  for await (const { number, first } of merged(lists.map((list) => parts.finding.before(list, from)))) {
    if (number <= removed) return
    const block = await parts.blocks.at(first)
    yield { number, record: block && recordAt(block, number - first), cost: INDEXED }
  }
}

function listsFor({ whose, address, event }: AuditQuery): readonly string[] | undefined {
  if (whose !== undefined) return whose.map(listOf.whose)
  if (address !== undefined) return [listOf.address(address)]
  const family = event === undefined || !event.includes('.') ? undefined : familyOf(event)
  return family === undefined || common.has(family) ? undefined : [listOf.family(family)]
}

interface Numbered {
  readonly number: number
  readonly first: number
}

/** Several lists that each run down, as one. */
async function* merged(lists: readonly AsyncGenerator<Numbered>[]): AsyncGenerator<Numbered> {
  const tops = await Promise.all(lists.map((list) => list.next()))
  for (;;) {
    let highest = -1
    for (const [index, top] of tops.entries()) {
      if (top.done) continue
      const best = tops[highest]
      if (best === undefined || best.done || top.value.number > best.value.number) highest = index
    }
    const top = tops[highest]
    const list = lists[highest]
    if (top === undefined || top.done || list === undefined) return
    yield top.value
    tops[highest] = await list.next()
  }
}

function fits(record: KeptRecord, { whose, event, outcome, address, since, until, fits }: AuditQuery): boolean {
  if (whose !== undefined && !whose.includes(whoseOf(record) ?? '')) return false
  if (event !== undefined && !isEvent(record.event, event)) return false
  if (outcome !== undefined && record.outcome !== outcome) return false
  if (address !== undefined && record.address !== address) return false
  const time = Date.parse(record.time)
  if (since !== undefined && time < since) return false
  if (until !== undefined && time > until) return false
  return fits === undefined || fits(record)
}

function isEvent(event: string, wanted: string): boolean {
  return wanted.endsWith('*') ? event.startsWith(wanted.slice(0, -1)) : event === wanted
}
