import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { until } from './poll.js'

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** A process of the test's own, with everything it wrote. */
export interface Child {
  readonly pid: number
  /** Standard output and error so far, as they came. */
  output(): string
  /** Status or signal name once it has ended. */
  ended(): string | undefined
  /** Sends the signal and waits for the end; after the deadline it is killed. The end is as in {@link ended}. */
  end(signal: NodeJS.Signals, deadlineMs?: number): Promise<string>
}

/** Starts a process that does not outlive this one. */
export function startChild(command: string, args: readonly string[], options: SpawnOptions = {}): Child {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let end: string | undefined
  running.add(child)
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  child.once('error', (fault) => {
    end = fault.message
  })
  child.once('exit', (code, signal) => {
    end = signal ?? String(code)
    running.delete(child)
  })
  return {
    // No number where it could not be started: a signal to -1 goes to every process there is.
    pid: child.pid ?? Number.NaN,
    output: () => output,
    ended: () => end,
    async end(signal, deadlineMs = 10_000) {
      if (end !== undefined) return end
      const gone = once(child, 'exit')
      const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs)
      child.kill(signal)
      await gone
      clearTimeout(timer)
      return end ?? 'gone'
    },
  }
}

/**
 * Stops a process without closing anything, as a machine that hangs; `SIGCONT` lets it run again. The signal alone only asks
 * for it: a thread that runs goes on until the kernel looks at it.
 */
export async function freeze(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP')
  if (!existsSync('/proc/self/task')) return
  const isStopped = (thread: string) => /\) T /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1'))
  await until('every thread to stand still', () => readdirSync(`/proc/${pid}/task`).every(isStopped))
}
