import { type FileHandle, mkdir, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { definePlugin } from '../../src/contracts.js'
import { filePath } from '../../src/plugin-kit.js'

const options = z.strictObject({
  path: filePath().describe('The file. It is made, for its owner alone, where it is not there.'),
})

/**
 * A file with one line of JSON for each entry, at its end. Each machine has one with every entry of the installation.
 * A file that was renamed or removed, as `logrotate` does, is noticed before the next entry, and a new one begun: no
 * signal is needed.
 */
export default definePlugin({
  kind: 'audit-outs',
  options,
  create({ path }) {
    let file: FileHandle | undefined
    return {
      name: `json-lines ${path}`,
      perMachine: true,
      async deliver(entries) {
        if (file !== undefined && !(await isStill(file, path))) {
          await file.close()
          file = undefined
        }
        file ??= await openFile(path)
        await file.appendFile(await withoutTornLine(file, entries.map(({ text }) => `${text}\n`).join('')))
        await file.datasync()
      },
      async close() {
        await file?.close()
        file = undefined
      },
    }
  },
})

async function openFile(path: string): Promise<FileHandle> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  return open(path, 'a+', 0o600)
}

async function isStill(file: FileHandle, path: string): Promise<boolean> {
  const [there, ours] = await Promise.all([stat(path).catch(() => undefined), file.stat()])
  return there !== undefined && there.ino === ours.ino && there.dev === ours.dev
}

/** A line that a full disk or a crash cut off ends here: the next entry is not glued to it. */
async function withoutTornLine(file: FileHandle, text: string): Promise<string> {
  const { size } = await file.stat()
  if (size === 0) return text
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
  return buffer[0] === 0x0a ? text : `\n${text}`
}
