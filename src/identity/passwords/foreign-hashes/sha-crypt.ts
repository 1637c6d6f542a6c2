import { createHash } from 'node:crypto'
import { cryptDigits, type ForeignHash, isSame } from './foreign-hash.js'

/** 656,000 is what passlib and Ansible ask for; about three seconds of one processor. */
const MOST_ROUNDS = 1_000_000

const form = /^\$([56])\$(?:rounds=(\d{1,9})\$)?([^$:]{0,16})\$([./A-Za-z0-9]{43}|[./A-Za-z0-9]{86})$/

/** Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512" (version 0.6): `$5$` and `$6$`. */
export function readShaCrypt(hash: string): ForeignHash | undefined {
  const [, which, asked, salt = '', digest = ''] = form.exec(hash) ?? []
  const algorithm = which === '5' ? 'sha256' : 'sha512'
  const rounds = asked === undefined ? 5000 : Math.max(1000, Number(asked))
  if (digest.length !== (which === '5' ? 43 : 86) || rounds > MOST_ROUNDS) return undefined
  return {
    kind: `${algorithm}-crypt`,
    cost: { family: `${algorithm}-crypt`, work: rounds },
    verify: (password) =>
      isSame(Buffer.from(digest), Buffer.from(shaCrypt(algorithm, password, Buffer.from(salt), rounds))),
  }
}

type Algorithm = 'sha256' | 'sha512'

/**
 * @param work rounds
 * @param isRest only the rounds, without what a hash does before them, which grows with the length of the password
 */
export function spendShaCrypt(algorithm: Algorithm, work: number, password: Buffer, isRest: boolean): void {
  const rounds = Math.min(work, MOST_ROUNDS)
  if (!isRest) shaCrypt(algorithm, password, NOBODYS_SALT, rounds)
  else turned(algorithm, { c: NOBODYS_SALT, p: stretched(NOBODYS_SALT, password.length), s: NOBODYS_SALT }, rounds)
}

const NOBODYS_SALT = Buffer.from('lodgelodgelodgel')

function shaCrypt(algorithm: Algorithm, password: Buffer, salt: Buffer, rounds: number): string {
  const digestOf = (...parts: readonly Uint8Array[]): Buffer => {
    const digest = createHash(algorithm)
    for (const part of parts) digest.update(part)
    return digest.digest()
  }
  const b = digestOf(password, salt, password)
  const parts: Uint8Array[] = [password, salt, stretched(b, password.length)]
  for (let bits = password.length; bits > 0; bits >>>= 1) parts.push(bits & 1 ? b : password)
  const a = digestOf(...parts)
  const p = stretched(digestOf(...Array<Buffer>(password.length).fill(password)), password.length)
  const s = stretched(digestOf(...Array<Buffer>(16 + (a[0] ?? 0)).fill(salt)), salt.length)
  const c = turned(algorithm, { c: a, p, s }, rounds)
  return algorithm === 'sha256' ? spelled256(c) : spelled512(c)
}

interface Turned {
  readonly c: Buffer
  readonly p: Buffer
  readonly s: Buffer
}

function turned(algorithm: Algorithm, { c: start, p, s }: Turned, rounds: number): Buffer {
  let c = start
  for (let round = 0; round < rounds; round += 1) {
    const digest = createHash(algorithm).update(round & 1 ? p : c)
    if (round % 3 !== 0) digest.update(s)
    if (round % 7 !== 0) digest.update(p)
    c = digest.update(round & 1 ? c : p).digest()
  }
  return c
}

/** The digest over and over, to this length. */
function stretched(digest: Buffer, length: number): Buffer {
  return Buffer.alloc(length, digest)
}

/** The order of bytes in which the specification writes them down. */
function spelled256(c: Buffer): string {
  let text = ''
  for (let n = 0; n < 10; n += 1) {
    const [high = 0, middle = 0, low = 0] = rotated([n, n + 10, n + 20], n, 1)
    text += cryptDigits(number(c, high, middle, low), 4)
  }
  return text + cryptDigits(((c[31] ?? 0) << 8) | (c[30] ?? 0), 3)
}

function spelled512(c: Buffer): string {
  let text = ''
  for (let n = 0; n < 21; n += 1) {
    const [high = 0, middle = 0, low = 0] = rotated([n, n + 21, n + 42], n, 2)
    text += cryptDigits(number(c, high, middle, low), 4)
  }
  return text + cryptDigits(c[63] ?? 0, 2)
}

function number(c: Buffer, high: number, middle: number, low: number): number {
  return ((c[high] ?? 0) << 16) | ((c[middle] ?? 0) << 8) | (c[low] ?? 0)
}

/** Each line of the table starts one column further: to the right in SHA-512, to the left in SHA-256. */
function rotated(indexes: readonly number[], line: number, step: 1 | 2): number[] {
  const shift = step === 1 ? (3 - (line % 3)) % 3 : line % 3
  return [...indexes.slice(shift), ...indexes.slice(0, shift)]
}
