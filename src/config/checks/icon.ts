import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { extname } from 'node:path'

/** Large enough for a picture of 512 pixels; every gateway process keeps them in memory. */
export const LARGEST_ICON = 128 * 1024

interface IconFile {
  readonly type: string
  readonly bytes: Buffer
}

export type ReadIcon = IconFile | { readonly problem: string }

/**
 * A picture that our own origin serves: its type is one that browsers show and never run, and its bytes are what the type
 * says. The attack: a page that is called `icon.svg`, or a file that is not meant for the web at all.
 * @param file an absolute path
 */
export function readIcon(file: string): ReadIcon {
  const kind = KINDS.get(extname(file).toLowerCase())
  if (kind === undefined) return { problem: 'is no picture that is known here' }
  const bytes = readUpTo(file, LARGEST_ICON)
  if (typeof bytes === 'string') return { problem: bytes }
  if (!kind.looksRight(bytes)) return { problem: `does not hold what its name says: ${kind.type}` }
  return { type: kind.type, bytes }
}

/** @throws for what `check` complains about: the file has changed since */
export function loadIcon(file: string): IconFile {
  const read = readIcon(file)
  if ('problem' in read) throw new Error(`the icon ${file} ${read.problem}: give ${acceptedIcon}`)
  return read
}

/** For messages. */
export const acceptedIcon = `an SVG, PNG, WebP or JPEG file of at most ${LARGEST_ICON / 1024} KiB`

function readUpTo(file: string, most: number): Buffer | string {
  let handle: number
  try {
    handle = openSync(file, 'r')
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    return isMissing ? 'names a file that does not exist' : 'names a file that cannot be read'
  }
  try {
    const { size } = fstatSync(handle)
    if (!fstatSync(handle).isFile()) return 'is not a file'
    if (size > most) return `is larger than ${most / 1024} KiB`
    const bytes = Buffer.alloc(size)
    return bytes.subarray(0, readSync(handle, bytes, 0, size, 0))
  } finally {
    closeSync(handle)
  }
}

const startsWith = (...starts: readonly Buffer[]) => {
  return (bytes: Buffer) => starts.some((start) => bytes.subarray(0, start.length).equals(start))
}

/** The root is `svg`: before it come only a declaration, comments and a document type. Read piece by piece, each looked at once. */
function isSvg(bytes: Buffer): boolean {
  let rest = bytes.subarray(0, 4096).toString('utf8').trimStart()
  while (!/^<svg[\s>]/.test(rest)) {
    const [, end] = PROLOG.find(([start]) => rest.startsWith(start)) ?? []
    const at = end === undefined ? -1 : rest.indexOf(end)
    if (end === undefined || at < 0) return false
    rest = rest.slice(at + end.length).trimStart()
  }
  return true
}

/** What may stand before the root, with what ends it. */
const PROLOG = [
  ['<?xml', '?>'],
  ['<!--', '-->'],
  ['<!DOCTYPE svg', '>'],
] as const

const KINDS = new Map([
  ['.svg', { type: 'image/svg+xml', looksRight: isSvg }],
  ['.png', { type: 'image/png', looksRight: startsWith(Buffer.from('89504e470d0a1a0a', 'hex')) }],
  ['.jpg', { type: 'image/jpeg', looksRight: startsWith(Buffer.from('ffd8ff', 'hex')) }],
  ['.jpeg', { type: 'image/jpeg', looksRight: startsWith(Buffer.from('ffd8ff', 'hex')) }],
  [
    '.webp',
    {
      type: 'image/webp',
      looksRight: (bytes: Buffer) =>
        bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WEBP',
    },
  ],
])
