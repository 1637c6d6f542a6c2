import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { KeyError } from './key-error.js'
import { MasterKey } from './master-key.js'

/** What a key file says at its head, to whoever finds it. */
const HEAD = `# Gatelodge: opens what is sealed in the store and in its backups. Keep a copy, and not beside them.
`

/**
 * Writes a new key file for this user alone.
 * @returns false where a file is there already, which stays as it is
 */
export function makeKeyFile(file: string, keys: readonly MasterKey[]): boolean {
  const part = write(file, keys)
  try {
    // Whole or not at all, and of several processes one makes it.
    linkSync(part, file)
    return true
  } catch (cause) {
    if (isCode(cause, 'EEXIST')) return false
    throw new KeyError('secrets.key-file', `${file} could not be written: ${codeOf(cause)}.`)
  } finally {
    rmSync(part, { force: true })
  }
}

/** The key that seals in a file, which is made where it is not there. @throws {@link KeyError} */
export function keysFromFileOrNew(file: string): MasterKey {
  makeKeyFile(file, [MasterKey.draw()])
  const [first] = readKeyFile(file) ?? []
  if (first === undefined) throw new KeyError('secrets.key-file', `${file} was removed while it was being read.`)
  return first
}

/** Puts other keys into a key file, in one step. */
export function replaceKeyFile(file: string, keys: readonly MasterKey[]): void {
  const part = write(file, keys)
  try {
    renameSync(part, file)
  } catch (cause) {
    rmSync(part, { force: true })
    throw new KeyError('secrets.key-file', `${file} could not be written: ${codeOf(cause)}.`)
  }
}

/** The keys of a file, the one that seals first; `undefined` where there is no such file. @throws {@link KeyError} */
export function readKeyFile(file: string): readonly MasterKey[] | undefined {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    if (isCode(cause, 'ENOENT')) return undefined
    throw new KeyError('secrets.key-file', `${file} could not be read: ${codeOf(cause)}.`)
  }
  const read = MasterKey.read(text)
  if ('fault' in read) throw new KeyError('secrets.key-malformed', `${file} ${read.fault}. Put the right one there.`)
  return read.keys
}

/** Changes when the file does; `undefined` where it is not there. */
export function stampOf(file: string): string | undefined {
  const stat = statSync(file, { throwIfNoEntry: false })
  return stat && `${stat.ino} ${stat.mtimeMs} ${stat.size}`
}

/** Beside its place, on the same file system. */
function write(file: string, keys: readonly MasterKey[]): string {
  const part = `${file}.${randomBytes(6).toString('hex')}`
  try {
    const descriptor = openSync(part, 'wx', 0o600)
    try {
      const lines = keys.map(({ text, kid }, at) => `${text}  # ${kid}${at === 0 ? '' : ', from before'}\n`)
      writeSync(descriptor, HEAD + lines.join(''))
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    return part
  } catch (cause) {
    const todo = 'Let it be made there, or name a key: secrets: { key: "${file:…}" }.'
    throw new KeyError('secrets.key-file', `The key file ${file} could not be written: ${codeOf(cause)}. ${todo}`)
  }
}

function isCode(cause: unknown, code: string): boolean {
  return codeOf(cause) === code
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'it failed'
}
