import { parseOptions } from '@node-rs/argon2'
import type { HashCost, HashCosts, Passwords } from '../../contracts.js'
import { GatelodgeError } from '../../errors.js'
import { argon2Cost } from './argon2-cost.js'
import { PasswordThread } from './password-thread.js'
import { costOf, isReadable, workOf } from './password-work.js'

/**
 * Password hashing with argon2id, two at a time in a thread each: 32 wait in order, and the next one is told to come back.
 * Hashes other systems made are verified too, so that users can be taken over with them.
 */
export class PasswordPool implements Passwords {
  readonly #free = [new PasswordThread(), new PasswordThread()]
  readonly #waiting: Array<(thread: PasswordThread) => void> = []

  /** The PHC string to keep. */
  hash(password: string): Promise<string> {
    if (isTooLong(password)) throw new RangeError('A password this long cannot be hashed')
    return this.#inTurn((thread) => thread.hash(prepared(password)))
  }

  verify(hash: string | undefined, password: string, inUse?: HashCosts): Promise<boolean> {
    // A user without a hash and a password nobody can have still cost what others do: the time must tell nothing.
    const isUsable = !isTooLong(password)
    const work = workOf(isUsable ? hash : undefined, inUse)
    const typed = isUsable ? { own: prepared(password), foreign: password } : { own: '', foreign: '' }
    return this.#inTurn((thread) => thread.verify(work, typed))
  }

  costOf(hash: string): HashCost | undefined {
    return costOf(hash)
  }

  isKnown(hash: string): boolean {
    return isReadable(hash)
  }

  isOutdated(hash: string): boolean {
    if (!hash.startsWith('$argon2id$')) return true
    const { memoryCost, timeCost, outputLen } = parseOptions(hash)
    return memoryCost < argon2Cost.memoryCost || timeCost < argon2Cost.timeCost || outputLen < argon2Cost.outputLen
  }

  async #inTurn<Result>(work: (thread: PasswordThread) => Promise<Result>): Promise<Result> {
    const thread = this.#free.pop() ?? (await this.#turn())
    try {
      return await work(thread)
    } finally {
      // Handed on rather than given up, so nobody who comes now can slip in before those who wait.
      const next = this.#waiting.shift()
      if (next === undefined) this.#free.push(thread)
      else next(thread)
    }
  }

  async #turn(): Promise<PasswordThread> {
    if (this.#waiting.length >= QUEUE) throw new GatelodgeError('password.busy', { retryAfterSeconds: 2 })
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}

/** Characters of a password at most; more would let one request buy more hashing than another. */
export const LONGEST_PASSWORD = 256

const QUEUE = 32

/**
 * RFC 8265 OpaqueString: NFC, and every kind of space becomes the plain one, so that the same keys pressed on another
 * system are the same password. Not NFKC: it would make different passwords equal.
 */
function prepared(password: string): string {
  return password.normalize('NFC').replace(/\p{Zs}/gu, ' ')
}

function isTooLong(password: string): boolean {
  if (password.length <= LONGEST_PASSWORD) return false
  // A character is one code unit or two.
  return password.length > 2 * LONGEST_PASSWORD || [...password].length > LONGEST_PASSWORD
}
