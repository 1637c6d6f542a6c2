import { scryptSync } from 'node:crypto'
import { type ForeignHash, isSame } from './foreign-hash.js'

/** Bytes one hash may fill, and bytes it may touch in all: a quarter of a gigabyte, and about two seconds. */
const MOST_MEMORY = 256 * 2 ** 20
const MOST_WORK = 2 ** 30

const phc = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/.]{0,128})\$([A-Za-z0-9+/.]{22,128})$/
const django = /^scrypt\$(\d{1,9})\$([^$]{1,128})\$(\d{1,3})\$(\d{1,3})\$([A-Za-z0-9+/]{22,128}={0,2})$/
const werkzeug = /^scrypt:(\d{1,9}):(\d{1,3}):(\d{1,3})\$([^$]{1,128})\$([0-9a-f]{32,256})$/

interface Costs {
  readonly N: number
  readonly r: number
  readonly p: number
}

interface Parameters extends Costs {
  readonly salt: Buffer
  readonly key: Buffer
}

/** scrypt (RFC 7914) as PHC strings (passlib), Django and Werkzeug (Flask) write it down. */
export function readScrypt(hash: string): ForeignHash | undefined {
  const found = parametersOf(hash)
  if (found === undefined) return undefined
  const { N, r, p, salt, key } = found
  if (key.length !== 32 && key.length !== 64) return undefined
  if (!isBearable(found)) return undefined
  return {
    kind: 'scrypt',
    cost: { family: `scrypt/${N}/${r}/${p}`, work: 1 },
    verify: (password) => isSame(key, stretch(password, salt, key.length, found)),
  }
}

/** @param parameters as the name of the family has them: N, r and p */
export function spendScrypt(parameters: readonly number[], password: Buffer): void {
  const [N = 0, r = 0, p = 0] = parameters
  if (isBearable({ N, r, p })) stretch(password, Buffer.from('lodgelodge'), 64, { N, r, p })
}

function isBearable({ N, r, p }: Costs): boolean {
  if (!(N >= 2) || !Number.isInteger(Math.log2(N)) || !(r >= 1) || !(p >= 1)) return false
  return 128 * N * r <= MOST_MEMORY && 128 * N * r * p <= MOST_WORK
}

function stretch(password: Buffer, salt: Buffer, length: number, { N, r, p }: Costs): Buffer {
  // Node counts a little more than the formula.
  return scryptSync(password, salt, length, { N, r, p, maxmem: 256 * N * r + 128 * r * p + 2 ** 20 })
}

function parametersOf(hash: string): Parameters | undefined {
  const [inPhc, ln, r1, p1, salt1 = '', key1 = ''] = phc.exec(hash) ?? []
  if (inPhc !== undefined) {
    const [salt, key] = [salt1, key1].map((text) => Buffer.from(text.replaceAll('.', '+'), 'base64'))
    return salt && key && { N: 2 ** Number(ln), r: Number(r1), p: Number(p1), salt, key }
  }
  const [inDjango, n2, salt2 = '', r2, p2, key2 = ''] = django.exec(hash) ?? []
  if (inDjango !== undefined) {
    const key = Buffer.from(key2, 'base64')
    return { N: Number(n2), r: Number(r2), p: Number(p2), salt: Buffer.from(salt2), key }
  }
  const [inWerkzeug, n3, r3, p3, salt3 = '', key3 = ''] = werkzeug.exec(hash) ?? []
  if (inWerkzeug === undefined) return undefined
  return { N: Number(n3), r: Number(r3), p: Number(p3), salt: Buffer.from(salt3), key: Buffer.from(key3, 'hex') }
}
