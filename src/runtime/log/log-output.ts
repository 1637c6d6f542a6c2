import { fstatSync } from 'node:fs'

/** Where the log goes. */
export interface LogOutput {
  write(line: string): void
}

/** What of a stream is needed here; `process.stdout` is one. */
interface Pipe {
  readonly writableLength: number
  write(text: string): boolean
  on(event: 'error', listener: () => void): unknown
}

/** Lines that wait for whoever reads them; those beyond are lost. */
const keptBytes = 1024 * 1024

/**
 * Standard output as a log has to use it: a reader that hangs must not hang the gateway. Written to as a file, a pipe that
 * is full stops the process until somebody reads; as a stream it does not, and what waits is bounded here.
 * @returns `undefined` where it is no pipe: files and terminals take what comes
 */
export function pipedOutput(): LogOutput | undefined {
  try {
    const kind = fstatSync(1)
    if (!kind.isFIFO() && !kind.isSocket()) return undefined
  } catch {
    // Closed by whoever started it.
    return undefined
  }
  return bounded(process.stdout)
}

/** @param atMost bytes that may wait */
export function bounded(pipe: Pipe, atMost = keptBytes): LogOutput {
  let lost = 0
  // Whoever read is gone: nobody is there to tell.
  pipe.on('error', () => {})
  return {
    write: (line) => {
      if (pipe.writableLength > atMost) {
        lost += 1
        return
      }
      if (lost > 0) {
        pipe.write(
          `${JSON.stringify({ level: 'warn', time: now(), lost, msg: 'lines of this log were lost: nobody read it' })}\n`,
        )
        lost = 0
      }
      pipe.write(line)
    },
  }
}

function now(): string {
  return new Date().toISOString()
}
