import { performance } from 'node:perf_hooks'

/** Between two beats. */
const everyMs = 100

/** A beat that comes later than this, through work of this process, is late: nothing of ours holds the loop 200 ms by itself. */
const lateMs = 500

/** Late beats in a row: one may be a single long task. */
const inARow = 2

/** Of one moment, in ms of clocks that are never set. */
export interface EventLoopMeasurements {
  readonly now: number
  /** Processor time of this process. */
  readonly used: number
}

/**
 * Whether this process has more to do than it can: turns of the event loop that take half a second. Only time it worked
 * itself counts: where others on the machine take the processor away, turning clients away would help nobody.
 */
export class EventLoopLag {
  readonly #measure: () => EventLoopMeasurements
  readonly #timer: NodeJS.Timeout
  readonly #onChange: (isBehind: boolean) => void
  #last: EventLoopMeasurements
  #late = 0

  /** @param onChange told when it falls behind, and when it has caught up */
  constructor(onChange: (isBehind: boolean) => void = () => {}, measure = measured) {
    this.#onChange = onChange
    this.#measure = measure
    this.#last = measure()
    this.#timer = setInterval(() => this.beat(), everyMs).unref()
  }

  get isBehind(): boolean {
    return this.#late >= inARow
  }

  beat(): void {
    const { now, used } = this.#measure()
    const late = Math.min(now - this.#last.now - everyMs, used - this.#last.used)
    const wasBehind = this.isBehind
    this.#last = { now, used }
    this.#late = late > lateMs ? this.#late + 1 : 0
    if (this.isBehind !== wasBehind) this.#onChange(this.isBehind)
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

function measured(): EventLoopMeasurements {
  const { user, system } = process.cpuUsage()
  return { now: performance.now(), used: (user + system) / 1000 }
}
