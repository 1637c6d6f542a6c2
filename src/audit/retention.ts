import type { Json, Logger, Store } from '../contracts.js'
import type { Audit } from './audit.js'
import { Blocks, blockKey, CHECKPOINT, type Checkpoint, lastOf, type PlacedBlock } from './blocks.js'
import type { AuditRecord } from './entry.js'
import { REMOVED } from './verify.js'

interface Parts {
  readonly store: Store
  readonly audit: Audit
  readonly log: Logger
  readonly now: () => number
  readonly keptSeconds: number
}

/**
 * Removes what is older than it has to be. First the chain itself says up to where, so that only retention can make the
 * beginning disappear; then the hash of the last one that goes is kept, for the rest to follow from.
 * @returns how many entries it removed
 */
export async function removeOld({ store, audit, now, keptSeconds }: Parts): Promise<number> {
  const blocks = new Blocks(store)
  const before = await audit.removed()
  // What a process that died in the middle of it left behind.
  if (before !== undefined) await removeBlocks(store, blocks, before.count)
  const cutoff = now() - Math.max(keptSeconds * 1000, LEAST_MS)
  let last: PlacedBlock | undefined
  let candidate: PlacedBlock | undefined
  for await (const block of blocks.all(before?.count ?? 0)) {
    // The newest stays, whatever its age: something has to say where the chain goes on.
    if (candidate !== undefined) last = candidate
    if (newestTime(block) >= cutoff) break
    candidate = block
    if (last !== undefined && last.first - (before?.count ?? 0) > MOST) break
  }
  if (last === undefined) return 0
  const [upTo, hash] = [lastOf(last), last.hash]
  const entries = upTo - (before?.count ?? 0)
  await audit.record({ event: REMOVED, outcome: 'success', details: { entries, upTo, hash } })
  const checkpoint: Checkpoint = { count: upTo, hash, at: now() }
  const next = checkpoint as unknown as Json
  const isMine = before
    ? await store.replace(CHECKPOINT, before as unknown as Json, next)
    : await store.add(CHECKPOINT, next)
  if (!isMine) return 0
  await removeBlocks(store, blocks, upTo)
  return entries
}

/** Removes what is old now and then, by one process in an hour. @returns what ends it */
export function keepRemovingOld(parts: Parts): () => void {
  const { store, log } = parts
  const look = async () => {
    try {
      if (!(await store.add('audit-retention', true, PAUSE_MS / 1000 - 60))) return
      const removed = await removeOld(parts)
      if (removed > 0) log.info({ removed }, 'Audit entries that had been kept long enough were removed')
    } catch (error) {
      log.warn({ err: error }, 'Old audit entries could not be removed')
    }
  }
  // Not by commands, which are done before that.
  const first = setTimeout(look, FIRST_MS).unref()
  const timer = setInterval(look, PAUSE_MS).unref()
  return () => {
    clearTimeout(first)
    clearInterval(timer)
  }
}

const FIRST_MS = 60_000
const PAUSE_MS = 3_600_000

/** No process takes what is younger for the end of the chain: see there. */
const LEAST_MS = 60_000

/** Entries in one go at most; what is left goes an hour later. */
const MOST = 500_000

async function removeBlocks(store: Store, blocks: Blocks, upTo: number): Promise<void> {
  for (;;) {
    const page = (await blocks.after(0, 100)).filter(({ first }) => first <= upTo)
    if (page.length === 0) return
    await Promise.all(page.map(({ first }) => store.delete(blockKey(first))))
  }
}

function newestTime({ lines }: PlacedBlock): number {
  return Date.parse((JSON.parse(lines.at(-1) ?? '{}') as AuditRecord).time)
}
