import { hash as argon2Hash, verify as argon2Verify, type Options, parseOptions } from '@node-rs/argon2'
import type { Passwords } from '../contracts.js'
import { GatelodgeError } from '../errors.js'

/**
 * Password hashing with argon2id (RFC 9106, parameters of the OWASP password storage sheet), two at a time.
 *
 * Left alone, 32 hashes at once fill the thread pool that `dns` and `fs` use too, and every proxied request waits
 * behind them: so two run, 32 wait in order, and the next one is told to come back.
 */
export class PasswordPool implements Passwords {
  readonly #waiting: Array<() => void> = []
  #running = 0

  /** The PHC string to keep. */
  hash(password: string): Promise<string> {
    if (isTooLong(password)) throw new RangeError('A password this long cannot be hashed')
    return this.#inTurn(() => argon2Hash(prepared(password), COST))
  }

  verify(hash: string | undefined, password: string): Promise<boolean> {
    // A user without a hash and a password nobody can have still cost one hash: the time must tell nothing.
    const usable = hash?.startsWith('$argon2') && !isTooLong(password) ? hash : undefined
    return this.#inTurn(async () => {
      if (usable === undefined) return neverRight()
      // A hash that cannot be read fits no password, and must not be told by its time from one that can.
      return argon2Verify(usable, prepared(password)).catch(neverRight)
    })
  }

  isOutdated(hash: string): boolean {
    if (!hash.startsWith('$argon2id$')) return true
    const { memoryCost, timeCost, outputLen } = parseOptions(hash)
    return memoryCost < COST.memoryCost || timeCost < COST.timeCost || outputLen < COST.outputLen
  }

  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#running >= AT_ONCE) {
      if (this.#waiting.length >= QUEUE) throw new GatelodgeError('password.busy', { retryAfterSeconds: 2 })
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else {
      this.#running += 1
    }
    try {
      return await work()
    } finally {
      // The place is handed on rather than given up, so nobody who comes now can slip in before those who wait.
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }
}

/** Characters of a password at most; more would let one request buy more hashing than another. */
export const LONGEST_PASSWORD = 256

const AT_ONCE = 2
const QUEUE = 32
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1, outputLen: 32 } satisfies Options

/** The hash of 32 random bytes nobody kept, at today's cost: what unknown names are verified against. */
const NOBODY = '$argon2id$v=19$m=19456,t=2,p=1$/FEA3u3djm7H+G+JfjsLmg$24reDLu/SY0qYN83EcQEz2M2d2G/vAdcCEeyLLOQCtE'

async function neverRight(): Promise<false> {
  await argon2Verify(NOBODY, '')
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
