import { scryptSync } from 'node:crypto'
import { type ForeignHash, isSame } from './foreign-hash.js'

/** Bytes one hash may fill, and bytes it may touch in all: a quarter of a gigabyte, and about two seconds. */
const MOST_MEMORY = 256 * 2 ** 20
const MOST_WORK = 2 ** 30

const phc = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/.]{0,128})\$([A-Za-z0-9+/.]{22,128})$/
const django = /^scrypt\$(\d{1,9})\$([^$]{1,128})\$(\d{1,3})\$(\d{1,3})\$([A-Za-z0-9+/]{22,128}={0,2})$/
const werkzeug = /^scrypt:(\d{1,9}):(\d{1,3}):(\d{1,3})\$([^$]{1,128})\$([0-9a-f]{32,256})$/

interface Parameters {
  readonly N: number
  readonly r: number
  readonly p: number
  readonly salt: Buffer
  readonly key: Buffer
}

/** scrypt (RFC 7914) as PHC strings (passlib), Django and Werkzeug (Flask) write it down. */
export function readScrypt(hash: string): ForeignHash | undefined {
  const found = parametersOf(hash)
  if (found === undefined) return undefined
  const { N, r, p, salt, key } = found
  const memory = 128 * N * r
  if (key.length !== 32 && key.length !== 64) return undefined
  if (N < 2 || !Number.isInteger(Math.log2(N)) || r < 1 || p < 1) return undefined
  if (memory > MOST_MEMORY || memory * p > MOST_WORK) return undefined
  // Node counts a little more than the formula.
  const maxmem = 2 * memory + 128 * r * p + 2 ** 20
  return {
    kind: 'scrypt',
    verify: (password) => isSame(key, scryptSync(password, salt, key.length, { N, r, p, maxmem })),
  }
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
