import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { hashSync, verifySync } from '@node-rs/argon2'
import { argon2Cost } from './argon2-cost.js'
import { readForeignHash } from './foreign-hashes/read-foreign-hash.js'
import type { Answer, Question } from './password-thread.js'

// Of Linux alone: elsewhere it would be the priority of the whole process. Low enough that what is proxied goes first, and
// high enough that people get in while a machine has more to proxy than it can.
if (process.platform === 'linux') {
  try {
    setPriority(0, 10)
  } catch {
    // Somewhere it is forbidden, and hashes take their turn like everything else.
  }
}

/** What runs in the thread: a question comes, its work is done, an answer goes. */
parentPort?.on('message', async (question: Question) => {
  const { id } = question
  const answer: Answer = await done(question).then(
    (found) => ({ id, found }),
    // Only the kind of fault: the message of a library might repeat what it was given.
    (fault) => ({ id, failure: `A hash could not be computed: ${Object(fault).code ?? 'unknown'}` }),
  )
  parentPort?.postMessage(answer)
})

async function done(question: Question): Promise<string | boolean> {
  const { password } = question
  if (question.kind === 'hash') return hashSync(password, argon2Cost)
  if (question.kind === 'argon2') return verifySync(question.hash, password)
  // Functions of C stop at a zero byte; none of these passwords ever had one.
  if (password.includes('\0')) return false
  return (await readForeignHash(question.hash)?.verify(Buffer.from(password))) === true
}
