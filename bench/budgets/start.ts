import { setTimeout as pause } from 'node:timers/promises'
import { type Measurement, on } from '../measurement.js'
import { gateWithSession } from '../sides/gateway.js'
import type { Budget } from './budget.js'

const starts = 3
const idleMs = 2000

/** From the start of the process until `/readyz` says yes; and what is resident two seconds later, before any request. */
const start: Measurement = {
  name: 'start',
  run: async (ground) => {
    let readyMs = Number.POSITIVE_INFINITY
    let idleMiB = 0
    // What was to be seeded is, before the time is taken.
    await ground.store('thousand')
    // The shortest: whatever else the machine does can only make a start longer.
    for (let at = 1; at <= starts; at += 1) {
      const since = performance.now()
      await on(ground, gateWithSession, async ({ program }) => {
        readyMs = Math.min(readyMs, performance.now() - since)
        if (at < starts) return
        await pause(idleMs)
        idleMiB = program.memoryMiB()
      })
    }
    return { 'ready ms': readyMs, 'idle MiB': idleMiB }
  },
}

export const beginning: readonly Budget[] = [
  {
    name: 'process start to ready',
    of: { measurement: start, key: 'ready ms' },
    unit: 'ms',
    limit: { most: 500 },
    stretch: 250,
  },
  {
    name: 'idle memory, one worker',
    of: { measurement: start, key: 'idle MiB' },
    unit: 'MiB',
    limit: { most: 90 },
    stretch: 70,
  },
]
