import { randomBytes } from 'node:crypto'
import { foldUsername, type Store, type User } from '../../../src/contracts.js'

/** What can be searched for of one user, folded. */
type Line = string

/** Everybody, in order of folded username. */
interface Lines {
  readonly lines: readonly Line[]
  readonly ids: readonly string[]
  readonly builtAt: number
}

/**
 * Names and addresses of all users in memory, so that any part of them is found. It is made at the first search, follows a
 * journal in the store that every process writes its changes to, and is let go when nobody has searched for a while. It
 * only leads to users: whether one fits is for the record to say.
 */
export class SearchIndex {
  readonly #store: Store
  readonly #now: () => number
  #everybody: Lines | undefined
  #building: Promise<void> | undefined
  #tooManyUntil = 0
  /** Of users that changed since, by id; `undefined`: gone. */
  readonly #changed = new Map<string, Line | undefined>()
  /** Of the journal, as far back as clocks of several machines may differ. */
  readonly #read = new Set<string>()
  #readTo = 0
  #idle: NodeJS.Timeout | undefined

  constructor({ store, now }: { store: Store; now: () => number }) {
    this.#store = store
    this.#now = now
  }

  /** To be called after every change. */
  async note(id: string): Promise<void> {
    await this.#store.set(`${JOURNAL}${placeOf(this.#now())}/${randomBytes(6).toString('base64url')}`, id, KEPT_SECONDS)
  }

  /**
   * Ids of those who have the text somewhere, in order of folded username.
   * @param after a folded username
   * @returns `undefined` while the index is not there, or where there are too many users for one
   */
  async find(text: string, after: string | undefined): Promise<Iterable<string> | undefined> {
    this.#staysFor(IDLE_MS)
    if (!(await this.#isReady())) return undefined
    const { lines, ids } = this.#everybody ?? NOBODY
    return matches({ lines, ids, changed: this.#changed, folded: foldUsername(text), after })
  }

  async #isReady(): Promise<boolean> {
    const isOld = () => this.#everybody === undefined || this.#now() - this.#everybody.builtAt > LASTS_MS
    if (this.#now() < this.#tooManyUntil) return false
    if (!isOld()) await this.#follow()
    if (isOld()) {
      // While it is made again, nobody is kept waiting for long: until then, names are found by their beginning.
      this.#building ??= this.#build().finally(() => {
        this.#building = undefined
      })
      await patiently(this.#building)
      if (!isOld()) await this.#follow()
    }
    return !isOld()
  }

  /** A thousand at a time, so that everything else has its turns. */
  async #build(): Promise<void> {
    const builtAt = this.#now()
    // What is written there by now is in what is read next.
    const read: string[] = []
    for await (const [key] of pages(this.#store, JOURNAL, startOf(builtAt))) read.push(key)
    const byId = new Map<string, Line>()
    for await (const [key, user] of pages(this.#store, 'user/')) {
      byId.set(key.slice('user/'.length), lineOf(user as unknown as User))
      if (byId.size <= MOST_USERS) continue
      this.#tooManyUntil = builtAt + LASTS_MS
      this.#forget()
      return
    }
    const lines: Line[] = []
    const ids: string[] = []
    // In the order of the names, as lists have it.
    for await (const [key, claim] of pages(this.#store, 'name/')) {
      const { id } = claim as { readonly id: string }
      const line = byId.get(id)
      if (line === undefined || nameOf(line) !== key.slice('name/'.length)) continue
      lines.push(line)
      ids.push(id)
    }
    this.#forget()
    this.#readTo = builtAt
    for (const key of read) this.#read.add(key)
    this.#everybody = { lines, ids, builtAt }
  }

  /** What changed since, here or elsewhere. */
  async #follow(): Promise<void> {
    const start = startOf(this.#readTo)
    for (const key of this.#read) if (key < start) this.#read.delete(key)
    for await (const [key, id] of pages(this.#store, JOURNAL, start)) {
      if (this.#read.has(key) || typeof id !== 'string') continue
      const user = (await this.#store.get(`user/${id}`)) as unknown as User | undefined
      this.#changed.set(id, user && lineOf(user))
      this.#read.add(key)
      this.#readTo = Math.max(this.#readTo, Number(key.slice(JOURNAL.length, JOURNAL.length + PLACE_DIGITS)))
      if (this.#changed.size <= MOST_CHANGED) continue
      this.#forget()
      return
    }
  }

  #forget(): void {
    this.#everybody = undefined
    this.#changed.clear()
    this.#read.clear()
  }

  #staysFor(ms: number): void {
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => this.#forget(), ms).unref()
  }
}

/** Whether this user has the text somewhere. */
export function hasText(user: User, text: string): boolean {
  return lineOf(user).includes(foldUsername(text))
}

function* matches({
  lines,
  ids,
  changed,
  folded,
  after,
}: Pick<Lines, 'lines' | 'ids'> & {
  changed: ReadonlyMap<string, Line | undefined>
  folded: string
  after: string | undefined
}): Generator<string> {
  const fits = (line: Line) => line.includes(folded) && (after === undefined || nameOf(line) > after)
  const news = [...changed].flatMap(([id, line]) => (line !== undefined && fits(line) ? [{ id, line }] : []))
  news.sort((a, b) => (a.line < b.line ? -1 : 1))
  for (const [at, line] of lines.entries()) {
    const id = ids[at] ?? ''
    if (!fits(line) || changed.has(id)) continue
    for (let next = news[0]; next !== undefined && next.line < line; next = news[0]) {
      yield next.id
      news.shift()
    }
    yield id
  }
  for (const { id } of news) yield id
}

/** Folded username, display name and mail address; no text to search for has the sign between them. */
function lineOf({ username, displayName = '', email = '' }: User): Line {
  return [username, displayName, email].map(foldUsername).join('\n')
}

function nameOf(line: Line): string {
  return line.slice(0, line.indexOf('\n'))
}

async function* pages(store: Store, prefix: string, from?: string) {
  let after = from
  for (;;) {
    const rows = await store.list(prefix, { limit: PAGE, ...(after === undefined ? {} : { after }) })
    yield* rows
    after = rows.at(-1)?.[0]
    if (rows.length < PAGE) return
  }
}

async function patiently(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS)
  })
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}

/** Where the journal is read from. */
function startOf(readTo: number): string {
  return JOURNAL + placeOf(readTo - CLOCKS_MS)
}

/** Orders as the time does. */
function placeOf(ms: number): string {
  return String(Math.max(0, Math.floor(ms))).padStart(PLACE_DIGITS, '0')
}

const NOBODY = { lines: [], ids: [] }
const JOURNAL = 'changed/'
const PLACE_DIGITS = 15
const PAGE = 1000

/** About 150 bytes each. */
const MOST_USERS = 300_000
const MOST_CHANGED = 5000

const CLOCKS_MS = 10_000
const IDLE_MS = 10 * 60_000
const PATIENCE_MS = 3000

/** Less than the journal reaches back, by the time it may take to make one. */
const LASTS_MS = 50 * 60_000
const KEPT_SECONDS = 60 * 60
