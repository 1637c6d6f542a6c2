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

/** Waits until a number that grew has stayed the same for thirty looks in a row, and gives it back. */
export async function untilStill(what: string, count: () => number): Promise<number> {
  let last = 0
  let looks = 0
  return until(what, () => {
    const now = count()
    looks = now === last ? looks + 1 : 0
    last = now
    return now > 0 && looks >= 30 ? now : undefined
  })
}
