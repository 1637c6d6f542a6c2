import type { CanonicalTarget } from './canonical-target.js'
import { foldCase } from './path-pattern.js'
import { readings } from './path-readings.js'

/** Where a target lies: among our own pages, in a spelling of them that we do not take, or at an application. */
export type TargetPlace = 'own' | 'alias' | 'elsewhere'

/**
 * The path our own pages are under, in the one spelling that is ours.
 *
 * A proxy in front and we have to agree on what lies under it: `/%2egatelodge` or `/.GATELODGE`, taken for an application's
 * path by one and for ours by the other, is judged by nobody. So every other spelling is refused, whoever asks.
 */
export class OwnPrefix {
  readonly #prefix: string
  readonly #folded: string
  readonly #second: number

  /** @param prefix as in `/.gatelodge`: without a slash at the end */
  constructor(prefix: string) {
    this.#prefix = prefix
    this.#folded = foldCase(prefix)
    this.#second = prefix.charCodeAt(1) | caseBit
  }

  placeOf(target: CanonicalTarget): TargetPlace {
    const { forward, path, ways } = target
    // What can be read in several ways is none of ours in any of them.
    if (ways !== undefined) return ways.some((way) => this.#isUnderInAnyCase(way)) ? 'alias' : 'elsewhere'
    const second = path.charCodeAt(1)
    // Nearly every request ends here: no reading of ASCII text begins with another letter.
    if ((second | caseBit) !== this.#second && second < 0x80) return 'elsewhere'
    const raw = forward.slice(0, forward.length - target.query.length)
    if (liesUnder(raw, this.#prefix)) return hasPlainName(raw, this.#prefix.length + 1) ? 'own' : 'alias'
    return readings(path).some((way) => this.#isUnderInAnyCase(way)) ? 'alias' : 'elsewhere'
  }

  #isUnderInAnyCase(way: string): boolean {
    return liesUnder(foldCase(way), this.#folded)
  }
}

/** Between upper and lower case of a letter in ASCII. */
const caseBit = 0x20

/** The name of one of our pages needs no escape: `forward%2Dauth` is for proxies that look for `forward-auth`. */
function hasPlainName(raw: string, from: number): boolean {
  const end = raw.indexOf('/', from)
  return !/[%;]/.test(end === -1 ? raw.slice(from) : raw.slice(from, end))
}

function liesUnder(path: string, prefix: string): boolean {
  return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/')
}
