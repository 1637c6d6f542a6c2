import { timingSafeEqual } from 'node:crypto'
import type { HashCost } from '../../../contracts.js'

/** A hash another system made, read and found to ask for no more work than is borne. */
export interface ForeignHash {
  /** What people call the format, as in `bcrypt`. */
  readonly kind: string
  /** What verifying costs; left out where it takes microseconds. */
  readonly cost?: HashCost
  /** Blocks the thread for as long as the hash is slow: called in a thread of its own. */
  verify(password: Buffer): boolean | Promise<boolean>
}

/** Reads one format; `undefined` for what it does not know, or what asks for absurd amounts of work. */
export type ReadForeignHash = (hash: string) => ForeignHash | undefined

export function isSame(kept: Buffer, computed: Buffer): boolean {
  return kept.length > 0 && kept.length === computed.length && timingSafeEqual(kept, computed)
}

/** The alphabet of crypt(3), in which `.` is 0. */
export const CRYPT_ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** The lowest six bits first, as crypt(3) writes numbers. */
export function cryptDigits(value: number, count: number): string {
  let text = ''
  for (let rest = value; text.length < count; rest >>>= 6) text += CRYPT_ALPHABET[rest & 63]
  return text
}
