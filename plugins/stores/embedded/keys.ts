/** Longest key in UTF-8 bytes: LMDB takes 1,978, and the expiry index puts 8 before each. */
export const longestKeyBytes = 1970

/** @throws when the key is empty, too long, or has no exact UTF-8 form (half a surrogate pair would collide with another half) */
export function checkKey(key: string): void {
  if (key.length === 0) throw new Error('A key of the store must not be empty.')
  // UTF-8 takes at most three bytes for one UTF-16 unit, so short keys need no counting.
  if (key.length * 3 > longestKeyBytes && Buffer.byteLength(key) > longestKeyBytes) {
    throw new Error(`A key of the store may have ${longestKeyBytes} bytes; this one has ${Buffer.byteLength(key)}.`)
  }
  if (/\p{Surrogate}/u.test(key)) throw new Error('A key of the store must be well-formed Unicode.')
}

/** Bytes that LMDB compares as they are: UTF-8, so the order of keys is the order of code points. */
export const utf8Keys = {
  writeKey(key: string, target: Buffer, start: number): number {
    const end = start + key.length
    for (let at = start; at < end; at++) {
      const unit = key.charCodeAt(at - start)
      if (unit > 0x7f) return start + target.write(key, start, 'utf8')
      target[at] = unit
    }
    return end
  },
  readKey: (source: Buffer, start: number, end: number): string => source.toString('utf8', start, end),
}

/** When, then which: positive doubles in big-endian order sort as numbers do. */
export type ExpiryKey = [expiresAt: number, key: string]

export const expiryKeys = {
  writeKey([expiresAt, key]: ExpiryKey, target: Buffer, start: number): number {
    return utf8Keys.writeKey(key, target, target.writeDoubleBE(expiresAt, start))
  },
  readKey: (source: Buffer, start: number, end: number): ExpiryKey => [
    source.readDoubleBE(start),
    source.toString('utf8', start + 8, end),
  ],
}
