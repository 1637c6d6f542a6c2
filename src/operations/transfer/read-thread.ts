import { parentPort, workerData } from 'node:worker_threads'
import type { Format } from './formats.js'
import { readUsers } from './read-users.js'

/** What runs in the thread: one file is read, and the thread ends. */
const { format, text } = workerData as { readonly format: Format; readonly text: string }
parentPort?.postMessage(readUsers(format, text))
