import { parseOptions } from '@node-rs/argon2'
import type { Passwords } from '../contracts.js'
import { GatelodgeError } from '../errors.js'
import { argon2Cost } from './argon2-cost.js'
import { readForeignHash } from './foreign-hashes/read-foreign-hash.js'
import { PasswordThread } from './password-thread.js'

/**
 * Password hashing with argon2id, two at a time in a thread each: 32 wait in order, and the next one is told to come back.
 * Hashes other systems made are verified too, in a thread of their own, so that users can be taken over with them.
 */
export class PasswordPool implements Passwords {
  readonly #free = [new PasswordThread(), new PasswordThread()]
  readonly #foreign = new PasswordThread()
  readonly #waiting: Array<(thread: PasswordThread) => void> = []

  /** The PHC string to keep. */
  hash(password: string): Promise<string> {
    if (isTooLong(password)) throw new RangeError('A password this long cannot be hashed')
    return this.#inTurn((thread) => thread.hash(prepared(password)))
  }

  verify(hash: string | undefined, password: string): Promise<boolean> {
    // A user without a hash and a password nobody can have still cost one hash: the time must tell nothing.
    const usable = hash === undefined || isTooLong(password) ? undefined : hash
    return this.#inTurn(async (thread) => {
      const argon2 = usable === undefined ? undefined : bearableArgon2(usable)
      if (argon2 !== undefined) {
        // A hash that cannot be read fits no password, and must not be told by its time from one that can.
        return thread.verify('argon2', argon2, prepared(password)).catch(() => neverRight(thread))
      }
      if (usable === undefined || readForeignHash(usable) === undefined) return neverRight(thread)
      // Beside one of ours: most foreign hashes take less, and less would tell that there is such a user.
      const [right] = await Promise.all([this.#foreign.verify('foreign', usable, password), neverRight(thread)])
      return right
    })
  }

  isKnown(hash: string): boolean {
    return bearableArgon2(hash) !== undefined || readForeignHash(hash) !== undefined
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

/** The hash of 32 random bytes nobody kept, at today's cost: what unknown names are verified against. */
const NOBODY = '$argon2id$v=19$m=19456,t=2,p=1$/FEA3u3djm7H+G+JfjsLmg$24reDLu/SY0qYN83EcQEz2M2d2G/vAdcCEeyLLOQCtE'

/** Of hashes other systems made: a quarter of a gigabyte, and about a second. */
const MOST_MEMORY = 262_144
const MOST_WORK = 4 * 2 ** 20

/**
 * The PHC string, without what Django writes before it; `undefined` for what is no argon2, cannot be read, or asks for so
 * much that one sign-in would keep all others waiting.
 */
function bearableArgon2(hash: string): string | undefined {
  const phc = hash.startsWith('argon2$') ? hash.slice('argon2'.length) : hash
  if (!phc.startsWith('$argon2') || phc.length > 1024) return undefined
  try {
    const { memoryCost, timeCost, parallelism } = parseOptions(phc)
    const isBearable = memoryCost <= MOST_MEMORY && memoryCost * timeCost <= MOST_WORK && parallelism <= 64
    return isBearable ? phc : undefined
  } catch {
    return undefined
  }
}

async function neverRight(thread: PasswordThread): Promise<false> {
  await thread.verify('argon2', NOBODY, '')
  return false
}

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
