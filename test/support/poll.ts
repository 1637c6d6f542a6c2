import { setTimeout as pause } from 'node:timers/promises'

/**
 * Asks again and again until the answer is neither `undefined` nor `false`, and gives it back.
 * @throws after the deadline, naming what was waited for
 */
export async function until<Value>(
  what: string,
  ask: () => Value | Promise<Value>,
  deadlineMs = 30_000,
): Promise<Exclude<Value, undefined | false>> {
  const deadline = performance.now() + deadlineMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer as Exclude<Value, undefined | false>
    if (performance.now() > deadline) throw new Error(`waited ${deadlineMs} ms in vain for ${what}`)
    await pause(10)
  }
}
