import { Worker } from 'node:worker_threads'
import type { Format } from './formats.js'
import type { UsersFile } from './read-users.js'

/** Longer than a megabyte of any format takes on a busy machine. */
const LONGEST_MS = 30_000
const MOST_MEMORY_MB = 256

/**
 * Reads a file of users in a thread of its own: a megabyte of YAML takes seconds, and nothing is proxied meanwhile in the
 * main thread.
 * @returns `undefined` when it takes too long or too much memory
 */
export function readOffLoop(format: Format, text: string): Promise<UsersFile | undefined> {
  const worker = new Worker(new URL('./read-thread.js', import.meta.url), {
    workerData: { format, text },
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: MOST_MEMORY_MB },
  })
  return new Promise((resolve) => {
    const timer = setTimeout(() => void worker.terminate(), LONGEST_MS)
    worker.once('message', resolve)
    // Its words might repeat a line: what is known is that it could not be read.
    worker.once('error', () => resolve(undefined))
    worker.once('exit', () => {
      clearTimeout(timer)
      resolve(undefined)
    })
  })
}
