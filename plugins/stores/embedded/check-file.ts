import { spawnSync } from 'node:child_process'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { endianness } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/**
 * LMDB maps its file into memory and trusts it: a file that is not one, or was cut off, ends the process with a bus
 * error instead of a message. So the two first pages are read before it is opened.
 * @throws in words for the operator
 */
export async function checkFile(file: string): Promise<void> {
  let fault = faultOf(file)
  // What another process is creating at this moment looks so for an instant.
  for (let tries = 0; fault === incomplete && tries < 5; tries++) {
    await pause(20)
    fault = faultOf(file)
  }
  if (fault !== undefined) {
    throw new Error(
      `The store file ${file} is damaged: ${fault}. Put a backup in its place, or move it away to start empty.`,
    )
  }
}

const incomplete = 'its first pages are not complete'
const magic = 0xbeefc0de
const dataVersion = 2
/** The page header, and up to the number of the transaction in what follows: `MDB_page_header`, `MDB_meta` of lmdb 0.9.90. */
const at = { magic: 24, version: 28, pageSize: 48, root: 136, lastPage: 144, transaction: 152, end: 160 } as const

function faultOf(file: string): string | undefined {
  const descriptor = openForReading(file)
  if (descriptor === undefined) return undefined
  try {
    const found = fstatSync(descriptor)
    if (!found.isFile()) return 'it is not a file'
    if (found.size === 0) return undefined
    const first = readMeta(descriptor, 0)
    if (first?.magic !== magic) return 'it is not a data file of the store'
    if (first.version !== dataVersion) return `its format is version ${first.version}, not ${dataVersion}`
    const second = readMeta(descriptor, first.pageSize)
    if (second?.magic !== magic) return incomplete
    const { lastPage, root } = second.transaction > first.transaction ? second : first
    // Asked for again: other processes write pages first, and then the number of the last one.
    const { size } = fstatSync(descriptor)
    const complete = (lastPage + 1) * first.pageSize
    // Pages at the end that are free may be missing: reading everything tells them from lost ones.
    if (size < complete && !canBeRead(file)) return `it ends after ${size} of ${complete} bytes`
    // Every page begins with its own number, the root of the newest tree too, unless a busy writer has used it again.
    const isRoot = root > lastPage || readNumber(descriptor, root * first.pageSize) === root
    if (!isRoot && !canBeRead(file)) return 'its contents were overwritten'
    return undefined
  } finally {
    closeSync(descriptor)
  }
}

function openForReading(file: string): number | undefined {
  try {
    return openSync(file, 'r')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new Error(`The store file ${file} cannot be opened: ${error instanceof Error ? error.message : error}`)
  }
}

function readMeta(descriptor: number, position: number) {
  const page = Buffer.alloc(at.end)
  if (readSync(descriptor, page, 0, at.end, position) < at.end) return undefined
  const number = (offset: number) => numberAt(page, offset)
  return {
    magic: number(at.magic),
    version: number(at.version),
    pageSize: number(at.pageSize),
    root: number(at.root),
    lastPage: number(at.lastPage),
    transaction: number(at.transaction),
  }
}

function readNumber(descriptor: number, position: number): number | undefined {
  const bytes = Buffer.alloc(8)
  return readSync(descriptor, bytes, 0, 8, position) === 8 ? numberAt(bytes, 0) : undefined
}

/** LMDB writes numbers as the machine has them; the lower half is enough for files of 16 TB. */
function numberAt(bytes: Buffer, offset: number): number {
  return endianness() === 'LE' ? bytes.readUInt32LE(offset) : bytes.readUInt32BE(offset)
}

/** In another process, because a page that is missing ends the one that reads it. */
function canBeRead(file: string): boolean {
  const program = fileURLToPath(new URL('./read-through.js', import.meta.url))
  return spawnSync(process.execPath, [program, file], { stdio: 'ignore' }).status === 0
}
