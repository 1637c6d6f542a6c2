import { setTimeout as pause } from 'node:timers/promises'
import { type HashCosts, type Host, type Json, type Passwords, type Store, withCost } from '../../../src/contracts.js'

interface Noted {
  /** The most work a hash of this family asks for. */
  readonly work: number
  /** When one was last taken over, ms since 1970. */
  readonly at: number
}

interface Kept {
  readonly families: { readonly [family: string]: Noted }
  /** When all users were last looked at, ms since 1970. Left out: never. */
  readonly countedAt?: number
}

/**
 * What the hashes of all users cost, in one record, so that a sign-in can do the work of all of them without looking at
 * anybody else. A hash that is taken over is noted before it is kept, so the record never lacks one; it is never believed to
 * have shrunk: all users are looked at once a day, beside the sign-ins and by one gateway of all, and a family that none of them
 * has any more is let go.
 */
export class KeptCosts {
  readonly #store: Store
  readonly #passwords: Passwords
  readonly #log: Host['log']
  readonly #now: () => number
  #nextLookAt = 0

  constructor({ store, passwords, log, now }: Host) {
    this.#store = store
    this.#passwords = passwords
    this.#log = log
    this.#now = now
  }

  /** What every verification has to cost. Begins to count, and does not wait for it, where that was not done for a day. */
  async inUse(): Promise<HashCosts> {
    const kept = await this.#read()
    const now = this.#now()
    if (now >= this.#nextLookAt && now - (kept.countedAt ?? Number.NEGATIVE_INFINITY) >= DAY_MS) {
      this.#nextLookAt = now + COUNTING_SECONDS * 1000
      this.count().catch((error) => {
        this.#log.warn(
          { err: error },
          'What the hashes of passwords cost could not be counted; it is tried again later',
        )
      })
    }
    return Object.fromEntries(Object.entries(kept.families).map(([family, { work }]) => [family, work]))
  }

  /** To be called before a hash of another system is kept. */
  async note(hash: string): Promise<void> {
    const cost = this.#passwords.costOf(hash)
    if (cost === undefined) return
    await this.#change((kept) => {
      const now = this.#now()
      const noted = kept.families[cost.family]
      // Of an import of thousands, one in a minute is written down.
      if (noted !== undefined && noted.work >= cost.work && now - noted.at < FRESH_MS) return kept
      const work = Math.max(noted?.work ?? 0, cost.work)
      return { ...kept, families: { ...kept.families, [cost.family]: { work, at: now } } }
    })
  }

  /** Looks at all users, unless another gateway does. */
  async count(): Promise<void> {
    const startedAt = this.#now()
    if (!(await this.#store.add(COUNTING, startedAt, COUNTING_SECONDS))) return
    let seen: HashCosts = {}
    for await (const hash of this.#hashes()) seen = withCost(seen, this.#passwords.costOf(hash))
    await this.#change(({ families }) => {
      const counted: { [family: string]: Noted } = {}
      for (const family of new Set([...Object.keys(families), ...Object.keys(seen)])) {
        const { work = 0, at = 0 } = families[family] ?? {}
        // Of a hash taken over meanwhile the user may be among those that were passed already.
        const isNew = at > startedAt - MARGIN_MS
        const most = Math.max(seen[family] ?? 0, isNew ? work : 0)
        if (most > 0) counted[family] = { work: most, at }
      }
      return { families: counted, countedAt: startedAt }
    })
    await this.#store.delete(COUNTING)
  }

  async *#hashes(): AsyncGenerator<string> {
    let after: string | undefined
    for (;;) {
      const page = await this.#store.list('user/', { ...(after === undefined ? {} : { after }), limit: PAGE })
      for (const [, user] of page) {
        const { passwordHash } = user as { readonly passwordHash?: string }
        if (passwordHash !== undefined) yield passwordHash
      }
      after = page.at(-1)?.[0]
      if (after === undefined || page.length < PAGE) return
      // Everything else has its turns, and a command that is done need not wait.
      await pause(PAUSE_MS, undefined, { ref: false })
    }
  }

  async #read(): Promise<Kept> {
    return ((await this.#store.get(KEY)) as unknown as Kept | undefined) ?? NONE
  }

  async #change(change: (kept: Kept) => Kept): Promise<void> {
    for (let round = 0; round < ROUNDS; round += 1) {
      const found = (await this.#store.get(KEY)) as unknown as Kept | undefined
      const before = found ?? NONE
      const after = change(before)
      if (after === before) return
      const json = after as unknown as Json
      const done =
        found === undefined
          ? await this.#store.add(KEY, json)
          : await this.#store.replace(KEY, found as unknown as Json, json)
      if (done) return
    }
    throw new Error('what the hashes of passwords cost could not be written down')
  }
}

const NONE: Kept = { families: {} }
const KEY = 'hash-costs'
const COUNTING = 'hash-costs-counting'
const COUNTING_SECONDS = 10 * 60
const DAY_MS = 24 * 60 * 60 * 1000
const FRESH_MS = 60_000

/** Longer than {@link FRESH_MS}, clocks of two machines that differ, and the way from the note to the user. */
const MARGIN_MS = 10 * 60_000
const PAGE = 200
const PAUSE_MS = 5
const ROUNDS = 2000
