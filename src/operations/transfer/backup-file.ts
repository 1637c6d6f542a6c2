import { createHash, type Hash } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type { StoredEntry } from '../../contracts.js'
import type { KeyRing } from '../../secrets/key-ring.js'
import type { MasterKey } from '../../secrets/master-key.js'
import { openFile, readHeading, SEALED_VERSION, type SealedHeading, sealFile } from './sealed-file.js'

/**
 * A backup is text, one JSON value a line: a heading, an entry each, and a last line with their number and the SHA-256 of
 * everything before it. It holds what the store holds, users and hashes of passwords among it, so all of that is sealed; files
 * of versions that did not are still read. Either way one that was cut off or changed is told from a whole one before
 * anything is touched.
 */

const FORMAT = 'gatelodge-backup'
const VERSION = 1

/** What the heading of a backup says. */
export interface BackupHeading {
  /** UTC in ISO 8601. */
  readonly createdAt: string
  /** `undefined`: whoever has the file can read it. */
  readonly kid?: string
}

/** A backup as it is handed out: {@link backupText}, sealed. */
export function sealedBackup(
  entries: AsyncIterable<StoredEntry>,
  createdAt: string,
  master: MasterKey,
): AsyncGenerator<Buffer, void, undefined> {
  return sealFile(backupText(entries, createdAt), { format: FORMAT, createdAt }, master)
}

/** The text of a backup, line by line. @param createdAt UTC in ISO 8601 */
export async function* backupText(
  entries: AsyncIterable<StoredEntry>,
  createdAt: string,
): AsyncGenerator<string, void, undefined> {
  const hash = createHash('sha256')
  const lineOf = (line: object) => {
    const text = `${JSON.stringify(line)}\n`
    hash.update(text)
    return text
  }
  yield lineOf({ format: FORMAT, version: VERSION, createdAt })
  let count = 0
  for await (const { key, value, expiresAt } of entries) {
    yield lineOf(expiresAt === undefined ? { key, value } : { key, value, expiresAt })
    count++
  }
  yield `${JSON.stringify({ entries: count, sha256: hash.digest('hex') })}\n`
}

/**
 * Writes a backup beside its place and puts it there when it is whole.
 * @param content as {@link sealedBackup} gives it
 * @throws where something stands in that place
 */
export async function writeBackup(file: string, content: AsyncIterable<string | Buffer>): Promise<void> {
  const part = `${file}.part`
  // Made by this call or not at all: nobody's file is overwritten, no link is followed.
  closeSync(create(file))
  let descriptor: number | undefined
  try {
    rmSync(part, { force: true })
    descriptor = create(part)
    for await (const bytes of content) writeFileSync(descriptor, bytes)
    fsyncSync(descriptor)
    closeSync(descriptor)
    descriptor = undefined
    renameSync(part, file)
  } catch (fault) {
    if (descriptor !== undefined) closeSync(descriptor)
    rmSync(part, { force: true })
    rmSync(file, { force: true })
    throw fault
  }
}

/**
 * Reads a backup through to its end.
 * @param ring has the key, where it is sealed
 * @param onEntry sees each entry
 * @returns what its heading says, and how many entries it has
 * @throws unless every line, the number of entries and the hash are right; `KeyError` without the key
 */
export function checkBackup(
  file: string,
  ring?: KeyRing,
  onEntry: (entry: StoredEntry) => void = () => {},
): BackupHeading & { readonly entries: number } {
  const hash = createHash('sha256')
  let heading: BackupHeading | undefined
  let entries = 0
  let closed = false
  const { kid, lines } = open(file, ring)
  for (const line of lines) {
    if (closed) throw damaged()
    if (heading === undefined) heading = headingOf(line)
    else if (isClosing(line)) closed = fits(line, entries, hash)
    else {
      onEntry(entryOf(line))
      entries++
    }
    if (!closed) hash.update(`${line}\n`)
  }
  if (heading === undefined || !closed) throw damaged()
  return { ...heading, ...(kid === undefined ? {} : { kid }), entries }
}

