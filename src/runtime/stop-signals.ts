/**
 * The first SIGTERM or SIGINT, heard from the moment this is made. A second one ends the process at once, and so does a
 * first one that nobody waits for yet: then nothing is open that would have to be closed.
 */
export class StopSignals {
  readonly #first: Promise<string>
  #isAwaited = false

  constructor() {
    this.#first = new Promise((resolve) => {
      let isHeard = false
      const hear = (signal: string) => {
        if (isHeard) process.exit(1)
        isHeard = true
        if (!this.#isAwaited) process.exit(0)
        resolve(signal)
      }
      process.on('SIGTERM', hear)
      process.on('SIGINT', hear)
    })
  }

  /** From now on it is for the caller to end what it opens. */
  first(): Promise<string> {
    this.#isAwaited = true
    return this.#first
  }
}
