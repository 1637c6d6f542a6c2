/** Calls `stop` on the first SIGTERM or SIGINT; a second one ends the process at once. Resolves when `stop` has. */
export function untilStopped(stop: (signal: string) => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    let stopping = false
    const onSignal = (signal: string) => {
      if (stopping) process.exit(1)
      stopping = true
      stop(signal).then(resolve, reject)
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })
}