/** The entries of a backup that was checked, read as they are asked for: any number of them needs little memory. */
export function* entriesOf(file: string, ring?: KeyRing): Generator<StoredEntry> {
  let isFirst = true
  for (const line of open(file, ring).lines) {
    if (!isFirst && !isClosing(line)) yield entryOf(line)
    isFirst = false
  }
}

function create(file: string): number {
  try {
    return openSync(file, 'wx', 0o600)
  } catch (cause) {
    const exists = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST'
    throw exists ? new Error(`There is a file ${file} already, and no backup takes the place of another.`) : cause
  }
}

function headingOf(line: string): BackupHeading {
  const { format, version, createdAt } = parse(line)
  if (format !== FORMAT || version !== VERSION || typeof createdAt !== 'string') {
    throw damaged()
  }
  return { createdAt }
}

/** No key stands before a colon that is not in quotes, so a line that begins so is no entry. */
function isClosing(line: string): boolean {
  return line.startsWith('{"entries":')
}

function fits(line: string, entries: number, hash: Hash): true {
  const closing = parse(line)
  if (closing['entries'] !== entries || closing['sha256'] !== hash.digest('hex')) {
    throw damaged()
  }
  return true
}

function entryOf(line: string): StoredEntry {
  const entry = parse(line)
  const { key, value, expiresAt } = entry
  const isEntry =
    typeof key === 'string' && value !== undefined && (expiresAt === undefined || Number.isFinite(expiresAt))
  if (!isEntry) throw damaged()
  return entry as unknown as StoredEntry
}

function parse(line: string): { readonly [key: string]: unknown } {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null) return value as { readonly [key: string]: unknown }
  } catch {
    // Said below, as of every other line that is not one of ours.
  }
  throw damaged()
}

function damaged(): Error {
  return new Error('This is not a whole backup: it was cut off, changed, or made by something else. Nothing was done.')
}

const CHUNK = 256 * 1024

/** What is sealed by its heading, and what lies in the clear as it is. */
function open(
  file: string,
  ring: KeyRing | undefined,
): { readonly kid: string | undefined; readonly lines: Generator<string> } {
  const descriptor = openSync(file, 'r')
  let sealed: { readonly line: Buffer; readonly heading: SealedHeading } | undefined
  try {
    const line = readHeading(descriptor)
    const { format, version, createdAt, kid, salt } = line === undefined ? {} : parse(line.toString('utf8'))
    const isSealed = format === FORMAT && version === SEALED_VERSION
    const texts = [createdAt, kid, salt].every((text) => typeof text === 'string')
    if (line !== undefined && isSealed && texts) {
      sealed = { line, heading: { format, version, createdAt, kid, salt } as SealedHeading }
    }
  } catch (fault) {
    closeSync(descriptor)
    throw fault
  }
  const parts = sealed === undefined ? clearParts(descriptor) : openFile(descriptor, { ...sealed, ring }, damaged)
  return { kid: sealed?.heading.kid, lines: linesOf(descriptor, parts) }
}

function* clearParts(descriptor: number): Generator<Buffer> {
  const chunk = Buffer.alloc(CHUNK)
  for (let at = 0; ; ) {
    const length = readSync(descriptor, chunk, 0, CHUNK, at)
    if (length === 0) return
    at += length
    yield chunk.subarray(0, length)
  }
}

/** Read synchronously, so that a store can take all of it in one step. The last line counts only with its end. */
function* linesOf(descriptor: number, parts: Iterable<Buffer>): Generator<string> {
  try {
    let rest = Buffer.alloc(0)
    for (const part of parts) {
      const bytes = Buffer.concat([rest, part])
      let from = 0
      for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, from)) {
        yield bytes.toString('utf8', from, end)
        from = end + 1
      }
      rest = bytes.subarray(from)
    }
    if (rest.length > 0) throw damaged()
  } finally {
    closeSync(descriptor)
  }
}
