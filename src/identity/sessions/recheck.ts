import type { Store, User, UserDirectory } from '../../contracts.js'
import { GatelodgeError } from '../../errors.js'
import { Records } from '../store/records.js'
import type { Session } from './session.js'

interface Parts {
  readonly store: Store
  readonly directory: Pick<UserDirectory, 'find'>
  /** `undefined`: users of this directory are not looked at again. */
  readonly recheckSeconds?: ((accountId: string) => number | undefined) | undefined
  /** Ends what is open for somebody the directory does not know any more. */
  readonly gone: (accountId: string) => Promise<void>
  /** As the directory knows them now. */
  readonly found: (user: User) => Promise<void>
  readonly now: () => number
}

/** When the directory is to be asked about the user of a session, ms since 1970. */
export interface Due {
  /** Beside the request, which goes on with what is known. */
  readonly at: number
  /** Before the request goes on: a session of somebody who left weeks ago must not open anything once more. */
  readonly mustAt: number
}

/**
 * Looks at the directory again for users who are signed in: who is gone or disabled there is signed out here, and groups,
 * names and addresses follow. A look is begun by a request of the user when the last one is older than the interval, and the
 * request does not wait for it. Of all gateways one looks, once for all sessions of the user.
 *
 * A directory that does not answer changes nothing: sessions go on until the last look is a day old, then they wait for one.
 */
export class Recheck {
  readonly #parts: Parts
  /** When a user was last looked at, ms since 1970. */
  readonly #looks: Records<number>
  /** Whose turn it is to look, or was a moment ago. */
  readonly #turns: Records<true>
  readonly #underway = new Map<string, Promise<void>>()
  readonly #failures = new Map<string, { readonly at: number; readonly error: unknown }>()

  constructor(parts: Parts) {
    this.#parts = parts
    this.#looks = new Records(parts.store, 'directory-look/')
    this.#turns = new Records(parts.store, 'directory-turn/')
  }

  /** `undefined`: never. A sign-in has asked the directory, too. */
  async due({ accountId, openedAt }: Session): Promise<Due | undefined> {
    const seconds = this.#parts.recheckSeconds?.(accountId)
    if (seconds === undefined) return undefined
    // Of a gateway whose clock is ahead, as well: the next look must not be put off by that.
    const looked = Math.min(this.#parts.now(), Math.max(openedAt, (await this.#looks.get(accountId)) ?? 0))
    return { at: looked + seconds * 1000, mustAt: looked + mustSeconds(seconds) * 1000 }
  }

  /** Begins a look, unless another gateway does, and returns at once. Never throws. */
  begin(accountId: string): void {
    if (this.#underway.size >= MOST_AT_ONCE || this.#underway.has(accountId)) return
    const look = async () => {
      // After a failure nobody tries again before this has run out.
      if (await this.#turns.add(accountId, true, TURN_SECONDS)) await this.#look(accountId)
    }
    // What is wrong with the directory is said by who watches it, and of the store requests say it themselves.
    this.#keep(accountId, look()).catch(() => undefined)
  }

  /**
   * Looks, and waits for what comes of it.
   * @throws `directory.unavailable`, and `store.unavailable` and its like
   */
  async look(accountId: string): Promise<void> {
    const failure = this.#failures.get(accountId)
    // A page has dozens of requests: they must not each wait for a directory that is away.
    if (failure !== undefined && this.#parts.now() - failure.at < FAILURE_MS) throw failure.error
    await (this.#underway.get(`${accountId} waited for`) ??
      this.#keep(`${accountId} waited for`, this.#look(accountId)))
  }

  /** Somebody else has asked the directory, and it did not know the user. */
  async missing(accountId: string): Promise<void> {
    if (this.#parts.recheckSeconds?.(accountId) !== undefined) await this.#parts.gone(accountId)
  }

  /** Resolves when nobody is being looked at any more. */
  async settled(): Promise<void> {
    while (this.#underway.size > 0) await Promise.allSettled(this.#underway.values())
  }

  #keep(key: string, look: Promise<void>): Promise<void> {
    const kept = look.finally(() => this.#underway.delete(key))
    this.#underway.set(key, kept)
    return kept
  }

  async #look(accountId: string): Promise<void> {
    const { found, gone, now, recheckSeconds } = this.#parts
    const [user] = await this.#find(accountId)
    if (user === undefined) await gone(accountId)
    else await found(user)
    await this.#looks.set(accountId, now(), mustSeconds(recheckSeconds?.(accountId) ?? 0) + TURN_SECONDS)
  }

  async #find(id: string): Promise<readonly User[]> {
    try {
      const found = await this.#parts.directory.find({ id })
      this.#failures.delete(id)
      return found
    } catch (cause) {
      const error = cause instanceof GatelodgeError ? cause : new GatelodgeError('directory.unavailable', { cause })
      if (this.#failures.size >= MOST_FAILURES) this.#failures.clear()
      this.#failures.set(id, { at: this.#parts.now(), error })
      throw error
    }
  }
}

/** Whether nothing of a user has changed. Directories name groups in any order. */
export function isSameUser(one: User, other: User): boolean {
  return (
    one.username === other.username &&
    one.displayName === other.displayName &&
    one.email === other.email &&
    one.mobile === other.mobile &&
    one.groups.length === other.groups.length &&
    one.groups.every((group) => other.groups.includes(group))
  )
}

/** After a day without a look a request waits for one; where looks are further apart, after twice the interval. */
function mustSeconds(intervalSeconds: number): number {
  return Math.max(24 * 60 * 60, 2 * intervalSeconds)
}

const TURN_SECONDS = 60
const MOST_AT_ONCE = 16
const FAILURE_MS = 5000
const MOST_FAILURES = 1000
