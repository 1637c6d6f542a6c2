import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

/** What the first entry of a chain follows. */
export const GENESIS = Buffer.alloc(32).toString('base64url')

/** How entries are linked: by SHA-256, or by HMAC-SHA-256 where the operator keeps a key outside of the store. */
export interface ChainKey {
  /** Tells keys apart, and says nothing about them. */
  readonly id: string
  readonly secret: string
}

/** @param secret as the configuration has it */
export function chainKey(secret: string): ChainKey {
  return { id: createHash('sha256').update(`gatelodge audit key\n${secret}`).digest('hex').slice(0, 8), secret }
}

/**
 * The hash of an entry: over the one before, its number and its text, so that none of the three can be changed alone.
 * @returns base64url
 */
export function chainHashOf(key: ChainKey | undefined, previous: string, number: number, line: string): string {
  return digest(key, `${previous}\n${number}\n${line}`)
}

/** Over the record of the newest entry, so that without the key nobody makes the chain end earlier. */
export function sealOf(key: ChainKey, count: number, hash: string): string {
  return digest(key, `head\n${count}\n${hash}`)
}

export function isSameHash(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}

function digest(key: ChainKey | undefined, text: string): string {
  const hash = key === undefined ? createHash('sha256') : createHmac('sha256', key.secret)
  return hash.update(text).digest('base64url')
}
