import type { Logger, Store } from '../../contracts.js'
import type { Account } from '../../identity/accounts/account.js'
import type { Accounts } from '../../identity/accounts/accounts.js'
import { dayOf, KEPT_SECONDS } from './daily-counts.js'

/** How many have a second factor, among those who sign in: active users, support and owners. Programs have none. */
export interface AdoptionCount {
  readonly users: number
  readonly withFactor: number
  /** How many have each method, as YAML calls them. */
  readonly methods: Readonly<Record<string, number>>
}

/** The same of one day. */
export interface AdoptionOfDay extends AdoptionCount {
  /** As in `2026-11-30`, in UTC. */
  readonly day: string
}

interface Parts {
  readonly store: Store
  readonly accounts: Pick<Accounts, 'list'>
  readonly now: () => number
}

/** How second factors are taken up: everybody is counted once a day by one of the gateways, beside everything else. */
export class Adoption {
  readonly #store: Store
  readonly #accounts: Pick<Accounts, 'list'>
  readonly #now: () => number

  constructor({ store, accounts, now }: Parts) {
    this.#store = store
    this.#accounts = accounts
    this.#now = now
  }

  /** Counts today, unless another gateway does or did. Reads so many accounts at a time, and lets everything else go first. */
  async countToday(): Promise<void> {
    const day = dayOf(this.#now())
    if ((await this.#store.get(PREFIX + day)) !== undefined) return
    if (!(await this.#store.add(TURN + day, true, TURN_SECONDS))) return
    const count = emptyCount()
    let after: string | undefined
    for (;;) {
      const accounts = await this.#accounts.list({ limit: BATCH, ...(after === undefined ? {} : { after }) })
      for (const account of accounts) add(count, account)
      // Not where there are fewer than asked for: what a list leads to may be gone.
      if (accounts.length === 0) break
      after = accounts.at(-1)?.username
      await new Promise((resolve) => setImmediate(resolve))
    }
    await this.#store.set(PREFIX + day, { ...count }, KEPT_SECONDS)
  }

  /** Days that were counted, the oldest first, and whom it is worth asking: the first who have none. */
  async last(days: number): Promise<{
    readonly days: readonly AdoptionOfDay[]
    /** Of the first {@link LOOKED} by name. */
    readonly now: AdoptionCount
    readonly isMore: boolean
    /** Usernames. */
    readonly missing: readonly string[]
  }> {
    const first = dayOf(this.#now() - days * DAY_MS)
    const [rows, page] = await Promise.all([
      this.#store.list(PREFIX, { after: `${PREFIX}${first}`, limit: days }),
      this.#accounts.list({ limit: LOOKED + 1 }),
    ])
    const now = emptyCount()
    const missing: string[] = []
    for (const account of page.slice(0, LOOKED)) {
      if (add(now, account) && account.enrolled.length === 0 && missing.length < NAMED) missing.push(account.username)
    }
    return {
      days: rows.map(([key, value]) => ({ day: key.slice(PREFIX.length), ...(value as unknown as AdoptionCount) })),
      now,
      isMore: page.length > LOOKED,
      missing,
    }
  }
}

/**
 * Has everybody counted once a day while the gateway runs.
 * @returns what ends it, when what is under way has ended
 */
export function keepCounting(adoption: Adoption, log: Logger): () => Promise<void> {
  let underWay = Promise.resolve()
  const count = () => {
    underWay = adoption.countToday().catch((error: unknown) => {
      log.warn(
        { reason: error instanceof Error ? error.message : String(error) },
        'Second factors were not counted today',
      )
    })
  }
  const first = setTimeout(count, FIRST_MS).unref()
  const timer = setInterval(count, HOUR_MS).unref()
  return () => {
    clearTimeout(first)
    clearInterval(timer)
    return underWay
  }
}

/** A start has other things to do. */
const FIRST_MS = 60_000
const HOUR_MS = 60 * 60_000
const PREFIX = 'adoption/'
const TURN = 'adoption-turn/'
/** Long enough to count a million; whoever breaks down on the way is followed by another. */
const TURN_SECONDS = 30 * 60
const BATCH = 200
/** More takes longer than a page may. */
const LOOKED = 200
const NAMED = 10
const DAY_MS = 24 * 60 * 60_000

interface Counting {
  users: number
  withFactor: number
  methods: Record<string, number>
}

function emptyCount(): Counting {
  return { users: 0, withFactor: 0, methods: {} }
}

/** @returns whether it is somebody who counts */
function add(count: Counting, { role, status, enrolled }: Account): boolean {
  if (role === 'api' || status !== 'active') return false
  count.users += 1
  if (enrolled.length > 0) count.withFactor += 1
  for (const method of new Set(enrolled.map((one) => one.method))) {
    count.methods[method] = (count.methods[method] ?? 0) + 1
  }
  return true
}
