import { randomBytes } from 'node:crypto'
import { readSync } from 'node:fs'
import { openBytes, sealWith, TAG } from '../../secrets/aead.js'
import { KeyError } from '../../secrets/key-error.js'
import type { KeyRing } from '../../secrets/key-ring.js'
import type { MasterKey } from '../../secrets/master-key.js'

/**
 * A sealed file: one line of JSON in the clear, then pieces of 64 KiB, each sealed by itself, so that any size is written and
 * read with little memory. This is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár, "Online Authenticated-Encryption and its
 * Nonce-Reuse Misuse-Resistance", 2015) as age has it: the nonce is a counter of 11 bytes and a byte that is 1 for the last
 * piece alone, so that a piece that is missing, doubled or in another place is seen, and so is an end that is none. The key is
 * drawn for the file, by a salt in its heading; the heading belongs to every piece.
 */

const PIECE = 64 * 1024
const LONGEST_HEADING = 1024
export const SEALED_VERSION = 2

export interface SealedHeading {
  readonly format: string
  readonly version: typeof SEALED_VERSION
  /** UTC in ISO 8601. */
  readonly createdAt: string
  /** Of the master key. */
  readonly kid: string
  /** 32 bytes in base64url. */
  readonly salt: string
}

/** @param heading what anybody may read */
export async function* sealFile(
  text: AsyncIterable<string>,
  heading: Pick<SealedHeading, 'format' | 'createdAt'>,
  master: MasterKey,
): AsyncGenerator<Buffer, void, undefined> {
  const salt = randomBytes(32)
  const whole: SealedHeading = {
    ...heading,
    version: SEALED_VERSION,
    kid: master.kid,
    salt: salt.toString('base64url'),
  }
  const line = Buffer.from(`${JSON.stringify(whole)}\n`)
  const key = master.keyFor('backup', salt)
  yield line
  let at = 0
  let waiting: Buffer[] = []
  let length = 0
  for await (const part of text) {
    const bytes = Buffer.from(part)
    waiting.push(bytes)
    length += bytes.length
    // Of what is there something stays behind: only the end tells which piece is the last.
    if (length <= PIECE) continue
    const all = Buffer.concat(waiting)
    let from = 0
    for (; all.length - from > PIECE; from += PIECE) {
      yield sealWith(key, nonceOf(at++, false), all.subarray(from, from + PIECE), line)
    }
    waiting = [all.subarray(from)]
    length = all.length - from
  }
  yield sealWith(key, nonceOf(at, true), Buffer.concat(waiting), line)
}

/** The first line of a file, which is in the clear; `undefined` where it is too long to be one of ours. */
export function readHeading(descriptor: number): Buffer | undefined {
  const bytes = Buffer.alloc(LONGEST_HEADING)
  const length = readSync(descriptor, bytes, 0, LONGEST_HEADING, 0)
  const end = bytes.subarray(0, length).indexOf(10)
  return end === -1 ? undefined : bytes.subarray(0, end + 1)
}

/**
 * What was sealed, piece by piece: none is given out before it was found to be right.
 * @param line the heading as it stands in the file
 * @throws {@link KeyError} without the key, and what `damaged` makes where a piece is not as it was
 */
export function* openFile(
  descriptor: number,
  {
    line,
    heading,
    ring,
  }: { readonly line: Buffer; readonly heading: SealedHeading; readonly ring: KeyRing | undefined },
  damaged: () => Error,
): Generator<Buffer> {
  const master = ring?.find(heading.kid)
  if (master === undefined) throw withoutKey(heading)
  const key = master.keyFor('backup', Buffer.from(heading.salt, 'base64url'))
  let position = line.length
  const read = () => {
    const bytes = Buffer.alloc(PIECE + TAG)
    let length = 0
    for (;;) {
      const more = readSync(descriptor, bytes, length, bytes.length - length, position)
      length += more
      position += more
      if (more === 0 || length === bytes.length) return bytes.subarray(0, length)
    }
  }
  let piece = read()
  for (let at = 0; ; at += 1) {
    const next = read()
    const isLast = next.length === 0
    const plain = openBytes(key, nonceOf(at, isLast), piece, line)
    if (plain === undefined) throw damaged()
    yield plain
    if (isLast) return
    piece = next
  }
}

function withoutKey({ kid, createdAt }: SealedHeading): KeyError {
  return new KeyError(
    'secrets.key-missing',
    `This backup of ${createdAt} was sealed with the key ${kid}, which is not here. Nothing was done: ` +
      'say --key FILE with the key file of the gateway that made it, or name the key under secrets.oldKeys.',
  )
}

function nonceOf(at: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUIntBE(at, 5, 6)
  nonce[11] = isLast ? 1 : 0
  return nonce
}
