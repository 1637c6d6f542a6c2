import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { hashSync, verifySync } from '@node-rs/argon2'
import { argon2Cost } from './argon2-cost.js'
import { readForeignHash } from './foreign-hashes/read-foreign-hash.js'
import { spendWork } from './foreign-hashes/spend-work.js'
import type { PasswordThreadAnswer, PasswordThreadQuestion, Typed } from './password-thread.js'
import { type HashWork, workOf } from './password-work.js'

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
parentPort?.on('message', async (question: PasswordThreadQuestion) => {
  const { id } = question
  const answer: PasswordThreadAnswer = await done(question).then(
    (found) => ({ id, found }),
    // Only the kind of fault: the message of a library might repeat what it was given.
    (fault) => ({ id, failure: `A hash could not be computed: ${Object(fault).code ?? 'unknown'}` }),
  )
  parentPort?.postMessage(answer)
})

async function done(question: PasswordThreadQuestion): Promise<string | boolean> {
  if (question.kind === 'hash') return hashSync(question.password, argon2Cost)
  let isRight = false
  for (const [at, work] of question.work.entries()) {
    const found = await judged(work, question.typed)
    if (at === 0) isRight = found
  }
  return isRight
}

/** A hash that cannot be computed fits no password, and must not be told by its time from one that can. */
async function judged(work: HashWork, typed: Typed): Promise<boolean> {
  // Functions of C stop at a zero byte; none of these passwords ever had one.
  const foreign = Buffer.from(typed.foreign.replaceAll('\0', '\u0001'))
  if (work.kind === 'spend') {
    await spendWork(work, foreign)
    return false
  }
  if (work.kind === 'argon2') {
    try {
      return verifySync(work.hash, typed.own)
    } catch {
      for (const other of workOf(undefined)) await judged(other, typed)
      return false
    }
  }
  const isRight = await readForeignHash(work.hash)?.verify(foreign)
  return isRight === true && !typed.foreign.includes('\0')
}
