import { parseOptions } from '@node-rs/argon2'
import type { HashCost, HashCosts } from '../../contracts.js'
import { argon2Cost } from './argon2-cost.js'
import { readForeignHash } from './foreign-hashes/read-foreign-hash.js'

/** One piece of the work of a verification. Of a list of them the first may be `right`, and the others are for nobody. */
export type HashWork =
  | { readonly kind: 'argon2' | 'foreign'; readonly hash: string; readonly cost?: HashCost | undefined }
  | { readonly kind: 'spend'; readonly family: string; readonly work: number; readonly isRest: boolean }

/**
 * All that is computed for one password. Whoever is named, and whether there is such a user, it is the same work: a hash of
 * ours, and of every family in use as much as the dearest of it asks for. A user whose hash asks for less gets the rest on top,
 * one whose hash is of another family all of it.
 * @param hash `undefined`: there is none, or it must not be looked at
 */
export function workOf(hash: string | undefined, inUse: HashCosts = {}): readonly HashWork[] {
  const real = hash === undefined ? undefined : readHash(hash)
  const own = real?.kind === 'argon2' && real.cost === undefined ? [] : [NOBODYS]
  const left = Object.entries(inUse).flatMap(([family, most]): HashWork[] => {
    const done = real?.cost?.family === family ? real.cost.work : 0
    return most > done ? [spending(family, most - done, done > 0)] : []
  })
  return [...(real === undefined ? [] : [real]), ...own, ...left]
}

/** What verifying costs beside a hash of ours. */
export function costOf(hash: string): HashCost | undefined {
  return readHash(hash)?.cost
}

export function isReadable(hash: string): boolean {
  return readHash(hash) !== undefined
}

/** The hash of 32 random bytes nobody kept, at today's cost: what unknown names are verified against. */
const NOBODYS = {
  kind: 'argon2',
  hash: '$argon2id$v=19$m=19456,t=2,p=1$/FEA3u3djm7H+G+JfjsLmg$24reDLu/SY0qYN83EcQEz2M2d2G/vAdcCEeyLLOQCtE',
} as const

const NOBODYS_SALT_AND_KEY = NOBODYS.hash.split('$').slice(-2).join('$')

/** Of hashes other systems made: a quarter of a gigabyte, and about a second. */
const MOST_MEMORY = 262_144
const MOST_WORK = 4 * 2 ** 20
const LONGEST_PHC = 1024

function readHash(hash: string): Extract<HashWork, { hash: string }> | undefined {
  const argon2 = readArgon2(hash)
  if (argon2 !== undefined) return argon2
  const foreign = readForeignHash(hash)
  return foreign && { kind: 'foreign', hash, cost: foreign.cost }
}

/**
 * The PHC string, without what Django writes before it; `undefined` for what is no argon2, cannot be read, or asks for so
 * much that one sign-in would keep all others waiting.
 */
function readArgon2(hash: string): Extract<HashWork, { hash: string }> | undefined {
  const phc = hash.startsWith('argon2$') ? hash.slice('argon2'.length) : hash
  const [, variant] = /^\$(argon2(?:id|i|d))\$/.exec(phc) ?? []
  if (variant === undefined || phc.length > LONGEST_PHC) return undefined
  try {
    const { memoryCost, timeCost, parallelism } = parseOptions(phc)
    const isBearable = memoryCost <= MOST_MEMORY && memoryCost * timeCost <= MOST_WORK && parallelism <= 64
    if (!isBearable) return undefined
    const family = [variant, memoryCost, timeCost, parallelism].join('/')
    return { kind: 'argon2', hash: phc, cost: family === OWN_FAMILY ? undefined : { family, work: 1 } }
  } catch {
    return undefined
  }
}

const OWN_FAMILY = ['argon2id', argon2Cost.memoryCost, argon2Cost.timeCost, argon2Cost.parallelism].join('/')

function spending(family: string, work: number, isRest: boolean): HashWork {
  const [, variant, m, t, p] = /^(argon2(?:id|i|d))\/(\d+)\/(\d+)\/(\d+)$/.exec(family) ?? []
  if (variant === undefined) return { kind: 'spend', family, work, isRest }
  // Read as any other, so that what stands in a store asks for no more than is borne.
  return readArgon2(`$${variant}$v=19$m=${m},t=${t},p=${p}$${NOBODYS_SALT_AND_KEY}`) ?? NOBODYS
}
