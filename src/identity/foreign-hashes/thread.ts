import { parentPort } from 'node:worker_threads'
import type { Answer, Question } from './off-loop.js'
import { readForeignHash } from './read-foreign-hash.js'

/** What runs in the thread: a question comes, its hash is verified, an answer goes. */
parentPort?.on('message', async ({ id, hash, password }: Question) => {
  const answer: Answer = await judge(hash, password).then(
    (right) => ({ id, right }),
    // Only the kind of fault: the message of a library might repeat what it was given.
    (fault) => ({ id, right: false, failure: `A hash could not be verified: ${Object(fault).code ?? 'unknown'}` }),
  )
  parentPort?.postMessage(answer)
})

async function judge(hash: string, password: string): Promise<boolean> {
  // Functions of C stop at a zero byte; none of these passwords ever had one.
  if (password.includes('\0')) return false
  return (await readForeignHash(hash)?.verify(Buffer.from(password))) === true
}
