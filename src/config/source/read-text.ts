import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const mostBytes = 1_048_576

/** The text of a file, or a sentence of why there is none. */
export function readText(file: string): { readonly text: string } | { readonly message: string } {
  try {
    // Opened first and looked at afterwards, so that what is measured is what is read.
    const descriptor = openSync(file, 'r')
    try {
      return readOpen(descriptor)
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (code === 'ENOENT')
      return { message: 'the file does not exist: gatelodge init writes one, --config names another' }
    if (code === 'EACCES') return { message: 'the file may not be read by this user' }
    return { message: `the file cannot be read${code === '' ? '' : ` (${code})`}` }
  }
}

function readOpen(descriptor: number): { readonly text: string } | { readonly message: string } {
  if (fstatSync(descriptor).isDirectory()) return { message: 'this is a directory, not a file' }
  const bytes = Buffer.alloc(mostBytes + 1)
  let length = 0
  for (;;) {
    const read = readSync(descriptor, bytes, length, bytes.length - length, null)
    length += read
    if (read === 0 || length === bytes.length) break
  }
  if (length > mostBytes) return { message: 'the file is larger than 1 MiB' }
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length)) }
  } catch {
    return { message: 'the file is not UTF-8 text' }
  }
}
